#include "base/env.hpp"

#include <doctest/doctest.h>

#include <array>
#include <stdexcept>

#include "loop.hpp"

TEST_SUITE_BEGIN("base/env");

namespace snapvault::base {
namespace {

// What a program with races, time and chance tells on a virtual environment of this seed.
std::vector<std::string> story(std::uint64_t seed) {
  VirtualLoop loop;
  loop.env = make_virtual_env(seed);
  auto& env = *loop.env;
  auto walk = [&](int who) -> Task<Result<void>> {
    for (int step = 0; step < 20; ++step) {
      std::array<std::byte, 1> chance{};
      env.random(chance);
      if (chance[0] < std::byte{128}) {
        co_await hop(env.cpu());
      } else {
        co_await sleep_until(env, env.monotonic() + static_cast<unsigned>(chance[0]));
      }
      loop.told.push_back(std::to_string(who) + "/" + std::to_string(step) + " at " +
                          std::to_string(env.monotonic()));
    }
    co_return Result<void>();
  };
  auto body = [&](TaskGroup& group) -> Task<Result<void>> {
    for (int who = 0; who < 8; ++who) {
      auto walking = walk(who);
      auto spawning = group.spawn(std::move(walking));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  REQUIRE(run_side_by_side(env, body));
  return loop.told;
}

TEST_CASE("a virtual environment of one seed does the same twice, of another seed something else") {
  for (const std::uint64_t seed : {0, 1, 4711}) {
    const auto first = story(seed);
    CHECK(first.size() == 160);
    CHECK(first == story(seed));
    CHECK(first != story(seed + 1));
  }
}

TEST_CASE("virtual time passes only while all wait, and wall time with it") {
  const auto env = make_virtual_env(3);
  const auto started = env->monotonic();
  const auto wall = env->wall_seconds();
  auto work = [](Env& e) -> Task<Result<void>> {
    for (int i = 0; i < 100; ++i) co_await hop(e.io());
    CHECK(e.monotonic() == 0);
    co_await sleep_until(e, e.monotonic() + 3600 * kSecond);
    co_return Result<void>();
  };
  REQUIRE(run_sync(*env, work(*env)));
  CHECK(env->monotonic() - started == 3600 * kSecond);
  CHECK(env->wall_seconds() - wall == 3600);
}

TEST_CASE("a virtual timer that was cancelled never fires") {
  const auto env = make_virtual_env(3);
  struct Counting : Timer {
    int fired = 0;
  };
  auto work = [](Env& e) -> Task<Result<int>> {
    Counting timers[3];
    for (auto& timer : timers) {
      timer.run = [](Work& self) noexcept { ++static_cast<Counting&>(self).fired; };
      timer.at = e.monotonic() + kSecond;
      e.arm(timer);
    }
    e.cancel(timers[1]);
    e.cancel(timers[1]);
    co_await sleep_until(e, e.monotonic() + 2 * kSecond);
    co_return timers[0].fired * 100 + timers[1].fired * 10 + timers[2].fired;
  };
  CHECK(run_sync(*env, work(*env)).value_or(0) == 101);
}

TEST_CASE("a simulation in which nothing can run again is an error, not a hang") {
  const auto env = make_virtual_env(3);
  Work nothing;
  nothing.run = [](Work&) noexcept {};
  bool done = false;
  CHECK_THROWS_AS(env->drive(nothing, done), std::logic_error);
  CHECK(!env->inside());
}

TEST_CASE("real threads: the loop is one thread, and random bytes differ") {
  const auto env = make_thread_env({3, 5});
  CHECK(env->cpu_threads() == 3);
  CHECK(env->io_threads() == 5);
  CHECK(!env->inside());
  auto work = [](Env& e) -> Task<Result<bool>> {
    bool inside = e.inside();
    co_await hop(e.cpu());
    inside = inside && e.inside();
    co_await hop(e.io());
    inside = inside && e.inside();
    co_await hop(e.loop());
    const auto before = e.monotonic();
    co_await sleep_until(e, before + kMillisecond);
    co_return inside&& e.monotonic() >= before + kMillisecond;
  };
  CHECK(run_sync(*env, work(*env)).value_or(false));
  std::array<std::byte, 32> a{}, b{};
  env->random(a);
  env->random(b);
  CHECK(a != b);
}

}  // namespace
}  // namespace snapvault::base

TEST_SUITE_END();
