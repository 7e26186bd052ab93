#include "format/pack.hpp"

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

const PackId kPack{{rising<16>(0xA0)}, PackClass::data, 5};

BlockPrefix prefix(unsigned first) { return {rising<16>(first)}; }

Directory small_directory() {
  Directory directory;
  directory.frames = {{5, 100, 2, 0}, {12, 33, 1, 2}};
  directory.prefixes = {prefix(1), prefix(2), prefix(3)};
  return directory;
}

void add_frame(PackBuilder& builder, std::string_view text, std::span<const BlockPrefix> prefixes) {
  REQUIRE(builder.fits(text.size(), static_cast<std::uint32_t>(prefixes.size())));
  const auto place = builder.reserve(text.size(), prefixes);
  RecordHeader header;
  header.kind =
      builder.id().pack_class == PackClass::data ? RecordKind::frame : RecordKind::node_frame;
  header.key_class = class_of(builder.keys().type(), header.kind);
  header.counter = place.counter;
  header.plain_size = header.stored_size = static_cast<std::uint32_t>(text.size());
  CHECK(place.start16 * 16 + place.bytes.size() == builder.size());
  seal_record(builder.keys(), header, base::as_bytes(text), place.bytes);
}

base::Bytes buffer_of(std::size_t size) {
  base::Bytes buffer;
  buffer.reserve(size);
  return buffer;
}

base::Bytes small_pack(const KeyRing& keys, const PackId& id = kPack,
                       base::Bytes buffer = buffer_of(4096)) {
  PackBuilder builder(keys, id, salt(), std::move(buffer));
  CHECK(builder.empty());
  const BlockPrefix two[] = {prefix(1), prefix(2)};
  const BlockPrefix one[] = {prefix(3)};
  add_frame(builder, "the first frame", two);
  add_frame(builder, "the second", one);
  CHECK(!builder.empty());
  CHECK(builder.blocks() == 3);
  return std::move(builder).finish();
}

Result<PackTail> tail_of(const KeyRing& keys, base::ByteView object, std::size_t size,
                         const PackId& id = kPack) {
  const auto type = id.pack_class == PackClass::data ? ObjectType::data_pack : ObjectType::map_pack;
  auto object_keys = ObjectKeys::open(keys, type, pack_name(id), object.first(kHeaderSize));
  REQUIRE(object_keys);
  return read_pack_tail(*object_keys, object.last(size), object.size());
}

TEST_SUITE("format/pack") {
  TEST_CASE("a directory reads back, and is encoded the same again") {
    const auto bytes = encode_directory(small_directory());
    CHECK(bytes.size() == 4 + 2 * 9 + 3 * 16);
    const auto back = decode_directory(bytes, 4096);
    REQUIRE(back);
    CHECK(back->prefixes == small_directory().prefixes);
    REQUIRE(back->frames.size() == 2);
    CHECK(back->frames[0].start16 == 5);
    CHECK(back->frames[0].stored == 100);
    CHECK(back->frames[0].blocks == 2);
    CHECK(back->frames[1].first == 2);
    CHECK(encode_directory(*back) == bytes);
  }

  TEST_CASE("a directory cut anywhere or with wrong counts is refused") {
    const auto bytes = encode_directory(small_directory());
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      check_malformed(decode_directory(base::ByteView(bytes).first(i), 4096));
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    check_malformed(decode_directory(longer, 4096));
    for (const std::uint32_t count : {0u, 1u, 3u, 65536u, 0xFFFFFFFFu}) {
      auto bad = bytes;
      base::store(bad.data(), count);
      check_malformed(decode_directory(bad, 4096));
    }
    auto many = bytes;
    base::store(many.data(), 65536u);
    many.resize(4 + 65536 * 25);
    check_malformed(decode_directory(many, 1u << 30));
  }

  TEST_CASE("frames that overlap, fall, or run past the end are refused") {
    const auto refused = [](std::size_t frame, FrameEntry entry) {
      auto directory = small_directory();
      entry.blocks = directory.frames[frame].blocks;
      directory.frames[frame] = entry;
      check_malformed(decode_directory(encode_directory(directory), 12 * 16 + 48));
    };
    CHECK(decode_directory(encode_directory(small_directory()), 12 * 16 + 48));
    refused(0, {4, 100, 0, 0});
    refused(0, {5, 113, 0, 0});
    refused(0, {13, 100, 0, 0});
    refused(1, {11, 33, 0, 0});
    refused(1, {12, 32, 0, 0});
    refused(1, {12, 49, 0, 0});
    refused(1, {13, 33, 0, 0});
    refused(1, {12, kPlainMax + 33, 0, 0});
    refused(1, {0xFFFFFFFF, 0xFFFFFFFF, 0, 0});
  }

  TEST_CASE("a pack reads back by its tail") {
    const auto keys = key_ring();
    for (const auto pack_class : {PackClass::data, PackClass::map}) {
      auto id = kPack;
      id.pack_class = pack_class;
      const auto object = small_pack(keys, id);
      const auto tail = tail_of(keys, object, object.size(), id);
      REQUIRE(tail);
      REQUIRE(tail->complete);
      CHECK(directory_bytes(tail->footer) < object.size());
      const auto exact = tail_of(keys, object, directory_bytes(tail->footer), id);
      REQUIRE(exact);
      CHECK(exact->complete);
      const auto shorter = tail_of(keys, object, directory_bytes(tail->footer) - 1, id);
      REQUIRE(shorter);
      CHECK(!shorter->complete);
      CHECK(tail->directory.prefixes == small_directory().prefixes);

      const auto type =
          pack_class == PackClass::data ? ObjectType::data_pack : ObjectType::map_pack;
      const auto records = read_object(keys, type, pack_name(id), object);
      REQUIRE(records);
      REQUIRE(records->size() == 3);
      CHECK((*records)[0].plain == bytes_of("the first frame"));
      CHECK((*records)[1].plain == bytes_of("the second"));

      const auto& frame = tail->directory.frames[1];
      RecordReader reader;
      base::Bytes plain;
      const auto object_keys =
          ObjectKeys::open(keys, type, pack_name(id), base::ByteView(object).first(kHeaderSize));
      const auto kind = pack_class == PackClass::data ? RecordKind::frame : RecordKind::node_frame;
      REQUIRE(reader.open(*object_keys, kind,
                          base::ByteView(object).subspan(frame.start16 * 16, frame.stored), plain));
      CHECK(plain == bytes_of("the second"));
    }
  }

  TEST_CASE("a buffer that held another pack gives the same bytes") {
    const auto keys = key_ring();
    const auto first = small_pack(keys);
    base::Bytes used(8192, std::byte{0xFF});
    CHECK(small_pack(keys, kPack, std::move(used)) == first);
    auto again = first;
    CHECK(small_pack(keys, kPack, std::move(again)).size() == first.size());
  }

  TEST_CASE("a pack takes what leaves room for its directory, and no more") {
    const auto keys = key_ring();
    PackBuilder builder(keys, kPack, salt(), buffer_of(512));
    // header 80, record, commitment 32, directory of one frame and one block: 16 + 29 + 16, end 32
    CHECK(builder.fits(512 - 80 - 32 - 32 - 64 - 32, 1));
    CHECK(!builder.fits(512 - 80 - 32 - 32 - 64 - 32 + 1, 1));
    CHECK(!builder.fits(1, 256));
    const BlockPrefix one[] = {prefix(1)};
    add_frame(builder, std::string(272, 'x'), one);
    CHECK(!builder.fits(1, 1));
    CHECK(std::move(builder).finish().size() == 512);
    PackBuilder large(keys, kPack, salt(), buffer_of(40u << 20));
    CHECK(large.fits(kPlainMax, 256));
    CHECK(!large.fits(kPlainMax + 1, 1));
  }

  TEST_CASE("a pack is full at 65,535 frames") {
    const auto keys = key_ring();
    PackBuilder builder(keys, kPack, salt(), buffer_of(8u << 20));
    const BlockPrefix one[] = {prefix(1)};
    for (std::uint32_t i = 0; i < kFramesMax; ++i) {
      REQUIRE(builder.fits(1, 1));
      REQUIRE(builder.reserve(1, one).frame == i);
    }
    CHECK(!builder.fits(1, 1));
  }

  TEST_CASE("a pack's tail with any bit flipped is refused") {
    const auto keys = key_ring();
    const auto good = small_pack(keys);
    const auto size = directory_bytes(tail_of(keys, good, good.size())->footer);
    for (std::size_t i = good.size() - size; i < good.size(); ++i) {
      if (i >= good.size() - 16 && i < good.size() - 8) continue;  // the checksum of the whole
      for (int bit = 0; bit < 8; ++bit) {
        CAPTURE(i);
        auto bad = good;
        bad[i] ^= static_cast<std::byte>(1 << bit);
        const auto tail = tail_of(keys, bad, good.size());
        CHECK(!tail);
      }
    }
    check_malformed(tail_of(keys, good, 0));
    check_malformed(tail_of(keys, good, 31));
    auto object_keys = ObjectKeys::open(keys, ObjectType::data_pack, pack_name(kPack),
                                        base::ByteView(good).first(kHeaderSize));
    check_malformed(read_pack_tail(*object_keys, good, good.size() - 16));
  }

  TEST_CASE("packs whose directory does not match are refused") {
    const auto keys = key_ring();
    const auto frame = bytes_of(std::string(16, 'x'));
    Directory directory;
    directory.frames = {{5, 48, 1, 0}};
    directory.prefixes = {prefix(1)};
    const auto read = [&](Forger& forger) {
      const auto object = forger.finish();
      return read_pack_tail(forger.keys(), object, object.size());
    };
    const auto fresh = [&] { return Forger(keys, ObjectType::data_pack, pack_name(kPack)); };
    {
      auto forger = fresh();
      forger.add(RecordKind::frame, frame);
      forger.commit(KeyClass::index);
      forger.add(RecordKind::directory, encode_directory(directory));
      CHECK(read(forger));
      forger.footer.records = 3;
      check_malformed(read(forger));
    }
    SUBCASE("no frames at all") {
      auto forger = fresh();
      forger.add(RecordKind::directory, encode_directory(directory));
      check_malformed(read(forger));
    }
    SUBCASE("a frame that runs into the commitment") {
      directory.frames[0].stored = 49;
      auto forger = fresh();
      forger.add(RecordKind::frame, frame);
      forger.commit(KeyClass::index);
      forger.add(RecordKind::directory, encode_directory(directory));
      check_malformed(read(forger));
    }
    SUBCASE("a wrong counter") {
      auto forger = fresh();
      forger.add(RecordKind::frame, frame);
      forger.commit(KeyClass::index);
      const auto plain = encode_directory(directory);
      auto header = forger.record(RecordKind::directory, plain);
      header.counter = 2;
      forger.add(header, plain);
      check_malformed(read(forger));
    }
    SUBCASE("padding that is not zero") {
      auto forger = fresh();
      forger.add(RecordKind::frame, frame);
      forger.commit(KeyClass::index);
      forger.add(RecordKind::directory, encode_directory(directory));
      forger.bytes().back() = std::byte{1};
      check_malformed(read(forger));
    }
    SUBCASE("another commitment") {
      auto forger = fresh();
      forger.add(RecordKind::frame, frame);
      forger.commit(KeyClass::ctl);
      forger.add(RecordKind::directory, encode_directory(directory));
      check_not_authentic(read(forger));
    }
  }
}

}  // namespace
}  // namespace snapvault::format
