// Executor: a queue of work that never allocates and never fails.
//
// A completion that had to allocate could lose a wake-up when memory is short, and the job would
// hang. So what is posted is a node inside an object that exists already (a coroutine frame).
#pragma once

#include <coroutine>

namespace snapvault::base {

struct Work {
  void (*run)(Work&) noexcept = nullptr;
  Work* next = nullptr;
};

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `work` soon, on a thread of this executor. The node must live until it ran. Any thread.
  virtual void post(Work& work) noexcept = 0;
};

// co_await hop(executor): continues the coroutine on a thread of `executor`.
class hop : Work {
 public:
  explicit hop(Executor& to) noexcept : to_(to) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    handle_ = handle;
    run = [](Work& self) noexcept { static_cast<hop&>(self).handle_.resume(); };
    to_.post(*this);
  }
  void await_resume() const noexcept {}

 private:
  Executor& to_;
  std::coroutine_handle<> handle_;
};

}  // namespace snapvault::base
