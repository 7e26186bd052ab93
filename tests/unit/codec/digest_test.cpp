#include "codec/digest.hpp"

#include <doctest/doctest.h>

#include <string>

#include <openssl/err.h>

#include "unit/codec/samples.hpp"
#include "unit/keys.hpp"

namespace snapvault::codec {
namespace {

std::string hex_of(auto digest) { return base::hex(digest); }

// The definition, bit by bit.
std::uint32_t crc_by_definition(base::ByteView bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const auto byte : bytes) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

TEST_SUITE("codec/digest") {
  TEST_CASE("known answers: FIPS 180-4, RFC 1321, RFC 3174") {
    const auto abc = base::as_bytes("abc"), none = base::as_bytes("");
    CHECK(hex_of(sha256(abc)) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex_of(sha256(none)) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(hex_of(md5(abc)) == "900150983cd24fb0d6963f7d28e17f72");
    CHECK(hex_of(md5(none)) == "d41d8cd98f00b204e9800998ecf8427e");
    CHECK(hex_of(sha1(abc)) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(hex_of(sha1(none)) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  }

  TEST_CASE("a digest of parts is that of the whole") {
    const auto whole = random_bytes(10'000, 1);
    const base::ByteView all = whole;
    const base::ByteView parts[] = {all.subspan(0, 1), all.subspan(1, 0), all.subspan(1, 4096),
                                    all.subspan(4097)};
    CHECK(sha256(Parts(parts)) == sha256(all));
    CHECK(md5(Parts(parts)) == md5(all));
  }

  TEST_CASE("CRC-32C: the examples of RFC 3720 B.4, and its definition at every length") {
    CHECK(crc32c(base::as_bytes("123456789")) == 0xE3069283u);
    CHECK(crc32c(repeat(0x00, 32)) == 0x8A9136AAu);
    CHECK(crc32c(repeat(0xFF, 32)) == 0x62A8AB43u);
    CHECK(crc32c(rising(0, 32)) == 0x46DD794Eu);
    CHECK(crc32c({}) == 0);
    const auto bytes = random_bytes(100, 2);
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const auto view = base::ByteView(bytes).first(size);
      CHECK(crc32c(view) == crc_by_definition(view));
      CHECK(crc32c(base::ByteView(bytes).subspan(size), crc32c(view)) == crc32c(bytes));
    }
  }

  TEST_CASE("RS256: the example of RFC 7515 appendix A.2") {
    const auto message = base::as_bytes(
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ");
    const auto signature = sign_rs256(kRfc7515Key, message);
    REQUIRE(signature);
    CHECK(signature->size() == 256);
    CHECK(base::hex(*signature).starts_with("702e218943e88fd11eb5d82dbf7845f34106ae1b81fff773"));
    CHECK(base::hex(*signature).ends_with("543d019eefb47"));
  }

  TEST_CASE("keys that cannot sign are refused, and OpenSSL's queue stays as it was") {
    const auto sign = [](std::string_view pem) { return sign_rs256(pem, base::as_bytes("x")); };
    const std::string_view key = kRfc7515Key;
    const std::string locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    const std::string long_one(65 << 10, 'x');
    ERR_clear_error();
    for (const auto& pem :
         {std::string(), std::string("no key"), std::string(key.substr(0, key.size() / 2)), locked,
          long_one, std::string(kCurveKey), std::string(kShortRsaKey), std::string(kCertificate)}) {
      const auto signature = sign(pem);
      REQUIRE(!signature);
      CHECK(signature.error().code() == Errc::invalid_argument);
      CHECK(signature.error().reason() == std::string_view("bad_credential"));
      CHECK(signature.error().message().find("MII") == std::string_view::npos);
    }
    CHECK(ERR_peek_error() == 0);
  }

  TEST_CASE("the thumbprint of a certificate is the SHA-1 of its DER") {
    const auto thumbprint = certificate_thumbprint(kCertificate);
    REQUIRE(thumbprint);
    CHECK(base::hex(*thumbprint) == kCertificateSha1);
    // A file often holds the key too, before it or behind.
    CHECK(*certificate_thumbprint(std::string(kCurveKey) + std::string(kCertificate)) ==
          *thumbprint);
    for (const auto& pem : {std::string(), std::string(kCurveKey), std::string(65 << 10, 'x'),
                            std::string(kCertificate.substr(0, 200))}) {
      const auto none = certificate_thumbprint(pem);
      REQUIRE(!none);
      CHECK(none.error().reason() == std::string_view("bad_credential"));
    }
  }
}

}  // namespace
}  // namespace snapvault::codec
