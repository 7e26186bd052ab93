// What an S3 store can do and what is wrong with it; and the making of its bucket.
#include <iterator>
#include <utility>

#include "base/try.hpp"
#include "provider/s3/known.hpp"
#include "provider/s3/store.hpp"

namespace snapvault::provider {
namespace {

// By whose answers a race with no winner at all, as when answers are lost, is run again.
constexpr unsigned kRacesMax = 3;

// What an error of the first request is about.
std::string topic_of(const Error& error) {
  const std::string_view why = error.reason();
  if (why == reason::tls) return "tls";
  if (why == reason::clock_skew) return "clock";
  if (why == reason::wrong_region) return "region";
  if (why == reason::no_bucket) return "bucket";
  return error.code() == Errc::unauthenticated ? "credentials" : "connection";
}

}  // namespace

ProbeCalls S3Store::probe_calls() {
  ProbeCalls calls;
  calls.get = [this](GetRequest request) { return do_get(std::move(request)); };
  calls.put = [this](PutRequest request) { return do_put(std::move(request)); };
  calls.list = [this](ListRequest request) { return do_list(std::move(request)); };
  calls.remove = [this](RemoveRequest request) { return do_remove(std::move(request)); };
  return calls;
}

std::string S3Store::store_name() const {
  return settings_.origins.front().url() + "/" + settings_.bucket;
}

base::Task<Result<unsigned>> S3Store::count_winners(RequestLimits limits) {
  for (unsigned i = 1;; ++i) {
    auto racing = race_creates(env(), probe_calls(), limits);
    auto winners = co_await std::move(racing);
    if (!winners || *winners > 0) co_return winners;
    if (i < kRacesMax) continue;
    co_return Error(Errc::unavailable, reason::lost_answer,
                    "the store does not answer well enough to find out what it can do")
        .with_subject(settings_.bucket);
  }
}

base::Task<Result<void>> S3Store::do_prepare(RequestLimits limits) {
  if (settings_.amazon) co_return Result<void>();  // Amazon documents that one wins
  if (const auto known = known_s3(store_name()).winners) {
    winners_ = *known;
    co_return Result<void>();
  }
  auto counting = count_winners(std::move(limits));
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
  using State = Finding::State;
  std::vector<Finding> out;
  auto getting = signer_->chain().get(exchanger_.now(), limits);
  const auto credentials = co_await std::move(getting);
  if (!credentials) {
    out.push_back(failure_finding("credentials", credentials.error()));
    co_return out;
  }
  out.push_back(credentials_finding(credentials->source));
  auto listing = list_raw(settings_.prefix, {}, {}, 1, limits);
  const auto listed = co_await std::move(listing);
  // Without the right to list the others may be there.
  if (!listed && listed.error().code() != Errc::permission_denied) {
    auto finding = failure_finding(topic_of(listed.error()), listed.error());
    if (finding.topic == out.back().topic) {
      finding.detail = "from " + credentials->source + ": " + finding.detail;
      out.pop_back();
    }
    out.push_back(std::move(finding));
    if (exchanger_.clock_ahead() && out.back().topic != "clock") {
      out.push_back(clock_finding(exchanger_.clock_ahead()));
    }
    co_return out;
  }
  auto probing = probe(env(), probe_calls(), winners_ == 1 ? "" : weak_because(winners_), limits);
  auto found = co_await std::move(probing);
  out.push_back({"region", State::good, signer_->region(), {}});
  out.push_back(clock_finding(exchanger_.clock_ahead()));
  out.push_back(tls_finding(settings_.tls));
  std::move(found.begin(), found.end(), std::back_inserter(out));
  out.push_back({"checksums",
                 State::good,
                 checksum_ == Checksum::crc64 ? "the store keeps a CRC64NVME of each object"
                                              : "the store checks each object by its MD5",
                 {}});
  co_return out;
}

}  // namespace snapvault::provider
