#include "format/manifest.hpp"

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

constexpr std::string_view kName = "src/00/commit";

Manifest full_manifest() {
  Manifest manifest;
  manifest.source = "cluster1/B\xC3\xBCro";
  manifest.size = 10u << 20;
  manifest.block_size = 65536;
  manifest.height = 2;
  manifest.started = -5;
  manifest.finished = 1'800'000'000;
  manifest.parent = Manifest::Parent{UINT64_MAX, session_id(1)};
  manifest.chain = 3;
  manifest.mode = "changed";
  manifest.mode_reason = "the parent's token was accepted";
  manifest.crash_consistent = true;
  manifest.file_system = "ext4";
  manifest.tags = {{"!looks", "critical"}, {"env", "prod"}, {"quote\"", "\\\n"}};
  manifest.attributes = {{"uuid", "1"}};
  manifest.base_token = unhexed("00ff10");
  manifest.bad = {{0, 4096}, {4096, 1}, {(10u << 20) - 1, 1}};
  manifest.samples = {{65536, {1, UINT64_MAX}}, {0, {2, 3}}};
  manifest.counts.read_bytes = UINT64_MAX;
  manifest.counts.requests = 11;
  manifest.dedup = "sampled";
  manifest.write_required = {"gc-2"};
  manifest.extra_json = "{\"later\":[1,{\"x\":null}],\"more\":-1}";
  return manifest;
}

InlineNodes top_of_two_levels() {
  Inner root;
  root.packs = {{session_id(), PackClass::map, 0}};
  root.children[0] = {ChildState::node, {rising<24>(1)}, {0, 0, 5, 100}};
  return {{encode_inner(root)}};
}

Commit full_commit() {
  Commit commit;
  commit.manifest = full_manifest();
  commit.nodes = top_of_two_levels();
  commit.refs = Refs{};
  commit.refs->entries = {{{session_id(), PackClass::data, 0}, 3}};
  return commit;
}

Commit commit_of(std::uint64_t size, InlineNodes nodes) {
  auto commit = full_commit();
  commit.manifest.size = size;
  commit.manifest.height = map_height(size, 65536);
  commit.manifest.bad.clear();
  commit.manifest.samples.clear();
  commit.nodes = std::move(nodes);
  return commit;
}

Result<Commit> again(const Commit& commit) {
  const auto keys = key_ring();
  return read_commit(keys, kName, build_commit(keys, kName, salt(), commit));
}

std::string json_of(const Commit& commit) {
  const auto keys = key_ring();
  const auto records =
      read_object(keys, ObjectType::manifest, kName, build_commit(keys, kName, salt(), commit));
  REQUIRE(records);
  return std::string(base::as_text((*records)[0].plain));
}

// A commit whose JSON has `from` replaced by `to`.
Result<Commit> with(std::string_view from, std::string_view to) {
  auto text = json_of(full_commit());
  const auto at = text.find(from);
  REQUIRE(at != text.npos);
  text.replace(at, from.size(), to);
  const auto keys = key_ring();
  ObjectBuilder object(keys, ObjectType::manifest, kName, salt());
  object.add(RecordKind::json, base::as_bytes(text));
  object.add(RecordKind::nodes, encode_inline_nodes(full_commit().nodes));
  object.add(RecordKind::refs, encode_refs(*full_commit().refs));
  return read_commit(keys, kName, std::move(object).finish());
}

TEST_SUITE("format/manifest") {
  TEST_CASE("a commit reads back, and is encoded the same again") {
    const auto keys = key_ring();
    const auto object = build_commit(keys, kName, salt(), full_commit());
    const auto back = read_commit(keys, kName, object);
    REQUIRE(back);
    const auto& manifest = back->manifest;
    const auto expected = full_manifest();
    CHECK(manifest.source == expected.source);
    CHECK(manifest.kind == "volume");
    CHECK(manifest.size == expected.size);
    CHECK(manifest.started == -5);
    CHECK(manifest.finished == expected.finished);
    REQUIRE(manifest.parent);
    CHECK(manifest.parent->order == UINT64_MAX);
    CHECK(manifest.parent->session == session_id(1));
    CHECK(manifest.mode_reason == expected.mode_reason);
    CHECK(manifest.crash_consistent);
    CHECK(manifest.tags == expected.tags);
    CHECK(manifest.attributes == expected.attributes);
    CHECK(manifest.base_token == expected.base_token);
    REQUIRE(manifest.bad.size() == 3);
    CHECK(manifest.bad[1].offset == 4096);
    CHECK(manifest.bad[1].length == 1);
    REQUIRE(manifest.samples.size() == 2);
    CHECK(manifest.samples[0].offset == 65536);
    CHECK(manifest.samples[0].fingerprint == codec::Fingerprint{1, UINT64_MAX});
    CHECK(manifest.counts.read_bytes == UINT64_MAX);
    CHECK(manifest.counts.requests == 11);
    CHECK(manifest.dedup == "sampled");
    CHECK(manifest.write_required == expected.write_required);
    CHECK(manifest.extra_json == expected.extra_json);
    CHECK(back->refs->entries.size() == 1);
    CHECK(!back->refs_object);
    CHECK(build_commit(keys, kName, salt(), *back) == object);
  }

  TEST_CASE("refs may stand in an object of their own") {
    auto commit = full_commit();
    commit.manifest.parent.reset();
    commit.refs.reset();
    commit.refs_object = RefsBase{0, session_id(2), 1, 300};
    const auto back = again(commit);
    REQUIRE(back);
    CHECK(!back->refs);
    REQUIRE(back->refs_object);
    CHECK(back->refs_object->session == session_id(2));
    CHECK(back->refs_object->n == 1);
    CHECK(back->refs_object->entries == 300);
    CHECK(!back->manifest.parent);
    CHECK(json_of(*back) == json_of(commit));
    commit.refs_object->n = RefsBase::kInline;
    check_malformed(again(commit));
    commit.refs_object.reset();
    check_malformed(again(commit));
    commit.refs = Refs{};
    commit.refs_object = RefsBase{0, session_id(2), 1, 300};
    check_malformed(again(commit));
  }

  TEST_CASE("text that is not UTF-8 does not make a snapshot unreadable") {
    auto commit = full_commit();
    commit.manifest.tags = {{"a", "\xFF"}};
    commit.manifest.extra_json = "not json";
    const auto back = again(commit);
    REQUIRE(back);
    CHECK(back->manifest.tags.at("a") == "\xEF\xBF\xBD");
    CHECK(back->manifest.extra_json == "{}");
  }

  TEST_CASE("a commit with any bit flipped or cut anywhere is refused") {
    const auto keys = key_ring();
    const auto good = build_commit(keys, kName, salt(), full_commit());
    for (std::size_t i = 0; i < good.size(); ++i) {
      CAPTURE(i);
      CHECK(!read_commit(keys, kName, base::ByteView(good).first(i)));
      auto bad = good;
      bad[i] ^= static_cast<std::byte>(1 << i % 8);
      CHECK(!read_commit(keys, kName, bad));
    }
  }

  TEST_CASE("members out of range or of the wrong type are refused") {
    CHECK(with("\"chain\":3", "\"chain\":4"));
    const std::pair<const char*, const char*> bad[] = {
        {"\"chain\":3", "\"chain\":4294967296"},
        {"\"chain\":3", "\"chain\":-1"},
        {"\"chain\":3,", ""},
        {"\"source\":\"cluster1/B\xC3\xBCro\"", "\"source\":\"a@b\""},
        {"\"block_size\":65536", "\"block_size\":65535"},
        {"\"block_size\":65536", "\"block_size\":2048"},
        {"\"block_size\":65536", "\"block_size\":0"},
        {"\"block_size\":65536", "\"block_size\":8388608"},
        {"\"height\":2", "\"height\":3"},
        {"\"height\":2", "\"height\":0"},
        {"\"started\":-5", "\"started\":9223372036854775808"},
        {"\"tags\":{", "\"tags\":{\"x\":1,"},
        {"\"tags\":{", "\"tags\":[],\"tag\":{"},
        {"\"base_token\":\"00ff10\"", "\"base_token\":\"00FF10\""},
        {"[0,4096]", "[0,0]"},
        {"[0,4096]", "[0,4097]"},
        {"[0,4096]", "[0]"},
        {"[0,4096]", "0"},
        {"[0,4096]", "[-1,4096]"},
        {"[0,4096]", "[0,\"1\"]"},
        {"[10485759,1]", "[10485759,2]"},
        {"[10485759,1]", "[18446744073709551615,1]"},
        {"[65536,\"", "[65536,\"0"},
        {"[65536,\"", "[10485760,\""},
        {"[65536,\"", "[\"a\",\""},
        {"[65536,\"", "[1,2,\""},
        {"\"crash_consistent\":true", "\"crash_consistent\":1"},
        {"\"requests\":11", "\"requests\":\"11\""},
        {"\"order\":18446744073709551615", "\"order\":null"},
        {"\"session\":\"01", "\"session\":\"0"},
        {"\"write_required\":[\"gc-2\"]", "\"write_required\":[[]]"},
    };
    for (const auto& change : bad) {
      CAPTURE(change.first);
      CAPTURE(change.second);
      check_malformed(with(change.first, change.second));
    }
    const std::string many(8u << 20, ' ');
    check_malformed(with("\"chain\":3", many + "\"chain\":3"));
    auto commit = full_commit();
    commit.manifest.base_token.resize(4097);
    check_malformed(again(commit));
    commit.manifest.base_token.resize(4096);
    commit.manifest.samples.resize(256);
    CHECK(again(commit));
    commit.manifest.samples.resize(257);
    check_malformed(again(commit));
  }

  TEST_CASE("what a newer version says must be known is refused") {
    check_newer(with("\"chain\":3", "\"chain\":3,\"!moon\":1"));
    check_newer(with("\"requests\":11", "\"requests\":11,\"!moon\":1"));
    check_newer(with("\"order\":", "\"!moon\":1,\"order\":"));
    check_newer(with("\"read_required\":[]", "\"read_required\":[\"moon\"]"));
    CHECK(with("\"requests\":11", "\"requests\":11,\"moon\":1"));
    const auto kept = with("\"chain\":3", "\"chain\":3,\"moon\":{\"!phase\":[1]}");
    REQUIRE(kept);
    CHECK(kept->manifest.extra_json ==
          "{\"moon\":{\"!phase\":[1]},\"later\":[1,{\"x\":null}],\"more\":-1}");
  }

  TEST_CASE("the inline nodes are those that the height asks for") {
    const auto leaf = encode_leaf(Leaf{});
    const auto hole = encode_inner(Inner{});
    const auto stored = top_of_two_levels().nodes[0];
    Inner root;
    root.children[0].state = ChildState::node;
    root.children[5].state = ChildState::node;
    const auto inlined = encode_inner(root);
    const std::uint64_t one = 1, two = 64u * 65536 + 1, three = 64ull * 64 * 65536 + 1;
    CHECK(again(commit_of(one, {{leaf}})));
    CHECK(again(commit_of(two, {{hole}})));
    CHECK(again(commit_of(two, {{stored}})));
    CHECK(again(commit_of(three, {{hole}})));
    CHECK(again(commit_of(three, {{inlined, stored, hole}})));
    const auto refused = [](std::uint64_t size, InlineNodes nodes) {
      check_malformed(again(commit_of(size, std::move(nodes))));
    };
    refused(one, {{stored}});
    refused(one, {{leaf, leaf}});
    refused(two, {{stored, hole}});
    refused(two, {{inlined}});
    refused(three, {{stored}});
    refused(three, {{inlined, stored}});
    refused(three, {{inlined, stored, hole, hole}});
    refused(three, {{inlined, stored, inlined}});
    refused(three, {{inlined, stored, encode_leaf(Leaf{}), hole}});
    refused(two, {{base::Bytes(17)}});
    refused(three, {{inlined, stored, base::Bytes(17)}});
  }

  TEST_CASE("commits of other records are refused") {
    const auto keys = key_ring();
    const auto json = json_of(full_commit());
    const auto nodes = encode_inline_nodes(full_commit().nodes);
    const auto refs = encode_refs(*full_commit().refs);
    using Part = std::pair<RecordKind, base::ByteView>;
    const Part a{RecordKind::json, base::as_bytes(json)}, b{RecordKind::nodes, nodes},
        c{RecordKind::refs, refs};
    const auto read = [&](std::initializer_list<Part> parts) {
      ObjectBuilder object(keys, ObjectType::manifest, kName, salt());
      for (const auto& [kind, plain] : parts) object.add(kind, plain);
      return read_commit(keys, kName, std::move(object).finish());
    };
    CHECK(read({a, b, c}));
    check_malformed(read({a}));
    check_malformed(read({a, b, c, c}));
    check_malformed(read({b, b, c}));
    check_malformed(read({a, a, c}));
    check_malformed(read({a, b, b}));
    check_malformed(read({a, b}));
    const base::Bytes none;
    check_malformed(read({{RecordKind::json, none}, b, c}));
    check_malformed(read({a, {RecordKind::nodes, none}, c}));
    check_malformed(read({a, b, {RecordKind::refs, none}}));
  }
}

}  // namespace
}  // namespace snapvault::format
