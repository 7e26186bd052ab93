#include "base/bytes.hpp"

#include <doctest/doctest.h>

#include <array>

namespace snapvault::base {
namespace {

TEST_SUITE("base/bytes") {
  TEST_CASE("hex writes two lower-case digits a byte, and unhex reads them back") {
    const std::array<std::byte, 4> bytes{std::byte{0x00}, std::byte{0x0f}, std::byte{0xa0},
                                         std::byte{0xff}};
    CHECK(hex(bytes) == "000fa0ff");
    CHECK(hex({}).empty());
    std::array<std::byte, 4> back{};
    REQUIRE(unhex("000fa0ff", back));
    CHECK(back == bytes);
    CHECK(unhex("", {}));
  }

  TEST_CASE("unhex refuses other lengths and everything but lower-case digits") {
    std::array<std::byte, 2> into{};
    for (const auto* text : {"", "00", "000", "00000", "000000", "00 0", "000g", "00:0", "0/00",
                             "00AB", "0x00", "-100", "`000"}) {
      CAPTURE(text);
      CHECK_FALSE(unhex(text, into));
    }
    CHECK_FALSE(unhex(std::string_view("00\0\0", 4), into));
  }

  TEST_CASE("numbers have a fixed count of digits") {
    CHECK(hex8(0) == "00000000");
    CHECK(hex8(0xDEADBEEF) == "deadbeef");
    CHECK(hex16(0x1F) == "000000000000001f");
    CHECK(hex16(~std::uint64_t{0}) == "ffffffffffffffff");
  }

  TEST_CASE("parse_hex reads 1 to 16 lower-case digits and nothing else") {
    CHECK(parse_hex("0") == 0u);
    CHECK(parse_hex("1f") == 0x1Fu);
    CHECK(parse_hex("ffffffffffffffff") == ~std::uint64_t{0});
    CHECK(parse_hex("00000000deadbeef") == 0xDEADBEEFu);
    for (const auto* text : {"", "00000000000000000", "1F", "0x1", " 1", "1 ", "-1", "+1", "g"}) {
      CAPTURE(text);
      CHECK_FALSE(parse_hex(text));
    }
    for (std::uint64_t value = 1; value != 0; value <<= 1) CHECK(parse_hex(hex16(value)) == value);
  }

  TEST_CASE("one bit anywhere makes bytes not zero") {
    CHECK(is_zero({}));
    for (std::size_t size = 1; size < 300; ++size) {
      CAPTURE(size);
      Bytes bytes(size);
      REQUIRE(is_zero(bytes));
      for (std::size_t at = 0; at < size; ++at) {
        bytes[at] = std::byte{1} << (at % 8);
        if (is_zero(bytes)) FAIL_CHECK(at);
        bytes[at] = std::byte{0};
      }
    }
    Bytes large(65536);
    CHECK(is_zero(large));
    large.back() = std::byte{0x80};
    CHECK_FALSE(is_zero(large));
    CHECK(is_zero(ByteView(large).first(large.size() - 1)));
  }

  TEST_CASE("is_zero takes any alignment") {
    Bytes bytes(400);
    bytes.front() = bytes.back() = std::byte{1};
    for (std::size_t from = 1; from < 80; ++from) {
      CHECK(is_zero(ByteView(bytes).subspan(from, bytes.size() - 1 - from)));
      CHECK_FALSE(is_zero(ByteView(bytes).subspan(from)));
    }
  }

  TEST_CASE("a reader gives zeros past the end and never recovers") {
    Bytes bytes;
    append(bytes, std::uint32_t{0x01020304});
    append(bytes, std::uint8_t{5});
    ByteReader reader(bytes);
    CHECK(reader.read<std::uint32_t>() == 0x01020304);
    CHECK_FALSE(reader.finished());
    CHECK(reader.read<std::uint16_t>() == 0);
    CHECK_FALSE(reader.ok());
    CHECK(reader.read<std::uint8_t>() == 0);
    CHECK(reader.take(0).empty());
    CHECK_FALSE(reader.ok());
    CHECK_FALSE(reader.finished());
  }

  TEST_CASE("a reader takes up to the last byte") {
    const Bytes bytes(7);
    ByteReader reader(bytes);
    CHECK(reader.take(3).size() == 3);
    CHECK(reader.rest().size() == 4);
    CHECK(reader.take(4).size() == 4);
    CHECK(reader.finished());
    CHECK(reader.take(~std::uint64_t{0}).empty());
    CHECK_FALSE(reader.ok());
  }

  TEST_CASE("sums that do not fit are nothing, and rounding goes up") {
    CHECK(add(1, 2) == 3u);
    CHECK_FALSE(add(~std::uint64_t{0}, 1));
    CHECK(round_up(0, 16) == 0);
    CHECK(round_up(1, 16) == 16);
    CHECK(round_up(16, 16) == 16);
  }

  TEST_CASE("text and bytes are two views of the same") {
    CHECK(as_text(as_bytes("abc")) == "abc");
    Bytes bytes;
    append(bytes, as_bytes("ab"));
    append(bytes, as_bytes("c"));
    CHECK(as_text(bytes) == "abc");
  }
}

}  // namespace
}  // namespace snapvault::base
