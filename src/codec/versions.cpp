#include "codec/versions.hpp"

#include <openssl/crypto.h>
#include <xxhash.h>
#include <zstd.h>

namespace snapvault::codec {

std::string versions() {
  const auto xxhash = XXH_versionNumber();
  return std::string(OpenSSL_version(OPENSSL_FULL_VERSION_STRING)).insert(0, "OpenSSL ") +
         ", zstd " + ZSTD_versionString() + ", xxHash " + std::to_string(xxhash / 10000) + "." +
         std::to_string(xxhash / 100 % 100) + "." + std::to_string(xxhash % 100);
}

}  // namespace snapvault::codec
