#include "format/segment.hpp"

#include <algorithm>

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

const std::string kName = segment_name(session_id(), 1);

std::vector<IndexPack> packs_of(std::uint32_t count) {
  std::vector<IndexPack> packs(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    packs[i].id = {session_id(), i % 2 == 0 ? PackClass::data : PackClass::map, i};
    packs[i].header[0] = static_cast<std::byte>(i);
    packs[i].directory_size = 33 + i % 100;
    packs[i].size = 1000 + i;
  }
  return packs;
}

// Entries in a scrambled order; prefixes differ in their first bytes.
std::vector<IndexEntry> entries_of(std::uint32_t count, std::uint32_t packs) {
  std::vector<IndexEntry> entries(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& entry = entries[i];
    base::store(entry.prefix.bytes.data(), i * 2654435761u);
    base::store(entry.prefix.bytes.data() + 8, std::uint64_t{i});
    entry.pack = i % packs;
    entry.frame = static_cast<std::uint16_t>(i % kFramesMax);
    entry.slot = static_cast<std::uint8_t>(i);
  }
  return entries;
}

ObjectKeys keys_of(const KeyRing& keys, const base::Bytes& object,
                   ObjectType type = ObjectType::segment, std::string_view name = kName) {
  auto out = ObjectKeys::open(keys, type, name, base::ByteView(object).first(kHeaderSize));
  REQUIRE(out);
  return *std::move(out);
}

TEST_SUITE("format/segment") {
  TEST_CASE("a segment gives back its packs, and its entries sorted") {
    const auto keys = key_ring();
    const auto packs = packs_of(9000);  // two records of packs
    const auto entries = entries_of(6000, 9000);
    const auto object = build_segment(keys, kName, salt(), packs, entries);
    const auto table = read_segment_table(keys, kName, object);
    REQUIRE(table);
    CHECK(table->entries == 6000);
    REQUIRE(table->packs.size() == packs.size());
    for (std::size_t i = 0; i < packs.size(); ++i) {
      REQUIRE(table->packs[i].id == packs[i].id);
      REQUIRE(table->packs[i].header == packs[i].header);
      REQUIRE(table->packs[i].directory_size == packs[i].directory_size);
      REQUIRE(table->packs[i].size == packs[i].size);
    }
    REQUIRE(table->records.size() == 3);
    const auto object_keys = keys_of(keys, object);
    std::vector<IndexEntry> all;
    for (const auto& record : table->records) {
      const auto part =
          read_segment_entries(object_keys, *table, record,
                               base::ByteView(object).subspan(record.offset, record.stored));
      REQUIRE(part);
      all.insert(all.end(), part->begin(), part->end());
    }
    REQUIRE(all.size() == entries.size());
    CHECK(std::is_sorted(all.begin(), all.end(),
                         [](const auto& a, const auto& b) { return a.prefix < b.prefix; }));
    for (const auto& entry : all) {
      const auto i = base::load<std::uint64_t>(entry.prefix.bytes.data() + 8);
      REQUIRE(entry.prefix == entries[i].prefix);
      REQUIRE(entry.pack == entries[i].pack);
      REQUIRE(entry.frame == entries[i].frame);
      REQUIRE(entry.slot == entries[i].slot);
      REQUIRE(entry.flags == 0);
    }
    CHECK(build_segment(keys, kName, salt(), table->packs, all) == object);
    CHECK(read_object(keys, ObjectType::segment, kName, object)->size() == 6);
  }

  TEST_CASE("a name below index/m- makes a merged segment") {
    const auto keys = key_ring();
    const std::string name = "index/m-00000000-00000000";
    const auto object = build_segment(keys, name, salt(), packs_of(1), entries_of(1, 1));
    CHECK(object_type(object) == ObjectType::merged_segment);
    CHECK(read_segment_table(keys, name, object));
  }

  TEST_CASE("entries of one prefix are ordered by pack, frame and slot") {
    const auto keys = key_ring();
    std::vector<IndexEntry> entries(4);
    entries[0].pack = 1;
    entries[1].frame = 1;
    entries[2].slot = 1;
    const auto object = build_segment(keys, kName, salt(), packs_of(2), entries);
    const auto table = read_segment_table(keys, kName, object);
    REQUIRE(table);
    const auto& record = table->records[0];
    const auto back =
        read_segment_entries(keys_of(keys, object), *table, record,
                             base::ByteView(object).subspan(record.offset, record.stored));
    REQUIRE(back);
    CHECK((*back)[0].slot == 0);
    CHECK((*back)[1].slot == 1);
    CHECK((*back)[2].frame == 1);
    CHECK((*back)[3].pack == 1);
  }

  TEST_CASE("a segment with any bit flipped or cut anywhere is refused") {
    const auto keys = key_ring();
    const auto good = build_segment(keys, kName, salt(), packs_of(2), entries_of(3, 2));
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      CHECK(!read_segment_table(keys, kName, base::ByteView(good).first(i)));
      for (int bit = 0; bit < 8; ++bit) {
        auto bad = good;
        bad[i] ^= static_cast<std::byte>(1 << bit);
        CHECK(!read_segment_table(keys, kName, bad));
      }
    }
  }

  TEST_CASE("a record of entries in the wrong place is refused") {
    const auto keys = key_ring();
    const auto object = build_segment(keys, kName, salt(), packs_of(2), entries_of(6000, 2));
    const auto object_keys = keys_of(keys, object);
    const auto table = read_segment_table(keys, kName, object);
    REQUIRE(table);
    const auto read = [&](const SegmentTable& as, const SegmentTable::EntryRecord& record,
                          std::size_t at) {
      const auto& stored = table->records[at];
      return read_segment_entries(object_keys, as, record,
                                  base::ByteView(object).subspan(stored.offset, stored.stored));
    };
    CHECK(read(*table, table->records[0], 0));
    check_malformed(read(*table, table->records[0], 1));
    auto record = table->records[0];
    record.entries = 1;
    check_malformed(read(*table, record, 0));
    SegmentTable fewer = *table;
    fewer.packs.resize(1);
    check_malformed(read(fewer, table->records[0], 0));
  }

  // A segment of one pack and two entries, part by part.
  struct Parts {
    base::Bytes packs, entries, directory;
    Parts() {
      const auto object = build_segment(key_ring(), kName, salt(), packs_of(1), entries_of(2, 1));
      const auto records = read_object(key_ring(), ObjectType::segment, kName, object);
      packs = (*records)[0].plain;
      entries = (*records)[1].plain;
      directory = (*records)[2].plain;
      // Offsets as the forger will have them: all raw.
      base::store(directory.data() + 16 + 24, static_cast<std::uint32_t>(packs.size() + 32));
      base::store(directory.data() + 48 + 16, kFirstRecord + record_space(packs.size()));
    }
    Forger forge() const {
      Forger forger(key_ring(), ObjectType::segment, kName);
      forger.add(RecordKind::packs, packs);
      forger.add(RecordKind::entries, entries);
      forger.add(RecordKind::directory, directory);
      return forger;
    }
    Result<SegmentTable> read() const {
      return read_segment_table(key_ring(), kName, forge().finish());
    }
  };

  TEST_CASE("segments whose parts do not match are refused") {
    CHECK(Parts().read());
    const auto refused = [](std::size_t at, auto value) {
      CAPTURE(at);
      Parts parts;
      base::store(parts.directory.data() + at, value);
      check_malformed(parts.read());
    };
    refused(0, std::uint32_t{2});  // packs
    refused(0, std::uint32_t{1u << 20} + 1);
    refused(4, std::uint32_t{0});  // records of packs
    refused(4, std::uint32_t{2});
    refused(4, std::uint32_t{1u << 31});
    refused(8, std::uint64_t{3});  // entries
    refused(8, std::uint64_t{1} << 40);
    refused(16, std::uint8_t{1});    // first prefix of a record of packs
    refused(32, std::uint64_t{96});  // offset
    refused(40, std::uint32_t{32});  // stored
    refused(40, std::uint32_t{0xFFFFFFFF});
    refused(44, std::uint32_t{0});  // packs in the record
    refused(44, std::uint32_t{2});
    refused(48 + 16, std::uint64_t{80});
    refused(48 + 24, std::uint32_t{81});
    refused(48 + 28, std::uint32_t{3});
    refused(48 + 28, std::uint32_t{2731});
    for (std::size_t size : {0u, 15u, 16u, 47u, 48u, 79u}) {
      Parts parts;
      parts.directory.resize(size);
      check_malformed(parts.read());
    }
    for (std::size_t size : {0u, 104u, 106u, 210u}) {
      Parts parts;
      parts.packs.resize(size);
      base::store(parts.directory.data() + 16 + 24, static_cast<std::uint32_t>(size + 32));
      base::store(parts.directory.data() + 48 + 16, kFirstRecord + record_space(size));
      check_malformed(parts.read());
    }
    const auto pack_refused = [](std::size_t at, auto value) {
      Parts parts;
      base::store(parts.packs.data() + at, value);
      check_malformed(parts.read());
    };
    pack_refused(16, std::uint8_t{2});
    pack_refused(93, std::uint32_t{32});
    pack_refused(93, kPlainMax + 33);
    pack_refused(97, kObjectMax + 1);
    pack_refused(97, std::uint64_t{33 + 80 + 31});
    auto forger = Parts().forge();
    forger.footer.records = 4;
    check_malformed(read_segment_table(key_ring(), kName, forger.finish()));
    Forger counted(key_ring(), ObjectType::segment, kName);
    const Parts parts;
    counted.add(RecordKind::packs, parts.packs);
    counted.add(RecordKind::entries, parts.entries);
    auto header = counted.record(RecordKind::directory, parts.directory);
    header.counter = 3;
    counted.add(header, parts.directory);
    check_malformed(read_segment_table(key_ring(), kName, counted.finish()));
  }

  TEST_CASE("entries that fall or name no frame are refused") {
    const auto read = [](auto change) {
      Parts parts;
      auto entry = base::load<IndexEntry>(parts.entries.data() + 24);
      change(entry);
      base::store(parts.entries.data() + 24, entry);
      auto forger = parts.forge();
      const auto object = forger.finish();
      const auto table = read_segment_table(key_ring(), kName, object);
      REQUIRE(table);
      const auto& record = table->records[0];
      return read_segment_entries(forger.keys(), *table, record,
                                  base::ByteView(object).subspan(record.offset, record.stored));
    };
    CHECK(read([](IndexEntry&) {}));
    CHECK(read([](IndexEntry& entry) { entry.flags = 1; }));
    check_malformed(read([](IndexEntry& entry) { entry.frame = 65535; }));
    check_malformed(read([](IndexEntry& entry) { entry.pack = 1; }));
    Parts falling;
    base::store(falling.entries.data() + 20, std::uint16_t{2});  // frame of the first
    std::fill_n(falling.entries.begin() + 24, 16, std::byte{0});
    auto forger = falling.forge();
    const auto object = forger.finish();
    const auto table = read_segment_table(key_ring(), kName, object);
    REQUIRE(table);
    const auto& record = table->records[0];
    check_malformed(
        read_segment_entries(forger.keys(), *table, record,
                             base::ByteView(object).subspan(record.offset, record.stored)));
  }
}

}  // namespace
}  // namespace snapvault::format
