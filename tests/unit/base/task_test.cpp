#include "base/task.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>

#include "loop.hpp"

TEST_SUITE_BEGIN("base/task");

namespace snapvault::base {
namespace {

Task<int> depth(int n) {
  if (n == 0) co_return 0;
  auto child = depth(n - 1);
  co_return 1 + co_await std::move(child);
}

TEST_CASE("a task does nothing until it is awaited, and frees what it held if it never is") {
  const auto env = make_virtual_env(1);
  bool ran = false;
  auto held = std::make_shared<int>(1);
  auto work = [](bool& flag, std::shared_ptr<int>) -> Task<Result<void>> {
    flag = true;
    co_return Result<void>();
  };
  { auto never = work(ran, held); }
  CHECK(!ran);
  CHECK(held.use_count() == 1);
  CHECK(run_sync(*env, work(ran, held)));
  CHECK(ran);
  CHECK(held.use_count() == 1);
}

TEST_CASE("children that never suspend take no stack in a loop of a million") {
  const auto env = make_virtual_env(1);
  auto loop = []() -> Task<Result<int>> {
    int sum = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      auto child = depth(1);
      sum += co_await std::move(child);
    }
    co_return sum;
  };
  CHECK(run_sync(*env, loop()).value_or(0) == 1'000'000);
}

TEST_CASE("an exception passes through a task to the one that awaits it") {
  const auto env = make_virtual_env(1);
  auto inner = [](int n) -> Task<int> {
    if (n > 1) throw std::out_of_range("too far");
    co_return n;
  };
  auto outer = [&inner](int n) -> Task<Result<int>> {
    bool caught = false;
    int value = 0;
    try {
      auto child = inner(n);
      value = co_await std::move(child);
    } catch (const std::out_of_range&) {
      caught = true;
    }
    co_return caught ? -1 : value;
  };
  CHECK(run_sync(*env, outer(1)).value_or(0) == 1);
  CHECK(run_sync(*env, outer(2)).value_or(0) == -1);
}

TEST_CASE("a task may hop between threads ten thousand times") {
  const auto env = make_thread_env({2, 2});
  auto hops = [](Env& e) -> Task<Result<int>> {
    int sum = 0;
    for (int i = 0; i < 10'000; ++i) {
      auto one = [] { return 1; };
      auto running = run_on(e, i % 2 ? e.cpu() : e.io(), one);
      sum += co_await std::move(running);
    }
    co_return sum;
  };
  CHECK(run_sync(*env, hops(*env)).value_or(0) == 10'000);
}

}  // namespace
}  // namespace snapvault::base

TEST_SUITE_END();
