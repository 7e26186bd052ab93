// Cached: a credential or token that is fetched when needed and again before it expires.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include "base/env.hpp"
#include "base/line.hpp"
#include "base/reasons.hpp"
#include "base/task.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {

// T is copied out and has `std::int64_t expires`: seconds since 1970, 0 = never. Loop only.
template <class T>
class Cached {
 public:
  using Fetch = std::function<base::Task<Result<T>>(RequestLimits limits)>;
  // `fetch` is a named function or a lambda that calls one (a lambda must be no coroutine).
  Cached(base::Env& env, Fetch fetch) : env_(env), fetch_(std::move(fetch)) {}

  // One that has not ended at `now`. It is fetched anew once a quarter of the life that it had when
  // it came is left, but not before the last five minutes, or 5 % of a life of more than 100
  // minutes. One fetch at a time: who comes meanwhile waits for it. If that fails, the old one is
  // given out while it lives, and the next fetch waits ten seconds. Errors: those of the fetch,
  // unauthenticated (expired_credential: it had ended when it came), those of `limits`.
  base::Task<Result<T>> get(std::int64_t now, RequestLimits limits) {
    if (is_fresh(now)) co_return *value_;
    const auto began = env_.monotonic();
    const Ended ended{limits};
    auto entering = line_.enter(env_, ended);
    const auto place = co_await std::move(entering);
    if (auto within = check(limits); !within) co_return std::move(within).error();
    if (is_fresh(later(now, began))) co_return *value_;  // fetched by whoever was before us
    auto fetching = fetch_(limits);
    auto got = co_await std::move(fetching);
    const auto came = later(now, began);
    if (got) {
      if (got->expires != 0 && got->expires <= came) co_return has_ended();
      keep(*got, came);
    } else if (lives(came)) {
      patient_until_ = env_.monotonic() + kPatience;
      co_return *value_;
    }
    co_return got;
  }
  // The store refused it.
  void drop() noexcept { value_.reset(); }
  const std::optional<T>& value() const noexcept { return value_; }

 private:
  static constexpr std::int64_t kAhead = 300;
  static constexpr base::Nanoseconds kPatience = 10 * base::kSecond;
  struct Ended {
    const RequestLimits& limits;
    bool operator()() const { return !check(limits); }
  };

  std::int64_t later(std::int64_t now, base::Nanoseconds began) const noexcept {
    return now + static_cast<std::int64_t>((env_.monotonic() - began) / base::kSecond);
  }
  void keep(const T& value, std::int64_t now) {
    value_ = value;
    const auto life = value.expires - now;
    ahead_ = std::max(life / 20, std::min(kAhead, life / 4));
    patient_until_ = 0;
  }
  bool lives(std::int64_t now) const noexcept {
    return value_ && (value_->expires == 0 || value_->expires > now);
  }
  bool is_fresh(std::int64_t now) const noexcept {
    if (!lives(now)) return false;
    if (value_->expires == 0 || value_->expires - now > ahead_) return true;
    return env_.monotonic() < patient_until_;
  }
  static Error has_ended() {
    return Error(Errc::unauthenticated, reason::expired_credential,
                 "the credential that was fetched has ended already, by this machine's clock")
        .with_hint("check the clock, and who gives the credential");
  }

  base::Env& env_;
  const Fetch fetch_;
  base::Line line_{1};
  std::optional<T> value_;
  std::int64_t ahead_ = 0;  // of its life, in seconds, when it is fetched anew
  base::Nanoseconds patient_until_ = 0;
};

}  // namespace snapvault::provider
