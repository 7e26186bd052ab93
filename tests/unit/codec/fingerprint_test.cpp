#include "codec/fingerprint.hpp"

#include <doctest/doctest.h>

#include <array>

#include "unit/codec/samples.hpp"

namespace snapvault::codec {
namespace {

std::array<std::byte, 192> secret() {
  std::array<std::byte, 192> bytes;
  for (unsigned i = 0; i < 192; ++i) bytes[i] = static_cast<std::byte>(i * 167 + 13);
  return bytes;
}

base::Bytes block(std::size_t size) {
  base::Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<std::byte>(i * i * 31 + i * 7 + (i >> 8) * 3);
  }
  return bytes;
}

TEST_SUITE("codec/fingerprint") {
  // Made with xxHash 0.8.1 as a header (XXH_INLINE_ALL) in its scalar form (XXH_VECTOR=0), which
  // shares no code with the vector forms of the library; those above 240 bytes were also computed
  // in Python, straight from the specification.
  TEST_CASE("known answers with a secret of our own") {
    struct Case {
      std::size_t size;
      Fingerprint expected;
    };
    const Case cases[] = {
        {0, {0x14ed5df46b24bd10, 0x174eaa5b48a3a723}},
        {1, {0x39ce4e81e7fe4e6c, 0xee44d7de70a5d759}},
        {3, {0xe6c1582c4f7fc960, 0x41560760e8a8c186}},
        {4, {0x9108327c8e336fcc, 0x88b49b26098a0bfc}},
        {8, {0x41cd3f76480fa161, 0xba92a81b17925efb}},
        {9, {0x1122eb5d6bc265f2, 0x2097b65cb6a46760}},
        {16, {0x787780c0d6da6b69, 0xd58d60d1d5a4a496}},
        {17, {0x092ca4d524d6da3f, 0x74411205be818ca2}},
        {128, {0x4e654faa9cd41ec5, 0xcb619f56ff873589}},
        {129, {0x8c5dbae675645f5a, 0x95e85e45eb834d3f}},
        {240, {0x1a8dda50d0fe6401, 0x71978a84a12857b5}},
        {241, {0x28afbdcd4e3973fa, 0xc4e11ca980f4b4cc}},
        {256, {0x1365ee8638516653, 0x4595fe28d1f0aff2}},
        {1024, {0x773d727120d83b4e, 0xef156997f436af6d}},
        {4096, {0xfbd3503fecd21f2b, 0xf98c11805c4871ac}},
        {4097, {0xb792a826749f5230, 0xfb6f5c98bcefef19}},
        {65536, {0xe0ffabcdf159c22a, 0xb5c67201dfb2a47f}},
        {1048576, {0x26021f11deb345e1, 0xf72ec8baad6721a8}},
    };
    for (const auto& test : cases) {
      CAPTURE(test.size);
      const auto actual = fingerprint(secret(), block(test.size));
      CHECK(actual.low == test.expected.low);
      CHECK(actual.high == test.expected.high);
    }
  }

  TEST_CASE("another secret or another bit gives another fingerprint") {
    auto key = secret();
    auto bytes = block(4096);
    const auto known = fingerprint(key, bytes);
    bytes[4095] ^= std::byte{1};
    CHECK(fingerprint(key, bytes) != known);
    bytes[4095] ^= std::byte{1};
    CHECK(fingerprint(key, bytes) == known);
    key[100] ^= std::byte{1};
    CHECK(fingerprint(key, bytes) != known);
  }

  TEST_CASE("alignment does not matter") {
    const auto bytes = block(5000);
    base::Bytes moved(bytes.size() + 64);
    const auto known = fingerprint(secret(), bytes);
    for (std::size_t by = 0; by < 64; ++by) {
      std::memcpy(moved.data() + by, bytes.data(), bytes.size());
      CHECK(fingerprint(secret(), base::ByteView(moved).subspan(by, bytes.size())) == known);
    }
  }
}

}  // namespace
}  // namespace snapvault::codec
