#include "store/log.hpp"

#include "store_world.hpp"

TEST_SUITE_BEGIN("store/log");

namespace snapvault::store {
namespace {

format::PackId pack(int fill, std::uint32_t n = 0) {
  format::PackId id;
  id.session.bytes.fill(static_cast<std::byte>(fill));
  id.n = n;
  return id;
}
format::LogRecord full_every(std::uint32_t n) {
  format::PolicyRecord record;
  record.full_every = n;
  return record;
}
void append(World& world, Repository& repository, const format::LogRecord& record) {
  auto task = append_log(world.client, repository, record);
  world.run(std::move(task));
}
Result<void> read(World& world, Repository& repository) {
  auto task = read_log(world.client, repository);
  return world.attempt(std::move(task));
}
// Puts a record where no honest writer would.
void plant(World& world, const Repository& repository, std::uint32_t n,
           const format::LogRecord& record) {
  const auto name = format::log_name(repository.id, n);
  const auto salt = fresh_salt(*world.env);
  world.overwrite(name, format::build_log(repository.keys, name, salt, record));
}

}  // namespace

TEST_CASE("records are folded in order, by those who write them, re-read them and open") {
  World world;
  auto writer = world.made();
  auto reader = world.opened();
  append(world, writer, full_every(3));
  append(world, writer, full_every(5));
  format::DamageRecord damage;
  damage.frames.push_back({pack(1), 77});
  damage.packs.push_back(pack(2));
  append(world, writer, damage);
  format::CondemnRecord condemn;
  condemn.packs.push_back(pack(3));
  condemn.watermark = 9;
  append(world, writer, condemn);
  REQUIRE(read(world, reader));
  const auto opened = world.opened();
  for (const Log* log : {&std::as_const(writer.log), &std::as_const(reader.log), &opened.log}) {
    CHECK(log->next == 4);
    CHECK(log->policy.full_every == 5);
    CHECK(log->policy.compression == Policy().compression);
    CHECK(log->damaged.contains(pack(1), 77));
    CHECK(!log->damaged.contains(pack(1), 78));
    CHECK(!log->damaged.contains(pack(1)));
    CHECK(log->damaged.contains(pack(2)));
    CHECK(log->damaged.contains(pack(2), 5));
    CHECK(log->condemned.contains(pack(3)));
    CHECK(!log->condemned.contains(pack(2)));
    CHECK(log->watermark == 9);
  }
}

TEST_CASE("reading a log with nothing new takes one request") {
  World world;
  auto repository = world.made();
  append(world, repository, full_every(3));
  provider::Client client(*world.env, world.memory);
  auto task = read_log(client, repository);
  CHECK(world.attempt(std::move(task)));
  CHECK(client.traffic().requests() == 1);
}

TEST_CASE("many who append at once each get their own number") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    World world(seed);
    world.made();
    std::vector<Repository> handles;
    for (int i = 0; i < 6; ++i) handles.push_back(world.opened());
    const auto one = [&](std::uint32_t i) -> base::Task<Result<void>> {
      const auto record = full_every(100 + i);
      auto task = append_log(world.client, handles[i], record);
      auto done = co_await std::move(task);
      co_return done;
    };
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (std::uint32_t i = 0; i < handles.size(); ++i) {
        auto task = one(i);
        auto start = group.spawn(std::move(task));
        co_await std::move(start);
      }
      co_return Result<void>();
    };
    auto all = base::with_group(world.env->loop(), handles.size(), body);
    REQUIRE(world.attempt(std::move(all)));
    const auto opened = world.opened();
    CHECK(opened.log.next == handles.size());
    for (auto& handle : handles) {
      REQUIRE(read(world, handle));
      CHECK(handle.log.policy == opened.log.policy);
    }
  }
}

TEST_CASE("a missing record is data loss, whoever looks") {
  World world;
  auto repository = world.made();
  auto behind = world.opened();
  for (std::uint32_t i = 0; i < 3; ++i) append(world, repository, full_every(i));
  world.erase(format::log_name(repository.id, 1));
  const auto opened = world.tried();
  CHECK(reason_of(opened) == reason::list_incomplete);
  CHECK(opened.error().code() == Errc::data_loss);
  CHECK(reason_of(read(world, behind)) == reason::list_incomplete);
  CHECK(behind.log.next == 0);
}

TEST_CASE("names that are no records do not disturb the log") {
  World world;
  auto repository = world.made();
  append(world, repository, full_every(3));
  const auto prefix = format::control_prefix(repository.id);
  for (const auto& name : {"log-00000000.sweep", "log-00000000.done", "log-00000000.x", "log-1",
                           "log-0000000g", "log-", "k-s-", "k-x-00000000", "other/log-00000001"}) {
    world.overwrite(prefix + name, base::Bytes(5));
  }
  CHECK(read(world, repository));
  CHECK(world.opened().log.next == 1);
}

TEST_CASE("a record that changed, moved or is of another repository is noticed") {
  World world;
  auto repository = world.made();
  append(world, repository, full_every(3));
  append(world, repository, full_every(4));
  const auto first = world.bytes(format::log_name(repository.id, 0));
  world.overwrite(format::log_name(repository.id, 1), first);
  CHECK(world.tried().error().code() == Errc::data_loss);
  World other(2);
  auto stranger = other.made();
  append(other, stranger, full_every(9));
  world.overwrite(format::log_name(repository.id, 1),
                  other.bytes(format::log_name(stranger.id, 0)));
  CHECK(world.tried().error().code() == Errc::data_loss);
}

TEST_CASE("a failed reading changes nothing of what was folded") {
  World world;
  auto repository = world.made();
  auto behind = world.opened();
  append(world, repository, full_every(3));
  append(world, repository, full_every(4));
  world.flip(format::log_name(repository.id, 1), 90);
  CHECK(!read(world, behind));
  CHECK(behind.log.next == 0);
  CHECK(behind.log.policy == Policy());
}

TEST_CASE("the log has an end, and says so before a record is written that nobody could read") {
  World world;
  auto repository = world.made();
  for (std::uint32_t n = 0; n < kLogMax; ++n) plant(world, repository, n, full_every(n));
  REQUIRE(read(world, repository));
  auto task = append_log(world.client, repository, full_every(1));
  CHECK(reason_of(world.attempt(std::move(task))) == reason::log_full);
  CHECK(world.opened().log.next == kLogMax);
  plant(world, repository, kLogMax, full_every(1));
  CHECK(world.tried().error().code() == Errc::data_loss);
}

TEST_CASE("unknown kinds are passed over; features say what matters") {
  World world;
  auto repository = world.made();
  append(world, repository, format::UnknownRecord{"holiday"});
  CHECK(world.opened().log.next == 1);
  format::FeaturesRecord features;
  features.optional = {"tea"};
  append(world, repository, features);
  CHECK(!repository.log.read_only);
  CHECK(world.opened().log.optional_features == std::vector<std::string>{"tea"});

  auto behind = world.opened();
  features.write_required = {"time-travel"};
  plant(world, repository, 2, features);
  auto opened = world.opened();
  CHECK(opened.log.read_only);
  CHECK(opened.log.write_required == std::vector<std::string>{"time-travel"});
  for (auto* handle : {&opened, &behind}) {  // `behind` learns of it when its number is taken
    auto task = append_log(world.client, *handle, full_every(1));
    const auto refused = world.attempt(std::move(task));
    CHECK(reason_of(refused) == reason::access);
    CHECK(refused.error().code() == Errc::permission_denied);
  }
  auto adding = add_slot(world.client, opened, raw_lock(2));
  CHECK(reason_of(world.attempt(std::move(adding))) == reason::access);
  auto removing = remove_slot(world.client, opened, 0);
  CHECK(reason_of(world.attempt(std::move(removing))) == reason::access);

  features.read_required = {"time-travel"};
  plant(world, repository, 3, features);
  const auto refused = world.tried();
  CHECK(reason_of(refused) == reason::newer_format);
  CHECK(refused.error().code() == Errc::unsupported);
}

TEST_CASE("an append whose answer is lost counts once") {
  for (const auto fault : {provider::Fault::lost_after, provider::Fault::deadline}) {
    World world;
    auto repository = world.made();
    world.store->arm(fault, 1, false);
    append(world, repository, full_every(3));
    CHECK(world.store->fired() == 1);
    CHECK(repository.log.next == 1);
    CHECK(world.opened().log.next == 1);
  }
}

TEST_CASE("a store that hides the record in the way is not retried for ever") {
  World world;
  auto repository = world.made();
  auto behind = world.opened();
  append(world, repository, full_every(3));
  world.store->arm(provider::Fault::stale_list, 1, true);
  auto task = append_log(world.client, behind, full_every(4));
  CHECK(reason_of(world.attempt(std::move(task))) == reason::list_incomplete);
}

}  // namespace snapvault::store
