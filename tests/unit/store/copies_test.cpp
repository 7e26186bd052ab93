#include "store/copies.hpp"

#include "base/reasons.hpp"
#include "unit/store/pack_world.hpp"

namespace snapvault::store {
namespace {

// Stores block 1 in a pack of its own, as a session that shares nothing does.
FramePlace store_alone(PackWorld& world) {
  const auto session = world.session();
  PackReader reader(world.client, world.repository->keys);
  IndexOptions own;
  own.own_only = true;
  Index index(world.client, *world.repository, *session, reader, own);
  std::vector<FinishedPack> finished;
  PackWriterOptions options;
  options.on_finished = [&](FinishedPack pack) { finished.push_back(std::move(pack)); };
  PackWriter writer(world.client, world.repository->keys, *session, std::move(options));
  const TestFrame frame({block_id(1)});
  const auto view = frame.view();
  const auto place = world.run(writer.append(view));
  world.run(writer.finish());
  for (auto& pack : finished) world.run(index.add_pack(std::move(pack)));
  world.run(index.flush());
  return place;
}

TEST_SUITE("store/copies") {
  TEST_CASE("another copy of a block is found, until none is left") {
    PackWorld world;
    const auto first = store_alone(world);
    const auto second = store_alone(world);
    PackReader reader(world.client, world.repository->keys);
    Copies copies(world.client, *world.repository, reader, 1u << 20);
    const auto copy = world.run(copies.find(block_id(1), first));
    REQUIRE(copy);
    CHECK(copy->frame.pack == second.pack);
    CHECK(copy->frame.start16 == second.start16);
    CHECK_FALSE(world.run(copies.find(block_id(2), first)));  // never stored
    CHECK_FALSE(world.run(copies.find(block_id(1), second)));
    CHECK(world.repository->log.damaged.empty());  // nothing is recorded
  }

  TEST_CASE("a store that fails while a copy is looked for says so") {
    PackWorld world;
    const auto first = store_alone(world);
    store_alone(world);
    std::uint64_t failed = 0;
    for (std::uint64_t call = 1;; ++call) {
      CAPTURE(call);
      PackReader reader(world.client, world.repository->keys);
      Copies copies(world.client, *world.repository, reader, 1u << 20);
      world.store->arm(provider::Fault::permission, call, true);
      const auto copy = world.attempt(copies.find(block_id(1), first));
      const bool hit = world.store->fired() > 0;
      world.store->disarm();
      if (!hit) {
        CHECK(*copy);
        break;
      }
      ++failed;
      CHECK(copy.error().code() == Errc::permission_denied);
      CHECK(world.run(copies.find(block_id(1), first)));  // asked again
    }
    CHECK(failed >= 3);
  }
}

}  // namespace
}  // namespace snapvault::store
