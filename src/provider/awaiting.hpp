// AwaitingProvider: a provider whose requests are coroutines on the loop of an Env of its own.
#pragma once

#include <memory>

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"
#include "base/env.hpp"
#include "base/task.hpp"
#include "provider/probe.hpp"

namespace snapvault::provider {

// The public functions check the request, start the coroutine and complete once it ended; what it
// throws becomes an Error. Coroutines run on env's loop, so what they share needs no lock.
//
// Thread safety: as Provider.
class AwaitingProvider : public Provider {
 public:
  void get(GetRequest request, Completion<std::vector<std::byte>> done) final;
  void put(PutRequest request, Completion<void> done) final;
  void list(ListRequest request, Completion<ListPage> done) final;
  void remove(RemoveRequest request, Completion<void> done) final;
  void stat(StatRequest request, Completion<ObjectInfo> done) final;
  void sync(RequestLimits limits, Completion<void> done) final;
  void prepare(RequestLimits limits, Completion<void> done) final;
  void create_root(RequestLimits limits, Completion<void> done) final;
  void examine(RequestLimits limits, Completion<std::vector<Finding>> done) final;

 protected:
  explicit AwaitingProvider(std::shared_ptr<base::Env> env) noexcept : env_(std::move(env)) {}
  base::Env& env() const noexcept { return *env_; }
  // For those who look at the store by using it.
  ProbeCalls probe_calls();

  // The request was checked.
  virtual base::Task<Result<base::Bytes>> do_get(GetRequest request) = 0;
  virtual base::Task<Result<void>> do_put(PutRequest request) = 0;
  virtual base::Task<Result<ListPage>> do_list(ListRequest request) = 0;
  virtual base::Task<Result<void>> do_remove(RemoveRequest request) = 0;
  virtual base::Task<Result<ObjectInfo>> do_stat(StatRequest request) = 0;
  // An HTTP store has nothing to make durable: its puts are.
  virtual base::Task<Result<void>> do_sync(RequestLimits limits);
  virtual base::Task<Result<void>> do_prepare(RequestLimits limits) = 0;
  virtual base::Task<Result<void>> do_create_root(RequestLimits limits) = 0;
  virtual base::Task<Result<std::vector<Finding>>> do_examine(RequestLimits limits) = 0;

 private:
  const std::shared_ptr<base::Env> env_;
};

}  // namespace snapvault::provider
