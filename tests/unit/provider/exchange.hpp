// A transport and a signer of a test's own, and an exchanger between them, in virtual time.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/launch.hpp"
#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "provider/exchanger.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {

template <class T>
Result<T> run(base::Env& env, base::Task<Result<T>> task) {
  return base::run_sync(env, std::move(task));
}

// Lets virtual time pass.
inline void pass(base::Env& env, base::Nanoseconds time) {
  auto sleep = [](base::Env& in, base::Nanoseconds until) -> base::Task<Result<void>> {
    co_await base::sleep_until(in, until);
    co_return Result<void>();
  };
  base::permit_unchecked(run(env, sleep(env, env.monotonic() + time)), "it cannot fail");
}

inline wire::Response answer_of(int status, std::vector<wire::Field> headers = {}) {
  wire::Response out;
  out.status = status;
  for (const auto& field : headers) out.headers.add(field.name, field.value);
  return out;
}

inline Error unreachable() {
  return Error(Errc::unavailable, reason::unreachable, "the host cannot be reached");
}
inline Error lost_answer() {
  return Error(Errc::outcome_unknown, reason::lost_answer, "the connection broke");
}
inline Error silent() {
  return Error(Errc::deadline_exceeded, reason::deadline, "the host fell silent");
}

// Answers by `script`, after `delay`; answers a stop within 10 ms, as the real one does.
class ScriptedTransport final : public net::Transport {
 public:
  struct Sent {
    net::Exchange exchange;
    base::Nanoseconds at;
  };
  using Script = std::function<Result<wire::Response>(const net::Exchange&, std::size_t number)>;

  explicit ScriptedTransport(base::Env& env) : env_(env) {}

  void send(net::Exchange exchange, Completion<wire::Response> done) override {
    sent.push_back({exchange, env_.monotonic()});
    base::launch(env_, complete(*this, std::move(exchange), sent.size(), std::move(done)));
  }

  Script script = [](const net::Exchange&, std::size_t) { return answer_of(200); };
  base::Nanoseconds delay = 0;
  bool heeds_limits = true;  // else it answers by the script, however late it is
  std::vector<Sent> sent;
  unsigned under_way = 0, under_way_most = 0;

 private:
  static base::Task<void> complete(ScriptedTransport& self, net::Exchange exchange,
                                   std::size_t number, Completion<wire::Response> done) {
    self.under_way_most = std::max(self.under_way_most, ++self.under_way);
    const auto until = self.env_.monotonic() + self.delay;
    while (self.env_.monotonic() < until && check(exchange.limits)) {
      const auto next = std::min(until, self.env_.monotonic() + 10 * base::kMillisecond);
      co_await base::sleep_until(self.env_, next);
    }
    --self.under_way;
    const auto within = self.heeds_limits ? check(exchange.limits) : Result<void>();
    done(within ? self.script(exchange, number) : Result<wire::Response>(within.error()));
  }

  base::Env& env_;
};

// Signs with the number of the credential and the time.
class ScriptedSigner final : public Signer {
 public:
  explicit ScriptedSigner(base::Env& env) : env_(env) {}

  base::Task<Result<void>> sign(wire::Request& request, std::int64_t now,
                                RequestLimits limits) override {
    const auto until = env_.monotonic() + delay;
    auto sleeping = sleep_within(env_, until, std::move(limits));
    auto slept = co_await std::move(sleeping);
    if (!slept) co_return slept;
    if (!failures.empty()) {
      auto failure = std::move(failures.back());
      failures.pop_back();
      co_return failure;
    }
    request.headers.add("Signature", std::to_string(credential));
    request.headers.add("Signed-At", std::to_string(now));
    co_return Result<void>();
  }
  bool renew() noexcept override {
    ++renewals;
    if (renewable) ++credential;
    return renewable;
  }

  base::Nanoseconds delay = 0;
  int credential = 1, renewals = 0;
  bool renewable = true;
  std::vector<Error> failures;

 private:
  base::Env& env_;
};

inline Verdict judge_status(const wire::Request&, const wire::Response& answer) {
  using Action = Verdict::Action;
  switch (answer.status) {
    case 200:
      return {};
    case 401:
      return {Action::renew, Error(Errc::unauthenticated, reason::bad_credential, "who is that?")};
    case 403:
      return {Action::clock, Error(Errc::unauthenticated, reason::clock_skew, "what time is it?")};
    case 409:
      return {Action::refuse, Error(Errc::already_exists, reason::object_exists, "it is there")};
    case 412:
      return {Action::refuse,
              Error(Errc::precondition_failed, reason::store_failed, "it has changed")};
    case 429:
    case 503:
      return {Action::repeat, Error(Errc::unavailable, reason::busy, "too much to do"), false,
              true};
    case 500:
      return {Action::repeat, Error(Errc::unavailable, reason::store_failed, "broken"), true};
    default:
      return {Action::refuse, Error(Errc::invalid_argument, reason::bad_argument, "not so")};
  }
}

struct ExchangeWorld {
  std::shared_ptr<base::Env> env;
  std::shared_ptr<ScriptedTransport> transport;
  ScriptedSigner signer;
  std::unique_ptr<Exchanger> exchanger;

  explicit ExchangeWorld(ExchangerOptions options = {}, std::uint64_t seed = 7)
      : env(base::make_virtual_env(seed)),
        transport(std::make_shared<ScriptedTransport>(*env)),
        signer(*env) {
    if (options.origins.empty()) options.origins = {wire::Origin{true, "one", 443}};
    exchanger =
        std::make_unique<Exchanger>(*env, transport, &signer, judge_status, std::move(options));
  }

  // The answers in turn; the last one for all that follow.
  void answers(std::vector<Result<wire::Response>> in_turn) {
    transport->script = [in_turn](const net::Exchange&, std::size_t number) {
      return in_turn[std::min(number, in_turn.size()) - 1];
    };
  }
  static Call call_of(std::string subject = "object") {
    Call call;
    call.subject = std::move(subject);
    return call;
  }
  Result<wire::Response> send(Call call = call_of(), RequestLimits limits = {}) {
    return run(*env, exchanger->send(std::move(call), std::move(limits)));
  }
  Result<wire::Response> create() {
    auto call = call_of();
    call.conditional = true;
    return send(std::move(call));
  }
  // Many calls at once; how many of them succeeded.
  int send_many(int count) {
    int good = 0;
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (int i = 0; i < count; ++i) {
        auto spawning = group.spawn(send_one(*this, good));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    const auto ran = run(*env, base::with_group(env->loop(), 1000, body));
    return ran ? good : -1;
  }
  std::size_t tries() const { return transport->sent.size(); }
  std::string field(std::size_t number, std::string_view name) const {
    return std::string(transport->sent.at(number).exchange.request.headers.get(name));
  }

 private:
  static base::Task<Result<void>> send_one(ExchangeWorld& world, int& good) {
    auto sending = world.exchanger->send(call_of(), {});
    const auto answer = co_await std::move(sending);
    if (answer) ++good;
    co_return Result<void>();
  }
};

}  // namespace snapvault::provider
