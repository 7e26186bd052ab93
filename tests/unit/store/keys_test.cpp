// Key slots over stores and callbacks that fail.
#include <new>

#include "store/slots.hpp"
#include "store_world.hpp"

TEST_SUITE_BEGIN("store/keys");

namespace snapvault::store {
namespace {

Lock wrapped_lock(Result<base::Bytes> (*wrap)(std::span<const std::byte, 32>)) {
  Lock lock;
  lock.kind = Lock::Kind::callback;
  lock.wrap = wrap;
  return lock;
}
Result<base::Bytes> as_it_is(std::span<const std::byte, 32> key) {
  return base::Bytes(key.begin(), key.end());
}

Result<std::uint32_t> try_add(World& world, Repository& repository, Lock lock) {
  auto task = add_slot(world.client, repository, std::move(lock));
  return world.attempt(std::move(task));
}

}  // namespace

TEST_CASE("a slot of any kind is added whole or not at all, whichever request fails") {
  const Lock locks[] = {raw_lock(2), passphrase_lock("second"), wrapped_lock(as_it_is)};
  for (const auto& lock : locks) {
    CAPTURE(static_cast<int>(lock.kind));
    for (std::uint64_t call = 1;; ++call) {
      CAPTURE(call);
      World world;
      auto repository = world.made();
      world.store->arm(provider::Fault::permission, call, false);
      const auto added = try_add(world, repository, lock);
      const bool hit = world.store->fired() > 0;
      world.store->disarm();
      CHECK(added.has_value() == !hit);
      CHECK(world.opened().slots.size() == (added ? 2 : 1));
      CHECK(repository.slots.size() == (added ? 2 : 1));
      if (!hit) break;
      CHECK(added.error().code() == Errc::permission_denied);
    }
  }
}

TEST_CASE("a slot is removed or stays, whichever request fails") {
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    World world;
    auto repository = world.made();
    REQUIRE(try_add(world, repository, raw_lock(2)));
    world.store->arm(provider::Fault::permission, call, false);
    auto task = remove_slot(world.client, repository, 0);
    const auto removed = world.attempt(std::move(task));
    const bool hit = world.store->fired() > 0;
    world.store->disarm();
    CHECK(removed.has_value() == !hit);
    CHECK(world.tried(raw_unlock(2)));
    if (removed) CHECK_FALSE(world.tried(raw_unlock(1)));
    if (!hit) break;
  }
}

TEST_CASE("in a repository that keeps its key every slot may go, and newer programs' stay") {
  World world;
  auto repository = world.made(no_lock());
  const auto slot = try_add(world, repository, raw_lock(2));
  REQUIRE(slot);
  auto task = remove_slot(world.client, repository, *slot);
  world.run(std::move(task));
  CHECK(world.opened(Unlock()).slots.empty());
  repository.log.read_only = true;
  CHECK(reason_of(try_add(world, repository, raw_lock(3))) == reason::access);
  auto refused = remove_slot(world.client, repository, 0);
  CHECK(reason_of(world.attempt(std::move(refused))) == reason::access);
  CHECK(reason_of(try_add(world, repository, passphrase_lock(""))) == reason::bad_argument);
}

TEST_CASE("memory that a callback does not get is short memory, not a failed key") {
  World world;
  auto repository = world.made();
  const auto short_of_memory = [](std::span<const std::byte, 32>) -> Result<base::Bytes> {
    throw std::bad_alloc();
  };
  const auto added = try_add(world, repository, wrapped_lock(short_of_memory));
  CHECK(added.error().code() == Errc::resource_exhausted);
  const auto nothing = [](std::span<const std::byte, 32>) -> Result<base::Bytes> {
    return base::Bytes();
  };
  CHECK(reason_of(try_add(world, repository, wrapped_lock(nothing))) == reason::key_callback);
  const auto too_much = [](std::span<const std::byte, 32>) -> Result<base::Bytes> {
    return base::Bytes(2049);
  };
  CHECK(reason_of(try_add(world, repository, wrapped_lock(too_much))) == reason::key_callback);

  REQUIRE(try_add(world, repository, wrapped_lock(as_it_is)));
  REQUIRE(try_add(world, repository, passphrase_lock("second")));
  Unlock unlock;
  unlock.unwrap = [](base::ByteView) -> Result<RawKey> { throw std::bad_alloc(); };
  CHECK_FALSE(world.tried(unlock));
  unlock = Unlock();
  unlock.passphrase = []() -> Result<std::string> { throw std::bad_alloc(); };
  CHECK(world.tried(unlock).error().code() == Errc::resource_exhausted);
  unlock.passphrase = []() -> Result<std::string> { throw 1; };
  CHECK(reason_of(world.tried(unlock)) == reason::key_callback);
}

TEST_CASE("who has no key is told all kinds that would do, and how many could not be read") {
  World world;
  auto repository = world.made();
  REQUIRE(try_add(world, repository, wrapped_lock(as_it_is)));
  const auto second = try_add(world, repository, passphrase_lock("second"));
  REQUIRE(second);
  const auto refused = world.tried(Unlock());
  CHECK(reason_of(refused) == reason::key_required);
  for (const char* kind : {"a passphrase", "a raw key", "its key service"}) {
    CHECK(refused.error().message().find(kind) != std::string::npos);
  }
  world.flip(format::slot_name(repository.id, *second), 60);
  const auto wrong = world.tried(raw_unlock(7));
  CHECK(reason_of(wrong) == reason::wrong_key);
  CHECK(wrong.error().message().find("1 more cannot be read") != std::string::npos);
}

TEST_CASE("two slots that are damaged tell of the first") {
  World world;
  auto repository = world.made();
  const auto second = try_add(world, repository, raw_lock(2));
  REQUIRE(second);
  world.flip(format::slot_name(repository.id, 0), 60);
  world.flip(format::slot_name(repository.id, *second), 60);
  CHECK(world.tried(raw_unlock(1)).error().code() == Errc::data_loss);
}

}  // namespace snapvault::store

TEST_SUITE_END();
