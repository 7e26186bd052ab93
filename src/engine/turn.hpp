// Turn: tasks that run side by side pass one after another, in the order of their numbers.
#pragma once

#include <coroutine>
#include <cstdint>

#include "base/sync.hpp"

namespace snapvault::engine {

// Loop only. Each number from 0 on waits once and is passed on once, also by those that failed.
class Turn {
 public:
  explicit Turn(base::Executor& loop) noexcept : loop_(loop) {}

  class Wait : base::Work {
   public:
    Wait(Turn& turn, std::uint64_t number) noexcept : turn_(turn), number_(number) {}
    bool await_ready() const noexcept { return turn_.now_ == number_; }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      handle_ = handle;
      run = [](base::Work& work) noexcept { static_cast<Wait&>(work).handle_.resume(); };
      behind_ = turn_.waiting_;
      turn_.waiting_ = this;
    }
    void await_resume() const noexcept {}

   private:
    friend class Turn;
    Turn& turn_;
    std::uint64_t number_;
    std::coroutine_handle<> handle_;
    Wait* behind_ = nullptr;
  };
  Wait wait(std::uint64_t number) noexcept { return Wait(*this, number); }

  // Back to number 0; nobody may be waiting.
  void restart() noexcept { now_ = 0; }

  // The holder of the turn gives it to the next number.
  void pass() noexcept {
    ++now_;
    for (Wait** at = &waiting_; *at; at = &(*at)->behind_) {
      if ((*at)->number_ != now_) continue;
      Wait* next = *at;
      *at = next->behind_;
      loop_.post(*next);
      return;
    }
  }

 private:
  base::Executor& loop_;
  std::uint64_t now_ = 0;
  Wait* waiting_ = nullptr;
};

}  // namespace snapvault::engine
