#include "format/keys.hpp"

#include "base/try.hpp"
#include "unit/format/fixture.hpp"

// Expected values were computed once with Python's hmac and the cryptography package, from
// FORMAT.md.
namespace snapvault::format {
namespace {

const std::string kEpochObject =
    "534e505645504b3101000000070000005516e0bfd6387a5fc78d459473d4f39cf7d7cf7f101d3a8a054f4a05f48551"
    "f67342155d818f5cc07b4251241a2a311d632b2c6422eefa5175b758f4441c824a26c20947e294145ac332d7433ddb"
    "0171e7280b5dcbccf1f40f5528e904e2420ff480e6cd7e09bcce";
const std::string kSlotObject =
    "534e5056534c54310102000000000100000000000000000000000000000000006ba0a1a2a3a4a5a6a7a8a9aaabacad"
    "aeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf79ec43eb3189943fd31fc9a94f6836ada32d65e081ffa2b7b6d0949ec2"
    "f2336e3a03336f064c10905387cfce59f4ebe2ba0e6fbab6b327674c208d294c71ab056ece864a2d8e33f74559a555"
    "3b503800e4dc49735469d879";
const std::string kRepoObject =
    "{\"snapvault\":1,\"id\":\"000102030405060708090a0b0c0d0e0f\",\"suite\":1,\"read_required\":[],"
    "\"write_required\":[],\"optional\":[]}\n"
    "73653a1c67e9f81c517722b22d16e86b7768b45deedaecc84b9b8fc041bafa11\n";

TEST_SUITE("format/keys") {
  TEST_CASE("keys of a repository: known answers") {
    const auto keys = key_ring();
    CHECK(keys.repository() == repository_id());
    CHECK(base::hex(keys.master().view()) == base::hex(rising<32>(0x20)));
    CHECK(base::hex(keys.id_key(IdType::block)) ==
          "c383b32517b32e96de82549aeec4ef8dde2cbf22cad6d3cf6d7358c8cb215b80");
    CHECK(base::hex(keys.id_key(IdType::node)) ==
          "fbada0795ae2d54fb4fe2dfbb6ba012e7bec1d1527230354cdc9cb00f6c8619f");
    CHECK(base::hex(keys.id_key(IdType::chunk)) ==
          "415bf5097d065add7228c51db35933a71cf2deb68daecd197a840e568de8ebae");
    CHECK(base::hex(keys.fingerprint_secret()) ==
          "aa8e133ff4250ea89f021abad4578b671e785237cf83e902c18234b2f86e1e5bacac3bdfe26f62c3e95a8865"
          "e40f5e3b7f8471f072d35851eca984883297e87528f856534d222ef008976dfd9a49459c6063879939e683b3"
          "7d7b8ab598b313aea5673c470e4e220c77bb3a2c3b7c71ee3cd3ac6510cb99bc65c1220cf82b8696e65a739c"
          "196ea73505fc5d4ec6f44efde4249d5d4f5409a5e67fdd1e0ccdcdfc34aa597a358cfbfb04b0c422f053d8e5"
          "52ef251d1f5683e7c0eb91448b02e61e");
    CHECK(base::hex(keys.repo_mac(bytes_of("hello\n"))) ==
          "ff6c9f2690beb714cb6ee03d861d4833548f0acd87dd5e54f1ec231e84fbc1ef");
    CHECK(keys.source_tag("cluster1/vol7").hex() == "eb5c10102599c3b59ee61ff588a1e314");
    CHECK(IdHasher(keys, IdType::block)(bytes_of("abc")).hex() ==
          "1b9d61ffe4beb5830e3e10002d3fd8446c69e6aa29066bce");
    const std::string classes[] = {
        "3411b10b772830fe00d4c7488d1668c80d4a709e41d09b40e65236c11b86a0ec",
        "160174421cb108311da3bf97703b111d17c6adf1394ec6f615f0136b62eea14f",
        "ce6e32c85195300cc112e52b2339337a288920d01faf0c4d65b992b7bdf513ab",
        "b1547fa4777ca0528a6ed95fa04a263b517d320094d862839ba051167b8a164c"};
    for (std::size_t i = 0; i < kKeyClasses; ++i) {
      CHECK(base::hex(keys.class_key(kEpoch, static_cast<KeyClass>(i))) == classes[i]);
    }
  }

  TEST_CASE("an epoch: known answer, and the newest is the one to write with") {
    auto keys = key_ring();
    CHECK(base::hex(keys.wrap_epoch(kEpoch, rising_key(0x40))) == kEpochObject);
    CHECK(keys.epoch() == kEpoch);
    CHECK(keys.has_epoch(kEpoch));
    CHECK(!keys.has_epoch(6));
    CHECK(keys.class_key(6, KeyClass::data).empty());
    REQUIRE(keys.add_epoch(6, keys.wrap_epoch(6, rising_key(0x41))));
    CHECK(keys.epoch() == kEpoch);
    CHECK(base::hex(keys.class_key(6, KeyClass::data)) !=
          base::hex(keys.class_key(kEpoch, KeyClass::data)));
  }

  TEST_CASE("an epoch object with any bit flipped or cut anywhere is refused") {
    auto keys = key_ring();
    const auto good = unhexed(kEpochObject);
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      CHECK(!keys.add_epoch(kEpoch, base::ByteView(good).first(i)));
      for (int bit = 0; bit < 8; ++bit) {
        auto bad = good;
        bad[i] ^= static_cast<std::byte>(1 << bit);
        CHECK(!keys.add_epoch(kEpoch, bad));
      }
    }
    auto longer = good;
    longer.push_back(std::byte{0});
    check_malformed(keys.add_epoch(kEpoch, longer));
    check_malformed(keys.add_epoch(8, good));
    auto newer = good;
    newer[10] = std::byte{1};
    check_newer(keys.add_epoch(kEpoch, newer));
    newer = good;
    newer[8] = std::byte{2};
    check_newer(keys.add_epoch(kEpoch, newer));
    newer = good;
    newer.back() ^= std::byte{1};
    check_not_authentic(keys.add_epoch(kEpoch, newer));

    KeyRing other(RepositoryId{rising<16>(1)}, rising_key(0x20));
    check_not_authentic(other.add_epoch(kEpoch, good));
  }

  TEST_CASE("a slot of a raw key: known answer") {
    Slot slot;
    slot.kind = SlotKind::raw;
    slot.label = "k";
    const auto object =
        encode_slot(repository_id(), slot, rising<32>(0xA0), rising_key(0xC0), rising_key(0x20));
    CHECK(base::hex(object) == kSlotObject);
    const auto master = unwrap_slot(repository_id(), object, rising_key(0xC0));
    REQUIRE((master && *master));
    CHECK(base::hex((*master)->view()) == base::hex(rising<32>(0x20)));
  }

  Slot slot_of(SlotKind kind) {
    Slot slot;
    slot.kind = kind;
    slot.label = "B\xC3\xBCro";
    if (kind == SlotKind::passphrase) slot.cost = {1u << 15, 4, 2};
    if (kind == SlotKind::callback) slot.wrapped_kek = bytes_of("wrapped by a key service");
    return slot;
  }

  TEST_CASE("slots of every kind read back, and are encoded the same again") {
    for (const auto kind : {SlotKind::passphrase, SlotKind::raw, SlotKind::callback}) {
      const auto slot = slot_of(kind);
      const auto object =
          encode_slot(repository_id(), slot, rising<32>(1), rising_key(2), rising_key(3));
      const auto back = decode_slot(object);
      REQUIRE(back);
      CHECK(back->kind == kind);
      CHECK(back->label == slot.label);
      CHECK(back->wrapped_kek == slot.wrapped_kek);
      CHECK(back->cost.n == slot.cost.n);
      CHECK(back->cost.r == slot.cost.r);
      CHECK(back->cost.p == slot.cost.p);
      CHECK(base::hex(slot_salt(*back)) == base::hex(rising<32>(1)));
      CHECK(encode_slot(repository_id(), *back, slot_salt(*back), rising_key(2), rising_key(3)) ==
            object);
    }
  }

  TEST_CASE("a wrong key is told apart from damage") {
    const auto object = encode_slot(repository_id(), slot_of(SlotKind::raw), rising<32>(1),
                                    rising_key(2), rising_key(3));
    auto wrong = unwrap_slot(repository_id(), object, rising_key(9));
    REQUIRE(wrong);
    CHECK(!*wrong);
    wrong = unwrap_slot(RepositoryId{rising<16>(1)}, object, rising_key(2));
    REQUIRE(wrong);
    CHECK(!*wrong);
    auto damaged = object;
    damaged[damaged.size() - 9] ^= std::byte{1};  // of the tag
    const auto area = base::ByteView(damaged).first(damaged.size() - 8);
    base::store(damaged.data() + area.size(), codec::crc64(area));
    check_not_authentic(unwrap_slot(repository_id(), damaged, rising_key(2)));
  }

  TEST_CASE("a slot with any bit flipped or cut anywhere is refused as damaged") {
    const auto good = encode_slot(repository_id(), slot_of(SlotKind::callback), rising<32>(1),
                                  rising_key(2), rising_key(3));
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      check_malformed(decode_slot(base::ByteView(good).first(i)));
      for (int bit = 0; bit < 8; ++bit) {
        auto bad = good;
        bad[i] ^= static_cast<std::byte>(1 << bit);
        check_malformed(unwrap_slot(repository_id(), bad, rising_key(2)));
      }
    }
  }

  // A slot with `value` at `at`, and a checksum that fits.
  template <class T>
  base::Bytes patched(SlotKind kind, std::size_t at, T value) {
    auto object =
        encode_slot(repository_id(), slot_of(kind), rising<32>(1), rising_key(2), rising_key(3));
    base::store(object.data() + at, value);
    const auto area = base::ByteView(object).first(object.size() - 8);
    base::store(object.data() + area.size(), codec::crc64(area));
    return object;
  }

  TEST_CASE("slots with costs, sizes or kinds out of range are refused") {
    const auto p = SlotKind::passphrase;
    check_malformed(decode_slot(patched(p, 16, std::uint64_t{1} << 13)));
    check_malformed(decode_slot(patched(p, 16, std::uint64_t{3} << 14)));
    check_malformed(decode_slot(patched(p, 16, std::uint64_t{1} << 31)));
    check_malformed(decode_slot(patched(p, 16, std::uint64_t{1} << 63)));
    check_malformed(decode_slot(patched(p, 24, std::uint32_t{0})));
    check_malformed(decode_slot(patched(p, 24, std::uint32_t{257})));
    CHECK(decode_slot(patched(p, 24, std::uint32_t{256})));
    check_malformed(decode_slot(patched(p, 28, std::uint32_t{0})));
    check_malformed(decode_slot(patched(p, 28, std::uint32_t{5})));
    check_malformed(decode_slot(patched(SlotKind::raw, 16, std::uint64_t{1} << 16)));
    check_malformed(decode_slot(patched(SlotKind::raw, 24, std::uint32_t{8})));
    check_malformed(decode_slot(patched(SlotKind::raw, 28, std::uint32_t{1})));
    check_malformed(decode_slot(patched(p, 12, std::uint16_t{1})));
    check_malformed(decode_slot(patched(p, 12, std::uint16_t{0xFFFF})));
    check_malformed(decode_slot(patched(p, 15, std::uint8_t{1})));
    check_malformed(decode_slot(patched(p, 32, std::uint8_t{0xFF})));  // the label
    check_newer(decode_slot(patched(p, 8, std::uint8_t{2})));
    check_newer(decode_slot(patched(p, 9, std::uint8_t{0})));
    check_newer(decode_slot(patched(p, 9, std::uint8_t{4})));
    check_newer(decode_slot(patched(p, 10, std::uint16_t{1})));
    CHECK(decode_slot(patched(p, 10, std::uint16_t{0x100})));

    auto slot = slot_of(SlotKind::callback);
    slot.wrapped_kek.clear();
    const auto encoded = [&] {
      return encode_slot(repository_id(), slot, rising<32>(1), rising_key(2), rising_key(3));
    };
    check_malformed(decode_slot(encoded()));
    slot.wrapped_kek.resize(2049);
    check_malformed(decode_slot(encoded()));
    slot.wrapped_kek.resize(2048);
    CHECK(decode_slot(encoded()));
    slot.label.assign(64, 'a');
    check_malformed(decode_slot(encoded()));
  }

  TEST_CASE("the object repo: known answer") {
    const auto keys = key_ring();
    RepoObject repo;
    repo.id = repository_id();
    const auto object = encode_repo(repo, keys);
    CHECK(base::as_text(object) == kRepoObject);
    CHECK(check_repo(object, keys));
  }

  TEST_CASE("the object repo reads back with features and a clear key") {
    const auto keys = key_ring();
    RepoObject repo;
    repo.id = repository_id();
    repo.write_required = {"gc-2"};
    repo.optional = {"hints", "B\xC3\xBCro"};
    repo.clear_master = rising_key(0x20);
    const auto object = encode_repo(repo, keys);
    const auto back = decode_repo(object);
    REQUIRE(back);
    CHECK(back->id == repo.id);
    CHECK(back->write_required == repo.write_required);
    CHECK(back->optional == repo.optional);
    REQUIRE(back->clear_master);
    CHECK(base::hex(back->clear_master->view()) == base::hex(rising<32>(0x20)));
    CHECK(encode_repo(*back, keys) == object);
    CHECK(check_repo(object, keys));
  }

  // `json` with a MAC that fits.
  base::Bytes sealed(std::string json) {
    json += '\n';
    const auto mac = key_ring().repo_mac(base::as_bytes(json));
    return bytes_of(json + base::hex(mac) + "\n");
  }
  std::string json_with(std::string_view from, std::string_view to) {
    auto text = kRepoObject.substr(0, kRepoObject.find('\n'));
    const auto at = text.find(from);
    REQUIRE(at != text.npos);
    return text.replace(at, from.size(), to);
  }

  TEST_CASE("the object repo with any bit flipped or cut anywhere is refused") {
    const auto keys = key_ring();
    const auto good = bytes_of(kRepoObject);
    const auto accepts = [&](base::ByteView object) {
      return decode_repo(object).has_value() && check_repo(object, keys).has_value();
    };
    CHECK(accepts(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      CHECK(!accepts(base::ByteView(good).first(i)));
      for (int bit = 0; bit < 8; ++bit) {
        auto bad = good;
        bad[i] ^= static_cast<std::byte>(1 << bit);
        CHECK(!accepts(bad));
      }
    }
  }

  TEST_CASE("what is no repository, newer or malformed is told apart") {
    const auto none = [](std::string_view text) {
      check_refused(decode_repo(bytes_of(text)), Errc::not_found, reason::not_a_repository);
    };
    none("");
    none("hello");
    none("{\"format\":1}\n");
    check_malformed(decode_repo(bytes_of("{\"snapvault\":1}")));
    check_malformed(decode_repo(bytes_of(kRepoObject + "\n")));
    check_newer(decode_repo(sealed(json_with("\"snapvault\":1", "\"snapvault\":2"))));
    check_newer(decode_repo(sealed(json_with("\"suite\":1", "\"suite\":2"))));
    check_newer(decode_repo(sealed(json_with("\"optional\":[]", "\"optional\":[],\"!x\":1"))));
    check_newer(decode_repo(sealed(json_with("_required\":[]", "_required\":[\"moon\"]"))));
    CHECK(decode_repo(sealed(json_with("\"optional\":[]", "\"optional\":[],\"x\":{\"!y\":1}"))));
    check_malformed(decode_repo(sealed(json_with("\"snapvault\":1", "\"snapvault\":0"))));
    check_malformed(decode_repo(sealed(json_with("\"suite\":1", "\"suite\":0"))));
    check_malformed(decode_repo(sealed(json_with("\"suite\":1", "\"suite\":-1"))));
    check_malformed(decode_repo(sealed(json_with("\"suite\":1,", ""))));
    check_malformed(decode_repo(sealed(json_with("0001", "00"))));
    check_malformed(decode_repo(sealed(json_with("\"optional\":[]", "\"optional\":[1]"))));
    check_malformed(decode_repo(sealed(json_with("\"optional\":[]", "\"optional\":{}"))));
    check_malformed(decode_repo(sealed(json_with("\"optional\":[]", "\"optional\":[],\"id\":1"))));
    check_malformed(
        decode_repo(sealed(json_with("\"optional\":[]", "\"optional\":[],\"key\":\"00\""))));
    check_malformed(decode_repo(sealed(json_with("[]}", "[]} " + std::string(65536, ' ')))));
    check_malformed(decode_repo(sealed(json_with("[]}", "[]"))));
  }

  TEST_CASE("a repository's repo is not another's") {
    const KeyRing other(repository_id(), rising_key(0x21));
    check_not_authentic(check_repo(bytes_of(kRepoObject), other));
    check_refused(check_repo({}, other), Errc::not_found, reason::not_a_repository);
  }
}

}  // namespace
}  // namespace snapvault::format
