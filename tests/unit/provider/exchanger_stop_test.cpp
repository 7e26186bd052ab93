#include <doctest/doctest.h>

#include "exchange.hpp"
#include "provider/exchanger.hpp"

TEST_SUITE_BEGIN("provider/exchanger");

namespace snapvault::provider {
namespace {

using base::kMillisecond;
using base::kSecond;

constexpr base::Nanoseconds kLong = 10'000'000 * kSecond;

// Real time, while virtual time flies.
RequestLimits ends_soon() {
  const auto now = std::chrono::nanoseconds(base::make_thread_env({})->monotonic());
  return {std::chrono::steady_clock::time_point(now) + std::chrono::milliseconds(50), {}};
}

// What a call waits for.
enum class Wait { place, signer, answer, pause, retry_after };
constexpr Wait kWaits[] = {Wait::place, Wait::signer, Wait::answer, Wait::pause, Wait::retry_after};

struct Waiting : ExchangeWorld {
  explicit Waiting(Wait wait) : ExchangeWorld(options_of(wait)) {
    transport->delay = kMillisecond;
    switch (wait) {
      case Wait::place:
      case Wait::answer:
        transport->delay = kLong;
        break;
      case Wait::signer:
        signer.delay = kLong;
        break;
      case Wait::pause:
        answers({answer_of(503)});
        break;
      case Wait::retry_after:
        answers({answer_of(503, {{"Retry-After", "50"}})});
        break;
    }
  }
  static ExchangerOptions options_of(Wait wait) {
    ExchangerOptions out;
    out.tries_max = 1'000'000;
    out.pause_first = out.pause_max = wait == Wait::pause ? kLong : kMillisecond;
    out.total_max = kLong;
    if (wait == Wait::place) out.parallel_start = 1;
    return out;
  }

  std::vector<Error> errors;
  std::vector<base::Nanoseconds> ended;

  static base::Task<Result<void>> send_one(Waiting& world, RequestLimits limits) {
    auto sending = world.exchanger->send(call_of(), std::move(limits));
    const auto answer = co_await std::move(sending);
    if (!answer) world.errors.push_back(answer.error());
    world.ended.push_back(world.env->monotonic());
    co_return Result<void>();
  }
};

}  // namespace

TEST_CASE("a stop is answered within 100 ms, whatever the call waits for and whenever it comes") {
  for (base::Nanoseconds at = 7'003 * kMillisecond; at < 7'300 * kMillisecond;
       at += 17 * kMillisecond) {
    for (const auto wait : kWaits) {
      CAPTURE(static_cast<int>(wait));
      Waiting world(wait);
      std::stop_source stop;
      auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
        for (int i = 0; i < 3; ++i) {
          auto spawning = group.spawn(Waiting::send_one(world, {{}, stop.get_token()}));
          co_await std::move(spawning);
        }
        co_await base::sleep_until(*world.env, at);
        CHECK(world.ended.empty());
        stop.request_stop();
        co_return Result<void>();
      };
      REQUIRE(run(*world.env, base::with_group(world.env->loop(), 10, body)));
      REQUIRE(world.errors.size() == 3);
      for (const auto& error : world.errors) {
        CHECK(error.code() == Errc::cancelled);
        CHECK(error.reason() == reason::cancelled);
      }
      for (const auto ended : world.ended) CHECK(ended <= at + 100 * kMillisecond);
      CHECK(world.exchanger->concurrency().in_flight() == 0);
    }
  }
}

TEST_CASE("a deadline ends a call, whatever it waits for") {
  for (const auto wait : kWaits) {
    CAPTURE(static_cast<int>(wait));
    Waiting world(wait);
    const bool tried = wait == Wait::pause || wait == Wait::retry_after;
    world.transport->heeds_limits = !tried;
    const auto limits = ends_soon();
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (int i = 0; i < 2; ++i) {
        auto spawning = group.spawn(Waiting::send_one(world, limits));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    REQUIRE(run(*world.env, base::with_group(world.env->loop(), 10, body)));
    REQUIRE(world.errors.size() == 2);
    CHECK(world.errors[0].code() == Errc::deadline_exceeded);
    const auto said = world.errors[0].message().find("the last try: too much to do");
    CHECK((said != std::string_view::npos) == tried);
    CHECK(world.exchanger->concurrency().in_flight() == 0);
  }
}

TEST_CASE("a create that a deadline ends is unknown only if it may have been sent") {
  const RequestLimits over{std::chrono::steady_clock::time_point::min(), {}};
  ExchangeWorld world;
  auto call = ExchangeWorld::call_of();
  call.conditional = true;
  CHECK(world.send(call, over).error().code() == Errc::deadline_exceeded);
  CHECK(world.tries() == 0);

  for (const bool sent : {true, false}) {
    Waiting lost(Wait::retry_after);
    lost.transport->heeds_limits = false;
    lost.answers({sent ? Result<wire::Response>(answer_of(500, {{"Retry-After", "50"}}))
                       : Result<wire::Response>(answer_of(503, {{"Retry-After", "50"}}))});
    CHECK(lost.send(call, ends_soon()).error().code() ==
          (sent ? Errc::outcome_unknown : Errc::deadline_exceeded));
  }
}

TEST_CASE("whatever a transport says after a stop, the call was cancelled; an answer stays one") {
  for (const auto& error : {unreachable(), lost_answer(), silent(),
                            Error(Errc::precondition_failed, reason::tls, "not trusted")}) {
    ExchangeWorld world;
    std::stop_source stop;
    world.transport->script = [&](const net::Exchange&, std::size_t) {
      stop.request_stop();
      return Result<wire::Response>(error);
    };
    const auto failed = world.send(ExchangeWorld::call_of(), {{}, stop.get_token()});
    CHECK(failed.error().code() == Errc::cancelled);
    CHECK(world.tries() == 1);
  }
  // A create that was stopped may have taken effect: that is what a stop means.
  ExchangeWorld create;
  std::stop_source stopping;
  create.transport->script = [&](const net::Exchange&, std::size_t number) {
    if (number > 1) stopping.request_stop();
    return Result<wire::Response>(lost_answer());
  };
  auto call = ExchangeWorld::call_of();
  call.conditional = true;
  CHECK(create.send(call, {{}, stopping.get_token()}).error().code() == Errc::cancelled);
  for (const int status : {200, 409, 401, 503}) {
    CAPTURE(status);
    ExchangeWorld world;
    std::stop_source stop;
    world.transport->script = [&](const net::Exchange&, std::size_t) {
      stop.request_stop();
      return answer_of(status);
    };
    const auto answer = world.send(ExchangeWorld::call_of(), {{}, stop.get_token()});
    CHECK(answer.has_value() == (status == 200));
    if (status == 409) CHECK(answer.error().code() == Errc::already_exists);
    if (status == 503) CHECK(answer.error().code() == Errc::cancelled);
    CHECK(world.tries() == 1);
  }
}

TEST_CASE("a transfer completes from another thread, and an exception becomes an error") {
  class Throws final : public net::Transport {
   public:
    void send(net::Exchange, Completion<wire::Response>) override { throw std::bad_alloc(); }
  };
  Throws throws;
  const auto env = base::make_virtual_env(1);
  CHECK(run(*env, transfer(*env, throws, {})).error().reason() == reason::no_memory);

  class Elsewhere final : public net::Transport {
   public:
    explicit Elsewhere(base::Env& env) : env_(env) {}
    void send(net::Exchange, Completion<wire::Response> done) override {
      base::launch(env_, complete(std::move(done)));
    }

   private:
    static base::Task<void> complete(Completion<wire::Response> done) {
      done(answer_of(204));
      co_return;
    }
    base::Env& env_;
  };
  const auto other = base::make_thread_env({}), real = base::make_thread_env({});
  Elsewhere elsewhere(*other);
  for (int i = 0; i < 100; ++i) CHECK(run(*real, transfer(*real, elsewhere, {}))->status == 204);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
