// What a Google store can do and what is wrong with it; and the making of its bucket.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"

namespace snapvault::provider::gcs {
namespace {

// How often a race with no winner at all, as when answers are lost, is run.
constexpr unsigned kRacesMax = 3;

// What an error of the first request is about.
std::string topic_of(const Error& error) {
  const std::string_view why = error.reason();
  if (why == reason::tls) return "tls";
  if (why == reason::clock_skew) return "clock";
  if (why == reason::no_bucket) return "bucket";
  return error.code() == Errc::unauthenticated ? "credentials" : "connection";
}

}  // namespace

ProbeCalls GcsStore::probe_calls() {
  ProbeCalls calls;
  calls.get = [this](GetRequest request) { return do_get(std::move(request)); };
  calls.put = [this](PutRequest request) { return do_put(std::move(request)); };
  calls.list = [this](ListRequest request) { return do_list(std::move(request)); };
  calls.remove = [this](RemoveRequest request) { return do_remove(std::move(request)); };
  return calls;
}

std::string GcsStore::declared_weak() const {
  const auto winners = winners_.load();
  return winners == 1 ? std::string() : weak_because(winners);
}

// Google documents that one of many conditional creates wins; of others it is found out.
base::Task<Result<void>> GcsStore::do_prepare(RequestLimits limits) {
  if (settings_.vendor) co_return Result<void>();
  for (unsigned count = 1; count <= kRacesMax; ++count) {
    auto racing = race_creates(env(), probe_calls(), limits);
    const auto winners = co_await std::move(racing);
    if (!winners) co_return winners.error();
    if (*winners == 0) continue;
    winners_ = *winners;
    co_return Result<void>();
  }
  co_return Error(Errc::unavailable, reason::lost_answer,
                  "the store does not answer well enough to find out what it can do")
      .with_subject(settings_.bucket);
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
  using State = Finding::State;
  std::vector<Finding> out;
  auto asking = tokens_.source(exchanger_.now(), limits);
  const auto source = co_await std::move(asking);
  if (!source) {
    out.push_back(failure_finding("credentials", source.error()));
    co_return out;
  }
  out.push_back(credentials_finding(*source));
  ListRequest first;
  first.limits = limits;
  auto listing = list_raw(first, {}, 1);
  const auto listed = co_await std::move(listing);
  // Without the right to list the others may be there.
  if (!listed && listed.error().code() != Errc::permission_denied) {
    auto finding = failure_finding(topic_of(listed.error()), listed.error());
    if (finding.topic == out.back().topic) {
      finding.detail = "from " + *source + ": " + finding.detail;
      out.pop_back();
    }
    out.push_back(std::move(finding));
    if (exchanger_.clock_ahead() && out.back().topic != "clock") {
      out.push_back(clock_finding(exchanger_.clock_ahead()));
    }
    co_return out;
  }
  auto probing = probe(env(), probe_calls(), declared_weak(), limits);
  auto found = co_await std::move(probing);
  out.push_back(clock_finding(exchanger_.clock_ahead()));
  out.push_back(tls_finding(settings_.tls));
  std::move(found.begin(), found.end(), std::back_inserter(out));
  out.push_back({"checksums", State::good, "the store checks each object by its CRC32C", {}});
  co_return out;
}

}  // namespace snapvault::provider::gcs
