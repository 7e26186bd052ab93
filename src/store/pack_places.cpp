#include "store/pack_places.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/try.hpp"

namespace snapvault::store {

PackPlaces::PackPlaces(PackReader& reader, const Repository& repository, base::Executor& loop,
                       std::uint64_t memory_bytes_max)
    : reader_(reader), repository_(repository), cache_(loop, memory_bytes_max, weigh) {}

std::uint64_t PackPlaces::weigh(const Loaded& loaded) noexcept {
  return sizeof loaded + loaded.directory.frames.size() * sizeof(format::FrameEntry) +
         loaded.directory.prefixes.size() * (sizeof(format::BlockPrefix) + sizeof(std::uint32_t));
}

bool PackPlaces::usable(const format::PackId& pack, std::uint32_t start16) const noexcept {
  for (const auto* excluded : {&repository_.log.damaged, &repository_.log.condemned}) {
    if (excluded->empty()) continue;
    if (excluded->contains(pack) || excluded->contains(pack, start16)) return false;
  }
  return true;
}

base::Task<Result<PackPlaces::Cache::Pointer>> PackPlaces::load(const format::IndexPack& pack) {
  auto reading = reader_.directory(pack.id, false, &pack);
  SV_CO_TRY(auto read, std::move(reading));
  auto loaded = std::make_shared<Loaded>();
  loaded->id = pack.id;
  loaded->directory = std::move(read.directory);
  const auto& prefixes = loaded->directory.prefixes;
  loaded->by_prefix.resize(prefixes.size());
  std::iota(loaded->by_prefix.begin(), loaded->by_prefix.end(), 0u);
  std::sort(loaded->by_prefix.begin(), loaded->by_prefix.end(),
            [&](std::uint32_t a, std::uint32_t b) { return prefixes[a] < prefixes[b]; });
  co_return Cache::Pointer(std::move(loaded));
}

base::Task<Result<std::optional<BlockPlace>>> PackPlaces::at(const format::IndexPack& pack,
                                                             std::uint32_t frame, std::uint8_t slot,
                                                             format::BlockPrefix prefix) {
  const std::optional<BlockPlace> nowhere;
  if (unreadable_.contains(pack.id)) co_return nowhere;
  const auto loading = [&](const format::PackId&) { return load(pack); };
  auto task = cache_.get(pack.id, loading);
  auto loaded = co_await std::move(task);
  if (!loaded) {
    if (loaded.error().code() != Errc::data_loss) co_return std::move(loaded).error();
    unreadable_.insert(pack.id);
    co_return nowhere;
  }
  use(*loaded);
  const auto& directory = (*loaded)->directory;
  if (frame >= directory.frames.size()) co_return nowhere;
  const auto& entry = directory.frames[frame];
  if (slot >= entry.blocks || directory.prefixes[entry.first + slot] != prefix) co_return nowhere;
  co_return place(**loaded, frame, slot);
}

std::optional<BlockPlace> PackPlaces::recent(const format::BlockPrefix& prefix) const {
  for (const auto& loaded : recent_) {
    if (!loaded) continue;
    const auto& prefixes = loaded->directory.prefixes;
    const auto found = std::lower_bound(loaded->by_prefix.begin(), loaded->by_prefix.end(), prefix,
                                        [&](std::uint32_t index, const format::BlockPrefix& want) {
                                          return prefixes[index] < want;
                                        });
    if (found == loaded->by_prefix.end() || prefixes[*found] != prefix) continue;
    const auto& frames = loaded->directory.frames;
    const auto behind = std::upper_bound(
        frames.begin(), frames.end(), *found,
        [](std::uint32_t index, const format::FrameEntry& entry) { return index < entry.first; });
    const auto frame = static_cast<std::uint32_t>(behind - frames.begin()) - 1;
    if (auto out = place(*loaded, frame, *found - frames[frame].first)) return out;
  }
  return std::nullopt;
}

std::optional<BlockPlace> PackPlaces::place(const Loaded& loaded, std::uint32_t frame,
                                            std::uint32_t slot) const {
  const auto& entry = loaded.directory.frames[frame];
  if (!usable(loaded.id, entry.start16)) return std::nullopt;
  BlockPlace out;
  out.frame = {loaded.id, frame, entry.start16, entry.stored};
  out.slot = static_cast<std::uint8_t>(slot);
  return out;
}

void PackPlaces::use(const Cache::Pointer& loaded) noexcept {
  if (std::find(recent_.begin(), recent_.end(), loaded) != recent_.end()) return;
  recent_[oldest_] = loaded;
  oldest_ = (oldest_ + 1) % recent_.size();
}

}  // namespace snapvault::store
