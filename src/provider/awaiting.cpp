#include "provider/awaiting.hpp"

#include <exception>
#include <optional>
#include <utility>

#include "base/launch.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

// Awaits `task` and completes. Nothing of the provider is touched after `done` was called: it may
// be destroyed by then.
template <class T>
base::Task<void> complete(base::Task<Result<T>> task, Completion<T> done) {
  std::exception_ptr failure;
  std::optional<Result<T>> result;
  try {
    result.emplace(co_await std::move(task));
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) result.emplace(base::error_from(failure));
  { const auto gone = std::move(task); }
  done(*std::move(result));
}

// Makes the coroutine by `make` and starts it; what goes wrong before that completes at once. Holds
// the Env: the request may end, and its provider go, before this returns.
template <class T, class Make>
void start(const std::shared_ptr<base::Env> env, const Completion<T>& done, Make make) noexcept {
  try {
    base::launch(*env, complete<T>(make(), done));
  } catch (...) {
    done(base::error_from(std::current_exception()));
  }
}

}  // namespace

void AwaitingProvider::get(GetRequest request, Completion<std::vector<std::byte>> done) {
  if (auto good = check(request); !good) return done(std::move(good).error());
  start<base::Bytes>(env_, done, [&] { return do_get(std::move(request)); });
}

void AwaitingProvider::put(PutRequest request, Completion<void> done) {
  if (auto good = check(request); !good) return done(std::move(good).error());
  start<void>(env_, done, [&] { return do_put(std::move(request)); });
}

void AwaitingProvider::list(ListRequest request, Completion<ListPage> done) {
  if (auto good = check(request); !good) return done(std::move(good).error());
  start<ListPage>(env_, done, [&] { return do_list(std::move(request)); });
}

void AwaitingProvider::remove(RemoveRequest request, Completion<void> done) {
  if (auto good = check(request); !good) return done(std::move(good).error());
  start<void>(env_, done, [&] { return do_remove(std::move(request)); });
}

void AwaitingProvider::stat(StatRequest request, Completion<ObjectInfo> done) {
  if (auto good = check(request); !good) return done(std::move(good).error());
  start<ObjectInfo>(env_, done, [&] { return do_stat(std::move(request)); });
}

void AwaitingProvider::sync(RequestLimits limits, Completion<void> done) {
  if (auto good = check(limits); !good) return done(std::move(good).error());
  start<void>(env_, done, [&] { return do_sync(std::move(limits)); });
}

void AwaitingProvider::prepare(RequestLimits limits, Completion<void> done) {
  if (auto good = check(limits); !good) return done(std::move(good).error());
  start<void>(env_, done, [&] { return do_prepare(std::move(limits)); });
}

void AwaitingProvider::create_root(RequestLimits limits, Completion<void> done) {
  if (auto good = check(limits); !good) return done(std::move(good).error());
  start<void>(env_, done, [&] { return do_create_root(std::move(limits)); });
}

void AwaitingProvider::examine(RequestLimits limits, Completion<std::vector<Finding>> done) {
  if (auto good = check(limits); !good) return done(std::move(good).error());
  start<std::vector<Finding>>(env_, done, [&] { return do_examine(std::move(limits)); });
}

base::Task<Result<void>> AwaitingProvider::do_sync(RequestLimits) { co_return Result<void>(); }

ProbeCalls AwaitingProvider::probe_calls() {
  ProbeCalls calls;
  calls.get = [this](GetRequest request) { return do_get(std::move(request)); };
  calls.put = [this](PutRequest request) { return do_put(std::move(request)); };
  calls.list = [this](ListRequest request) { return do_list(std::move(request)); };
  calls.remove = [this](RemoveRequest request) { return do_remove(std::move(request)); };
  return calls;
}

}  // namespace snapvault::provider
