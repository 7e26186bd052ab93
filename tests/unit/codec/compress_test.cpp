#include "codec/compress.hpp"

#include <doctest/doctest.h>

#include <utility>

#include <zstd.h>

#include "unit/codec/samples.hpp"

namespace snapvault::codec {
namespace {

base::Bytes compressed(Compressor& compressor, base::ByteView plain) {
  base::Bytes out(Compressor::bound(plain.size()));
  const auto size = compressor.compress(plain, out);
  REQUIRE(size);
  out.resize(*size);
  return out;
}

// A frame of raw blocks by hand: descriptor byte, the fields after it, content.
base::Bytes frame(unsigned descriptor, std::string_view fields, std::string_view content) {
  base::Bytes bytes;
  base::append(bytes, std::uint32_t{ZSTD_MAGICNUMBER});
  base::append(bytes, static_cast<std::uint8_t>(descriptor));
  base::append(bytes, base::ByteView(from_hex(fields)));
  const auto header = static_cast<std::uint32_t>(content.size() << 3 | 1);  // last, raw
  for (int shift = 0; shift < 24; shift += 8) {
    base::append(bytes, static_cast<std::uint8_t>(header >> shift));
  }
  base::append(bytes, base::as_bytes(content));
  return bytes;
}

void check_refused(base::ByteView stored, std::size_t size) {
  Decompressor decompressor;
  base::Bytes out(size);
  const auto result = decompressor.decompress(stored, out);
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::data_loss);
  CHECK(result.error().reason() == "bad_compression");
  CHECK_FALSE(result.error().message().empty());
}

TEST_SUITE("codec/compress") {
  TEST_CASE("what was compressed comes back, at any level and size, with reused contexts") {
    Decompressor decompressor;
    for (const int level : {1, 3, 9, 19}) {
      Compressor compressor(level);
      for (const std::size_t size : {200, 4096, 65536, 65537, 1 << 20}) {
        CAPTURE(level);
        CAPTURE(size);
        const auto plain = text_like(size, static_cast<unsigned>(size));
        const auto stored = compressed(compressor, plain);
        base::Bytes back(size);
        REQUIRE(decompressor.decompress(stored, back));
        CHECK(back == plain);
      }
    }
  }

  TEST_CASE("the largest frame stays within the window that is accepted") {
    auto plain = repeat(0, 16 << 20);
    const auto piece = text_like(5000, 9);
    std::copy(piece.begin(), piece.end(), plain.begin() + 7);
    std::copy(piece.begin(), piece.end(), plain.end() - 5003);
    for (const int level : {1, 3, 19}) {
      CAPTURE(level);
      Compressor compressor(level);
      Decompressor decompressor;
      const auto stored = compressed(compressor, plain);
      base::Bytes back(plain.size());
      REQUIRE(decompressor.decompress(stored, back));
      CHECK(back == plain);
    }
  }

  TEST_CASE("a frame states its size and has neither checksum nor dictionary") {
    Compressor compressor(3);
    const auto plain = text_like(10000, 1);
    const auto stored = compressed(compressor, plain);
    CHECK(ZSTD_getFrameContentSize(stored.data(), stored.size()) == plain.size());
    const auto descriptor = std::to_integer<unsigned>(stored[4]);
    CHECK((descriptor & 0x04) == 0);
    CHECK((descriptor & 0x03) == 0);
  }

  TEST_CASE("what would not shrink by 1/32 is not compressed") {
    Compressor compressor(3);
    base::Bytes out(Compressor::bound(1 << 20));
    for (const std::size_t size : {0, 1, 2, 12, 31, 32, 4096, 65536, 1 << 20}) {
      CAPTURE(size);
      CHECK_FALSE(compressor.compress(random_bytes(size, 2), out));
    }
    // A tail of zeros that saves ever more: nothing first, then always something that is worth it.
    bool was_worth_it = false;
    auto plain = random_bytes(4096, 3);
    for (std::size_t zeros = 0; zeros < plain.size(); ++zeros) {
      CAPTURE(zeros);
      plain[plain.size() - 1 - zeros] = std::byte{0};
      const auto size = compressor.compress(plain, out);
      if (was_worth_it) CHECK(size);
      if (size) CHECK(*size <= plain.size() - plain.size() / 32);
      if (!size) CHECK(zeros < plain.size() / 32 + 64);
      was_worth_it = size.has_value();
    }
    CHECK(was_worth_it);
  }

  TEST_CASE("without room there is nothing, and the compressor still works") {
    Compressor compressor(3);
    const auto plain = text_like(10000, 1);
    const auto stored = compressed(compressor, plain);
    base::Bytes out(stored.size() / 2);
    CHECK_FALSE(compressor.compress(plain, out));
    CHECK_FALSE(compressor.compress(plain, {}));
    CHECK(compressed(compressor, plain) == stored);
  }

  TEST_CASE("both move") {
    Compressor first(3);
    const auto plain = text_like(1000, 1);
    const auto stored = compressed(first, plain);
    Compressor second(std::move(first));
    CHECK(compressed(second, plain) == stored);
    Compressor third(1);
    third = std::move(second);
    CHECK(compressed(third, plain) == stored);

    base::Bytes back(plain.size());
    Decompressor a;
    Decompressor b(std::move(a));
    REQUIRE(b.decompress(stored, back));
    Decompressor c;
    c = std::move(b);
    REQUIRE(c.decompress(stored, back));
    CHECK(back == plain);
  }
}

TEST_SUITE("codec/decompress") {
  TEST_CASE("a frame by hand is accepted up to the largest window") {
    Decompressor decompressor;
    base::Bytes out(5);
    // Window exponent in the upper 5 bits of the first field: 10 + 14 = 24.
    for (const auto* fields : {"000500000000000000", "700500000000000000"}) {
      REQUIRE(decompressor.decompress(frame(0xC0, fields, "hello"), out));
      CHECK(base::as_text(out) == "hello");
    }
    REQUIRE(decompressor.decompress(frame(0x20, "05", "hello"), out));
    REQUIRE(decompressor.decompress(frame(0x20, "00", ""), {}));
  }

  TEST_CASE("too large a window is refused") {
    check_refused(frame(0xC0, "710500000000000000", "hello"), 5);
    check_refused(frame(0xC0, "780500000000000000", "hello"), 5);
    check_refused(frame(0xC0, "ff0500000000000000", "hello"), 5);
    check_refused(frame(0xA0, "01000001", "hello"), (1 << 24) + 1);  // one segment of 16 MiB + 1
  }

  TEST_CASE("another size than the record's, or none, is refused") {
    Compressor compressor(3);
    const auto plain = text_like(1000, 1);
    const auto stored = compressed(compressor, plain);
    check_refused(stored, 999);
    check_refused(stored, 1001);
    check_refused(stored, 0);
    check_refused(frame(0x00, "00", "hello"), 5);
    check_refused(frame(0xC0, "000600000000000000", "hello"), 6);
    check_refused(frame(0xC0, "000400000000000000", "hello"), 4);
    check_refused(frame(0xC0, "00ffffffffffffffff", "hello"), 5);
    check_refused(frame(0xC0, "00feffffffffffffff", "hello"), 5);
  }

  TEST_CASE("more or less than one frame is refused") {
    Compressor compressor(3);
    const auto plain = text_like(1000, 1);
    const auto stored = compressed(compressor, plain);
    auto twice = stored;
    base::append(twice, base::ByteView(stored));
    check_refused(twice, 1000);
    check_refused(twice, 2000);
    auto longer = stored;
    longer.push_back(std::byte{0});
    check_refused(longer, 1000);
    for (std::size_t size = 0; size < stored.size(); ++size) {
      check_refused(base::ByteView(stored).first(size), 1000);
    }

    const auto skippable = from_hex(
        "502a4d18"
        "03000000"
        "616263");
    check_refused(skippable, 0);
    check_refused(skippable, 3);
    auto after_skippable = skippable;
    base::append(after_skippable, base::ByteView(stored));
    check_refused(after_skippable, 1000);
    auto before_skippable = stored;
    base::append(before_skippable, base::ByteView(skippable));
    check_refused(before_skippable, 1000);
  }

  TEST_CASE("dictionaries, older formats and other bytes are refused") {
    check_refused(frame(0xC1, "00070500000000000000", "hello"), 5);
    check_refused(frame(0xC3, "00070000000500000000000000", "hello"), 5);
    auto old = frame(0x20, "05", "hello");
    for (const unsigned version : {0x25, 0x26, 0x27}) {
      old[0] = static_cast<std::byte>(version);
      check_refused(old, 5);
    }
    check_refused(frame(0x28, "05", "hello"), 5);  // a reserved bit
    check_refused(random_bytes(100, 1), 100);
    check_refused(repeat(0, 100), 100);
    check_refused({}, 0);
  }

  TEST_CASE("a flipped bit never writes outside and the context still works") {
    Compressor compressor(3);
    Decompressor decompressor;
    const auto plain = text_like(600, 4);
    auto stored = compressed(compressor, plain);
    base::Bytes back(plain.size());
    int refused = 0;
    for (std::size_t bit = 0; bit < 8 * stored.size(); ++bit) {
      stored[bit / 8] ^= std::byte{1} << (bit % 8);
      if (!decompressor.decompress(stored, back)) ++refused;
      stored[bit / 8] ^= std::byte{1} << (bit % 8);
    }
    CHECK(refused > 0);
    REQUIRE(decompressor.decompress(stored, back));
    CHECK(back == plain);
  }
}

}  // namespace
}  // namespace snapvault::codec
