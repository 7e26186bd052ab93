#include "codec/crypto.hpp"

#include <doctest/doctest.h>

#include <new>
#include <string>
#include <type_traits>

#include <openssl/err.h>

#include "unit/codec/samples.hpp"

namespace snapvault::codec {
namespace {

base::Bytes bytes_of(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}

struct HmacCase {
  base::Bytes key;
  base::Bytes message;
  std::string expected;
};

std::vector<HmacCase> rfc4231() {
  return {
      {repeat(0x0b, 20), bytes_of("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {bytes_of("Jefe"), bytes_of("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {repeat(0xaa, 20), repeat(0xdd, 50),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {rising(1, 25), repeat(0xcd, 50),
       "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {repeat(0x0c, 20), bytes_of("Test With Truncation"), "a3b6167473100ee06e0c796c2955552b"},
      {repeat(0xaa, 131), bytes_of("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {repeat(0xaa, 131),
       bytes_of("This is a test using a larger than block-size key and a larger than block-size "
                "data. The key needs to be hashed before being used by the HMAC algorithm."),
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
}

TEST_SUITE("codec/secret") {
  TEST_CASE("a moved or destroyed secret is wiped") {
    static_assert(!std::is_copy_constructible_v<Key> && !std::is_copy_assignable_v<Key>);
    const auto bytes = rising(1, 32);
    Key first{std::span<const std::byte, 32>(bytes)};
    Key second = std::move(first);
    CHECK(base::is_zero(first.view()));
    CHECK(std::equal(bytes.begin(), bytes.end(), second.view().begin()));
    first = std::move(second);
    CHECK(base::is_zero(second.view()));
    Key& self = first;
    first = std::move(self);
    CHECK(std::equal(bytes.begin(), bytes.end(), first.view().begin()));
    CHECK(std::equal(bytes.begin(), bytes.end(), first.clone().view().begin()));

    alignas(Key) std::array<std::byte, sizeof(Key)> storage{};
    auto* const key = new (storage.data()) Key(std::move(first));
    CHECK_FALSE(base::is_zero(key->view()));
    key->~Key();
    CHECK(base::is_zero(storage));
  }

  TEST_CASE("all sizes begin as zeros and can be written") {
    Secret<64> medium;
    Secret<192> large;
    CHECK(base::is_zero(medium.view()));
    large.mutable_view()[191] = std::byte{1};
    CHECK(large.clone().view()[191] == std::byte{1});
  }

  TEST_CASE("wipe clears, and comparison in constant time compares") {
    auto bytes = rising(1, 100);
    auto same = bytes;
    CHECK(equal_in_constant_time(bytes, same));
    CHECK_FALSE(equal_in_constant_time(bytes, base::ByteView(same).first(99)));
    same[99] ^= std::byte{0x80};
    CHECK_FALSE(equal_in_constant_time(bytes, same));
    CHECK(equal_in_constant_time({}, {}));
    wipe(bytes);
    CHECK(base::is_zero(bytes));
    wipe({});
  }
}

TEST_SUITE("codec/hmac") {
  TEST_CASE("known answers of RFC 4231, at once, in parts and again with the same object") {
    for (const auto& test : rfc4231()) {
      const auto& key = test.key;
      const auto& message = test.message;
      const auto& expected = test.expected;
      CAPTURE(expected);
      const auto cut = [&](const Digest& digest) {
        return base::hex(base::ByteView(digest).first(expected.size() / 2));
      };
      CHECK(cut(hmac(key, message)) == expected);
      Hmac object(key);
      CHECK(cut(object(message)) == expected);
      CHECK(object(base::as_bytes("something else")) != object(message));
      CHECK(cut(object(message)) == expected);
      const base::ByteView view(message);
      const base::ByteView parts[] = {view.first(1), {}, view.subspan(1, 5), view.subspan(6)};
      CHECK(cut(object(parts)) == expected);
    }
  }

  TEST_CASE("nothing can be hashed, under an empty key too") {
    const std::string expected = "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad";
    CHECK(base::hex(hmac({}, {})) == expected);
    Hmac object({});
    CHECK(base::hex(object(base::ByteView{})) == expected);
    CHECK(base::hex(object(std::span<const base::ByteView>{})) == expected);
  }

  TEST_CASE("objects move with their key") {
    Hmac first(repeat(1, 32));
    Hmac second(repeat(2, 32));
    const auto message = base::as_bytes("m");
    const auto expected = first(message);
    second = std::move(first);
    CHECK(second(message) == expected);
    Hmac third(std::move(second));
    CHECK(third(message) == expected);
  }
}

TEST_SUITE("codec/hkdf") {
  TEST_CASE("known answers of RFC 5869 for SHA-256") {
    struct Case {
      base::Bytes key, salt, info;
      std::string expected;
    };
    const Case cases[] = {
        {repeat(0x0b, 22), rising(0, 13), rising(0xf0, 10),
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
        {rising(0x00, 80), rising(0x60, 80), rising(0xb0, 80),
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c6"
         "5e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
        {repeat(0x0b, 22),
         {},
         {},
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
    };
    for (const auto& [key, salt, info, expected] : cases) {
      base::Bytes output(expected.size() / 2);
      hkdf(key, salt, info, output);
      CHECK(base::hex(output) == expected);
    }
  }

  TEST_CASE("gives 1 to 8,160 bytes, and info as long as an object's name") {
    const auto key = rising(0, 32);
    base::Bytes longest(8160);
    hkdf(key, {}, repeat('n', 1024), longest);
    base::Bytes shortest(1);
    hkdf(key, {}, repeat('n', 1024), shortest);
    CHECK(shortest[0] == longest[0]);
    base::Bytes too_long(8161);
    CHECK_THROWS_AS(hkdf(key, {}, {}, too_long), std::runtime_error);
    CHECK_THROWS_AS(hkdf(key, {}, {}, {}), std::runtime_error);
  }
}

TEST_SUITE("codec/scrypt") {
  // The first half of each answer: PBKDF2 at its end makes the halves apart from each other.
  void check_rfc7914(std::string_view passphrase, std::string_view salt, const ScryptCost& cost,
                     std::string_view expected) {
    const auto key = scrypt(base::as_bytes(passphrase), base::as_bytes(salt), cost);
    REQUIRE(key);
    CHECK(base::hex(key->view()) == expected);
  }

  TEST_CASE("known answers of RFC 7914") {
    check_rfc7914("", "", {16, 1, 1},
                  "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442");
    check_rfc7914("password", "NaCl", {1024, 8, 16},
                  "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162");
    check_rfc7914("pleaseletmein", "SodiumChloride", {16384, 8, 1},
                  "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2");
  }

  TEST_CASE("the known answer of RFC 7914 with 1 GiB of memory" * doctest::skip()) {
    check_rfc7914("pleaseletmein", "SodiumChloride", {1048576, 8, 1},
                  "2101cb9b6a511aaeaddbbe09cf70f881ec568d574a2ffd4dabe5ee9820adaa47");
  }

  TEST_CASE("costs out of range are refused before any work") {
    const ScryptCost costs[] = {
        {0, 8, 1},
        {1, 8, 1},
        {3, 8, 1},
        {65535, 8, 1},
        {1024, 0, 1},
        {1024, 8, 0},
        {1024, 1u << 12, 1u << 12},
        {65536, 1, 1},
        {1ull << 63, 8, 1},
        {1ull << 32, 2, 1},
        {1ull << 40, 1u << 20, 1},
        {2, 0xFFFFFFFF, 0xFFFFFFFF},
    };
    for (const auto& cost : costs) {
      CAPTURE(cost.n);
      CAPTURE(cost.r);
      CAPTURE(cost.p);
      const auto key = scrypt(base::as_bytes("p"), base::as_bytes("s"), cost);
      REQUIRE_FALSE(key);
      CHECK(key.error().code() == Errc::invalid_argument);
    }
    CHECK(scrypt(base::as_bytes("p"), base::as_bytes("s"), {32768, 1, 1}));
  }
}

struct GcmCase {
  std::string key, nonce, aad, plain, sealed;
};

// Test cases 13 to 16 of McGrew and Viega, "The Galois/Counter Mode of Operation".
std::vector<GcmCase> gcm_cases() {
  const std::string key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
  const std::string plain =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
  const std::string cipher =
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662";
  return {
      {std::string(64, '0'), std::string(24, '0'), "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
      {std::string(64, '0'), std::string(24, '0'), "", std::string(32, '0'),
       "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
      {key, "cafebabefacedbaddecaf888", "", plain + "1aafd255",
       cipher + "898015adb094dac5d93471bdec1a502270e3cc6c"},
      {key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2", plain,
       cipher + "76fc6ece0f4e1768cddf8853bb2d551b"},
  };
}

TEST_SUITE("codec/aead") {
  TEST_CASE("known answers of AES-256-GCM, apart and in place") {
    for (const auto& test : gcm_cases()) {
      CAPTURE(test.sealed);
      Aead aead(array_from_hex<32>(test.key));
      const auto nonce = array_from_hex<12>(test.nonce);
      const auto aad = from_hex(test.aad);
      const auto plain = from_hex(test.plain);
      const auto sealed = from_hex(test.sealed);

      base::Bytes out(plain.size() + Aead::kTag);
      aead.seal(nonce, aad, plain, out);
      CHECK(base::hex(out) == test.sealed);
      base::Bytes back(plain.size());
      REQUIRE(aead.open(nonce, aad, sealed, back));
      CHECK(back == plain);

      auto in_place = plain;
      in_place.resize(plain.size() + Aead::kTag);
      const base::MutableBytes view(in_place);
      aead.seal(nonce, aad, view.first(plain.size()), view);
      CHECK(base::hex(in_place) == test.sealed);
      REQUIRE(aead.open(nonce, aad, view, view.first(plain.size())));
      CHECK(base::hex(view.first(plain.size())) == test.plain);
    }
  }

  TEST_CASE("any flipped bit is noticed and leaves only zeros") {
    const auto test = gcm_cases()[3];
    Aead aead(array_from_hex<32>(test.key));
    auto nonce = array_from_hex<12>(test.nonce);
    auto aad = from_hex(test.aad);
    auto sealed = from_hex(test.sealed);
    base::Bytes out(sealed.size() - Aead::kTag);
    for (const auto bytes :
         {base::MutableBytes(nonce), base::MutableBytes(aad), base::MutableBytes(sealed)}) {
      for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
        out.assign(out.size(), std::byte{0xEE});
        if (aead.open(nonce, aad, sealed, out)) FAIL_CHECK(bit);
        if (!base::is_zero(out)) FAIL_CHECK(bit);
        bytes[bit / 8] ^= std::byte{1} << (bit % 8);
      }
    }
    CHECK(aead.open(nonce, aad, sealed, out));
  }

  TEST_CASE("a failed open in place leaves only zeros and the next message is not disturbed") {
    Aead aead(array_from_hex<32>(std::string(64, '1')));
    const std::array<std::byte, 12> nonce{};
    const auto plain = random_bytes(1 << 20, 5);
    base::Bytes sealed(plain.size() + Aead::kTag);
    aead.seal(nonce, {}, plain, sealed);
    auto broken = sealed;
    broken.back() ^= std::byte{1};
    const base::MutableBytes view(broken);
    CHECK_FALSE(aead.open(nonce, {}, view, view.first(plain.size())));
    CHECK(base::is_zero(view.first(plain.size())));
    base::Bytes back(plain.size());
    CHECK(aead.open(nonce, {}, sealed, back));
    CHECK(back == plain);
  }

  TEST_CASE("sizes that do not match are a defect, not damage") {
    Aead aead(array_from_hex<32>(std::string(64, '1')));
    const std::array<std::byte, 12> nonce{};
    base::Bytes out(20);
    CHECK_THROWS_AS(aead.seal(nonce, {}, repeat(0, 20), out), std::runtime_error);
    CHECK_THROWS_AS((void)aead.open(nonce, {}, repeat(0, 20), out), std::runtime_error);
    CHECK_THROWS_AS((void)aead.open(nonce, {}, repeat(0, 15), out), std::runtime_error);
  }

  TEST_CASE("objects move with their key") {
    Aead first(array_from_hex<32>(std::string(64, '1')));
    Aead second(array_from_hex<32>(std::string(64, '2')));
    const std::array<std::byte, 12> nonce{};
    base::Bytes sealed(16);
    first.seal(nonce, {}, {}, sealed);
    CHECK_FALSE(second.open(nonce, {}, sealed, {}));
    second = std::move(first);
    CHECK(second.open(nonce, {}, sealed, {}));
    Aead third(std::move(second));
    CHECK(third.open(nonce, {}, sealed, {}));
  }
}

TEST_SUITE("codec/crypto") {
  TEST_CASE("the host's queue of OpenSSL errors stays as it was") {
    ERR_clear_error();
    Aead aead(array_from_hex<32>(std::string(64, '1')));
    base::Bytes out(4);
    CHECK_FALSE(aead.open(std::array<std::byte, 12>{}, {}, repeat(1, 20), out));
    CHECK(ERR_peek_error() == 0);

    ERR_raise(ERR_LIB_USER, 77);
    CHECK_FALSE(aead.open(std::array<std::byte, 12>{}, {}, repeat(1, 20), out));
    hkdf(repeat(1, 32), {}, {}, out);
    CHECK(scrypt({}, {}, {16, 1, 1}));
    CHECK(ERR_GET_REASON(ERR_peek_last_error()) == 77);
    CHECK(ERR_get_error() == ERR_PACK(ERR_LIB_USER, 0, 77));
    CHECK(ERR_peek_error() == 0);
  }
}

}  // namespace
}  // namespace snapvault::codec
