// What a Google store can do and what is wrong with it; and the making of its bucket.
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"

namespace snapvault::provider::gcs {
// Google documents that one of many conditional creates wins; of others it is found out.
base::Task<Result<void>> GcsStore::do_prepare(RequestLimits limits) {
  if (settings_.vendor) co_return Result<void>();
  auto counting = count_winners(settings_.bucket, std::move(limits));
  SV_CO_TRY(winners_, std::move(counting));
  co_return Result<void>();
}

base::Task<Result<void>> GcsStore::do_create_root(RequestLimits limits) {
  if (settings_.project.empty()) {
    co_return Error(Errc::invalid_argument, reason::bad_url,
                    "a bucket belongs to a project, and nothing says to which")
        .with_hint("say project= in the address, or set GOOGLE_CLOUD_PROJECT");
  }
  auto call = make_call("POST", "");
  call.request.path = "/storage/v1/b";
  call.request.query.push_back({"project", settings_.project});
  call.request.headers.set("Content-Type", "application/json");
  const auto json = wire::gcs_bucket_json(settings_.bucket);
  const auto bytes = base::as_bytes(json);
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (answer || answer.error().code() == Errc::already_exists) co_return Result<void>();
  co_return answer.error();
}

base::Task<Result<std::vector<Finding>>> GcsStore::do_examine(RequestLimits limits) {
  auto asking = tokens_.source(exchanger_.now(), limits);
  auto source = co_await std::move(asking);
  auto more = []() -> std::vector<Finding> {
    return {{"checksums", Finding::State::good, "the store checks each object by its CRC32C", {}}};
  };
  Examined what{std::move(source), exchanger_, "bucket", settings_.tls, more};
  auto examining = examine_all(std::move(what), limits);
  auto findings = co_await std::move(examining);
  co_return findings;
}

base::Task<Result<void>> GcsStore::look_at_root(RequestLimits limits) {
  ListRequest first;
  first.limits = std::move(limits);
  auto listing = list_raw(first, {}, 1);
  SV_CO_CHECK(std::move(listing));
  co_return Result<void>();
}

}  // namespace snapvault::provider::gcs
