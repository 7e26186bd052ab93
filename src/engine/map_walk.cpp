#include "engine/map_walk.hpp"

#include <algorithm>

namespace snapvault::engine {
namespace {

base::Task<Result<void>> count_below(store::MapReader& map, store::RefsBook& book,
                                     std::uint32_t level, std::uint64_t index) {
  auto reading = map.inner(level, index);
  auto inner = co_await std::move(reading);
  if (!inner) co_return std::move(inner).error();
  for (std::uint32_t i = 0; i < format::kFanout; ++i) {
    if ((*inner)->children[i].state != format::ChildState::node) continue;
    const auto child = index * format::kFanout + i;
    SV_CO_TRY(const auto entry, map.entry(level - 1, child));
    if (!entry.inlined) book.add(entry.pack, 1);
    if (level > 1) SV_CO_CHECK(count_below(map, book, level - 1, child));
  }
  co_return Result<void>();
}

}  // namespace

base::Task<BrokenNode> locate_broken(store::MapReader& map, std::uint64_t at) {
  BrokenNode broken;
  broken.entry.inlined = true;
  broken.count = map.leaves();
  for (auto level = map.height() - 1; level-- > 0;) {
    const auto index = at / store::leaves_under(level);
    auto asking = map.entry(level, index);
    auto entry = co_await std::move(asking);
    if (!entry) co_return broken;
    broken.entry = *entry;
    broken.first = index * store::leaves_under(level);
    broken.count = std::min(store::leaves_under(level), map.leaves() - broken.first);
    if (level == 0) co_return broken;
    auto reading = map.inner(level, index);
    const auto inner = co_await std::move(reading);
    if (!inner) co_return broken;
  }
  co_return broken;
}

base::Task<Result<void>> count_nodes(store::MapReader& map, store::RefsBook& book) {
  if (map.height() == 1) co_return Result<void>();
  auto counting = count_below(map, book, map.height() - 1, 0);
  auto counted = co_await std::move(counting);
  co_return counted;
}

base::Task<Result<std::uint64_t>> held_bytes(store::MapReader& map, std::uint64_t block_size,
                                             std::uint64_t begin, std::uint64_t end) {
  std::uint64_t out = 0;
  const auto leaf_bytes = format::kFanout * block_size;
  for (auto leaf = begin / leaf_bytes; leaf * leaf_bytes < end;) {
    SV_CO_TRY(const auto item, map.at(leaf));
    leaf = item.first + item.count;
    if (item.kind != store::MapReader::Item::Kind::leaf) continue;
    for (std::uint64_t i = 0; i < format::kFanout; ++i) {
      const auto state = item.leaf->blocks[i].state;
      const auto offset = item.first * leaf_bytes + i * block_size;
      const bool held = state == format::BlockState::data || state == format::BlockState::bad;
      if (held && offset < end) out += std::min(block_size, end - offset);
    }
  }
  co_return out;
}

}  // namespace snapvault::engine
