#include "format/names.hpp"

#include <unordered_set>

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

const std::string kSession = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";
const std::string kRepository = "000102030405060708090a0b0c0d0e0f";

TEST_SUITE("format/names") {
  TEST_CASE("a pack's name tells session, class and number, and reads back") {
    CHECK(pack_name({session_id(), PackClass::data, 5}) ==
          "packs/a0/" + kSession + "/00000000/d00000005");
    const PackId map{session_id(), PackClass::map, 0x12345};
    CHECK(pack_name(map) == "packs/a0/" + kSession + "/00000048/m00012345");
    CHECK(parse_pack_name(pack_name(map)) == map);
    CHECK(pack_name(map).starts_with(packs_prefix(session_id())));
    const PackId last{session_id(), PackClass::data, 0xFFFFFFFF};
    CHECK(parse_pack_name(pack_name(last)) == last);
    CHECK(PackIdHash()(map) != PackIdHash()(last));
  }

  TEST_CASE("names that are not exactly a pack's are refused") {
    const auto good = pack_name({session_id(), PackClass::data, 5});
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      CHECK(!parse_pack_name(good.substr(0, i)));
      auto bad = good;
      bad[i] = '!';
      CHECK(!parse_pack_name(bad));
    }
    CHECK(!parse_pack_name(good + "0"));
    CHECK(!parse_pack_name("packs/a1/" + kSession + "/00000000/d00000005"));
    CHECK(!parse_pack_name("packs/a0/" + kSession + "/00000001/d00000005"));
    CHECK(!parse_pack_name("packs/a0/" + kSession + "/00000000/D00000005"));
    CHECK(!parse_pack_name("packs/A0/A0A1A2A3A4A5A6A7A8A9AAABACADAEAF/00000000/d00000005"));
  }

  TEST_CASE("names below ctl tell slots, epochs and the log apart") {
    const auto id = repository_id();
    CHECK(slot_name(id, 1) == "ctl/" + kRepository + "/k-s-00000001");
    CHECK(epoch_name(id, 2) == "ctl/" + kRepository + "/k-e-00000002");
    CHECK(log_name(id, 0xABC) == "ctl/" + kRepository + "/log-00000abc");
    const auto kind = [&](const std::string& name) { return parse_control_name(id, name)->kind; };
    CHECK(kind(slot_name(id, 1)) == ControlEntry::Kind::slot);
    CHECK(kind(epoch_name(id, 1)) == ControlEntry::Kind::epoch);
    CHECK(kind(log_name(id, 1)) == ControlEntry::Kind::log);
    CHECK(kind(log_name(id, 1) + ".sweep") == ControlEntry::Kind::sweep);
    CHECK(kind(log_name(id, 1) + ".done") == ControlEntry::Kind::done);
    CHECK(parse_control_name(id, log_name(id, 0xABC))->n == 0xABC);
    for (const auto& bad :
         {slot_name(id, 1) + ".sweep", log_name(id, 1) + ".swept", log_name(id, 1) + "0",
          control_prefix(id) + "k-x-00000001", control_prefix(id) + "log-0000001",
          control_prefix(id) + "log-0000000g", slot_name({rising<16>(1)}, 1),
          "ctl/" + kRepository + "k-s-00000001", std::string("ctl/00"), std::string("repo")}) {
      CAPTURE(bad);
      CHECK(!parse_control_name(id, bad));
    }
  }

  TEST_CASE("names below src list the newest order first") {
    SourceEntry entry{SourceEntry::Kind::begin, {rising<16>(0)}, 5, session_id(), 0};
    const auto stem = "src/" + kRepository + "/fffffffffffffffa-" + kSession;
    CHECK(source_entry_name(entry) == stem + ".begin");
    entry.kind = SourceEntry::Kind::commit;
    CHECK(source_entry_name(entry) == stem + ".commit");
    auto later = entry;
    later.order = 6;
    CHECK(source_entry_name(later) < source_entry_name(entry));
    entry.kind = SourceEntry::Kind::tomb;
    CHECK(source_entry_name(entry) == stem + ".tomb");
    entry.kind = SourceEntry::Kind::heartbeat;
    entry.n = 3;
    CHECK(source_entry_name(entry) == stem + ".hb-00000003");
    for (const auto kind : {SourceEntry::Kind::begin, SourceEntry::Kind::commit,
                            SourceEntry::Kind::tomb, SourceEntry::Kind::heartbeat}) {
      entry.kind = kind;
      entry.n = kind == SourceEntry::Kind::heartbeat ? 9 : 0;
      const auto back = parse_source_entry(source_entry_name(entry));
      REQUIRE(back);
      CHECK(back->kind == kind);
      CHECK(back->order == 5);
      CHECK(back->session == session_id());
      CHECK(back->tag == entry.tag);
      CHECK(back->n == entry.n);
    }
    for (const auto& bad :
         {stem, stem + ".begins", stem + ".hb-0000003", stem + ".hb-000000030", stem + "begin",
          "src/" + kRepository + "/xffffffffffffffa-" + kSession + ".begin",
          "src/" + kRepository + "/fffffffffffffffa_" + kSession + ".begin",
          "src/" + kRepository + "/fffffffffffffffa-a0.begin", "src/" + kRepository + "/fff",
          "src/" + kRepository, std::string("src/0")}) {
      CAPTURE(bad);
      CHECK(!parse_source_entry(bad));
    }
  }

  TEST_CASE("names of refs and segments") {
    CHECK(refs_name(session_id(), 1) == "refs/" + kSession + "-00000001");
    CHECK(segment_name(session_id(), 2) == "index/s-" + kSession + "-00000002");
    const auto entry = parse_segment_name(segment_name(session_id(), 2));
    REQUIRE(entry);
    CHECK(entry->session == session_id());
    CHECK(entry->n == 2);
    CHECK(!parse_segment_name("index/m-00000000-00000000"));
    CHECK(!parse_segment_name("index/s-" + kSession + "_00000002"));
    CHECK(!parse_segment_name("index/s-" + kSession + "-0000000"));
    CHECK(!parse_segment_name("index/s-" + kSession + "-000000020"));
    CHECK(!parse_segment_name("index/s-a0"));
    CHECK(parse_session(kSession) == session_id());
    CHECK(!parse_session("a0"));
  }

  TEST_CASE("a prefix is the start of an id") {
    CHECK(prefix_of(BlockId{rising<24>(1)}) == BlockPrefix{rising<16>(1)});
  }

  TEST_CASE("source names are UTF-8 with at most one slash and no '@' or control character") {
    for (const auto* good : {"v", "cluster/vol7", "B\xC3\xBCro", "\xE2\x82\xAC", "\xF0\x9F\x92\xBE",
                             "a b", "a-b.c_d", "\xC2\xA0"}) {
      CAPTURE(good);
      CHECK(check_source_name(good).has_value());
    }
    CHECK(check_source_name(std::string(255, 'a')).has_value());
    for (const auto& bad : {std::string(),
                            std::string(256, 'a'),
                            std::string("a/b/c"),
                            std::string("/a"),
                            std::string("a/"),
                            std::string("/"),
                            std::string("a@b"),
                            std::string("a\nb"),
                            std::string("a\0b", 3),
                            std::string("\x7F"),
                            std::string("\xC2\x80"),
                            std::string("\xC0\xAF"),
                            std::string("\xE0\x80\x80"),
                            std::string("\xED\xA0\x80"),
                            std::string("\xF4\x90\x80\x80"),
                            std::string("\xF0\x80\x80\x80"),
                            std::string("\xF8\x88"),
                            std::string("\x80"),
                            std::string("a\xC3"),
                            std::string("\xC3(")}) {
      CAPTURE(bad);
      check_refused(check_source_name(bad), Errc::invalid_argument, reason::bad_name);
    }
    CHECK(is_utf8(""));
    CHECK(!is_utf8("\xFF"));
  }
}

}  // namespace
}  // namespace snapvault::format
