// What an S3 store can do and what is wrong with it; and the making of its bucket.
#include <utility>

#include "base/try.hpp"
#include "provider/s3/known.hpp"
#include "provider/s3/store.hpp"

namespace snapvault::provider {
std::string S3Store::store_name() const {
  return settings_.origins.front().url() + "/" + settings_.bucket;
}

base::Task<Result<void>> S3Store::do_prepare(RequestLimits limits) {
  if (settings_.amazon) co_return Result<void>();  // Amazon documents that one wins
  if (const auto known = known_s3(store_name()).winners) {
    winners_ = *known;
    co_return Result<void>();
  }
  auto counting = count_winners(settings_.bucket, std::move(limits));
  const auto winners = co_await std::move(counting);
  if (!winners) co_return winners.error();
  winners_ = *winners;
  KnownS3 found;
  found.winners = *winners;
  note_s3(store_name(), found);
  co_return Result<void>();
}

base::Task<Result<void>> S3Store::do_create_root(RequestLimits limits) {
  auto call = make_call("PUT", "");
  // Elsewhere the region has no meaning for the place.
  if (settings_.amazon && signer_->region() != "us-east-1") {
    const auto text = wire::build_s3_location(signer_->region());
    const auto bytes = base::as_bytes(text);
    call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  }
  if (settings_.retention_days != 0) {
    call.request.headers.set("x-amz-bucket-object-lock-enabled", "true");
  }
  auto sending = send(std::move(call), limits);
  auto answer = co_await std::move(sending);
  if (answer) co_return Result<void>();
  if (answer.error().native() != 409) co_return std::move(answer).error();
  // It is there; whether it is ours shows when it is listed.
  auto listing = list_raw(settings_.prefix, {}, {}, 1, std::move(limits));
  const auto listed = co_await std::move(listing);
  if (listed) co_return Result<void>();
  if (listed.error().code() != Errc::permission_denied) co_return listed.error();
  co_return Error(Errc::permission_denied, reason::permission,
                  "a bucket of that name exists, and may belong to somebody else")
      .with_hint("choose another name, or have it opened to this credential")
      .with_subject(settings_.bucket)
      .with_native(listed.error().native())
      .with_request_id(listed.error().request_id());
}

base::Task<Result<std::vector<Finding>>> S3Store::do_examine(RequestLimits limits) {
  auto getting = signer_->chain().get(exchanger_.now(), limits);
  const auto credentials = co_await std::move(getting);
  auto source = credentials ? Result<std::string>(credentials->source)
                            : Result<std::string>(credentials.error());
  auto more = [this]() -> std::vector<Finding> {
    const auto* const by = checksum_ == Checksum::crc64
                               ? "the store keeps a CRC64NVME of each object"
                               : "the store checks each object by its MD5";
    return {{"region", Finding::State::good, signer_->region(), {}},
            {"checksums", Finding::State::good, by, {}}};
  };
  Examined what{std::move(source), exchanger_, "bucket", settings_.tls, more};
  auto examining = examine_all(std::move(what), limits);
  auto findings = co_await std::move(examining);
  co_return findings;
}

base::Task<Result<void>> S3Store::look_at_root(RequestLimits limits) {
  auto listing = list_raw(settings_.prefix, {}, {}, 1, std::move(limits));
  SV_CO_CHECK(std::move(listing));
  co_return Result<void>();
}

}  // namespace snapvault::provider
