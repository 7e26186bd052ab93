#include "engine/rescue.hpp"

#include "base/try.hpp"

namespace snapvault::engine {

Rescue::Rescue(provider::Client& client, const store::Repository& repository,
               store::PackReader& reader, std::uint64_t memory_bytes_max)
    : repository_(repository),
      reader_(reader),
      copies_(client, repository, reader, memory_bytes_max / 2),
      frames_(client.env().loop(), memory_bytes_max / 2, frame_weight) {}

base::Task<Result<FrameCache::Pointer>> Rescue::load(FrameKey key) {
  const store::FrameRequest frame{key.start16, key.stored};
  auto reading = reader_.read(key.pack, frame);
  auto plain = co_await std::move(reading);
  co_return plain;
}

base::Task<Result<std::optional<base::Bytes>>> Rescue::read(BlockCheck block, FrameKey broken) {
  const auto loading = [this](FrameKey key) { return load(key); };
  for (int tried = 0; tried < store::kCopiesTried; ++tried) {
    const store::FramePlace place{broken.pack, 0, broken.start16, broken.stored};
    auto finding = copies_.find(block.id, place);
    auto copy = co_await std::move(finding);
    if (!copy && copy.error().code() != Errc::data_loss) co_return std::move(copy).error();
    if (!copy || !*copy) co_return std::optional<base::Bytes>();
    const auto& found = **copy;
    broken = {found.frame.pack, found.frame.start16, found.frame.stored};
    block.slot = found.slot;
    auto fetching = frames_.get(broken, loading);
    auto frame = co_await std::move(fetching);
    if (!frame && frame.error().code() != Errc::data_loss) co_return std::move(frame).error();
    if (!frame) continue;
    const auto bytes = find_block(**frame, block, repository_.keys.fingerprint_secret());
    if (!bytes.empty()) co_return base::Bytes(bytes.begin(), bytes.end());
  }
  co_return std::optional<base::Bytes>();
}

}  // namespace snapvault::engine
