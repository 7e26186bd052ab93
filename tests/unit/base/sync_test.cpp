#include "base/sync.hpp"

#include <doctest/doctest.h>

#include <new>
#include <stdexcept>
#include <thread>

#include "base/reasons.hpp"
#include "loop.hpp"

TEST_SUITE_BEGIN("base/sync");

namespace snapvault::base {
namespace {

struct Fixture : VirtualLoop {
  Semaphore semaphore{env->loop(), 10};

  // Holds `amount` for a second.
  static Task<Result<void>> hold(Fixture& f, std::string name, std::uint64_t amount) {
    auto ticket = co_await f.semaphore.acquire(amount);
    f.told.push_back(std::move(name));
    co_await sleep_until(*f.env, f.env->monotonic() + kSecond);
    co_return Result<void>();
  }
  static Task<Result<void>> sleep(Fixture& f, std::string name, Nanoseconds length) {
    co_await sleep_until(*f.env, f.env->monotonic() + length);
    f.told.push_back(std::move(name));
    co_return Result<void>();
  }
  template <class... T>
  Result<void> all(T... task) {
    std::vector<Task<Result<void>>> tasks;
    (tasks.push_back(std::move(task)), ...);
    auto body = [&](TaskGroup& group) -> Task<Result<void>> {
      for (auto& one : tasks) {
        auto spawning = group.spawn(std::move(one));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    return run_side_by_side(*env, body);
  }
};

Task<Result<int>> answer(int value) { co_return value; }
Task<Result<int>> refuse() { co_return Error(Errc::unavailable, reason::store_failed, "no"); }
template <class E>
Task<Result<int>> throwing() {
  throw E();
  co_return 0;
}
struct Broken : std::runtime_error {
  Broken() : std::runtime_error("broken") {}
};

TEST_CASE_FIXTURE(Fixture, "a large request to a semaphore is not overtaken by small ones") {
  REQUIRE(all(hold(*this, "small", 6), hold(*this, "large", 10), hold(*this, "late", 1)));
  CHECK(told == std::vector<std::string>{"small", "large", "late"});
  CHECK(semaphore.free() == 10);
}

TEST_CASE_FIXTURE(Fixture, "a request above a semaphore's capacity waits for all of it") {
  REQUIRE(all(hold(*this, "one", 1), hold(*this, "more than all", 1000)));
  CHECK(told == std::vector<std::string>{"one", "more than all"});
  CHECK(semaphore.free() == 10);
}

TEST_CASE_FIXTURE(Fixture, "what fits runs at once") {
  const auto started = env->monotonic();
  REQUIRE(all(hold(*this, "a", 5), hold(*this, "b", 5), hold(*this, "c", 5), hold(*this, "d", 5)));
  CHECK(env->monotonic() - started == 2 * kSecond);
}

TEST_CASE_FIXTURE(Fixture, "a ticket that is assigned gives back what it held before") {
  auto work = [](Fixture& f) -> Task<Result<void>> {
    auto kept = co_await f.semaphore.acquire(3);
    {
      auto other = co_await f.semaphore.acquire(4);
      CHECK(other.amount() == 4);
      CHECK(f.semaphore.free() == 3);
      kept = std::move(other);
    }
    CHECK(f.semaphore.free() == 6);
    co_return Result<void>();
  };
  CHECK(run_sync(*env, work(*this)));
  CHECK(semaphore.free() == 10);
}

TEST_CASE_FIXTURE(Fixture, "sleepers wake in the order of their times") {
  REQUIRE(all(sleep(*this, "3", 3 * kSecond), sleep(*this, "1", kSecond),
              sleep(*this, "2", 2 * kSecond)));
  CHECK(told == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE_FIXTURE(Fixture, "an event wakes all who wait, and lets later ones pass") {
  Event event(env->loop());
  auto wait = [](Fixture& f, Event& e) -> Task<Result<void>> {
    co_await e.wait();
    f.told.push_back("woke");
    co_return Result<void>();
  };
  auto set = [](Event& e) -> Task<Result<void>> {
    e.set();
    co_return Result<void>();
  };
  REQUIRE(all(wait(*this, event), wait(*this, event), set(event), wait(*this, event)));
  CHECK(told.size() == 3);
  event.reset();
  CHECK(!event.is_set());
}

TEST_CASE_FIXTURE(Fixture, "an alarm ends early when it is rung, and else at its time") {
  auto wait = [](Fixture& f, Alarm& alarm) -> Task<Result<void>> {
    co_await alarm.until(f.env->monotonic() + 10 * kSecond);
    co_return Result<void>();
  };
  auto ring = [](Fixture& f, Alarm& alarm) -> Task<Result<void>> {
    co_await sleep_until(*f.env, f.env->monotonic() + kSecond);
    alarm.ring();
    co_return Result<void>();
  };
  Alarm rung(*env), left(*env);
  auto started = env->monotonic();
  REQUIRE(all(wait(*this, rung), ring(*this, rung)));
  CHECK(env->monotonic() - started == kSecond);
  started = env->monotonic();
  REQUIRE(all(wait(*this, left)));
  CHECK(env->monotonic() - started == 10 * kSecond);
}

TEST_CASE_FIXTURE(Fixture, "a group joins all, answers with the first error and starts no more") {
  auto fail = [](Fixture& f, std::string name, Nanoseconds after) -> Task<Result<void>> {
    co_await sleep_until(*f.env, f.env->monotonic() + after);
    f.told.push_back(name);
    co_return Error(Errc::unavailable, reason::store_failed, name);
  };
  auto body = [&](TaskGroup& group) -> Task<Result<void>> {
    auto slow = sleep(*this, "slow", 5 * kSecond);
    auto first = fail(*this, "first", kSecond);
    auto second = fail(*this, "second", 2 * kSecond);
    auto never = sleep(*this, "never", kSecond);
    for (auto* task : {&slow, &first, &second, &never}) {
      auto spawning = group.spawn(std::move(*task));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  const auto done = run_sync(*env, with_group(env->loop(), 3, body));
  REQUIRE(!done);
  CHECK(done.error().message() == "first");
  CHECK(told == std::vector<std::string>{"first", "second", "slow"});
}

TEST_CASE_FIXTURE(Fixture, "a group turns what a task or its body throws into the error") {
  auto short_of_memory = []() -> Task<Result<void>> {
    throw std::bad_alloc();
    co_return Result<void>();
  };
  auto of_task = all(sleep(*this, "joined", kSecond), short_of_memory());
  REQUIRE(!of_task);
  CHECK(of_task.error().reason() == reason::no_memory);
  CHECK(told == std::vector<std::string>{"joined"});
  auto body = [&](TaskGroup& group) -> Task<Result<void>> {
    auto joined = sleep(*this, "joined", kSecond);
    auto spawning = group.spawn(std::move(joined));
    co_await std::move(spawning);
    throw Broken();
    co_return Result<void>();
  };
  const auto of_body = run_sync(*env, with_group(env->loop(), 3, body));
  REQUIRE(!of_body);
  CHECK(of_body.error().message() == "broken");
  CHECK(told.size() == 2);
}

TEST_CASE_FIXTURE(Fixture, "run_on brings back what the work returned or threw") {
  auto hop_and_throw = [](Env& e) -> Task<Result<int>> {
    auto seven = [] { return 7; };
    auto good = run_on(e, e.cpu(), seven);
    CHECK(co_await std::move(good) == 7);
    auto bad = []() -> int { throw Broken(); };
    auto thrown = run_on(e, e.io(), bad);
    co_return co_await std::move(thrown);
  };
  const auto result = run_sync(*env, hop_and_throw(*env));
  REQUIRE(!result);
  CHECK(result.error().message() == "broken");
}

TEST_CASE("run_sync answers with the value, the error, or the exception as an error") {
  for (const bool threads : {false, true}) {
    const auto env = threads ? make_thread_env({2, 2}) : make_virtual_env(1);
    CHECK(run_sync(*env, answer(5)).value_or(0) == 5);
    CHECK(run_sync(*env, refuse()).error().code() == Errc::unavailable);
    CHECK(run_sync(*env, throwing<std::bad_alloc>()).error().code() == Errc::resource_exhausted);
    CHECK(run_sync(*env, throwing<Broken>()).error().code() == Errc::internal);
    CHECK(run_sync(*env, throwing<int>()).error().reason() == reason::unexpected);
  }
}

TEST_CASE("run_sync inside of a callback is refused instead of hanging") {
  for (const bool threads : {false, true}) {
    const auto env = threads ? make_thread_env({2, 2}) : make_virtual_env(1);
    auto nested = [](Env& e) -> Task<Result<int>> { co_return run_sync(e, answer(1)); };
    const auto result = run_sync(*env, nested(*env));
    REQUIRE(!result);
    CHECK(result.error().reason() == reason::called_from_callback);
  }
}

TEST_CASE("many threads may block in run_sync on one environment") {
  const auto env = make_thread_env({2, 4});
  std::vector<int> answers(8);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&env, &answers, i] {
        for (int n = 0; n < 50; ++n) answers[i] += run_sync(*env, answer(i)).value_or(-1000);
      });
    }
  }
  for (int i = 0; i < 8; ++i) CHECK(answers[i] == 50 * i);
}

}  // namespace
}  // namespace snapvault::base

TEST_SUITE_END();
