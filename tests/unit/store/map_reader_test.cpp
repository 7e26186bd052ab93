#include "store/map_reader.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "map_world.hpp"
#include "store/recent.hpp"

TEST_SUITE_BEGIN("store/map_reader");

namespace snapvault::store {
namespace {

using base::Task;
using format::ChildState;
using Kind = MapReader::Item::Kind;

constexpr std::uint32_t kBlock = 16;
constexpr std::uint64_t kLeafSpan = kBlock * format::kFanout;

// What a part of a volume is filled with: one state, or leaves with data.
struct Part {
  std::uint64_t count = 0;
  ChildState state = ChildState::node;
};

Task<Result<void>> describe(MapWriter& writer, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    if (part.state != ChildState::node) {
      SV_CO_CHECK(writer.fill(part.state, part.count));
      continue;
    }
    for (std::uint64_t i = 0; i < part.count; ++i) {
      auto task = writer.put(numbered_leaf(writer.next()), nullptr);
      SV_CO_CHECK(std::move(task));
    }
  }
  co_return Result<void>();
}

MapSnapshot take(MapWorld& world, const std::vector<Part>& parts) {
  std::uint64_t leaves = 0;
  for (const Part& part : parts) leaves += part.count;
  return world.take(leaves * kLeafSpan, kBlock, nullptr,
                    [&](MapWriter& writer, MapReader*) { return describe(writer, parts); });
}

base::Bytes object(MapWorld& world, const std::string& name) {
  return world.run(world.client.get(name));
}

// A store with other bytes under one name.
void replace(MapWorld& world, const std::string& name, base::Bytes bytes) {
  std::vector<std::string> names{name};
  auto removing = world.client.remove(std::move(names));
  world.run(std::move(removing));
  auto creating = world.client.create(name, PutBody(std::move(bytes)));
  world.run(std::move(creating));
}

}  // namespace

TEST_CASE("a reader answers the longest run it knows of, cut at the end of the volume") {
  MapWorld world;
  const auto snapshot = take(world, {{10, ChildState::zero},
                                     {54, ChildState::hole},
                                     {64 * 3, ChildState::zero},
                                     {1},
                                     {4096 * 2, ChildState::hole}});
  MapWorld::Reading reading(world, snapshot);
  struct Expected {
    std::uint64_t at;
    Kind kind;
    std::uint64_t count;
  };
  for (const auto& expected : std::vector<Expected>{{0, Kind::zero, 10},
                                                    {7, Kind::zero, 3},
                                                    {10, Kind::hole, 54},
                                                    {63, Kind::hole, 1},
                                                    {64, Kind::zero, 192},
                                                    {130, Kind::zero, 126},
                                                    {256, Kind::leaf, 1},
                                                    {257, Kind::hole, 63},
                                                    {320, Kind::hole, 4096 - 320},
                                                    {4096, Kind::hole, 4096 + 257}}) {
    CAPTURE(expected.at);
    const auto item = world.run(reading.map.at(expected.at));
    CHECK(item.first == expected.at);
    CHECK(item.kind == expected.kind);
    CHECK(item.count == expected.count);
    CHECK((item.leaf != nullptr) == (expected.kind == Kind::leaf));
  }
}

TEST_CASE("leaves in order cost one request for each frame, and one for the keys of each pack") {
  MapWorld world;
  constexpr std::uint64_t kLeaves = 64 * 100;
  const auto snapshot = take(world, {{kLeaves}});
  MapWorld::Reading reading(world, snapshot);
  const auto before = world.client.traffic().gets;
  for (std::uint64_t at = 0; at < kLeaves; ++at) {
    const auto leaf = world.run(reading.map.at(at)).leaf;
    REQUIRE(leaf);
    CHECK(leaf->blocks[5].id == numbered_leaf(at).blocks[5].id);
  }
  CHECK(reading.packs.frames_read() == snapshot.frames.size());
  CHECK(world.client.traffic().gets - before <= snapshot.frames.size() + snapshot.packs);
}

TEST_CASE(
    "leaves of many snapshots in order cost each frame once, and a single leaf only its own") {
  MapWorld world;
  constexpr std::uint64_t kLeaves = 64 * 30;
  auto snapshot = take(world, {{kLeaves}});
  std::uint64_t frames = snapshot.frames.size(), packs = snapshot.packs;
  for (std::uint64_t step = 3; step <= 7; ++step) {
    snapshot = world.take(kLeaves * kLeafSpan, kBlock, &snapshot,
                          [&](MapWriter& writer, MapReader*) -> Task<Result<void>> {
                            for (std::uint64_t at = 0; at < kLeaves; at += step) {
                              auto task = writer.put(numbered_leaf(at + step * kLeaves), nullptr);
                              SV_CO_CHECK(std::move(task));
                              const auto kept = std::min(step - 1, kLeaves - writer.next());
                              if (kept > 0) SV_CO_CHECK(writer.keep(kept));
                            }
                            co_return Result<void>();
                          });
    frames += snapshot.frames.size();
    packs += snapshot.packs;
  }
  MapWorld::Reading reading(world, snapshot);
  const auto before = world.client.traffic().gets;
  for (std::uint64_t at = 0; at < kLeaves; ++at) {
    const auto leaf = world.run(reading.map.at(at)).leaf;
    REQUIRE(leaf);
    std::uint64_t number = at;
    for (std::uint64_t step = 3; step <= 7; ++step) {
      if (at % step == 0) number = at + step * kLeaves;
    }
    CHECK(leaf->blocks[5].id == numbered_leaf(number).blocks[5].id);
  }
  CHECK(reading.packs.frames_read() <= frames);
  CHECK(world.client.traffic().gets - before <= frames + packs);

  MapWorld::Reading single(world, snapshot);
  REQUIRE(world.run(single.map.at(kLeaves / 2)).leaf);
  CHECK(single.packs.frames_read() <= 2);     // of the path
  REQUIRE(world.run(single.map.at(1)).leaf);  // backwards: nobody goes on from there
  CHECK(single.packs.frames_read() <= 4);
}

TEST_CASE("nodes answer by position, and what is under a hole says so") {
  MapWorld world;
  const auto snapshot = take(
      world, {{1}, {63, ChildState::hole}, {64, ChildState::zero}, {64, ChildState::hole}, {1}});
  MapWorld::Reading reading(world, snapshot);
  MapReader& map = reading.map;
  REQUIRE(map.height() == 3);
  CHECK(map.leaves() == 193);
  CHECK(map.blocks() == 193 * 64);
  CHECK(world.run(map.entry(2, 0)).inlined);
  CHECK(world.run(map.entry(1, 0)).inlined);
  CHECK(world.run(map.entry(1, 1)).state == ChildState::zero);
  CHECK(world.run(map.entry(1, 2)).state == ChildState::hole);
  const auto leaf = world.run(map.entry(0, 0));
  CHECK(leaf.state == ChildState::node);
  CHECK_FALSE(leaf.inlined);
  CHECK(leaf.pack.pack_class == format::PackClass::map);
  CHECK(world.run(map.entry(0, 100)).state == ChildState::zero);
  CHECK(world.run(map.inner(1, 0))->children[0].id == leaf.id);
  CHECK(world.run(map.leaf(192))->blocks[0].state == format::BlockState::data);

  CHECK_FALSE(world.attempt(map.at(193)));
  CHECK_FALSE(world.attempt(map.entry(3, 0)));
  CHECK_FALSE(world.attempt(map.entry(1, 4)));
  CHECK_FALSE(world.attempt(map.leaf(1)));
  CHECK_FALSE(world.attempt(map.inner(1, 1)));
  CHECK_FALSE(world.attempt(map.inner(0, 0)));
}

TEST_CASE("a damaged frame of nodes is named by pack and place, and the rest reads on") {
  MapWorld world;
  const auto snapshot = take(world, {{64 * 65}});
  MapWorld::Reading whole(world, snapshot);
  const auto entry = world.run(whole.map.entry(0, 70));
  const std::string name = format::pack_name(entry.pack);
  auto bytes = object(world, name);
  bytes[std::uint64_t{entry.start16} * 16 + 100] ^= std::byte{1};
  replace(world, name, std::move(bytes));

  MapWorld::Reading reading(world, snapshot);
  const auto bad = world.attempt(reading.map.at(70));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code() == Errc::data_loss);
  CHECK(bad.error().reason() == reason::not_authentic);
  const std::string subject(bad.error().subject());
  CHECK(subject.find(name) != subject.npos);
  CHECK(subject.find(std::to_string(std::uint64_t{entry.start16} * 16)) != subject.npos);
  CHECK(subject.find("level 0, number 70") != subject.npos);
  CHECK(world.run(reading.map.at(63)).leaf);
  CHECK(world.run(reading.map.at(128)).leaf);
}

TEST_CASE("a missing pack of nodes is data loss") {
  MapWorld world;
  const auto snapshot = take(world, {{64}});
  MapWorld::Reading whole(world, snapshot);
  const auto entry = world.run(whole.map.entry(0, 0));
  std::vector<std::string> names{format::pack_name(entry.pack)};
  auto removing = world.client.remove(std::move(names));
  world.run(std::move(removing));
  MapWorld::Reading reading(world, snapshot);
  const auto bad = world.attempt(reading.map.at(0));
  REQUIRE_FALSE(bad);
  CHECK(bad.error().reason() == reason::object_missing);
}

TEST_CASE("a node that is not the one its parent names is never returned") {
  MapWorld world;
  const auto snapshot = take(world, {{64 * 64 * 2}});
  SUBCASE("another leaf of the same frame") {
    const auto two = take(world, {{64}});
    auto wrong = two;
    auto root = format::decode_inner(wrong.commit.nodes.nodes[0]);
    REQUIRE(root);
    std::swap(root->children[3].place, root->children[4].place);
    wrong.commit.nodes.nodes[0] = format::encode_inner(*root);
    MapWorld::Reading reading(world, wrong);
    CHECK(world.run(reading.map.at(2)).leaf);
    const auto bad = world.attempt(reading.map.at(3));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().code() == Errc::data_loss);
    CHECK(bad.error().reason() == reason::id_mismatch);
    CHECK(bad.error().subject().find("node 4") != std::string_view::npos);
  }
  SUBCASE("inline nodes that changed places") {
    auto wrong = snapshot;
    REQUIRE(wrong.commit.nodes.nodes.size() == 3);
    std::swap(wrong.commit.nodes.nodes[1], wrong.commit.nodes.nodes[2]);
    MapWorld::Reading reading(world, wrong);
    const auto bad = world.attempt(reading.map.at(0));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().reason() == reason::id_mismatch);
    CHECK(bad.error().subject().find("manifest") != std::string_view::npos);
  }
  SUBCASE("a slot that its frame does not have") {
    auto wrong = take(world, {{5}, {59, ChildState::hole}});
    auto root = format::decode_inner(wrong.commit.nodes.nodes[0]);
    REQUIRE(root);
    root->children[1].place.slot = 200;
    wrong.commit.nodes.nodes[0] = format::encode_inner(*root);
    MapWorld::Reading reading(world, wrong);
    const auto bad = world.attempt(reading.map.at(1));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().reason() == reason::bad_format);
  }
  SUBCASE("a node in a data pack") {
    auto wrong = take(world, {{5}, {59, ChildState::hole}});
    auto root = format::decode_inner(wrong.commit.nodes.nodes[0]);
    REQUIRE(root);
    root->packs[0].pack_class = format::PackClass::data;
    wrong.commit.nodes.nodes[0] = format::encode_inner(*root);
    MapWorld::Reading reading(world, wrong);
    const auto bad = world.attempt(reading.map.at(1));
    REQUIRE_FALSE(bad);
    CHECK(bad.error().reason() == reason::bad_format);
  }
}

TEST_CASE("a manifest whose map cannot be is refused on the first question") {
  MapWorld world;
  const auto good = take(world, {{64 * 65}});
  const auto refused = [&](const MapSnapshot& snapshot) {
    MapWorld::Reading reading(world, snapshot);
    const auto bad = world.attempt(reading.map.entry(0, 0));
    return !bad && bad.error().code() == Errc::data_loss &&
           bad.error().reason() == std::string_view(reason::bad_format);
  };
  CHECK_FALSE(refused(good));
  auto bad = good;
  bad.commit.manifest.block_size = 0;
  CHECK(refused(bad));
  bad = good;
  bad.commit.manifest.height = 2;
  CHECK(refused(bad));
  bad = good;
  bad.commit.manifest.block_size = 1;
  bad.commit.manifest.size = ~std::uint64_t{0};
  bad.commit.manifest.height = format::map_height(~std::uint64_t{0}, 1);
  CHECK(refused(bad));
  bad = good;
  bad.commit.nodes.nodes.clear();
  CHECK(refused(bad));
  bad = good;
  bad.commit.nodes.nodes.pop_back();
  CHECK(refused(bad));
  bad = good;
  bad.commit.nodes.nodes[0].pop_back();
  CHECK(refused(bad));
  bad = good;
  // Children with places where they should stand inline.
  bad.commit.nodes.nodes[0] = take(world, {{2}, {62, ChildState::hole}}).commit.nodes.nodes[0];
  CHECK(refused(bad));
}

TEST_CASE("the entries used last are kept within number and weight") {
  Recent<int, int> few(3, 100);
  for (int i = 1; i <= 3; ++i) few.add(i, i * 10);
  REQUIRE(few.find(1));
  few.add(4, 40);
  CHECK_FALSE(few.find(2));
  REQUIRE(few.find(1));
  CHECK(*few.find(1) == 10);
  CHECK(few.find(3));
  few.add(5, 50, 99);
  CHECK(few.find(5));
  CHECK(few.find(3));
  CHECK_FALSE(few.find(1));
  few.add(6, 60, 1000);
  CHECK(few.find(6));
  CHECK_FALSE(few.find(5));
  few.add(7, 70);
  CHECK(few.find(7));
  CHECK_FALSE(few.find(6));
}

}  // namespace snapvault::store

TEST_SUITE_END();
