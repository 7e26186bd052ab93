#include <snapvault/runtime.hpp>

#include <mutex>

#include "api/state.hpp"
#include "codec/versions.hpp"

namespace snapvault {
namespace {

constexpr std::uint64_t kMemoryMin = 32u << 20;

}  // namespace

Result<Runtime> Runtime::create(const RuntimeOptions& options) {
  if (options.memory_max < kMemoryMin) {
    return Error(Errc::invalid_argument, reason::bad_argument,
                 "memory_max must be at least 32 MiB");
  }
  try {
    base::EnvOptions env;
    env.cpu_threads = options.cpu_threads;
    env.io_threads = options.io_threads;
    auto runtime = make_runtime(base::make_thread_env(env), options.memory_max);
    runtime.set_rates(options.rates);
    return runtime;
  } catch (...) {
    return base::error_from(std::current_exception());
  }
}

// Kept while anybody holds it, so nothing is left to destroy at exit; a forked child makes its own.
Result<Runtime> Runtime::shared() {
  static std::mutex mutex;
  static std::weak_ptr<State> kept;
  const std::lock_guard lock(mutex);
  if (auto state = kept.lock(); state && state->check_alive()) return Runtime(std::move(state));
  SV_TRY(auto runtime, create());
  kept = runtime.state();
  return runtime;
}

Runtime make_runtime(std::shared_ptr<base::Env> env, std::uint64_t memory_max) {
  return Runtime(std::make_shared<Runtime::State>(std::move(env), memory_max));
}

void set(const Rates& from, provider::StoreRates& to, base::TokenBucket& read) noexcept {
  to.upload.set(from.upload);
  to.download.set(from.download);
  to.requests.set(from.requests);
  read.set(from.read);
}

Rates get(const provider::StoreRates& from, const base::TokenBucket& read) noexcept {
  return {from.upload.rate(), from.download.rate(), read.rate(), from.requests.rate()};
}

void Runtime::set_rates(const Rates& rates) noexcept {
  snapvault::set(rates, state_->rates, state_->read);
}
Rates Runtime::rates() const noexcept { return snapvault::get(state_->rates, state_->read); }

JobRates::JobRates(const Rates& rates) : state_(std::make_shared<State>()) { set(rates); }
void JobRates::set(const Rates& rates) noexcept { snapvault::set(rates, *state_, state_->read); }
Rates JobRates::get() const noexcept { return snapvault::get(*state_, state_->read); }

std::uint64_t Runtime::memory_max() const noexcept { return state_->memory_max; }

std::string linked_libraries() { return codec::versions(); }

}  // namespace snapvault
