#include "engine/block_bytes.hpp"

namespace snapvault::engine {

base::ByteView find_block(base::ByteView frame, const BlockCheck& block,
                          codec::FingerprintSecret secret) noexcept {
  if (block.length == 0 || block.length > frame.size()) return {};
  const auto last = frame.size() - block.length;
  const std::uint64_t places[] = {
      std::uint64_t{block.slot} * block.block_size,
      last,                                      // the short block of the frame's own volume
      std::uint64_t{block.slot} * block.length,  // ours is the short one
  };
  for (std::size_t i = 0; i < std::size(places); ++i) {
    if (places[i] > last || (i > 0 && places[i] == places[i - 1])) continue;
    const auto bytes = frame.subspan(places[i], block.length);
    if (codec::fingerprint(secret, bytes) == block.fingerprint) return bytes;
  }
  return {};
}

}  // namespace snapvault::engine
