// Calls of an embedder's source or sink: whatever they throw is a failure of theirs.
#pragma once

#include <new>

#include "base/reasons.hpp"
#include "base/sync.hpp"

namespace snapvault::engine {

// What `call()` answers; what it throws becomes unavailable with `reason`, and short memory
// resource_exhausted (no_memory).
template <class F>
auto guarded(const char* reason, F& call) noexcept -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return base::error_from(std::current_exception());
  } catch (const std::exception& thrown) {
    return Error(Errc::unavailable, reason, thrown.what());
  } catch (...) {
    return Error(Errc::unavailable, reason, "the callback threw what is no std::exception");
  }
}

// The same on a thread that may block. `call` is a named local that outlives the await.
template <class F>
base::Task<decltype(std::declval<F&>()())> call_on_io(base::Env& env, const char* reason, F& call) {
  auto work = [&] { return guarded(reason, call); };
  auto calling = base::run_on(env, env.io(), work);
  auto answer = co_await std::move(calling);
  co_return answer;
}

}  // namespace snapvault::engine
