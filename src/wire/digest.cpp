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

std::vector<PutBody> split(const PutBody& body, std::uint64_t size) {
  std::vector<PutBody> out;
  auto piece = std::make_shared<base::Bytes>();
  const auto finish = [&] {
    if (piece->empty()) return;
    const auto crc = codec::crc64(*piece);
    out.emplace_back(std::vector<PutBody::Part>{std::move(piece)}, crc);
    piece = std::make_shared<base::Bytes>();
  };
  for (const auto& part : body.parts()) {
    base::ByteView rest(*part);
    if (piece->empty() && rest.size() == size) {
      out.emplace_back(std::vector<PutBody::Part>{part}, codec::crc64(*part));
      continue;
    }
    while (!rest.empty()) {
      if (piece->empty()) {
        piece->reserve(static_cast<std::size_t>(std::min<std::uint64_t>(size, body.size())));
      }
      const auto take = std::min<std::uint64_t>(rest.size(), size - piece->size());
      const auto taken = rest.first(static_cast<std::size_t>(take));
      piece->insert(piece->end(), taken.begin(), taken.end());
      rest = rest.subspan(taken.size());
      if (piece->size() == size) finish();
    }
  }
  finish();
  return out;
}

}  // namespace snapvault::wire
