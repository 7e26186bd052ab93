// Digests of what is sent, in the forms that stores want.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"

namespace snapvault::wire {

std::string sha256_hex(const PutBody& body);
std::string sha256_hex(std::string_view text);
std::string sha1_hex(std::string_view text);  // names files of others; protects nothing
std::string sha256_base64(const PutBody& body);
std::string md5_hex(const PutBody& body);
std::string md5_base64(const PutBody& body);
std::string crc32c_base64(const PutBody& body);  // big-endian, as S3 and Google write it
std::string crc32c_base64(base::ByteView bytes);
std::string crc64_base64(const PutBody& body);  // CRC-64/NVME, big-endian, as S3 writes it
// Raw bytes, as text that is not printable.
base::Bytes hmac_sha256(base::ByteView key, std::string_view text);

// The bytes [offset, offset + size) of `body`, which has so many. They are shared where they are
// whole parts of it, and copied where not.
PutBody slice(const PutBody& body, std::uint64_t offset, std::uint64_t size);
// `body` cut into slices of `size` bytes, the last one shorter.
std::vector<PutBody> split(const PutBody& body, std::uint64_t size);

}  // namespace snapvault::wire
