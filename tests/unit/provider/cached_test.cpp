#include "provider/cached.hpp"

#include <doctest/doctest.h>

#include "exchange.hpp"

TEST_SUITE_BEGIN("provider/cached");

namespace snapvault::provider {
namespace {

using base::kMillisecond;
using base::kSecond;

struct Token {
  int number = 0;
  std::int64_t expires = 0;
};

// Hands out numbered tokens that live for `life` seconds; 0: for ever.
struct Fixture {
  std::shared_ptr<base::Env> env = base::make_virtual_env(7);
  std::int64_t life = 3600;
  base::Nanoseconds takes = 0;
  int fetched = 0;
  std::optional<Error> failure;
  Cached<Token> cached{*env, [this](RequestLimits limits) { return fetch(*this, limits); }};

  static base::Task<Result<Token>> fetch(Fixture& f, RequestLimits limits) {
    ++f.fetched;
    auto sleeping = sleep_within(*f.env, f.env->monotonic() + f.takes, std::move(limits));
    auto slept = co_await std::move(sleeping);
    if (!slept) co_return std::move(slept).error();
    if (f.failure) co_return *f.failure;
    co_return Token{f.fetched, f.life == 0 ? 0 : f.env->wall_seconds() + f.life};
  }
  Result<Token> get() { return run(*env, cached.get(env->wall_seconds(), {})); }
  void pass(base::Nanoseconds time) { provider::pass(*env, time); }
  // Asks every tenth of a second; how often it was fetched in `seconds`.
  int fetches_in(int seconds) {
    const auto before = fetched;
    for (int tenth = 0; tenth < 10 * seconds; ++tenth) {
      const auto token = get();
      REQUIRE(token);
      CHECK((token->expires == 0 || token->expires > env->wall_seconds()));
      pass(100 * kMillisecond);
    }
    return fetched - before;
  }
  static base::Task<Result<void>> ask(Fixture& f, RequestLimits limits,
                                      std::vector<Result<Token>>& into) {
    auto getting = f.cached.get(f.env->wall_seconds(), std::move(limits));
    into.push_back(co_await std::move(getting));
    co_return Result<void>();
  }
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a token that never ends is fetched once, and again when dropped") {
  life = 0;
  CHECK(get()->number == 1);
  pass(100'000 * kSecond);
  CHECK(get()->number == 1);
  CHECK(cached.value()->number == 1);
  cached.drop();
  CHECK_FALSE(cached.value());
  CHECK(get()->number == 2);
}

TEST_CASE_FIXTURE(Fixture, "a token is fetched anew before its end, as early as its life allows") {
  struct Row {
    std::int64_t life, used;
  };
  // A quarter of the life, at most five minutes, but 5 % of a long one.
  for (const auto& row : {Row{3600, 3300}, Row{1200, 900}, Row{100, 75}, Row{43'200, 41'040}}) {
    CAPTURE(row.life);
    cached.drop();
    life = row.life;
    const auto first = get()->number;
    pass(static_cast<base::Nanoseconds>(row.used - 1) * kSecond);
    CHECK(get()->number == first);
    pass(kSecond);
    CHECK(get()->number == first + 1);
  }
}

TEST_CASE_FIXTURE(Fixture, "DC-02: a token of a short life serves for the most of it") {
  struct Row {
    int life, fetches_most;
  };
  for (const auto& row : {Row{5, 16}, Row{4, 21}, Row{2, 31}}) {
    CAPTURE(row.life);
    life = row.life;
    cached.drop();
    CHECK(fetches_in(60) <= row.fetches_most);
  }
}

TEST_CASE_FIXTURE(Fixture, "who comes while a token is fetched waits for that one") {
  takes = 2 * kSecond;
  std::vector<Result<Token>> got;
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (int i = 0; i < 20; ++i) {
      auto spawning = group.spawn(ask(*this, {}, got));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  REQUIRE(run(*env, base::with_group(env->loop(), 100, body)));
  REQUIRE(got.size() == 20);
  for (const auto& token : got) CHECK(token->number == 1);
  CHECK(fetched == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "who waits for a fetch is cancelled within 100 ms, and the fetch goes on") {
  takes = 20 * kSecond;
  std::stop_source stop;
  std::vector<Result<Token>> got, left;
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    auto first = group.spawn(ask(*this, {}, got));
    co_await std::move(first);
    auto second = group.spawn(ask(*this, {{}, stop.get_token()}, left));
    co_await std::move(second);
    co_await base::sleep_until(*env, kSecond);
    stop.request_stop();
    co_await base::sleep_until(*env, kSecond + 100 * kMillisecond);
    CHECK(left.size() == 1);
    CHECK(got.empty());
    co_return Result<void>();
  };
  REQUIRE(run(*env, base::with_group(env->loop(), 100, body)));
  REQUIRE(left.size() == 1);
  CHECK(left[0].error().code() == Errc::cancelled);
  REQUIRE(got.size() == 1);
  CHECK(got[0]->number == 1);
  CHECK(fetched == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "who waits for a fetch that takes longer than a token lives fetches one") {
  life = 1;
  takes = 3 * kSecond;
  std::vector<Result<Token>> got;
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (int i = 0; i < 3; ++i) {
      auto spawning = group.spawn(ask(*this, {}, got));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  REQUIRE(run(*env, base::with_group(env->loop(), 100, body)));
  for (const auto& token : got) CHECK(token);
}

TEST_CASE_FIXTURE(Fixture, "an old token serves to its end while none can be fetched") {
  life = 100;
  REQUIRE(get());
  failure = unreachable();
  pass(80 * kSecond);
  // Not fetched for each request: once in ten seconds.
  for (int tenth = 0; tenth < 199; ++tenth) {
    CHECK(get()->number == 1);
    pass(100 * kMillisecond);
  }
  CHECK(fetched <= 4);
  pass(kSecond);
  CHECK(get().error().reason() == reason::unreachable);
  failure.reset();
  CHECK(get()->number == fetched);
}

TEST_CASE_FIXTURE(Fixture, "a token that has ended when it comes is an error, and not kept") {
  for (const std::int64_t ended : {std::int64_t{-1}, std::int64_t{-5000}}) {
    life = ended;
    const auto got = get();
    REQUIRE_FALSE(got);
    CHECK(got.error().code() == Errc::unauthenticated);
    CHECK(got.error().reason() == reason::expired_credential);
    CHECK_FALSE(got.error().hint().empty());
    CHECK_FALSE(cached.value());
  }
  life = 10;
  CHECK(get());
}

TEST_CASE_FIXTURE(Fixture, "a failed fetch without an old token is what the caller hears") {
  failure = Error(Errc::unauthenticated, reason::bad_credential, "no");
  CHECK(get().error().reason() == reason::bad_credential);
  CHECK(get().error().reason() == reason::bad_credential);
  CHECK(fetched == 2);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
