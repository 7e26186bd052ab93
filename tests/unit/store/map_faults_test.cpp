// Maps over a store that fails.
#include "base/reasons.hpp"
#include "map_world.hpp"

TEST_SUITE_BEGIN("store/map_faults");

namespace snapvault::store {
namespace {

using base::Task;
using format::ChildState;

constexpr std::uint32_t kBlock = 16;
constexpr std::uint64_t kLeafSpan = kBlock * format::kFanout;
constexpr std::uint64_t kLeaves = 300'000, kEvery = 15'000;  // five levels, 20 leaves with data

Task<Result<void>> scatter(MapWriter& writer, MapReader*) {
  for (std::uint64_t at = 0; at < kLeaves; at += kEvery) {
    auto task = writer.put(numbered_leaf(at), nullptr);
    SV_CO_CHECK(std::move(task));
    SV_CO_CHECK(writer.fill(ChildState::hole, kEvery - 1));
  }
  co_return Result<void>();
}

// Everything that looks at the parent: kept whole and cut, changed, emptied, and behind the end.
constexpr std::uint64_t kSmaller = 200'001;

Task<Result<void>> change(MapWriter& writer, MapReader*) {
  SV_CO_CHECK(writer.keep(kEvery + 7));
  auto anew = writer.put(numbered_leaf(1), nullptr);
  SV_CO_CHECK(std::move(anew));
  SV_CO_CHECK(writer.keep(2 * kEvery - writer.next()));
  auto other = writer.put(numbered_leaf(2), nullptr);
  SV_CO_CHECK(std::move(other));
  SV_CO_CHECK(writer.fill(ChildState::zero, 4 * kEvery + 100));
  auto early = writer.put(format::Leaf(), nullptr);
  SV_CO_CHECK(std::move(early));
  SV_CO_CHECK(writer.fill(ChildState::hole, 13 * kEvery - writer.next()));
  SV_CO_CHECK(writer.keep(kSmaller - writer.next()));
  co_return Result<void>();
}

Task<Result<void>> nothing(MapWriter&, MapReader*) { co_return Result<void>(); }

// Walks all of a map with fresh caches.
Result<std::map<format::PackId, std::int64_t>> walk(MapWorld& world, const MapSnapshot& snapshot) {
  MapWorld::Reading reading(world, snapshot);
  return world.attempt(RefsCount::walk(reading.map));
}

}  // namespace

TEST_CASE("whichever request fails, a map is written as it should be or an error tells why not") {
  MapWorld world;
  const auto first = world.take(kLeaves * kLeafSpan, kBlock, nullptr, scatter);
  REQUIRE(first.commit.manifest.height == 5);
  const auto size = kSmaller * kLeafSpan - 3 * kBlock;
  const auto good = world.take(size, kBlock, &first, change);
  const auto counted = walk(world, good);
  REQUIRE(counted);
  CHECK(*counted == as_map(good.full));
  for (const bool for_ever : {false, true}) {
    std::uint64_t failed = 0;
    for (std::uint64_t call = 1;; ++call) {
      CAPTURE(for_ever);
      CAPTURE(call);
      world.store->arm(provider::Fault::permission, call, for_ever);
      const auto taken = world.try_take(size, kBlock, &first, change);
      const bool hit = world.store->fired() > 0;
      world.store->disarm();
      if (!hit) {
        REQUIRE(taken);
        CHECK(taken->commit.nodes.nodes.size() == good.commit.nodes.nodes.size());
        CHECK(taken->full.entries.size() == good.full.entries.size());
        break;
      }
      ++failed;
      REQUIRE_FALSE(taken);
      CHECK(taken.error().code() == Errc::permission_denied);
    }
    CHECK(failed > 15);
  }
}

TEST_CASE("whichever request fails, a map that is read says so") {
  MapWorld world;
  const auto snapshot = world.take(kLeaves * kLeafSpan, kBlock, nullptr, scatter);
  std::uint64_t failed = 0;
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    world.store->arm(provider::Fault::permission, call, false);
    const auto counted = walk(world, snapshot);
    const bool hit = world.store->fired() > 0;
    world.store->disarm();
    if (!hit) {
      REQUIRE(counted);
      CHECK(*counted == as_map(snapshot.full));
      break;
    }
    ++failed;
    REQUIRE_FALSE(counted);
    CHECK(counted.error().code() == Errc::permission_denied);
  }
  CHECK(failed > 20);
}

TEST_CASE("a volume that shrinks over a map that cannot be read says so") {
  MapWorld world;
  const auto first = world.take(kLeaves * kLeafSpan, kBlock, nullptr, scatter);
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    world.store->arm(provider::Fault::permission, call, false);
    const auto taken = world.try_take(0, kBlock, &first, nothing);
    const bool hit = world.store->fired() > 0;
    world.store->disarm();
    if (!hit) {
      REQUIRE(taken);
      CHECK(taken->full.entries.empty());
      break;
    }
    REQUIRE_FALSE(taken);
  }
}

}  // namespace snapvault::store

TEST_SUITE_END();
