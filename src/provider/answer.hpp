// Answer: awaits a completion, which may come from any thread.
#pragma once

#include <atomic>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include <snapvault/provider.hpp>

#include "base/executor.hpp"
#include "base/try.hpp"

namespace snapvault::provider {

// `start(completion)` begins what is awaited. Nothing is allocated when the completion comes: the
// answer has its place here, in the frame of the coroutine that waits. A second completion is
// ignored.
template <class T, class Start>
class Answer : base::Work {
 public:
  Answer(base::Executor& loop, Start start) : loop_(loop), start_(std::move(start)) {}

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) noexcept {
    handle_ = handle;
    run = [](base::Work& work) noexcept { static_cast<Answer&>(work).handle_.resume(); };
    try {
      start_([this](Result<T> result) { arrive(std::move(result)); });
    } catch (...) {  // an embedder's provider, or no memory for the completion
      arrive(base::error_from(std::current_exception()));
    }
  }
  Result<T> await_resume() noexcept { return std::move(*result_); }

 private:
  void arrive(Result<T> result) noexcept {
    if (arrived_.exchange(true, std::memory_order_acq_rel)) return;
    result_.emplace(std::move(result));
    loop_.post(*this);
  }

  base::Executor& loop_;
  Start start_;
  std::coroutine_handle<> handle_;
  std::optional<Result<T>> result_;
  std::atomic<bool> arrived_{false};
};

}  // namespace snapvault::provider
