#include "codec/crc64.hpp"

#include <doctest/doctest.h>

#include "unit/codec/samples.hpp"

namespace snapvault::codec {
namespace {

// The definition, bit by bit.
std::uint64_t by_definition(base::ByteView bytes) {
  std::uint64_t crc = ~std::uint64_t{0};
  for (const auto byte : bytes) {
    crc ^= std::to_integer<std::uint64_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x9A6C9329AC4BC9B5 : 0);
  }
  return ~crc;
}

TEST_SUITE("codec/crc64") {
  TEST_CASE("known answers: the check value and the NVM Express examples") {
    struct Case {
      base::Bytes bytes;
      std::uint64_t crc;
    };
    auto falling = rising(0, 4096);
    for (auto& byte : falling) byte = ~byte;
    const auto check = base::as_bytes("123456789");
    const Case cases[] = {
        {{}, 0},
        {{check.begin(), check.end()}, 0xAE8B14860A799888},
        {repeat(0x00, 4096), 0x6482D367EB22B64E},
        {repeat(0xFF, 4096), 0xC0DDBA7302ECA3AC},
        {rising(0, 4096), 0x3E729F5F6750449C},
        {falling, 0x9A2DF64B8E9E517E},
    };
    for (const auto& test : cases) {
      CAPTURE(test.bytes.size());
      CHECK(by_definition(test.bytes) == test.crc);
      CHECK(crc64(test.bytes) == test.crc);
      CHECK(crc64_by_table(test.bytes) == test.crc);
    }
  }

  TEST_CASE("both ways agree with the definition at every length and alignment") {
    const auto bytes = random_bytes(700, 1);
    for (std::size_t size = 0; size <= 600; ++size) {
      const auto view = base::ByteView(bytes).subspan(size % 33, size);
      const auto expected = by_definition(view);
      if (crc64(view) != expected) FAIL_CHECK(size);
      if (crc64_by_table(view) != expected) FAIL_CHECK(size);
    }
  }

  TEST_CASE("both ways agree on random lengths and alignments") {
    const auto bytes = random_bytes(1 << 18, 2);
    std::mt19937_64 random(3);
    for (int i = 0; i < 500; ++i) {
      const std::size_t from = random() % 100;
      const std::size_t size = random() % (bytes.size() - from) >> random() % 12;
      const std::uint64_t before = random();
      const auto view = base::ByteView(bytes).subspan(from, size);
      CAPTURE(size);
      CHECK(crc64(view, before) == crc64_by_table(view, before));
    }
  }

  TEST_CASE("in pieces gives the same as at once") {
    const auto bytes = random_bytes(1000, 4);
    const auto whole = crc64(bytes);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      const auto view = base::ByteView(bytes);
      if (crc64(view.subspan(cut), crc64(view.first(cut))) != whole) FAIL_CHECK(cut);
    }
  }
}

}  // namespace
}  // namespace snapvault::codec
