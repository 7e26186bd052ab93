#include "format/control.hpp"

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

constexpr std::string_view kName = "ctl/x/log-00000000";

base::Bytes object_of(ObjectType type, std::string_view json) {
  ObjectBuilder object(key_ring(), type, kName, salt());
  object.add(RecordKind::json, base::as_bytes(json));
  return std::move(object).finish();
}

LogRecord log_again(const LogRecord& record) {
  const auto keys = key_ring();
  const auto salted = salt();
  const auto object = build_log(keys, kName, salted, record);
  auto back = read_log(keys, kName, object);
  REQUIRE(back);
  CHECK(build_log(keys, kName, salted, *back) == object);
  return *std::move(back);
}

Result<LogRecord> log_of(std::string_view json) {
  return read_log(key_ring(), kName, object_of(ObjectType::log, json));
}

TEST_SUITE("format/control") {
  TEST_CASE("begin, tomb and abort read back") {
    const auto keys = key_ring();
    const auto salted = salt();
    Begin begin{"a/b", -1, session_id(), 77};
    auto read = read_begin(keys, kName, build_begin(keys, kName, salted, begin));
    REQUIRE(read);
    CHECK(read->source == "a/b");
    CHECK(read->time == -1);
    CHECK(read->parent == session_id());
    CHECK(read->parent_order == 77);
    begin.parent.reset();
    read = read_begin(keys, kName, build_begin(keys, kName, salted, begin));
    REQUIRE(read);
    CHECK(!read->parent);
    const auto tomb = read_tomb(keys, kName, build_tomb(keys, kName, salted, Tomb{5}));
    REQUIRE(tomb);
    CHECK(tomb->time == 5);
    const auto abort = read_abort(keys, kName, build_abort(keys, kName, salted, Abort{6, "why"}));
    REQUIRE(abort);
    CHECK(abort->time == 6);
    CHECK(abort->why == "why");
  }

  TEST_CASE("log records of every kind read back, and are encoded the same again") {
    PolicyRecord policy{0, true, "zstd:9", 1u << 20};
    const auto all = std::get<PolicyRecord>(log_again(policy));
    CHECK(all.full_every == 0u);
    CHECK(all.protect_parents == true);
    CHECK(all.compression == "zstd:9");
    CHECK(all.pack_size == 1u << 20);
    const auto none = std::get<PolicyRecord>(log_again(PolicyRecord{}));
    CHECK((!none.full_every && !none.protect_parents && !none.compression && !none.pack_size));

    const PackId data{session_id(1), PackClass::data, 0xFFFFFFFF};
    const PackId map{session_id(2), PackClass::map, 0};
    const auto damage = std::get<DamageRecord>(
        log_again(DamageRecord{{{data, 5}, {map, (512u << 20) / 16}}, {map}}));
    REQUIRE(damage.frames.size() == 2);
    CHECK(damage.frames[0].pack == data);
    CHECK(damage.frames[0].start16 == 5);
    CHECK(damage.frames[1].pack == map);
    CHECK(damage.packs == std::vector{map});

    const auto features =
        std::get<FeaturesRecord>(log_again(FeaturesRecord{{"a"}, {"b", "c"}, {}}));
    CHECK(features.read_required == std::vector<std::string>{"a"});
    CHECK(features.write_required == std::vector<std::string>{"b", "c"});
    CHECK(features.optional.empty());

    const auto condemn = std::get<CondemnRecord>(log_again(CondemnRecord{{data, map}, UINT64_MAX}));
    CHECK(condemn.packs == std::vector{data, map});
    CHECK(condemn.watermark == UINT64_MAX);

    CHECK(std::get<UnknownRecord>(log_again(UnknownRecord{"hold"})).kind == "hold");
    CHECK(std::get<UnknownRecord>(*log_of("{\"kind\":\"hold\",\"x\":1}")).kind == "hold");
  }

  TEST_CASE("critical records and members of a newer version are refused") {
    const auto keys = key_ring();
    check_newer(log_of("{\"kind\":\"!hold\"}"));
    check_newer(log_of("{\"kind\":\"hold\",\"!x\":1}"));
    check_newer(log_of("{\"kind\":\"policy\",\"!x\":1}"));
    CHECK(log_of("{\"kind\":\"policy\",\"x\":1}"));
    check_newer(read_tomb(keys, kName, object_of(ObjectType::tomb, "{\"time\":1,\"!x\":1}")));
    check_newer(read_abort(keys, kName,
                           object_of(ObjectType::abort, "{\"time\":1,\"why\":\"\",\"!x\":1}")));
    check_newer(read_begin(keys, kName,
                           object_of(ObjectType::begin,
                                     "{\"source\":\"a\",\"time\":1,\"parent\":{\"order\":1,"
                                     "\"session\":\"000102030405060708090a0b0c0d0e0f\","
                                     "\"!x\":1}}")));
    auto object = object_of(ObjectType::tomb, "{\"time\":1}");
    object[10] = std::byte{1};  // signed
    correct_checksum(object);
    check_newer(read_tomb(keys, kName, object));
  }

  TEST_CASE("malformed log records are refused") {
    const std::string pack = "\"000102030405060708090a0b0c0d0e0f-d00000000\"";
    CHECK(log_of("{\"kind\":\"condemn\",\"packs\":[" + pack + "],\"watermark\":0}"));
    for (const std::string& json : {
             std::string("[]"),
             std::string("{}"),
             std::string("{\"kind\":1}"),
             std::string("{\"kind\":\"policy\",\"full_every\":4294967296}"),
             std::string("{\"kind\":\"policy\",\"full_every\":-1}"),
             std::string("{\"kind\":\"policy\",\"protect_parents\":0}"),
             std::string("{\"kind\":\"policy\",\"compression\":3}"),
             std::string("{\"kind\":\"policy\",\"pack_size\":536870913}"),
             std::string("{\"kind\":\"damage\",\"packs\":[]}"),
             std::string("{\"kind\":\"damage\",\"frames\":[1],\"packs\":[]}"),
             "{\"kind\":\"damage\",\"frames\":[[" + pack + "]],\"packs\":[]}",
             "{\"kind\":\"damage\",\"frames\":[[" + pack + ",-1]],\"packs\":[]}",
             "{\"kind\":\"damage\",\"frames\":[[" + pack + ",33554433]],\"packs\":[]}",
             std::string("{\"kind\":\"damage\",\"frames\":[[1,1]],\"packs\":[]}"),
             std::string("{\"kind\":\"damage\",\"frames\":[],\"packs\":[1]}"),
             std::string("{\"kind\":\"features\",\"read_required\":[1]}"),
             "{\"kind\":\"condemn\",\"packs\":[" + pack + "]}",
         }) {
      CAPTURE(json);
      check_malformed(log_of(json));
    }
    for (const auto& change :
         {std::pair<std::size_t, char>{1, 'g'}, {33, '_'}, {34, 'x'}, {35, 'g'}, {42, ' '}}) {
      CAPTURE(change.first);
      auto bad = pack;
      bad[change.first] = change.second;
      check_malformed(log_of("{\"kind\":\"condemn\",\"packs\":[" + bad + "],\"watermark\":0}"));
    }
    check_malformed(log_of("{\"kind\":\"condemn\",\"packs\":[\"00-d00000000\"],\"watermark\":0}"));
  }

#ifdef __OPTIMIZE__  // else it takes most of a minute
  TEST_CASE("a log record names at most 100,000 damaged frames") {
    const auto keys = key_ring();
    DamageRecord damage;
    damage.frames.resize(100'000);
    CHECK(read_log(keys, kName, build_log(keys, kName, salt(), damage)));
    damage.frames.resize(100'001);
    check_malformed(read_log(keys, kName, build_log(keys, kName, salt(), damage)));
  }
#endif

  TEST_CASE("malformed begins, tombs and aborts are refused") {
    const auto keys = key_ring();
    for (const auto* json :
         {"{}", "[]", "{\"time\":1}", "{\"source\":\"a@b\",\"time\":1}", "{\"source\":\"a\"}",
          "{\"source\":\"a\",\"time\":1,\"parent\":1}",
          "{\"source\":\"a\",\"time\":1,\"parent\":{\"order\":1,\"session\":\"00\"}}",
          "{\"source\":\"a\",\"time\":1"}) {
      CAPTURE(json);
      check_malformed(read_begin(keys, kName, object_of(ObjectType::begin, json)));
    }
    for (const auto* json : {"{}", "{\"time\":\"1\"}", "{\"time\":1", "1"}) {
      check_malformed(read_tomb(keys, kName, object_of(ObjectType::tomb, json)));
      check_malformed(read_abort(keys, kName, object_of(ObjectType::abort, json)));
      check_malformed(read_log(keys, kName, object_of(ObjectType::log, json)));
    }
    const auto large = "{\"time\":1}" + std::string(65536, ' ');
    check_malformed(read_tomb(keys, kName, object_of(ObjectType::tomb, large)));
    for (const auto kind : {RecordKind::refs, RecordKind::directory}) {
      ObjectBuilder object(keys, ObjectType::tomb, kName, salt());
      object.add(kind, bytes_of("{\"time\":1}"));
      check_malformed(read_tomb(keys, kName, std::move(object).finish()));
    }
    ObjectBuilder object(keys, ObjectType::tomb, kName, salt());
    object.add(RecordKind::json, bytes_of("{\"time\":1}"));
    object.add(RecordKind::json, bytes_of("{\"time\":1}"));
    check_malformed(read_tomb(keys, kName, std::move(object).finish()));
    check_malformed(read_tomb(keys, kName, object_of(ObjectType::abort, "{}")));
    check_not_authentic(read_tomb(keys, "other", object_of(ObjectType::tomb, "{\"time\":1}")));
    for (const auto type : {ObjectType::begin, ObjectType::abort, ObjectType::log}) {
      const auto cut = base::Bytes(40);
      CHECK(!read_begin(keys, kName, cut));
      CHECK(!read_abort(keys, kName, cut));
      CHECK(!read_log(keys, kName, cut));
      CHECK(object_type(object_of(type, "{}")) == type);
    }
  }
}

}  // namespace
}  // namespace snapvault::format
