// What an Azure store can do and what is wrong with it; and the making of its container.
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/azure/store.hpp"

namespace snapvault::provider::azure {
// Azure documents that one of many conditional creates wins; of others it is found out.
base::Task<Result<void>> AzureStore::do_prepare(RequestLimits limits) {
  if (account_.vendor) co_return Result<void>();
  auto counting = count_winners(account_.container, std::move(limits));
  SV_CO_TRY(winners_, std::move(counting));
  co_return Result<void>();
}

base::Task<Result<void>> AzureStore::do_create_root(RequestLimits limits) {
  auto sending = exchanger_.send(make_call("PUT", ""), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (answer || answer.error().code() == Errc::already_exists) co_return Result<void>();
  co_return answer.error();
}

base::Task<Result<std::vector<Finding>>> AzureStore::do_examine(RequestLimits limits) {
  auto asking = signer_.source(exchanger_.now(), limits);
  auto source = co_await std::move(asking);
  auto more = [this]() -> std::vector<Finding> {
    const auto* const by = checksum_ == Checksum::crc64
                               ? "the store checks each object by its CRC-64"
                               : "the store checks each object by its MD5";
    return {{"checksums", Finding::State::good, by, {}}};
  };
  Examined what{std::move(source), exchanger_, "container", account_.tls, more};
  auto examining = examine_all(std::move(what), limits);
  auto findings = co_await std::move(examining);
  co_return findings;
}

base::Task<Result<void>> AzureStore::look_at_root(RequestLimits limits) {
  auto listing = list_raw(account_.prefix, {}, 1, std::move(limits));
  SV_CO_CHECK(std::move(listing));
  co_return Result<void>();
}

}  // namespace snapvault::provider::azure
