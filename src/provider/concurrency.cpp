#include "provider/concurrency.hpp"

#include <algorithm>

namespace snapvault::provider {
namespace {

constexpr std::uint64_t kSmall = 64 << 10;
constexpr unsigned kSlowFrom = 8;
constexpr double kSlowTimes = 8;
constexpr double kSlowLeast = 200e6;  // nanoseconds
constexpr double kSmoothing = 0.1;
constexpr base::Nanoseconds kHalf = 30 * base::kSecond;

}  // namespace

void Concurrency::push(Waiter& waiter) noexcept {
  Waiter** at = &front_;
  while (*at) at = &(*at)->behind;
  *at = &waiter;
}

void Concurrency::remove(Waiter& waiter) noexcept {
  Waiter** at = &front_;
  while (*at != &waiter) at = &(*at)->behind;
  *at = waiter.behind;
}

void Concurrency::leave() noexcept {
  --in_flight_;
  admit();
}

void Concurrency::admit() noexcept {
  while (front_ && in_flight_ < limit_) {
    Waiter& next = *front_;
    front_ = next.behind;
    ++in_flight_;
    next.called = true;
    next.alarm.ring();
  }
}

bool Concurrency::slow(base::Nanoseconds took, std::uint64_t bytes,
                       base::Nanoseconds now) noexcept {
  if (bytes > kSmall) return false;
  if (now >= half_ends_) {
    best_before_ = now - half_ends_ < kHalf ? best_now_ : kNone;
    best_now_ = kNone;
    half_ends_ = now + kHalf;
  }
  const auto time = static_cast<double>(took);
  best_now_ = std::min(best_now_, time);
  const auto bound = kSlowTimes * std::min(best_now_, best_before_) + kSlowLeast;
  // A single answer, however late, moves the smoothed time by a fifth of the bound only.
  const auto counted = std::min(time, 2 * bound);
  usual_ = usual_ == 0 ? counted : usual_ + kSmoothing * (counted - usual_);
  return limit_ > kSlowFrom && usual_ > bound;
}

void Concurrency::fall(unsigned to, base::Nanoseconds now) noexcept {
  good_ = 0;
  if (now < may_fall_from_) return;
  limit_ = std::max(1u, to);
  may_fall_from_ = now + base::kSecond;
}

void Concurrency::ended(bool busy, base::Nanoseconds took, std::uint64_t bytes,
                        base::Nanoseconds now) noexcept {
  if (busy) return fall(limit_ / 2, now);
  if (slow(took, bytes, now)) return fall(limit_ - 1, now);
  if (2 * in_flight_ < limit_ || ++good_ < limit_ || limit_ == max_) return;
  good_ = 0;
  ++limit_;
  admit();
}

}  // namespace snapvault::provider
