#include "base/line.hpp"

#include <doctest/doctest.h>

#include "loop.hpp"

TEST_SUITE_BEGIN("base/line");

namespace snapvault::base {
namespace {

// Holders of a place, each for a second, who tell when they got it and when they left without.
struct Fixture : VirtualLoop {
  Line line{2};

  static Task<Result<void>> hold(Fixture& f, std::string name, const bool& stop) {
    const auto stopped = [&stop] { return stop; };
    auto entering = f.line.enter(*f.env, stopped);
    auto place = co_await std::move(entering);
    const auto tenths = f.env->monotonic() / (100 * kMillisecond);
    f.told.push_back(name + (place ? " at " : " left at ") + std::to_string(tenths));
    if (place) co_await sleep_until(*f.env, f.env->monotonic() + kSecond);
    co_return Result<void>();
  }
  void run(const std::vector<std::pair<std::string, const bool*>>& holders, bool& later) {
    auto body = [&](TaskGroup& group) -> Task<Result<void>> {
      for (const auto& [name, stop] : holders) {
        auto holding = hold(*this, name, *stop);
        auto spawning = group.spawn(std::move(holding));
        co_await std::move(spawning);
      }
      co_await sleep_until(*env, env->monotonic() + 500 * kMillisecond);
      later = true;
      co_return Result<void>();
    };
    REQUIRE(run_side_by_side(*env, body));
  }
};

TEST_CASE_FIXTURE(Fixture, "places are given in order of asking") {
  const bool never = false;
  bool later = false;
  run({{"a", &never}, {"b", &never}, {"c", &never}, {"d", &never}, {"e", &never}}, later);
  REQUIRE(told.size() == 5);
  CHECK(told[0] == "a at 0");
  CHECK(told[1] == "b at 0");
  CHECK(told[2].ends_with(" at 10"));
  CHECK(told[3].ends_with(" at 10"));
  CHECK(told[4] == "e at 20");
}

TEST_CASE_FIXTURE(Fixture,
                  "one who is told to stop leaves the line within 50 ms; nobody else does") {
  const bool never = false;
  bool later = false;
  run({{"a", &never}, {"b", &never}, {"c", &later}, {"d", &never}, {"e", &later}}, later);
  REQUIRE(told.size() == 5);
  CHECK(told[2].find(" left at 5") == 1);
  CHECK(told[3].find(" left at 5") == 1);
  CHECK(told[4] == "d at 10");
}

TEST_CASE_FIXTURE(Fixture, "places come back: who asks later gets one at once") {
  const bool never = false;
  bool later = false;
  run({{"a", &never}, {"b", &never}, {"c", &never}}, later);
  told.clear();
  run({{"x", &never}, {"y", &never}}, later);
  CHECK(told == std::vector<std::string>{"x at 20", "y at 20"});
}

}  // namespace
}  // namespace snapvault::base

TEST_SUITE_END();
