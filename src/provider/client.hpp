// Client: a Provider as the engine uses it: awaitable on the loop, counted, bounded by a stop
// token.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include <snapvault/progress.hpp>
#include <snapvault/provider.hpp>

#include "base/bytes.hpp"
#include "base/rate.hpp"
#include "base/sync.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {

// Rates for what is asked of a store.
struct StoreRates {
  base::TokenBucket upload, download, requests;
};

// Loop only. Copies share nothing but the provider; a job has its own, so its requests are its own.
class Client {
 public:
  Client(base::Env& env, std::shared_ptr<Provider> provider, std::stop_token stop = {});

  // Requests and their bytes wait for these from now on, for one after the other; null: no bound.
  void set_rates(StoreRates* all, StoreRates* own) noexcept { rates_ = {all, own}; }

  base::Task<Result<base::Bytes>> get(std::string key, std::uint64_t offset = 0,
                                      std::uint64_t length = 0);
  // Puts if absent. A lost answer (outcome_unknown, deadline) is settled by reading the object
  // back: ours counts as success, another's as already_exists. If that fails too, the outcome is
  // unknown.
  base::Task<Result<void>> create(std::string key, PutBody body, bool durable = true);
  // The same for bytes that nobody else can have written, as their salt or key is random: if they
  // stand there already, an earlier sending of the same request succeeded.
  base::Task<Result<void>> create_own(std::string key, PutBody body);
  base::Task<Result<ListPage>> list_page(std::string prefix, std::string start_after,
                                         std::uint32_t max_keys = 1000);
  // All pages. Refuses a store that repeats, reorders or leaves the prefix (data_loss, reason
  // list_incomplete), and more than `keys_max` keys.
  base::Task<Result<std::vector<ObjectInfo>>> list(std::string prefix, std::string start_after = {},
                                                   std::uint64_t keys_max = 1u << 24);
  base::Task<Result<void>> remove(std::vector<std::string> keys);
  base::Task<Result<ObjectInfo>> stat(std::string key);
  base::Task<Result<void>> sync();
  base::Task<Result<void>> prepare();
  base::Task<Result<void>> create_root();
  base::Task<Result<std::vector<Finding>>> examine();

  base::Env& env() const noexcept { return *env_; }
  Provider& provider() const noexcept { return *provider_; }
  const std::shared_ptr<Provider>& shared() const noexcept { return provider_; }
  const Traffic& traffic() const noexcept { return traffic_; }
  const std::stop_token& stop() const noexcept { return stop_; }
  // cancelled once a stop was requested.
  Result<void> check_stop() const { return check(limits()); }
  // From now on nothing stops a request: what was begun is brought to its end.
  void forget_stop() noexcept { stop_ = {}; }

 private:
  RequestLimits limits() const;
  base::Task<Result<void>> put(std::string key, PutBody body, bool durable, bool own);
  base::Env* env_;
  std::shared_ptr<Provider> provider_;
  std::stop_token stop_;
  base::Task<void> wait(base::TokenBucket StoreRates::*rate, std::uint64_t amount);

  std::array<StoreRates*, 2> rates_{};
  Traffic traffic_;
};

}  // namespace snapvault::provider
