// Digests and signatures that stores ask for; none of them protects a repository.
// Sources: SHA-256 FIPS 180-4, MD5 RFC 1321, CRC-32C RFC 3720 appendix B.4, RSASSA-PKCS1-v1_5 RFC
// 8017.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"
#include "codec/crypto.hpp"

namespace snapvault::codec {

using Parts = std::span<const base::ByteView>;

// Of the concatenation. Throws std::bad_alloc.
Digest sha256(Parts parts);
Digest sha256(base::ByteView bytes);
std::array<std::byte, 16> md5(Parts parts);
std::array<std::byte, 16> md5(base::ByteView bytes);
std::array<std::byte, 20> sha1(base::ByteView bytes);
// Of `bytes` appended to what gave `before` (0 to start). By the SSE 4.2 instruction where there is
// one.
std::uint32_t crc32c(base::ByteView bytes, std::uint32_t before = 0) noexcept;

// An RS256 signature of `message` by a private key in PEM (PKCS #1 or #8, not encrypted). Errors:
// invalid_argument (bad_credential: no RSA key, or one below 2,048 bits).
Result<base::Bytes> sign_rs256(std::string_view private_key_pem, base::ByteView message);
// SHA-1 of the first certificate (DER) of a PEM text, as the "x5t" of a JWT. Errors: as above.
Result<std::array<std::byte, 20>> certificate_thumbprint(std::string_view pem);

}  // namespace snapvault::codec
