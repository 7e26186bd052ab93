// Coordination of coroutines on the loop. Nothing here allocates to wake a waiter. Except for
// run_sync and run_on, everything belongs to the loop: one thread, so no locks.
#pragma once

#include <cassert>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/env.hpp"
#include "base/task.hpp"
#include "base/try.hpp"

namespace snapvault::base {

// A list of suspended coroutines, first in, first out.
class WaitList {
 public:
  struct Waiter : Work {
    std::coroutine_handle<> handle;
    std::uint64_t want = 0;
    Waiter* behind = nullptr;
  };
  bool empty() const noexcept { return front_ == nullptr; }
  Waiter* front() const noexcept { return front_; }
  void push(Waiter& waiter) noexcept {
    waiter.behind = nullptr;
    (front_ ? back_->behind : front_) = &waiter;
    back_ = &waiter;
  }
  // Takes the first one out and posts it.
  void wake_front(Executor& loop) noexcept {
    Waiter* waiter = front_;
    front_ = waiter->behind;
    waiter->run = [](Work& work) noexcept { static_cast<Waiter&>(work).handle.resume(); };
    loop.post(*waiter);
  }

 private:
  Waiter* front_ = nullptr;
  Waiter* back_ = nullptr;
};

// A counted resource, in bytes or in slots, handed out in order of asking: a large request is never
// starved by small ones. A request above the capacity waits for all of it.
class Semaphore {
 public:
  Semaphore(Executor& loop, std::uint64_t capacity) noexcept
      : loop_(loop), capacity_(capacity), free_(capacity) {}
  Semaphore(const Semaphore&) = delete;
  Semaphore& operator=(const Semaphore&) = delete;

  // What was acquired; gives it back when destroyed.
  class [[nodiscard]] Ticket {
   public:
    Ticket() noexcept = default;
    Ticket(Semaphore& from, std::uint64_t amount) noexcept : from_(&from), amount_(amount) {}
    Ticket(Ticket&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), amount_(other.amount_) {}
    Ticket& operator=(Ticket&& other) noexcept {
      std::swap(from_, other.from_);
      std::swap(amount_, other.amount_);
      return *this;
    }
    ~Ticket() {
      if (from_) from_->release(amount_);
    }
    std::uint64_t amount() const noexcept { return amount_; }

   private:
    Semaphore* from_ = nullptr;
    std::uint64_t amount_ = 0;
  };

  class Acquire : WaitList::Waiter {
   public:
    Acquire(Semaphore& from, std::uint64_t amount) noexcept : from_(from) {
      want = amount < from.capacity_ ? amount : from.capacity_;
    }
    bool await_ready() noexcept { return from_.waiting_.empty() && from_.take(want); }
    void await_suspend(std::coroutine_handle<> waiting) noexcept {
      handle = waiting;
      from_.waiting_.push(*this);
    }
    Ticket await_resume() const noexcept { return Ticket(from_, want); }

   private:
    Semaphore& from_;
  };
  // auto ticket = co_await semaphore.acquire(n);
  Acquire acquire(std::uint64_t amount) noexcept { return Acquire(*this, amount); }

  std::uint64_t capacity() const noexcept { return capacity_; }
  std::uint64_t free() const noexcept { return free_; }

 private:
  bool take(std::uint64_t amount) noexcept {
    if (amount > free_) return false;
    free_ -= amount;
    return true;
  }
  void release(std::uint64_t amount) noexcept {
    free_ += amount;
    while (!waiting_.empty() && take(waiting_.front()->want)) waiting_.wake_front(loop_);
  }
  Executor& loop_;
  std::uint64_t capacity_;
  std::uint64_t free_;
  WaitList waiting_;
};

// Many coroutines wait until it is set; stays set until reset().
class Event {
 public:
  explicit Event(Executor& loop) noexcept : loop_(loop) {}
  void set() noexcept {
    set_ = true;
    while (!waiting_.empty()) waiting_.wake_front(loop_);
  }
  void reset() noexcept { set_ = false; }
  bool is_set() const noexcept { return set_; }

  class Wait : WaitList::Waiter {
   public:
    explicit Wait(Event& event) noexcept : event_(event) {}
    bool await_ready() const noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> waiting) noexcept {
      handle = waiting;
      event_.waiting_.push(*this);
    }
    void await_resume() const noexcept {}

   private:
    Event& event_;
  };
  Wait wait() noexcept { return Wait(*this); }

 private:
  Executor& loop_;
  WaitList waiting_;
  bool set_ = false;
};

// co_await sleep_until(env, at)
class sleep_until : Timer {
 public:
  sleep_until(Env& env, Nanoseconds when) noexcept : env_(env) { at = when; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    handle_ = handle;
    run = [](Work& work) noexcept { static_cast<sleep_until&>(work).handle_.resume(); };
    env_.arm(*this);
  }
  void await_resume() const noexcept {}

 private:
  Env& env_;
  std::coroutine_handle<> handle_;
};

// One coroutine sleeps until a time or until it is rung, whichever comes first.
class Alarm : Timer {
 public:
  explicit Alarm(Env& env) noexcept : env_(env) {}
  void ring() noexcept {
    rung_ = true;
    if (sequence == 0) return;
    env_.cancel(*this);
    env_.loop().post(*this);
  }
  Alarm(const Alarm&) = delete;
  Alarm& operator=(const Alarm&) = delete;

  // By value: of an awaiter that a call returns by reference g++ 12 awaits a copy.
  class Until {
   public:
    explicit Until(Alarm& alarm) noexcept : alarm_(alarm) {}
    bool await_ready() const noexcept { return alarm_.rung_; }
    void await_suspend(std::coroutine_handle<> handle) noexcept {
      alarm_.handle_ = handle;
      alarm_.run = [](Work& work) noexcept { static_cast<Alarm&>(work).handle_.resume(); };
      alarm_.env_.arm(alarm_);
    }
    void await_resume() const noexcept {}

   private:
    Alarm& alarm_;
  };
  // co_await alarm.until(at)
  Until until(Nanoseconds when) noexcept {
    at = when;
    return Until(*this);
  }

 private:
  Env& env_;
  std::coroutine_handle<> handle_;
  bool rung_ = false;
};

// Runs `work()` on `there` and comes back to the loop with what it returned or threw. `work` is a
// named local, captures by reference only, and is alive while this is awaited.
template <class F>
Task<std::invoke_result_t<F&>> run_on(Env& env, Executor& there, F& work) {
  using R = std::invoke_result_t<F&>;
  std::exception_ptr failure;
  std::optional<R> result;
  co_await hop(there);
  try {
    result.emplace(work());
  } catch (...) {
    failure = std::current_exception();
  }
  co_await hop(env.loop());
  if (failure) std::rethrow_exception(failure);
  co_return std::move(*result);
}

// Tasks that run side by side. Use through with_group(), which always joins them.
class TaskGroup {
 public:
  // At most `limit` run at once; spawn waits for a place.
  TaskGroup(Executor& loop, std::uint64_t limit) noexcept : slots_(loop, limit), idle_(loop) {
    idle_.set();
  }
  ~TaskGroup() { assert(running_ == 0); }

  // Starts `task` once a place is free. After a failure nothing more is started.
  Task<void> spawn(Task<Result<void>> task) {
    auto slot = co_await slots_.acquire(1);
    if (failed()) co_return;
    Runner runner = run(*this, std::move(task), std::move(slot));
    (void)runner;
  }
  bool failed() const noexcept { return error_.has_value(); }
  const Error* error() const noexcept { return error_ ? &*error_ : nullptr; }
  void fail(Error error) noexcept {
    if (!error_) error_.emplace(std::move(error));
  }
  Event::Wait idle() noexcept { return idle_.wait(); }

 private:
  struct Runner {
    struct promise_type {
      Runner get_return_object() const noexcept { return {}; }
      std::suspend_never initial_suspend() const noexcept { return {}; }
      std::suspend_never final_suspend() const noexcept { return {}; }
      void return_void() const noexcept {}
      void unhandled_exception() const noexcept { std::terminate(); }  // run() lets nothing out
    };
  };
  static Runner run(TaskGroup& group, Task<Result<void>> task, Semaphore::Ticket slot) {
    ++group.running_;
    group.idle_.reset();
    std::exception_ptr failure;
    try {
      auto result = co_await std::move(task);
      if (!result) group.fail(std::move(result).error());
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) group.fail(error_from(failure));
    { auto gone = std::move(task); }
    { auto gone = std::move(slot); }
    if (--group.running_ == 0) group.idle_.set();
  }

  Semaphore slots_;
  Event idle_;
  std::uint64_t running_ = 0;
  std::optional<Error> error_;
};

// Runs `body(group)`, a coroutine that spawns, then waits for all that it spawned. The first error
// of the body or of a task is the answer. `body` is a named local that outlives the call.
template <class Body>
Task<Result<void>> with_group(Executor& loop, std::uint64_t limit, Body& body) {
  TaskGroup group(loop, limit);
  std::exception_ptr failure;
  try {
    auto task = body(group);
    auto result = co_await std::move(task);
    if (!result) group.fail(std::move(result).error());
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) group.fail(error_from(failure));
  co_await group.idle();
  if (group.failed()) co_return *group.error();
  co_return Result<void>();
}

// Runs a task on the loop of `env` and blocks until it ended. Exceptions become errors. Not to be
// called from a thread of `env`.
template <class T>
Result<T> run_sync(Env& env, Task<Result<T>> task) {
  if (env.inside()) {
    return Error(Errc::invalid_argument, "called_from_callback",
                 "a blocking call was made from a callback of the same runtime");
  }
  struct Run : Work {
    struct Root {
      struct promise_type {
        Root get_return_object() const noexcept { return {}; }
        std::suspend_never initial_suspend() const noexcept { return {}; }
        std::suspend_never final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
      };
    };
    Env& env;
    Task<Result<T>> task;
    std::optional<Result<T>> result;
    bool done = false;
    Run(Env& e, Task<Result<T>> t) : env(e), task(std::move(t)) {
      run = [](Work& work) noexcept {
        auto& self = static_cast<Run&>(work);
        try {
          (void)root(self);
        } catch (...) {  // no memory for the root frame
          self.result.emplace(error_from(std::current_exception()));
          self.env.signal(self.done);
        }
      };
    }
    static Root root(Run& self) {
      std::exception_ptr failure;
      try {
        self.result.emplace(co_await std::move(self.task));
      } catch (...) {
        failure = std::current_exception();
      }
      if (failure) self.result.emplace(error_from(failure));
      self.env.signal(self.done);
    }
  };
  try {
    Run state(env, std::move(task));
    env.drive(state, state.done);
    return std::move(*state.result);
  } catch (...) {
    return error_from(std::current_exception());
  }
}

}  // namespace snapvault::base
