// TokenBucket: a rate in bytes a second, shared by all jobs and changed while they run. Loop only,
// but for set().
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "base/line.hpp"

namespace snapvault::base {

class TokenBucket {
 public:
  // 0 = no limit.
  void set(std::uint64_t bytes_per_second) noexcept { rate_ = bytes_per_second; }
  std::uint64_t rate() const noexcept { return rate_; }

  // Waits until `bytes` may pass, behind all who asked before: many small takers do not hold up a
  // big one. Waits in steps, so that a raised rate or a stop (asked by `stopped`) is seen within
  // 100 ms.
  template <class Stopped>
  Task<void> take(Env& env, std::uint64_t bytes, Stopped stopped) {
    if (rate_ == 0 || bytes == 0) co_return;
    auto entering = line_.enter(env, stopped);
    const auto place = co_await std::move(entering);
    if (!place) co_return;
    double left = static_cast<double>(bytes);
    while (left > 0 && !stopped()) {
      const auto rate = static_cast<double>(rate_.load());
      if (rate == 0) co_return;
      const auto now = env.monotonic();
      const auto step = std::min(left, rate / 10);  // what a tenth of a second lets through
      const auto start = std::max(now, free_at_);
      free_at_ = start + static_cast<Nanoseconds>(step / rate * 1e9);
      if (free_at_ > now) co_await sleep_until(env, free_at_);
      left -= step;
    }
  }

 private:
  std::atomic<std::uint64_t> rate_{0};
  Line line_{1};
  Nanoseconds free_at_ = 0;
};

}  // namespace snapvault::base
