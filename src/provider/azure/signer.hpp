// AzureSigner: key, SAS or token of an account, put into each request.
#pragma once

#include <memory>
#include <string>

#include "provider/azure/account.hpp"
#include "provider/azure/tokens.hpp"
#include "provider/exchanger.hpp"

namespace snapvault::provider::azure {

// The version of the service that is spoken: batches for a container, CRC64, large blocks.
inline constexpr const char* kVersion = "2021-12-02";

class AzureSigner final : public Signer {
 public:
  // `account` outlives it. `tokens` is null if the account has a key or a SAS.
  AzureSigner(const Account& account, std::unique_ptr<Tokens> tokens)
      : account_(account), tokens_(std::move(tokens)) {}

  base::Task<Result<void>> sign(wire::Request& request, std::int64_t now,
                                RequestLimits limits) override;
  // The same for a request in the body of another, which has no version of its own.
  base::Task<Result<void>> sign_inner(wire::Request& request, std::int64_t now,
                                      RequestLimits limits);
  bool renew() noexcept override;

  // Says where the credential comes from, or why there is none.
  base::Task<Result<std::string>> source(std::int64_t now, RequestLimits limits);

 private:
  const Account& account_;
  const std::unique_ptr<Tokens> tokens_;
};

}  // namespace snapvault::provider::azure
