#include "wire/digest.hpp"

#include <doctest/doctest.h>

#include "wire/encode.hpp"

TEST_SUITE_BEGIN("wire/digest");

namespace snapvault::wire {
namespace {

PutBody body_of(std::initializer_list<std::string_view> parts) {
  std::vector<PutBody::Part> out;
  for (const auto part : parts) {
    const auto bytes = base::as_bytes(part);
    out.push_back(std::make_shared<const base::Bytes>(bytes.begin(), bytes.end()));
  }
  return PutBody(std::move(out), 0);
}
std::string text_of(const PutBody& body) {
  std::string out;
  for (const auto& part : body.parts()) out += base::as_text(*part);
  return out;
}

}  // namespace

TEST_CASE("digests in the forms that stores want, over all parts of a body") {
  const auto body = body_of({"1234", "", "56789"});
  CHECK(md5_hex(body) == "25f9e794323b453885f5181f1b624d0b");
  CHECK(md5_base64(body) == "JfnnlDI7RTiF9RgfG2JNCw==");
  CHECK(sha256_hex(body) == "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225");
  CHECK(sha256_hex("123456789") == sha256_hex(body));
  CHECK(sha256_base64(body) == "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=");
  CHECK(sha1_hex("abc") == "a9993e364706816aba3e25717850c26c9cd0d89d");
  // Cloud Storage, "Hashes and ETags": base64 of the big-endian value; the check value E3069283.
  CHECK(crc32c_base64(body) == "4waSgw==");
  CHECK(crc32c_base64(base::as_bytes("123456789")) == "4waSgw==");
  // The check value AE8B14860A799888 of CRC-64/NVME.
  const auto bytes = base::as_bytes("123456789");
  CHECK(crc64_base64(PutBody(base::Bytes(bytes.begin(), bytes.end()))) == "rosUhgp5mIg=");
}

TEST_CASE("HMAC-SHA256: RFC 4231, test case 2") {
  CHECK(base::hex(hmac_sha256(base::as_bytes("Jefe"), "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST_CASE("a body is cut into pieces of one size, the last one shorter, whatever its parts") {
  const auto body = body_of({"abc", "defgh", "", "i", "jklmnop"});
  for (std::uint64_t size = 1; size <= 20; ++size) {
    CAPTURE(size);
    std::string whole;
    const auto pieces = split(body, size);
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      CHECK((i + 1 == pieces.size() ? pieces[i].size() <= size : pieces[i].size() == size));
      CHECK(pieces[i].size() > 0);
      whole += text_of(pieces[i]);
    }
    CHECK(whole == "abcdefghijklmnop");
  }
}

TEST_CASE("a slice has the bytes and the sum of its range, and shares whole parts") {
  const std::string text = "abcdefghijklmnop";
  const auto body = body_of({"abc", "defgh", "", "i", "jklmnop"});
  for (std::uint64_t offset = 0; offset < text.size(); ++offset) {
    for (std::uint64_t size = 1; size <= text.size() - offset; ++size) {
      CAPTURE(offset);
      CAPTURE(size);
      const auto piece = slice(body, offset, size);
      const auto wanted = text.substr(offset, size);
      CHECK(text_of(piece) == wanted);
      const auto bytes = base::as_bytes(wanted);
      CHECK(piece.crc64_nvme() == PutBody(base::Bytes(bytes.begin(), bytes.end())).crc64_nvme());
    }
  }
  const auto two = slice(body, 3, 6);
  REQUIRE(two.parts().size() == 2);
  CHECK(two.parts()[0] == body.parts()[1]);
  CHECK(slice(body, 4, 5).parts().size() == 1);
}

}  // namespace snapvault::wire

TEST_SUITE_END();
