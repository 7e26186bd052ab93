// Rescue: blocks whose place in the map no longer answers, from another copy that healing stored.
#pragma once

#include <memory>
#include <optional>

#include "engine/block_bytes.hpp"
#include "store/copies.hpp"
#include "store/loading_cache.hpp"

namespace snapvault::engine {

// A frame by place.
struct FrameKey {
  format::PackId pack;
  std::uint32_t start16 = 0;
  std::uint32_t stored = 0;
  bool operator==(const FrameKey&) const = default;
};
struct FrameKeyHash {
  std::size_t operator()(const FrameKey& key) const noexcept {
    return format::PackIdHash{}(key.pack) * 31 + key.start16;
  }
};
using FrameCache = store::LoadingCache<FrameKey, base::Bytes, FrameKeyHash>;
inline std::uint64_t frame_weight(const base::Bytes& frame) { return frame.size() + 256; }

// Loop only. Reads nothing before it is asked.
class Rescue {
 public:
  Rescue(provider::Client& client, const store::Repository& repository, store::PackReader& reader,
         std::uint64_t memory_bytes_max);

  // The block, checked, from anywhere but `broken`; nothing if no sound copy is known. Errors:
  // those of the store, but no data_loss.
  base::Task<Result<std::optional<base::Bytes>>> read(BlockCheck block, FrameKey broken);

 private:
  base::Task<Result<FrameCache::Pointer>> load(FrameKey key);

  const store::Repository& repository_;
  store::PackReader& reader_;
  store::Copies copies_;
  FrameCache frames_;
};

}  // namespace snapvault::engine
