#include "provider/azure/signer.hpp"

#include <utility>

#include "base/try.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::azure {

base::Task<Result<void>> AzureSigner::sign(wire::Request& request, std::int64_t now,
                                           RequestLimits limits) {
  request.headers.set("x-ms-version", kVersion);
  auto signing = sign_inner(request, now, std::move(limits));
  auto done = co_await std::move(signing);
  co_return done;
}

base::Task<Result<void>> AzureSigner::sign_inner(wire::Request& request, std::int64_t now,
                                                 RequestLimits limits) {
  request.headers.set("x-ms-date", wire::http_date(now));
  if (account_.key) {
    wire::sign_shared_key(request, *account_.key);
  } else if (!account_.sas.empty()) {
    auto fields = parse_sas(account_.sas.reveal());
    if (fields) request.query.insert(request.query.end(), fields->begin(), fields->end());
  } else {
    auto getting = tokens_->get(now, std::move(limits));
    auto token = co_await std::move(getting);
    if (!token) co_return std::move(token).error();
    auto value = "Bearer " + token->text.reveal();
    request.headers.set("Authorization", value);
    base::wipe(value);
  }
  co_return Result<void>();
}

// A key and a SAS are what they are.
bool AzureSigner::renew() noexcept {
  if (tokens_) tokens_->drop();
  return tokens_ != nullptr;
}

base::Task<Result<std::string>> AzureSigner::source(std::int64_t now, RequestLimits limits) {
  if (!tokens_) co_return account_.source;
  auto getting = tokens_->get(now, std::move(limits));
  auto token = co_await std::move(getting);
  if (!token) co_return std::move(token).error();
  co_return token->source;
}

}  // namespace snapvault::provider::azure
