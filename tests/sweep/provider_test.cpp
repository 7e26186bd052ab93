// Every call to the store fails, once and for ever: no wrong data, no hang, an error that says what
// happened, and the same command succeeds once the fault is gone.
#include <doctest/doctest.h>

#include <string>

#include "sweep/world.hpp"

namespace snapvault::test {
namespace {

using provider::Fault;

struct Command {
  const char* name;
  Result<void> (*run)(World& world);
  // The fault is gone. What holds after the command succeeded, or failed with `error`; false if
  // there is nothing left to do again.
  bool (*check)(World& world, const Error* error);
};

Result<void> open(World& world) { return world.try_open(); }

Result<void> back_up(World& world) {
  SV_CHECK(world.try_backup());
  return {};
}
bool check_backup(World& world, const Error* error) {
  const auto latest = world.latest();
  if (!error) CHECK((latest == world.volume.bytes));
  if (error) CHECK((latest == world.first || latest == world.volume.bytes));
  // An error that does not say "perhaps" means that there is no snapshot.
  if (error && error->code() != Errc::outcome_unknown) CHECK(world.listed() == 1);
  return true;
}

Result<void> restore(World& world) {
  MemoryVolume to(noise(world.volume.bytes.size(), 9));
  const auto report = world.try_restore(to);
  CHECK(to.finished.value_or(false) == report.has_value());
  if (!report) return report.error();
  CHECK((to.bytes == world.first));
  return {};
}

Result<void> verify(World& world) {
  SV_CHECK(world.try_verify());
  return {};
}

Result<void> remove(World& world) {
  SV_CHECK(world.try_remove());
  return {};
}
bool check_remove(World& world, const Error* error) {
  const auto left = world.listed();
  if (!error) CHECK(left == 0);
  return left > 0;
}

bool check_nothing(World&, const Error*) { return true; }

constexpr Command kCommands[] = {
    {"open", open, check_nothing},       {"backup", back_up, check_backup},
    {"restore", restore, check_nothing}, {"verify", verify, check_nothing},
    {"remove", remove, check_remove},
};

void check_clear(const Error& error) {
  INFO(World::describe(error));
  CHECK(error.code() != Errc::internal);
  CHECK(error.reason() != reason::unexpected);
  CHECK(!error.reason().empty());
  CHECK(!error.message().empty());
}

// One point: the n-th call fails. false if nothing failed.
bool visit(const Command& command, Fault fault, std::uint64_t n, bool for_ever) {
  CAPTURE(std::string(command.name));
  CAPTURE(std::string(to_string(fault)));
  CAPTURE(n);
  CAPTURE(for_ever);
  World world;
  world.store->arm(fault, n, for_ever);
  const auto done = command.run(world);
  const bool fired = world.store->fired() > 0;
  world.store->disarm();
  if (!done) check_clear(done.error());
  if (command.check(world, done ? nullptr : &done.error())) {
    const auto again = command.run(world);
    INFO((again ? std::string() : World::describe(again.error())));
    CHECK(again);
    command.check(world, nullptr);
  }
  const auto report = World::must(world.try_verify());
  for (const auto& object : report.objects) FAIL_CHECK(object.key, ": ", object.message);
  CHECK(report.clean());
  return fired;
}

void sweep(const Command& command) {
  World counting;
  counting.store->disarm();
  World::must(command.run(counting));
  const auto calls = counting.store->calls();
  std::uint64_t visited = 0, fired = 0;
  for (const auto fault : provider::kFaults) {
    // These can happen to any call.
    const bool any =
        fault == Fault::unavailable || fault == Fault::permission || fault == Fault::lost_before;
    for (const bool for_ever : {false, true}) {
      for (std::uint64_t n = 1; n <= calls; ++n) {
        const bool hit = visit(command, fault, n, for_ever);
        ++visited;
        fired += hit ? 1 : 0;
        if (any) CHECK(hit);
      }
    }
  }
  MESSAGE(std::string(command.name), ": ", calls, " calls, ", visited, " points, faults at ",
          fired);
  CHECK(visited == calls * 2 * std::size(provider::kFaults));
  CHECK(fired >= calls * 6);
}

TEST_CASE("each command survives the failure of each of its requests") {
  for (const auto& command : kCommands) {
    SUBCASE(command.name) { sweep(command); }
  }
}

}  // namespace
}  // namespace snapvault::test
