#include "store/repository.hpp"

#include <algorithm>

#include "store/slots.hpp"
#include "store_world.hpp"

TEST_SUITE_BEGIN("store/repository");

namespace snapvault::store {
namespace {

// XOR stands for a key service.
Lock service_lock() {
  Lock lock;
  lock.kind = Lock::Kind::callback;
  lock.wrap = [](std::span<const std::byte, 32> key) -> Result<base::Bytes> {
    base::Bytes out(key.begin(), key.end());
    for (auto& byte : out) byte ^= std::byte{0x55};
    return out;
  };
  return lock;
}
Unlock service_unlock() {
  Unlock unlock;
  unlock.unwrap = [](base::ByteView wrapped) -> Result<RawKey> {
    RawKey key;
    std::transform(wrapped.begin(), wrapped.end(), key.begin(),
                   [](std::byte byte) { return byte ^ std::byte{0x55}; });
    return key;
  };
  return unlock;
}

bool same_keys(const Repository& a, const Repository& b) {
  const auto left = a.keys.master();
  const auto right = b.keys.master();
  return a.id == b.id && std::ranges::equal(left.view(), right.view()) &&
         a.keys.epoch() == b.keys.epoch();
}

std::string control(const Repository& repository) { return format::control_prefix(repository.id); }

}  // namespace

TEST_CASE("a repository that was made opens with the key it was made with") {
  struct Case {
    Lock lock;
    Unlock unlock;
  };
  const Case cases[] = {{raw_lock(), raw_unlock()},
                        {service_lock(), service_unlock()},
                        {passphrase_lock("correct horse"), passphrase_unlock("correct horse")},
                        {no_lock(), Unlock()}};
  for (const auto& each : cases) {
    CAPTURE(static_cast<int>(each.lock.kind));
    World world;
    auto lock = each.lock;
    lock.label = "first";
    const auto made = world.made(std::move(lock));
    const auto opened = world.opened(each.unlock);
    CHECK(same_keys(made, opened));
    const bool none = each.lock.kind == Lock::Kind::none;
    CHECK(opened.without_passphrase == none);
    CHECK(made.without_passphrase == none);
    REQUIRE(opened.slots.size() == (none ? 0u : 1u));
    REQUIRE(made.slots.size() == opened.slots.size());
    if (none) continue;
    CHECK(opened.slots[0].slot == 0);
    CHECK(opened.slots[0].label == "first");
    CHECK(opened.slots[0].kind == made.slots[0].kind);
  }
}

TEST_CASE("opening takes four requests") {
  World world;
  world.made();
  provider::Client client(*world.env, world.memory);
  auto task = open(client, raw_unlock());
  CHECK(world.attempt(std::move(task)));
  CHECK(client.traffic().requests() == 4);
}

TEST_CASE("the wrong key, none and one of another kind each say so") {
  World with_passphrase;
  with_passphrase.made(passphrase_lock("right"));
  World with_raw;
  with_raw.made();
  World with_service;
  with_service.made(service_lock());

  const auto wrong = with_passphrase.tried(passphrase_unlock("wrong"));
  CHECK(reason_of(wrong) == reason::wrong_passphrase);
  CHECK(wrong.error().code() == Errc::unauthenticated);
  CHECK(wrong.error().message().find("wrong") == std::string_view::npos);
  CHECK(reason_of(with_raw.tried(raw_unlock(2))) == reason::wrong_key);
  Unlock other_service;
  other_service.unwrap = [](base::ByteView) -> Result<RawKey> { return raw_key(9); };
  CHECK(reason_of(with_service.tried(other_service)) == reason::wrong_key);

  for (World* world : {&with_passphrase, &with_raw, &with_service}) {
    const auto none = world->tried(Unlock());
    CHECK(reason_of(none) == reason::key_required);
    CHECK(none.error().code() == Errc::unauthenticated);
  }
  const auto other = with_raw.tried(passphrase_unlock("right"));
  CHECK(reason_of(other) == reason::key_required);
  CHECK(other.error().message().find("a raw key") != std::string_view::npos);
}

TEST_CASE("a passphrase is asked for once, and only if a slot needs it") {
  World world;
  auto repository = world.made(passphrase_lock("one"));
  auto second = add_slot(world.client, repository, passphrase_lock("two"));
  world.run(std::move(second));
  int asked = 0;
  Unlock unlock;
  unlock.passphrase = [&]() -> Result<std::string> { return ++asked, "two"; };
  world.opened(unlock);
  CHECK(asked == 1);

  World raw;
  raw.made();
  unlock.raw_key = raw_key(1);
  raw.opened(unlock);
  CHECK(asked == 1);

  unlock.passphrase = []() -> Result<std::string> {
    return Error(Errc::cancelled, reason::cancelled, "no answer");
  };
  CHECK(reason_of(world.tried(unlock)) == reason::cancelled);
}

TEST_CASE("callbacks that fail or throw are errors, and another slot can make good for them") {
  World world;
  auto repository = world.made(service_lock());
  Unlock unlock;
  unlock.unwrap = [](base::ByteView) -> Result<RawKey> {
    return Error(Errc::unavailable, reason::store_failed, "the key service is down");
  };
  CHECK(reason_of(world.tried(unlock)) == reason::store_failed);
  unlock.unwrap = [](base::ByteView) -> Result<RawKey> { throw std::runtime_error("x"); };
  CHECK(reason_of(world.tried(unlock)) == reason::key_callback);
  auto second = add_slot(world.client, repository, raw_lock());
  world.run(std::move(second));
  unlock.raw_key = raw_key(1);
  CHECK(world.tried(unlock));

  World empty;
  for (const std::size_t size : {0, 2049}) {
    Lock lock;
    lock.kind = Lock::Kind::callback;
    lock.wrap = [&](std::span<const std::byte, 32>) -> Result<base::Bytes> {
      return base::Bytes(size);
    };
    auto task = init(empty.client, lock, Policy());
    CHECK(reason_of(empty.attempt(std::move(task))) == reason::key_callback);
    CHECK(empty.keys().empty());
  }
  Lock lock;
  lock.kind = Lock::Kind::callback;
  lock.wrap = [](std::span<const std::byte, 32>) -> Result<base::Bytes> { throw 1; };
  auto task = init(empty.client, lock, Policy());
  CHECK(reason_of(empty.attempt(std::move(task))) == reason::key_callback);
}

TEST_CASE("a lock that cannot work is refused before anything is written") {
  std::vector<Lock> locks(7);
  locks[1] = passphrase_lock("x");
  locks[1].scrypt_n = 1u << 13;
  locks[2] = passphrase_lock("x");
  locks[2].scrypt_n = 1u << 21;
  locks[3] = passphrase_lock("x");
  locks[3].scrypt_n = (1u << 14) + 1;
  locks[4].kind = Lock::Kind::raw;
  locks[5].kind = Lock::Kind::callback;
  locks[6] = raw_lock();
  locks[6].label = "\xff";
  for (const auto& lock : locks) {
    World world;
    auto task = init(world.client, lock, Policy());
    CHECK(reason_of(world.attempt(std::move(task))) == reason::bad_argument);
    CHECK(world.client.traffic().requests() == 0);
  }
}

TEST_CASE("making a repository where one is writes nothing; foreign files are no obstacle") {
  World world;
  world.overwrite("readme.txt", base::Bytes(3));
  world.made();
  const auto before = world.keys();
  const auto puts = world.client.traffic().puts;
  auto task = init(world.client, raw_lock(2), Policy());
  const auto again = world.attempt(std::move(task));
  CHECK(reason_of(again) == reason::repository_exists);
  CHECK(again.error().code() == Errc::already_exists);
  CHECK(world.client.traffic().puts == puts);
  CHECK(world.keys() == before);
  CHECK(world.tried());
}

TEST_CASE("a place without a repository says so, with a hint") {
  World world;
  world.overwrite("ctl/x", base::Bytes(3));
  const auto opened = world.tried();
  CHECK(reason_of(opened) == reason::not_a_repository);
  CHECK(opened.error().code() == Errc::not_found);
  CHECK(!opened.error().hint().empty());
  world.overwrite("repo", base::Bytes(100, std::byte{'x'}));
  CHECK(reason_of(world.tried()) == reason::not_a_repository);
}

TEST_CASE("the policy given at the start is kept, and the default needs no record") {
  World world;
  const auto plain = world.made();
  CHECK(plain.log.next == 0);
  CHECK(world.keys(control(plain) + "log-").empty());

  World other;
  const Policy policy{
      .full_every = 0, .protect_parents = true, .compression = "none", .pack_size = 1u << 20};
  const auto made = other.made(raw_lock(), policy);
  CHECK(made.log.next == 1);
  CHECK(made.log.policy == policy);
  CHECK(other.opened().log.policy == policy);
}

TEST_CASE(
    "init that fails at any call leaves a place where init works, or a repository that opens") {
  const Policy policy{.full_every = 3};
  for (const auto fault : provider::kFaults) {
    for (const bool for_ever : {false, true}) {
      for (std::uint64_t call = 1;; ++call) {
        World world(call);
        world.store->arm(fault, call, for_ever);
        auto task = init(world.client, raw_lock(), policy);
        const auto made = world.attempt(std::move(task));
        const bool hit = world.store->fired() > 0;
        world.store->disarm();
        CAPTURE(std::string(to_string(fault)));
        CAPTURE(call);
        const auto opened = world.tried();
        if (made) REQUIRE(opened);
        if (!opened) {
          REQUIRE(reason_of(opened) == reason::not_a_repository);
          auto again = init(world.client, raw_lock(), policy);
          REQUIRE(world.attempt(std::move(again)));
        }
        CHECK(world.opened().log.policy == policy);
        if (!hit) break;
      }
    }
  }
}

TEST_CASE("of two inits at once exactly one wins, and the other leaves nothing") {
  int first_won = 0;
  const int kSeeds = 200;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);
    World world(static_cast<std::uint64_t>(seed));
    provider::Client clients[] = {{*world.env, world.memory}, {*world.env, world.memory}};
    std::optional<Result<Repository>> answers[2];
    const auto one = [&](std::size_t i) -> base::Task<Result<void>> {
      auto task = init(clients[i], raw_lock(static_cast<int>(i)), Policy{.full_every = 3});
      answers[i] = co_await std::move(task);
      co_return Result<void>();
    };
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (std::size_t i = 0; i < 2; ++i) {
        auto task = one(i);
        auto start = group.spawn(std::move(task));
        co_await std::move(start);
      }
      co_return Result<void>();
    };
    auto both = base::with_group(world.env->loop(), 2, body);
    REQUIRE(world.attempt(std::move(both)));
    const std::size_t winner = *answers[0] ? 0 : 1;
    first_won += winner == 0;
    REQUIRE(*answers[winner]);
    REQUIRE(!*answers[1 - winner]);
    CHECK(reason_of(*answers[1 - winner]) == reason::repository_exists);
    CHECK(same_keys(world.opened(raw_unlock(static_cast<int>(winner))), **answers[winner]));
    CHECK(!world.tried(raw_unlock(static_cast<int>(1 - winner))));
    for (const auto& key : world.keys("ctl/")) {
      CHECK(key.starts_with(control(**answers[winner])));
    }
  }
  CHECK(first_won > kSeeds / 10);
  CHECK(first_won < kSeeds - kSeeds / 10);
}

TEST_CASE("changing the key leaves one that opens, wherever it is interrupted") {
  const auto change = [](World& world, Repository& repository) -> base::Task<Result<void>> {
    auto add = add_slot(world.client, repository, raw_lock(2));
    SV_CO_TRY(const auto added, std::move(add));
    (void)added;
    auto remove = remove_slot(world.client, repository, 0);
    auto removed = co_await std::move(remove);
    co_return removed;
  };
  for (const auto fault : provider::kFaults) {
    for (const bool for_ever : {false, true}) {
      for (std::uint64_t call = 1;; ++call) {
        World world(call);
        auto repository = world.made();
        world.store->arm(fault, call, for_ever);
        auto task = change(world, repository);
        const auto changed = world.attempt(std::move(task));
        const bool hit = world.store->fired() > 0;
        world.store->disarm();
        CAPTURE(std::string(to_string(fault)));
        CAPTURE(call);
        const bool with_old = world.tried(raw_unlock(1)).has_value();
        const bool with_new = world.tried(raw_unlock(2)).has_value();
        CHECK((with_old || with_new));
        if (changed) CHECK((!with_old && with_new));
        if (!hit) break;
      }
    }
  }
}

TEST_CASE("a key that is added opens the repository, and one that is removed does not") {
  World world;
  auto repository = world.made();
  auto lock = passphrase_lock("second");
  lock.label = "laptop";
  auto adding = add_slot(world.client, repository, lock);
  const auto slot = world.run(std::move(adding));
  CHECK(slot != 0);
  CHECK(same_keys(world.opened(passphrase_unlock("second")), repository));
  REQUIRE(repository.slots.size() == 2);
  CHECK(repository.slots[1].slot == slot);
  CHECK(repository.slots[1].label == "laptop");
  CHECK(world.opened().slots.size() == 2);

  auto removing = remove_slot(world.client, repository, 0);
  world.run(std::move(removing));
  CHECK(repository.slots.size() == 1);
  CHECK(reason_of(world.tried(raw_unlock())) == reason::key_required);
  CHECK(world.tried(passphrase_unlock("second")));

  auto last = remove_slot(world.client, repository, slot);
  const auto refused = world.attempt(std::move(last));
  CHECK(reason_of(refused) == reason::last_key);
  CHECK(refused.error().code() == Errc::precondition_failed);
  auto none = remove_slot(world.client, repository, slot + 1);
  CHECK(reason_of(world.attempt(std::move(none))) == reason::no_object);
  auto nothing = add_slot(world.client, repository, no_lock());
  CHECK(reason_of(world.attempt(std::move(nothing))) == reason::bad_argument);
  CHECK(world.tried(passphrase_unlock("second")));
}

TEST_CASE("a damaged slot is passed over, is not counted as a key, and can be removed") {
  World world;
  auto repository = world.made();
  auto adding = add_slot(world.client, repository, raw_lock(2));
  const auto second = world.run(std::move(adding));
  world.overwrite(format::slot_name(repository.id, 0), base::Bytes(40));
  CHECK(world.opened(raw_unlock(2)).slots.size() == 1);
  CHECK(reason_of(world.tried(raw_unlock(1))) == reason::wrong_key);
  auto last = remove_slot(world.client, repository, second);
  CHECK(reason_of(world.attempt(std::move(last))) == reason::last_key);
  auto removing = remove_slot(world.client, repository, 0);
  world.run(std::move(removing));
  world.flip(format::slot_name(repository.id, second), 50);
  const auto damaged = world.tried(raw_unlock(2));
  REQUIRE(!damaged);
  CHECK(damaged.error().code() == Errc::data_loss);
  world.erase(format::slot_name(repository.id, second));
  CHECK(reason_of(world.tried(raw_unlock(2))) == reason::object_missing);
}

TEST_CASE("two who remove each other's key at once do not lock the repository") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    World world(seed);
    auto a = world.made();
    auto adding = add_slot(world.client, a, raw_lock(2));
    const std::uint32_t slots[] = {0, world.run(std::move(adding))};
    auto b = world.opened();
    Repository* handles[] = {&a, &b};
    const auto one = [&](std::size_t i) -> base::Task<Result<void>> {
      auto task = remove_slot(world.client, *handles[i], slots[i]);
      base::permit_unchecked(co_await std::move(task), "either may lose");
      co_return Result<void>();
    };
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (std::size_t i = 0; i < 2; ++i) {
        auto task = one(i);
        auto start = group.spawn(std::move(task));
        co_await std::move(start);
      }
      co_return Result<void>();
    };
    auto both = base::with_group(world.env->loop(), 2, body);
    REQUIRE(world.attempt(std::move(both)));
    CHECK((world.tried(raw_unlock(1)) || world.tried(raw_unlock(2))));
  }
}

TEST_CASE("a slot that does not come back as it was written is no success") {
  World world;
  auto repository = world.made();
  world.store->arm(provider::Fault::corrupt_read, 1, true);
  auto adding = add_slot(world.client, repository, raw_lock(2));
  CHECK(!world.attempt(std::move(adding)));
  world.store->disarm();
  CHECK(world.keys(control(repository) + "k-s-").size() == 1);
}

TEST_CASE("at most 64 keys") {
  World world;
  auto repository = world.made();
  for (int i = 1; i < 64; ++i) {
    auto adding = add_slot(world.client, repository, raw_lock(i));
    world.run(std::move(adding));
  }
  auto more = add_slot(world.client, repository, raw_lock(99));
  CHECK(!world.attempt(std::move(more)));
  CHECK(world.opened(raw_unlock(63)).slots.size() == 64);
}

TEST_CASE("every bit of repo, slot, epoch and log that changes is noticed") {
  World world;
  const auto repository = world.made(raw_lock(), Policy{.full_every = 3});
  for (const auto& key : world.keys()) {
    const auto object = world.bytes(key);
    for (std::size_t at = 0; at < object.size(); ++at) {
      world.flip(key, at);
      const auto opened = world.tried();
      CAPTURE(key);
      CAPTURE(at);
      CHECK(!opened);
      world.overwrite(key, object);
    }
    for (std::size_t size = 0; size < object.size(); size += 7) {
      world.overwrite(key, base::Bytes(object.begin(), object.begin() + size));
      CHECK(!world.tried());
      world.overwrite(key, object);
    }
    world.erase(key);
    // The newest record of a log is the one thing that a store can hide.
    CHECK(world.tried().has_value() == (key == format::log_name(repository.id, 0)));
    world.overwrite(key, object);
  }
  CHECK(world.tried());
}

TEST_CASE("control objects of another repository do not pass") {
  World world(1);
  World other(2);
  const auto mine = world.made();
  const auto theirs = other.made();
  for (const auto& suffix : {"k-s-00000000", "k-e-00000000"}) {
    const auto key = control(mine) + suffix;
    const auto object = world.bytes(key);
    world.overwrite(key, other.bytes(control(theirs) + suffix));
    CHECK(!world.tried());
    world.overwrite(key, object);
  }
  world.overwrite("repo", other.bytes("repo"));
  CHECK(reason_of(world.tried()) == reason::object_missing);
  for (const auto& suffix : {"k-s-00000000", "k-e-00000000"}) {
    world.overwrite(control(theirs) + suffix, world.bytes(control(mine) + suffix));
  }
  CHECK(!world.tried());
}

TEST_CASE("a repository of a newer format is refused in words") {
  World world;
  const auto repository = world.made();
  format::RepoObject repo;
  repo.id = repository.id;
  repo.read_required = {"time-travel"};
  world.overwrite("repo", format::encode_repo(repo, repository.keys));
  const auto refused = world.tried();
  CHECK(reason_of(refused) == reason::newer_format);
  CHECK(refused.error().code() == Errc::unsupported);
  repo.read_required.clear();
  repo.write_required = {"time-travel"};
  world.overwrite("repo", format::encode_repo(repo, repository.keys));
  CHECK(world.opened().log.read_only);
}

TEST_CASE("the lanes of scrypt come nearest to half a second") {
  using base::kMillisecond;
  CHECK(lanes_for(2'000 * kMillisecond) == 1);
  CHECK(lanes_for(400 * kMillisecond) == 1);
  CHECK(lanes_for(240 * kMillisecond) == 2);
  CHECK(lanes_for(170 * kMillisecond) == 3);
  CHECK(lanes_for(120 * kMillisecond) == 4);
  CHECK(lanes_for(1 * kMillisecond) == 4);
}

TEST_CASE("salts never repeat, although the same seed repeats everything") {
  World world;
  const auto a = fresh_salt(*world.env);
  CHECK(a != fresh_salt(*world.env));
  World same;
  CHECK(a == fresh_salt(*same.env));
}

}  // namespace snapvault::store
