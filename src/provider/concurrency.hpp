// Concurrency: how many requests of one store are in flight: fewer when it is busy, slowly more
// again.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/env.hpp"
#include "base/sync.hpp"
#include "base/task.hpp"

namespace snapvault::provider {

// Additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the Increase and Decrease
// Algorithms for Congestion Avoidance in Computer Networks", 1989). Loop only.
class Concurrency {
 public:
  // The limit at first, and the most that it becomes; it is never below 1.
  Concurrency(unsigned start, unsigned max) noexcept
      : limit_(std::clamp(start, 1u, std::max(max, 1u))), max_(std::max(max, 1u)) {}
  Concurrency(const Concurrency&) = delete;
  Concurrency& operator=(const Concurrency&) = delete;

  // A place, or none (false); given back when destroyed.
  class [[nodiscard]] Place {
   public:
    Place() noexcept = default;
    explicit Place(Concurrency& of) noexcept : of_(&of) {}
    Place(Place&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~Place() {
      if (of_) of_->leave();
    }
    explicit operator bool() const noexcept { return of_ != nullptr; }

   private:
    Concurrency* of_ = nullptr;
  };

  // Waits for a place, in order of asking. None once `stopped()`, which is asked every 50 ms.
  template <class Stopped>
  base::Task<Place> enter(base::Env& env, Stopped stopped) {
    if (!front_ && in_flight_ < limit_) {
      ++in_flight_;
      co_return Place(*this);
    }
    Waiter waiter(env);
    push(waiter);
    while (!waiter.called) {
      if (stopped()) {
        remove(waiter);
        co_return Place();
      }
      co_await waiter.alarm.until(env.monotonic() + kLook);
    }
    co_return Place(*this);
  }

  // What a request that ended at `now` tells, while it still holds its place. `busy`: the store
  // said that it has too much to do; the limit is halved, at most once a second, as those in flight
  // say the same. Else the limit rises by one for each round of good answers, if at least half of
  // the places were taken when they came: what was not used was not tried.
  //
  // Slow answers: `took` counts for those of at most 64 KiB of `bytes`, in which the network's
  // width hides nothing. If their smoothed time is above 8 times the least of the last minute plus
  // 200 ms, they wait in a queue of the store's, and the limit falls by one, at most once a second,
  // down to 8: with fewer in flight slowness has other causes than us.
  void ended(bool busy, base::Nanoseconds took, std::uint64_t bytes,
             base::Nanoseconds now) noexcept;

  unsigned limit() const noexcept { return limit_; }
  unsigned in_flight() const noexcept { return in_flight_; }

 private:
  static constexpr base::Nanoseconds kLook = 50 * base::kMillisecond;
  static constexpr double kNone = std::numeric_limits<double>::infinity();

  struct Waiter {
    explicit Waiter(base::Env& env) noexcept : alarm(env) {}
    base::Alarm alarm;
    bool called = false;
    Waiter* behind = nullptr;
  };
  void push(Waiter& waiter) noexcept;
  void remove(Waiter& waiter) noexcept;
  void leave() noexcept;
  void admit() noexcept;
  bool slow(base::Nanoseconds took, std::uint64_t bytes, base::Nanoseconds now) noexcept;
  void fall(unsigned to, base::Nanoseconds now) noexcept;

  unsigned limit_;
  const unsigned max_;
  unsigned in_flight_ = 0;
  unsigned good_ = 0;                    // answers since the limit changed
  base::Nanoseconds may_fall_from_ = 0;  // once a second
  // Of small answers, in nanoseconds: the least of this half minute and of the one before, and
  // smoothed.
  double best_now_ = kNone, best_before_ = kNone, usual_ = 0;
  base::Nanoseconds half_ends_ = 0;
  Waiter* front_ = nullptr;
};

}  // namespace snapvault::provider
