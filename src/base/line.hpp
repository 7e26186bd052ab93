// Line: a counted number of places, given in order of asking to those who wait; a waiter may leave
// the line. Semaphore (base/sync.hpp) is for waits that must be sat out. Loop only.
#pragma once

#include <cstdint>
#include <utility>

#include "base/sync.hpp"

namespace snapvault::base {

class Line {
 public:
  explicit Line(std::uint64_t places) noexcept : free_(places) {}
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  // A place, or none (false); given back when destroyed.
  class [[nodiscard]] Place {
   public:
    Place() noexcept = default;
    explicit Place(Line& line) noexcept : line_(&line) {}
    Place(Place&& other) noexcept : line_(std::exchange(other.line_, nullptr)) {}
    Place& operator=(Place&& other) noexcept {
      std::swap(line_, other.line_);
      return *this;
    }
    ~Place() {
      if (line_) line_->leave();
    }
    explicit operator bool() const noexcept { return line_ != nullptr; }

   private:
    Line* line_ = nullptr;
  };

  // Waits for a place. None once `stopped()`, which is asked every 50 ms while waiting.
  template <class Stopped>
  Task<Place> enter(Env& env, Stopped stopped) {
    if (free_ > 0) {
      --free_;
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

 private:
  static constexpr Nanoseconds kLook = 50 * kMillisecond;

  struct Waiter {
    explicit Waiter(Env& env) noexcept : alarm(env) {}
    Alarm alarm;
    bool called = false;
    Waiter* behind = nullptr;
  };

  void push(Waiter& waiter) noexcept {
    Waiter** at = &front_;
    while (*at) at = &(*at)->behind;
    *at = &waiter;
  }
  void remove(Waiter& waiter) noexcept {
    Waiter** at = &front_;
    while (*at != &waiter) at = &(*at)->behind;
    *at = waiter.behind;
  }
  // While somebody waits no place is free: it goes straight to the first.
  void leave() noexcept {
    if (!front_) {
      ++free_;
      return;
    }
    Waiter& next = *front_;
    front_ = next.behind;
    next.called = true;
    next.alarm.ring();
  }

  std::uint64_t free_;
  Waiter* front_ = nullptr;
};

}  // namespace snapvault::base
