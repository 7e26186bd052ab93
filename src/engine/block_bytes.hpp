// Blocks inside their plain frame, found and checked.
#pragma once

#include "base/bytes.hpp"
#include "codec/fingerprint.hpp"
#include "format/keys.hpp"

namespace snapvault::engine {

// What a map says of a block with data, and how long the block is.
struct BlockCheck {
  format::BlockId id;
  codec::Fingerprint fingerprint;
  std::uint64_t length = 0;
  std::uint32_t block_size = 0;  // of the map
  std::uint8_t slot = 0;
};

// The bytes of the block; empty if `frame` does not hold them. A frame may come from a map of
// another block size if one of the two blocks is the short last one of its volume; the fingerprint
// tells.
base::ByteView find_block(base::ByteView frame, const BlockCheck& block,
                          codec::FingerprintSecret secret) noexcept;

}  // namespace snapvault::engine
