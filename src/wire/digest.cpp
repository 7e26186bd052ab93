#include "wire/digest.hpp"

#include <algorithm>

#include "codec/crc64.hpp"
#include "codec/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

std::vector<base::ByteView> views_of(const PutBody& body) {
  std::vector<base::ByteView> out;
  for (const auto& part : body.parts()) out.emplace_back(*part);
  return out;
}

template <class T>
std::string big_endian_base64(T value) {
  std::array<std::byte, sizeof(T)> bytes;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    bytes[i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
  }
  return base64(bytes);
}

}  // namespace

std::string sha256_hex(const PutBody& body) { return base::hex(codec::sha256(views_of(body))); }
std::string sha256_hex(std::string_view text) {
  return base::hex(codec::sha256(base::as_bytes(text)));
}
std::string sha1_hex(std::string_view text) { return base::hex(codec::sha1(base::as_bytes(text))); }
std::string sha256_base64(const PutBody& body) { return base64(codec::sha256(views_of(body))); }
std::string md5_hex(const PutBody& body) { return base::hex(codec::md5(views_of(body))); }
std::string md5_base64(const PutBody& body) { return base64(codec::md5(views_of(body))); }

std::string crc32c_base64(const PutBody& body) {
  std::uint32_t crc = 0;
  for (const auto& part : body.parts()) crc = codec::crc32c(*part, crc);
  return big_endian_base64(crc);
}
std::string crc32c_base64(base::ByteView bytes) { return big_endian_base64(codec::crc32c(bytes)); }
std::string crc64_base64(const PutBody& body) { return big_endian_base64(body.crc64_nvme()); }

base::Bytes hmac_sha256(base::ByteView key, std::string_view text) {
  const auto digest = codec::hmac(key, base::as_bytes(text));
  return {digest.begin(), digest.end()};
}

PutBody slice(const PutBody& body, std::uint64_t offset, std::uint64_t size) {
  std::vector<PutBody::Part> shared;
  std::vector<base::ByteView> pieces;
  bool whole = true;
  std::uint64_t at = 0;
  for (const auto& part : body.parts()) {
    const auto from = std::max(at, offset), to = std::min(at + part->size(), offset + size);
    if (from < to) {
      pieces.push_back(base::ByteView(*part).subspan(from - at, to - from));
      shared.push_back(part);
      whole = whole && pieces.back().size() == part->size();
    }
    at += part->size();
  }
  std::uint64_t crc = 0;
  for (const auto piece : pieces) crc = codec::crc64(piece, crc);
  if (whole) return PutBody(std::move(shared), crc);
  auto copy = std::make_shared<base::Bytes>();
  copy->reserve(size);
  for (const auto piece : pieces) copy->insert(copy->end(), piece.begin(), piece.end());
  return PutBody(std::vector<PutBody::Part>{std::move(copy)}, crc);
}

std::vector<PutBody> split(const PutBody& body, std::uint64_t size) {
  std::vector<PutBody> out;
  for (std::uint64_t at = 0; at < body.size(); at += size) {
    out.push_back(slice(body, at, std::min(size, body.size() - at)));
  }
  return out;
}

}  // namespace snapvault::wire
