// Task<T>: a lazy coroutine, started by co_await, that returns T or throws.
//
// Rules of this toolchain (g++ 12.2 destroys some temporaries of a co_await expression twice):
//   - no braces and no capturing lambda inside a co_await expression: name them first;
//   - `auto task = f(...); auto result = co_await std::move(task);` when an argument is not
//   trivial;
//   - named functions and members only, no lambda coroutines; no co_await in catch;
//   - an awaiter is a value or a named variable: of one that a call returns by reference, as in
//     `co_await alarm.until(at)`, a copy would be awaited.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace snapvault::base {

template <class T>
class Task;

namespace detail {

// Whoever comes second, the awaiting parent or the finishing child, resumes the parent. So a child
// that never suspends costs no stack and one that moves between threads is safe.
class PromiseBase {
 public:
  std::suspend_always initial_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { failure_ = std::current_exception(); }

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      PromiseBase& promise = self.promise();
      if (promise.second_.exchange(true, std::memory_order_acq_rel)) return promise.parent_;
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  Final final_suspend() const noexcept { return {}; }

  // Starts the child inline; true if the parent must stay suspended.
  bool start(std::coroutine_handle<> self, std::coroutine_handle<> parent) noexcept {
    parent_ = parent;
    self.resume();
    return !second_.exchange(true, std::memory_order_acq_rel);
  }

 protected:
  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  std::coroutine_handle<> parent_;
  std::exception_ptr failure_;
  std::atomic<bool> second_{false};
};

template <class T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <class U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const { rethrow(); }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using value_type = T;

  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> parent) noexcept {
    return handle_.promise().start(handle_, parent);
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

template <class T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace snapvault::base
