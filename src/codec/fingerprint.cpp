#include "codec/fingerprint.hpp"

#include <xxhash.h>

// xxHash's shared library for x86 also holds this function, which picks the widest vector
// instructions of the processor. Weak: other processors' libraries and static ones lack it.
extern "C" __attribute__((weak)) XXH128_hash_t XXH3_128bits_withSecret_dispatch(
    const void* input, std::size_t size, const void* secret, std::size_t secret_size);

namespace snapvault::codec {

Fingerprint fingerprint(FingerprintSecret secret, base::ByteView block) noexcept {
  auto* const hash = XXH3_128bits_withSecret_dispatch != nullptr ? &XXH3_128bits_withSecret_dispatch
                                                                 : &XXH3_128bits_withSecret;
  const auto value = hash(block.data(), block.size(), secret.data(), secret.size());
  return {value.low64, value.high64};
}

}  // namespace snapvault::codec
