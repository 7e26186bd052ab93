// Sessions: the token of a Swift account and the URL of its storage, fetched when needed, renewed
// before they expire and when the store refuses them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/secret_text.hpp"
#include "provider/cached.hpp"
#include "provider/exchanger.hpp"
#include "provider/swift/account.hpp"

namespace snapvault::provider::swift {

struct Session {
  base::SecretText token;
  Place storage;             // of the account: its path is "/v1/AUTH_..."
  std::int64_t expires = 0;  // seconds since 1970 by our clock; 0: nobody knows
};

// Signs by putting the account's path before the path of a request, and the token into a field.
// Loop only, but for construction.
class Sessions final : public Signer {
 public:
  // `own_origin`: requests go to the origin of the storage URL; else to where they say.
  Sessions(base::Env& env, std::shared_ptr<net::Transport> transport, Account account,
           bool own_origin);

  // Errors: unauthenticated (bad_credential), precondition_failed (tls: the storage URL is plain
  // HTTP, wrong_region, bad_url), data_loss (bad_answer), those of the exchanger.
  base::Task<Result<Session>> get(RequestLimits limits);
  const Account& account() const noexcept { return account_; }

  base::Task<Result<void>> sign(wire::Request& request, std::int64_t now,
                                RequestLimits limits) override;
  bool renew() noexcept override;

 private:
  base::Task<Result<Session>> fetch(RequestLimits limits);
  base::Task<Result<Session>> fetch_v1(RequestLimits limits);
  base::Task<Result<Session>> fetch_keystone(RequestLimits limits);
  Result<Session> take(std::string token, const std::string& url, std::int64_t lifetime);

  base::Env& env_;
  const Account account_;
  const bool own_origin_;
  Exchanger exchanger_;  // of the token service
  Cached<Session> cached_;
  base::Nanoseconds fetched_ = 0;
};

// The URL of the object store in a catalog. Errors: precondition_failed (wrong_region: none there,
// or several and none is named; bad_url: no catalog, or no object store in it).
Result<std::string> choose_endpoint(const wire::KeystoneToken& token, const std::string& region,
                                    const std::string& interface);

}  // namespace snapvault::provider::swift
