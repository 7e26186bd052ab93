#include "format/envelope.hpp"

#include "base/try.hpp"
#include "unit/format/fixture.hpp"

// Expected values were computed once with Python's cryptography package, from FORMAT.md.
namespace snapvault::format {
namespace {

constexpr std::string_view kName = "packs/a0/a0a1a2a3a4a5a6a7a8a9aaabacadaeaf/00000000/d00000005";
constexpr std::string_view kManifest = "src/00/commit";

constexpr ObjectType kTypes[] = {
    ObjectType::data_pack, ObjectType::map_pack,       ObjectType::manifest, ObjectType::abort,
    ObjectType::begin,     ObjectType::heartbeat,      ObjectType::tomb,     ObjectType::refs,
    ObjectType::segment,   ObjectType::merged_segment, ObjectType::log,      ObjectType::sweep,
    ObjectType::done,      ObjectType::catalog};

// JSON, nodes and refs: two classes, one of them compressed.
base::Bytes small_object(const KeyRing& keys) {
  ObjectBuilder object(keys, ObjectType::manifest, kManifest, salt());
  object.add(RecordKind::json, bytes_of("{\"a\":1}"));
  object.add(RecordKind::nodes, base::Bytes(200, std::byte{7}));
  object.add(RecordKind::refs, bytes_of("refs"));
  return std::move(object).finish();
}

TEST_SUITE("format/envelope") {
  TEST_CASE("keys of an object: known answers") {
    const auto keys = ObjectKeys::create(key_ring(), ObjectType::data_pack, kName, salt());
    CHECK(base::hex(base::ByteView(keys.header()).first(40)) ==
          "534e50564c543031"
          "01010000"
          "07000000"
          "606162636465666768696a6b6c6d6e6f7071727374757677");
    const std::string expected[] = {
        "77c20ec7df5c08b98a19e5ed540b11de848d2e67b4d3a30f7bda7aa8a9cbd538"
        "85200bac8756a47f9c883b0c89c9dc99e9d1799faa8e890e3886bd6a2dbfe20e",
        "6a558837050f427aed927e25a4222d06d56dfde7ebe170e96d43a9e469c5f1d0"
        "c237793ed355c92b6e6647112c21b84f62787724413f5eb298a57fe858c592d2",
        "62d7a68397c6cf5c5005a6b388d4a71ca8d04d078c7fd9a5d254d5f82d6a45a1"
        "04ed1a2ae5de3b973b0dd78f25fb52cde5c1e4c3e36ef90af1f847232dcaf515",
        "3093bb6325a832805279a6305ccd99d2302ef9b889c5324b8a6124d6cd94daf5"
        "beac45c5f2c7c9d250379537a93bb868cc73f4a080fb6e3bfd1b6d450c1a51cd"};
    for (std::size_t i = 0; i < kKeyClasses; ++i) {
      const auto key_class = static_cast<KeyClass>(i);
      CHECK(base::hex(keys.key(key_class)) + base::hex(keys.commitment(key_class)) == expected[i]);
    }
    CHECK(base::hex(base::ByteView(keys.header()).last(32)) == expected[0].substr(64));
    CHECK(keys.type() == ObjectType::data_pack);
  }

  TEST_CASE("a record: known answer") {
    const auto keys = ObjectKeys::create(key_ring(), ObjectType::data_pack, kName, salt());
    RecordHeader header;
    header.kind = RecordKind::frame;
    header.key_class = KeyClass::data;
    header.counter = 3;
    header.plain_size = header.stored_size = 7;
    base::Bytes out(record_space(7), std::byte{0xEE});
    seal_record(keys, header, bytes_of("payload"), out);
    CHECK(base::hex(out) ==
          "010000000300000007000000070000008ba757a33f627eeb203eafcd9c7fc4595e8bce4d8f7213"
          "000000000000000000");
  }

  TEST_CASE("a salt: known answer") {
    CHECK(base::hex(make_salt(rising_key(0x40), rising<32>(0x80), 9, 0x1122334455667788)) ==
          "2fabe78ba853e9b09276808c7433ec031050fe66e68641e3");
  }

  TEST_CASE("every type has its first class, every kind of record its own") {
    CHECK(first_class(ObjectType::data_pack) == KeyClass::data);
    for (const auto type : {ObjectType::map_pack, ObjectType::manifest, ObjectType::catalog}) {
      CHECK(first_class(type) == KeyClass::meta);
    }
    for (const auto type : {ObjectType::segment, ObjectType::merged_segment}) {
      CHECK(first_class(type) == KeyClass::index);
    }
    for (const auto type :
         {ObjectType::abort, ObjectType::begin, ObjectType::heartbeat, ObjectType::tomb,
          ObjectType::refs, ObjectType::log, ObjectType::sweep, ObjectType::done}) {
      CHECK(first_class(type) == KeyClass::ctl);
      CHECK(class_of(type, RecordKind::json) == KeyClass::ctl);
    }
    CHECK(class_of(ObjectType::manifest, RecordKind::json) == KeyClass::meta);
    CHECK(class_of(ObjectType::manifest, RecordKind::nodes) == KeyClass::meta);
    CHECK(class_of(ObjectType::manifest, RecordKind::refs) == KeyClass::ctl);
    CHECK(class_of(ObjectType::data_pack, RecordKind::frame) == KeyClass::data);
    CHECK(class_of(ObjectType::map_pack, RecordKind::node_frame) == KeyClass::meta);
    for (const auto kind : {RecordKind::directory, RecordKind::packs, RecordKind::entries}) {
      CHECK(class_of(ObjectType::data_pack, kind) == KeyClass::index);
    }
  }

  TEST_CASE("objects of every type read back") {
    const auto keys = key_ring();
    for (const auto type : kTypes) {
      ObjectBuilder object(keys, type, "n", salt());
      CHECK(object.size() == kFirstRecord);
      object.add(RecordKind::json, bytes_of("{}"));
      CHECK(object.last_size() == 2 + kRecordOverhead);
      const auto bytes = std::move(object).finish();
      CHECK(object_type(bytes) == type);
      const auto records = read_object(keys, type, "n", bytes);
      REQUIRE(records);
      REQUIRE(records->size() == 1);
      CHECK((*records)[0].kind == RecordKind::json);
      CHECK((*records)[0].plain == bytes_of("{}"));
    }
  }

  TEST_CASE("records of several classes read back, compressed or not, empty or large") {
    const auto keys = key_ring();
    CHECK(read_object(keys, ObjectType::manifest, kManifest, small_object(keys))->size() == 3);
    ObjectBuilder object(keys, ObjectType::segment, "s", salt());
    base::Bytes large(kPlainMax);
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<std::byte>(i % 251);
    object.reserve(2 << 20);
    object.add(RecordKind::packs, large);
    object.add_raw(RecordKind::entries, bytes_of("raw"));
    object.add(RecordKind::directory, {});
    const auto bytes = std::move(object).finish();
    CHECK(bytes.size() < large.size());
    const auto records = read_object(keys, ObjectType::segment, "s", bytes);
    REQUIRE(records);
    CHECK((*records)[0].plain == large);
    CHECK((*records)[1].plain == bytes_of("raw"));
    CHECK((*records)[2].plain.empty());
  }

  TEST_CASE("an object with any bit flipped or cut anywhere is refused") {
    const auto keys = key_ring();
    const auto good = small_object(keys);
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      CHECK(!read_object(keys, ObjectType::manifest, kManifest, base::ByteView(good).first(i)));
      for (int bit = 0; bit < 8; ++bit) {
        auto bad = good;
        bad[i] ^= static_cast<std::byte>(1 << bit);
        CHECK(!read_object(keys, ObjectType::manifest, kManifest, bad));
      }
    }
    auto longer = good;
    longer.insert(longer.end() - kFooterSize, 16, std::byte{0});
    correct_checksum(longer);
    CHECK(!read_object(keys, ObjectType::manifest, kManifest, longer));
  }

  TEST_CASE("a flipped bit is found without the checksum too") {
    const auto keys = key_ring();
    const auto good = small_object(keys);
    for (std::size_t i = 0; i < good.size() - 16; ++i) {  // all but checksum and end magic
      CAPTURE(i);
      auto bad = good;
      bad[i] ^= std::byte{0x10};
      correct_checksum(bad);
      const bool is_ignored_flag = i == 11;
      CAPTURE(is_ignored_flag);
      CHECK(!read_object(keys, ObjectType::manifest, kManifest, bad));
    }
  }

  TEST_CASE("an object moved, of another type, or from another repository is refused") {
    const auto keys = key_ring();
    const auto good = small_object(keys);
    check_not_authentic(read_object(keys, ObjectType::manifest, "src/00/commit2", good));
    check_malformed(read_object(keys, ObjectType::abort, kManifest, good));
    KeyRing other(RepositoryId{rising<16>(1)}, rising_key(0x20));
    REQUIRE(other.add_epoch(kEpoch, other.wrap_epoch(kEpoch, rising_key(0x40))));
    check_not_authentic(read_object(other, ObjectType::manifest, kManifest, good));
  }

  TEST_CASE("an object of an unknown epoch, suite, type or critical flag is refused") {
    const auto keys = key_ring();
    const auto good = small_object(keys);
    const auto open = [&](std::size_t at, unsigned value) {
      auto bad = good;
      bad[at] = static_cast<std::byte>(value);
      return ObjectKeys::open(keys, ObjectType::manifest, kManifest,
                              base::ByteView(bad).first(kHeaderSize));
    };
    CHECK(open(0, 'S'));
    check_malformed(open(0, 's'));
    check_newer(open(8, 2));
    check_newer(open(9, 0));
    check_newer(open(9, 15));
    check_malformed(open(9, 1));
    check_newer(open(10, 1));  // signed
    check_newer(open(10, 0x80));
    check_not_authentic(open(11, 1));  // not critical, but part of the key's derivation
    check_not_authentic(open(12, 8));
    check_not_authentic(open(16, 0));
    check_not_authentic(open(71, 0));
    check_malformed(
        ObjectKeys::open(keys, ObjectType::manifest, kManifest, base::ByteView(good).first(71)));
  }

  TEST_CASE("flags in the high byte are ignored") {
    const auto keys = key_ring();
    // A key pair as a later version would derive it: the flags are part of the derivation.
    auto header = ObjectKeys::create(keys, ObjectType::tomb, "n", salt()).header();
    header[11] = std::byte{1};
    base::Bytes info = bytes_of(std::string_view("obj\0", 4));
    base::append(info, base::ByteView(header).first(40));
    base::append(info, static_cast<std::uint8_t>(KeyClass::ctl));
    base::append(info, repository_id().view());
    base::append(info, base::as_bytes("n"));
    codec::Secret<64> derived;
    codec::hkdf(keys.class_key(kEpoch, KeyClass::ctl), salt(), info, derived.mutable_view());
    const auto commitment = derived.view().last<32>();
    std::copy(commitment.begin(), commitment.end(), header.begin() + 40);
    CHECK(ObjectKeys::open(keys, ObjectType::tomb, "n", header));
  }

  TEST_CASE("the type of an object is told from its header alone") {
    CHECK(!object_type({}));
    CHECK(!object_type(base::Bytes(72)));
    const auto good = small_object(key_ring());
    CHECK(object_type(good) == ObjectType::manifest);
    CHECK(!object_type(base::ByteView(good).first(39)));
  }

  TEST_CASE("malformed headers of records are refused") {
    const auto decode = [](std::size_t at, std::uint32_t value, std::size_t size = 16) {
      base::Bytes bytes = unhexed(
          "01000000"
          "00000000"
          "0a000000"
          "0a000000");
      if (at < 4) {
        bytes[at] = static_cast<std::byte>(value);
      } else {
        base::store(bytes.data() + at, value);
      }
      bytes.resize(size);
      return decode_record_header(bytes);
    };
    CHECK(decode(4, 0xFFFFFFFF));
    for (std::size_t size = 0; size < 16; ++size) check_malformed(decode(4, 0, size));
    check_malformed(decode(0, 0));
    check_malformed(decode(0, 9));
    check_malformed(decode(1, 2));
    check_malformed(decode(2, 4));
    check_malformed(decode(3, 1));
    check_malformed(decode(8, 11));
    check_malformed(decode(12, 11));
    check_malformed(decode(1, 1));  // compressed, but not smaller
    const auto huge = unhexed(
        "01010000"
        "00000000"
        "01000001"
        "0a000000");
    check_malformed(decode_record_header(huge));
  }

  TEST_CASE("a record under the wrong key, in the wrong place or of another kind is refused") {
    const auto ring = key_ring();
    const auto keys = ObjectKeys::create(ring, ObjectType::data_pack, kName, salt());
    RecordHeader header;
    header.kind = RecordKind::frame;
    header.key_class = KeyClass::data;
    header.plain_size = header.stored_size = 7;
    base::Bytes out(record_space(7));
    seal_record(keys, header, bytes_of("payload"), out);
    const auto record = base::ByteView(out).first(7 + kRecordOverhead);
    RecordReader reader;
    base::Bytes plain;
    REQUIRE(reader.open(keys, RecordKind::frame, record, plain));
    CHECK(plain == bytes_of("payload"));
    check_malformed(reader.open(keys, RecordKind::node_frame, record, plain));
    check_malformed(reader.open(keys, RecordKind::frame, out, plain));
    check_malformed(reader.open(keys, RecordKind::frame, record.first(38), plain));
    check_malformed(reader.open(keys, RecordKind::frame, {}, plain));
    const auto other = ObjectKeys::create(ring, ObjectType::data_pack, "other", salt());
    check_not_authentic(reader.open(other, RecordKind::frame, record, plain));
    REQUIRE(reader.open(keys, RecordKind::frame, record, plain));

    header.key_class = KeyClass::meta;
    seal_record(keys, header, bytes_of("payload"), out);
    check_malformed(reader.open(keys, RecordKind::frame, record, plain));

    header.key_class = KeyClass::data;
    header.codec = RecordCodec::zstd;
    header.plain_size = 100;
    seal_record(keys, header, bytes_of("payload"), out);
    check_refused(reader.open(keys, RecordKind::frame, record, plain), Errc::data_loss,
                  reason::bad_compression);
  }

  TEST_CASE("a malformed end is refused") {
    const auto keys = key_ring();
    Forger forger(keys, ObjectType::manifest, kManifest);
    forger.add(RecordKind::json, bytes_of("{}"));
    const auto object = forger.finish();
    const auto good = forger.footer;
    const auto decode = [&](Footer footer, std::uint64_t size) {
      std::array<std::byte, kFooterSize> bytes;
      encode_footer(footer, bytes);
      return decode_footer(bytes, size);
    };
    const auto back = decode(good, object.size());
    REQUIRE(back);
    CHECK(back->directory_offset == good.directory_offset);
    CHECK(back->directory_size == good.directory_size);
    CHECK(back->records == 1);
    CHECK(back->crc == good.crc);
    for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{143}, object.size() + 16,
                                     object.size() + 1, kObjectMax + 1}) {
      check_malformed(decode(good, size));
    }
    const auto with = [&](auto field, auto value) {
      auto footer = good;
      footer.*field = value;
      return decode(footer, object.size());
    };
    for (const std::uint64_t offset : {0ull, 64ull, 81ull, 96ull, 1ull << 40, ~0ull, ~15ull}) {
      check_malformed(with(&Footer::directory_offset, offset));
    }
    for (const std::uint32_t size : {0u, 31u, 49u, 0xFFFFFFFFu, kPlainMax + 33}) {
      check_malformed(with(&Footer::directory_size, size));
    }
    check_malformed(with(&Footer::records, 0u));
    check_malformed(with(&Footer::records, 0xFFFFFFFFu));
    check_malformed(decode_footer({}, object.size()));
  }

  TEST_CASE("records out of order or without their commitment are refused") {
    const auto keys = key_ring();
    const auto read = [&](Forger& forger) {
      return read_object(keys, ObjectType::manifest, kManifest, forger.finish());
    };
    const auto fresh = [&] { return Forger(keys, ObjectType::manifest, kManifest); };
    {
      auto forger = fresh();
      forger.add(RecordKind::json, bytes_of("{}"));
      CHECK(read(forger));
      forger.commit(KeyClass::ctl);
      forger.add(RecordKind::refs, bytes_of("refs"));
      CHECK(read(forger));
      forger.footer.records = 1;
      check_malformed(read(forger));
    }
    SUBCASE("a class without its commitment") {
      auto forger = fresh();
      forger.add(RecordKind::refs, bytes_of("refs"));
      check_malformed(read(forger));
    }
    SUBCASE("a commitment before a record of another class") {
      auto forger = fresh();
      forger.commit(KeyClass::ctl);
      forger.add(RecordKind::json, bytes_of("{}"));
      check_malformed(read(forger));
    }
    SUBCASE("a commitment with nothing after it") {
      auto forger = fresh();
      forger.add(RecordKind::json, bytes_of("{}"));
      forger.commit(KeyClass::ctl);
      check_malformed(read(forger));
    }
    SUBCASE("a counter that repeats or leaps") {
      auto forger = fresh();
      auto header = forger.record(RecordKind::json, bytes_of("{}"));
      header.counter = 1;
      forger.add(header, bytes_of("{}"));
      check_malformed(read(forger));
    }
  }

  TEST_CASE("objects whose records do not fill them are refused") {
    const auto keys = key_ring();
    const auto read = [&](Forger& forger) {
      return read_object(keys, ObjectType::manifest, kManifest, forger.finish());
    };
    const auto fresh = [&] { return Forger(keys, ObjectType::manifest, kManifest); };
    SUBCASE("padding that is not zero") {
      auto forger = fresh();
      forger.add(RecordKind::json, bytes_of("{}"));
      forger.bytes().back() = std::byte{1};
      check_malformed(read(forger));
      auto second = fresh();
      second.bytes().back() = std::byte{1};
      second.add(RecordKind::json, bytes_of("{}"));
      check_malformed(read(second));
    }
    SUBCASE("a footer that names another record than the last") {
      auto forger = fresh();
      forger.add(RecordKind::json, bytes_of("{}"));
      forger.add(RecordKind::json, bytes_of("{}"));
      forger.footer.directory_offset = kFirstRecord;
      check_malformed(read(forger));
      forger.footer.directory_offset = kFirstRecord + 48;
      forger.footer.directory_size = 48;
      check_malformed(read(forger));
    }
    SUBCASE("a record that states more than there is") {
      auto forger = fresh();
      auto header = forger.record(RecordKind::json, bytes_of("{}"));
      forger.add(header, bytes_of("{}"));
      auto object = forger.finish();
      base::store(object.data() + kFirstRecord + 8, std::uint32_t{1000});
      base::store(object.data() + kFirstRecord + 12, std::uint32_t{1000});
      correct_checksum(object);
      check_malformed(read_object(keys, ObjectType::manifest, kManifest, object));
    }
    SUBCASE("records whose last ends short of the footer") {
      auto forger = fresh();
      forger.add(RecordKind::json, bytes_of("{}"));
      forger.bytes().resize(forger.bytes().size() + 16);
      forger.footer.directory_size += 16;
      check_malformed(read(forger));
    }
  }
}

}  // namespace
}  // namespace snapvault::format
