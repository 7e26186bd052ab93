// What the public handles stand for.
#pragma once

#include <unistd.h>

#include <memory>
#include <optional>
#include <string>

#include <snapvault/repository.hpp>
#include <snapvault/runtime.hpp>
#include <snapvault/snapshot.hpp>

#include "base/line.hpp"
#include "base/rate.hpp"
#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "engine/job.hpp"
#include "engine/reading.hpp"
#include "store/repository.hpp"
#include "store/sources.hpp"

namespace snapvault {

// Jobs that move data at once; more wait in order. Each takes up to 9/16 of memory_max.
inline constexpr std::uint64_t kJobsAtOnce = 2;

struct JobRates::State : provider::StoreRates {
  base::TokenBucket read;
};
// Sets the rates of a runtime or of a job, and tells them.
void set(const Rates& from, provider::StoreRates& to, base::TokenBucket& read) noexcept;
Rates get(const provider::StoreRates& from, const base::TokenBucket& read) noexcept;

struct Runtime::State {
  State(std::shared_ptr<base::Env> environment, std::uint64_t memory)
      : env(std::move(environment)), memory_max(memory) {}

  // precondition_failed (forked) in a child of the process that made it.
  Result<void> check_alive() const {
    if (getpid() == pid) return {};
    return Error(Errc::precondition_failed, reason::forked,
                 "this handle belongs to the parent of this process; open the repository again");
  }

  provider::Client client(const std::shared_ptr<Provider>& provider, std::stop_token stop,
                          JobRates::State* own = nullptr) {
    provider::Client out(*env, provider, std::move(stop));
    out.set_rates(&rates, own);
    return out;
  }

  std::shared_ptr<base::Env> env;
  std::uint64_t memory_max;
  base::Line jobs{kJobsAtOnce};
  provider::StoreRates rates;
  base::TokenBucket read;
  pid_t pid = getpid();
};

// For tests: a runtime on an environment of their own.
Runtime make_runtime(std::shared_ptr<base::Env> env, std::uint64_t memory_max);

struct Repository::State {
  std::shared_ptr<Runtime::State> runtime;
  std::shared_ptr<Provider> provider;
  Access access;
  // Loop only. Each job works on a copy, which shares the keys.
  store::Repository repository;
  std::string url = {};

  base::Env& env() const noexcept { return *runtime->env; }
  provider::Client client(std::stop_token stop = {}, JobRates::State* own = nullptr) const {
    return runtime->client(provider, std::move(stop), own);
  }
  // precondition_failed (forked), permission_denied (access, read_only).
  Result<void> check(Access needed) const;
};

struct Snapshot::State {
  std::shared_ptr<Repository::State> repository;
  store::Snapshot stored;
  SnapshotInfo info;
  std::unique_ptr<engine::SnapshotReader> reader;  // loop only; made at the first read
  ~State();
};

}  // namespace snapvault
