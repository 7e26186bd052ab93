#include "provider/concurrency.hpp"

#include <doctest/doctest.h>

#include "exchange.hpp"

TEST_SUITE_BEGIN("provider/concurrency");

namespace snapvault::provider {
namespace {

using base::kMillisecond;
using base::kSecond;

struct Never {
  bool operator()() const noexcept { return false; }
};

struct Fixture {
  std::shared_ptr<base::Env> env = base::make_virtual_env(7);
  base::Nanoseconds now = 0;

  Concurrency::Place enter(Concurrency& concurrency) {
    auto take = [](base::Env& in, Concurrency& of) -> base::Task<Result<Concurrency::Place>> {
      const Never never;
      auto entering = of.enter(in, never);
      co_return co_await std::move(entering);
    };
    return *run(*env, take(*env, concurrency));
  }
  std::vector<Concurrency::Place> fill(Concurrency& concurrency) {
    std::vector<Concurrency::Place> out;
    while (concurrency.in_flight() < concurrency.limit()) out.push_back(enter(concurrency));
    return out;
  }
  // `rounds` times as many answers as there are places, all of which are taken.
  void rounds(Concurrency& concurrency, int count, base::Nanoseconds took,
              std::uint64_t bytes = 1000, bool busy = false) {
    for (int i = 0; i < count; ++i) {
      const auto places = fill(concurrency);
      now += took;
      const auto answers = concurrency.limit();
      for (unsigned n = 0; n < answers; ++n) concurrency.ended(busy, took, bytes, now);
    }
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "DE-05: the limit rises by one a round and is halved once a second") {
  Concurrency concurrency(8, 64);
  rounds(concurrency, 3, 10 * kMillisecond);
  CHECK(concurrency.limit() == 11);
  rounds(concurrency, 1, 10 * kMillisecond, 1000, true);
  CHECK(concurrency.limit() == 5);
  rounds(concurrency, 3, 10 * kMillisecond, 1000, true);  // in the same second
  CHECK(concurrency.limit() == 5);
  now += kSecond;
  rounds(concurrency, 1, 10 * kMillisecond, 1000, true);
  CHECK(concurrency.limit() == 2);
  rounds(concurrency, 4, 10 * kMillisecond);
  CHECK(concurrency.limit() == 6);
}

TEST_CASE_FIXTURE(Fixture, "the limit is never below one and never above the most") {
  Concurrency concurrency(4, 6);
  rounds(concurrency, 20, 10 * kMillisecond);
  CHECK(concurrency.limit() == 6);
  for (int i = 0; i < 10; ++i) rounds(concurrency, 1, 2 * kSecond, 1000, true);
  CHECK(concurrency.limit() == 1);
  rounds(concurrency, 20, 10 * kMillisecond);
  CHECK(concurrency.limit() == 6);
  CHECK(Concurrency(0, 0).limit() == 1);
  CHECK(Concurrency(9, 3).limit() == 3);
}

TEST_CASE_FIXTURE(Fixture, "a limit that is not used does not rise") {
  Concurrency concurrency(8, 64);
  const auto place = enter(concurrency);
  for (int i = 0; i < 1000; ++i) concurrency.ended(false, kMillisecond, 1000, now += kMillisecond);
  CHECK(concurrency.limit() == 8);
}

TEST_CASE_FIXTURE(Fixture, "DE-05: small answers that come ever later lower the limit, to 8") {
  Concurrency concurrency(40, 64);
  rounds(concurrency, 5, 20 * kMillisecond);
  CHECK(concurrency.limit() == 45);
  for (int i = 0; i < 10; ++i) rounds(concurrency, 1, kSecond);
  CHECK(concurrency.limit() <= 37);
  CHECK(concurrency.limit() >= 34);
  for (int i = 0; i < 20; ++i) rounds(concurrency, 1, kSecond);
  CHECK(concurrency.limit() < 30);
  // And it rises again.
  const auto low = concurrency.limit();
  rounds(concurrency, 10, 20 * kMillisecond);
  CHECK(concurrency.limit() > low);

  Concurrency few(8, 64);
  rounds(few, 1, 20 * kMillisecond);
  for (int i = 0; i < 10; ++i) rounds(few, 1, 5 * kSecond);
  CHECK(few.limit() >= 8);
}

TEST_CASE_FIXTURE(Fixture, "noise does not lower the limit of a fast store") {
  Concurrency concurrency(24, 64);
  for (int i = 0; i < 60; ++i) {
    rounds(concurrency, 1, kMillisecond);
    const auto before = concurrency.limit();
    // One straggler of ten seconds in each round; a whole round of a fifth of a second.
    const auto places = fill(concurrency);
    concurrency.ended(false, 10 * kSecond, 1000, now += kSecond);
    CHECK(concurrency.limit() >= before);
    for (int n = 0; n < 24; ++n) concurrency.ended(false, 190 * kMillisecond, 1000, now);
    CHECK(concurrency.limit() >= before);
  }
  CHECK(concurrency.limit() == 64);
}

TEST_CASE_FIXTURE(Fixture, "large answers that take long lower nothing") {
  Concurrency concurrency(24, 64);
  rounds(concurrency, 5, kMillisecond);
  rounds(concurrency, 20, 30 * kSecond, 64 << 20);
  CHECK(concurrency.limit() == 49);
}

TEST_CASE_FIXTURE(Fixture, "a store that has become slower for good is accepted after a minute") {
  Concurrency concurrency(64, 64);
  rounds(concurrency, 5, 5 * kMillisecond);
  for (int i = 0; i < 300; ++i) rounds(concurrency, 1, 500 * kMillisecond);
  CHECK(concurrency.limit() == 64);
}

TEST_CASE_FIXTURE(Fixture, "places are given in order, within a limit that changes") {
  Concurrency concurrency(3, 8);
  std::vector<int> order;
  auto hold = [](base::Env& in, Concurrency& of, int number,
                 std::vector<int>& told) -> base::Task<Result<void>> {
    const Never never;
    auto entering = of.enter(in, never);
    const auto place = co_await std::move(entering);
    told.push_back(number);
    CHECK(of.in_flight() <= of.limit());
    co_await base::sleep_until(in, in.monotonic() + 10 * kMillisecond);
    of.ended(number == 3, 10 * kMillisecond, 1 << 20, in.monotonic());
    co_return Result<void>();
  };
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (int i = 0; i < 30; ++i) {
      auto spawning = group.spawn(hold(*env, concurrency, i, order));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  REQUIRE(run(*env, base::with_group(env->loop(), 100, body)));
  REQUIRE(order.size() == 30);
  CHECK(concurrency.in_flight() == 0);
  // Those that were let in at the same moment may speak in any order; nobody overtakes a round.
  for (int i = 0; i < 30; ++i) CHECK(std::abs(order[static_cast<std::size_t>(i)] - i) <= 8);
}

TEST_CASE_FIXTURE(Fixture, "who is told to stop leaves the line within 50 ms, wherever it stands") {
  Concurrency concurrency(1, 1);
  bool stop = false;
  std::vector<std::string> told;
  auto hold = [](base::Env& in, Concurrency& of, const bool& flag, std::string name,
                 std::vector<std::string>& to) -> base::Task<Result<void>> {
    const auto stopped = [&flag] { return flag; };
    auto entering = of.enter(in, stopped);
    const auto place = co_await std::move(entering);
    to.push_back(name + (place ? " at " : " left at ") + std::to_string(in.monotonic() / kSecond));
    if (place) co_await base::sleep_until(in, in.monotonic() + kSecond);
    co_return Result<void>();
  };
  const bool never = false;
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    const std::pair<std::string, const bool*> holders[] = {
        {"a", &never}, {"b", &stop}, {"c", &never}, {"d", &stop}};
    for (const auto& [name, flag] : holders) {
      auto spawning = group.spawn(hold(*env, concurrency, *flag, name, told));
      co_await std::move(spawning);
    }
    co_await base::sleep_until(*env, 500 * kMillisecond);
    stop = true;
    co_return Result<void>();
  };
  REQUIRE(run(*env, base::with_group(env->loop(), 100, body)));
  REQUIRE(told.size() == 4);
  CHECK(told[0] == "a at 0");
  CHECK(told[1].ends_with(" left at 0"));
  CHECK(told[2].ends_with(" left at 0"));
  CHECK(told[3] == "c at 1");
}

}  // namespace snapvault::provider

TEST_SUITE_END();
