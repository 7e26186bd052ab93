// FaultProvider: a store that fails on purpose, for sweeps that fail every call once and for ever.
#pragma once

#include <cstdint>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "provider/blocking.hpp"

namespace snapvault::provider {

enum class Fault {
  lost_before,   // a put: no effect, outcome_unknown; any other call: no effect, unavailable
  lost_after,    // a put: done, outcome_unknown; any other call: done, unavailable
  unavailable,   // no effect, unavailable
  deadline,      // a put or remove is done, and deadline_exceeded answered
  corrupt_read,  // a get answers with one bit flipped
  short_read,    // a get answers without its last byte
  stale_list,    // a list leaves out what was put last
  permission,    // no effect, permission_denied
  no_space,      // a put or sync: no effect, resource_exhausted
};
inline constexpr Fault kFaults[] = {Fault::lost_before, Fault::lost_after,   Fault::unavailable,
                                    Fault::deadline,    Fault::corrupt_read, Fault::short_read,
                                    Fault::stale_list,  Fault::permission,   Fault::no_space};
const char* to_string(Fault fault) noexcept;

// Passes calls on to another store and makes some of them fail. Calls count from 1.
//
// Thread safety: every function, any thread.
class FaultProvider final : public BlockingProvider {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  // `inner` is a BlockingProvider; nothing is made to fail until arm(). Errors: invalid_argument.
  static Result<std::shared_ptr<FaultProvider>> wrap(std::shared_ptr<Provider> inner);

  // From the `first` call from now on, `fault` happens: to that call (`for_ever` false) or to it
  // and all later ones. A call to which the fault cannot happen passes, and counts.
  void arm(Fault fault, std::uint64_t first, bool for_ever);
  void disarm() { arm(Fault::unavailable, kNever, false); }

  // Since the last arm().
  std::uint64_t calls() const;
  // How often a fault happened.
  std::uint64_t fired() const;

  Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  explicit FaultProvider(std::shared_ptr<BlockingProvider> inner) : inner_(std::move(inner)) {}

  Result<base::Bytes> do_get(const GetRequest& request) override;
  Result<void> do_put(const PutRequest& request) override;
  Result<ListPage> do_list(const ListRequest& request) override;
  Result<void> do_remove(const RemoveRequest& request) override;
  Result<ObjectInfo> do_stat(const StatRequest& request) override;
  Result<void> do_sync(const RequestLimits& limits) override;

  // Counts a call to which `possible` faults can happen; the one that happens to it, if any.
  template <class Possible>
  bool next(Fault& fault, Possible possible);
  template <class T, class Call>
  Result<T> read(Call call);

  const std::shared_ptr<BlockingProvider> inner_;
  mutable std::mutex mutex_;  // guards what follows
  Fault fault_ = Fault::unavailable;
  std::uint64_t first_ = kNever;
  bool for_ever_ = false;
  std::uint64_t calls_ = 0;
  std::uint64_t fired_ = 0;
  std::list<std::string> newest_;  // keys put last, for stale lists
};

}  // namespace snapvault::provider
