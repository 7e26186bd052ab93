#include "base/rate.hpp"

#include <doctest/doctest.h>

#include "loop.hpp"

TEST_SUITE_BEGIN("base/rate");

namespace snapvault::base {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

// A bucket and what its takers told when they were through.
struct Fixture : VirtualLoop {
  TokenBucket bucket;
  bool stop = false;

  Task<Result<void>> take(std::string name, std::uint64_t bytes) {
    const auto stopped = [this] { return stop; };
    co_await bucket.take(*env, bytes, stopped);
    told.push_back(std::move(name));
    co_return Result<void>();
  }
  Task<Result<void>> take_many(std::string name, std::uint64_t bytes, int times) {
    for (int i = 0; i < times; ++i) {
      auto taking = take(name, bytes);
      SV_CO_CHECK(std::move(taking));
    }
    co_return Result<void>();
  }
  // Names in the order in which they were through, and how long all took.
  double seconds(std::vector<Task<Result<void>>> tasks) {
    const auto started = env->monotonic();
    auto body = [&](TaskGroup& group) -> Task<Result<void>> {
      for (auto& task : tasks) {
        auto spawning = group.spawn(std::move(task));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    CHECK(run_side_by_side(*env, body));
    return static_cast<double>(env->monotonic() - started) / 1e9;
  }
  template <class... T>
  double all(T... task) {
    std::vector<Task<Result<void>>> tasks;
    (tasks.push_back(std::move(task)), ...);
    return seconds(std::move(tasks));
  }
};

TEST_CASE_FIXTURE(Fixture, "without a rate nobody waits") {
  CHECK(all(take("a", 1000 * kMiB)) == 0);
}

TEST_CASE_FIXTURE(Fixture, "bytes take as long as the rate says, however they are asked for") {
  bucket.set(10 * kMiB);
  CHECK(all(take("whole", 100 * kMiB)) == doctest::Approx(10).epsilon(0.001));
  CHECK(all(take_many("parts", kMiB, 100)) == doctest::Approx(10).epsilon(0.001));
  CHECK(all(take("a", 50 * kMiB), take("b", 50 * kMiB)) == doctest::Approx(10).epsilon(0.001));
}

TEST_CASE_FIXTURE(Fixture, "time in which nobody asked is not saved up") {
  bucket.set(kMiB);
  CHECK(all(take("a", kMiB)) == doctest::Approx(1).epsilon(0.001));
  auto pause = [](Env& e) -> Task<Result<void>> {
    co_await sleep_until(e, e.monotonic() + 60 * kSecond);
    co_return Result<void>();
  };
  CHECK(all(pause(*env)) == doctest::Approx(60));
  CHECK(all(take("b", kMiB)) == doctest::Approx(1).epsilon(0.001));
}

TEST_CASE_FIXTURE(Fixture, "who asks first is through first, however much it is") {
  bucket.set(kMiB);
  std::vector<Task<Result<void>>> tasks;
  tasks.push_back(take("big", 4 * kMiB));
  for (int i = 0; i < 8; ++i) tasks.push_back(take_many("small", 1000, 20));
  CHECK(seconds(std::move(tasks)) == doctest::Approx(4.15).epsilon(0.01));
  REQUIRE(told.size() == 161);
  CHECK(told.front() == "big");
}

TEST_CASE_FIXTURE(Fixture, "a stop is seen within 100 ms, by who is served and by all who wait") {
  bucket.set(1000);
  auto ask_to_stop = [](Fixture& f) -> Task<Result<void>> {
    co_await sleep_until(*f.env, f.env->monotonic() + 2 * kSecond);
    f.stop = true;
    co_return Result<void>();
  };
  CHECK(all(take("a", kMiB), take("b", kMiB), take("c", kMiB), ask_to_stop(*this)) <= 2.101);
  CHECK(told.size() == 3);
}

TEST_CASE_FIXTURE(Fixture, "one who stopped waiting does not hold up those behind") {
  bucket.set(kMiB);
  auto leaver = [](Fixture& f) -> Task<Result<void>> {
    const auto at_once = [] { return true; };
    co_await f.bucket.take(*f.env, 100 * kMiB, at_once);
    f.told.push_back("leaver");
    co_return Result<void>();
  };
  CHECK(all(take("a", kMiB), leaver(*this), take("b", kMiB)) == doctest::Approx(2).epsilon(0.001));
  CHECK(told == std::vector<std::string>{"leaver", "a", "b"});
}

TEST_CASE_FIXTURE(Fixture, "a rate that is raised, or given up, is seen within 100 ms") {
  bucket.set(1000);
  auto raise = [](Fixture& f, std::uint64_t rate) -> Task<Result<void>> {
    co_await sleep_until(*f.env, f.env->monotonic() + kSecond);
    f.bucket.set(rate);
    co_return Result<void>();
  };
  CHECK(all(take("a", kMiB), raise(*this, kMiB)) <= 2.101);
  bucket.set(1000);
  CHECK(all(take("a", kMiB), take("b", kMiB), raise(*this, 0)) <= 1.101);
}

}  // namespace
}  // namespace snapvault::base

TEST_SUITE_END();
