// XXH3-128 keyed by a 192-byte secret: tells at memory speed whether a block is the one we know.
// Not cryptographic: ids (HMAC-SHA-256) decide what is stored, tags (AES-GCM) what is authentic.
//
// Source: xxHash specification, XXH3_128bits_withSecret (Debian's libxxhash 0.8).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.hpp"

namespace snapvault::codec {

struct Fingerprint {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Fingerprint&) const = default;
};

using FingerprintSecret = std::span<const std::byte, 192>;
Fingerprint fingerprint(FingerprintSecret secret, base::ByteView block) noexcept;

}  // namespace snapvault::codec
