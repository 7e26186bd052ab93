#include "provider/remote.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"
#include "wire/batch.hpp"
#include "wire/encode.hpp"
#include "wire/s3_answers.hpp"

namespace snapvault::provider {
namespace {

// How often a race with no winner at all, as when answers are lost, is run.
constexpr unsigned kRacesMax = 3;
constexpr std::uint64_t kBatchesAtOnce = 4;
constexpr std::uint64_t kSinglesAtOnce = 16;
constexpr std::uint64_t kAnswerLeast = 1 << 20;

// What an error of the first request is about.
std::string topic_of(const Error& error, const char* root) {
  const std::string_view why = error.reason();
  if (why == reason::tls) return "tls";
  if (why == reason::clock_skew) return "clock";
  if (why == reason::wrong_region) return "region";
  if (why == reason::no_bucket) return root;
  return error.code() == Errc::unauthenticated ? "credentials" : "connection";
}

}  // namespace

Error bad_answer(const wire::Response& answer, std::string_view message, std::string_view subject) {
  return Error(Errc::data_loss, reason::bad_answer, message)
      .with_subject(subject)
      .with_native(answer.status)
      .with_request_id(request_id(answer));
}

Error list_incomplete(std::string_view message, std::string_view root) {
  return Error(Errc::data_loss, reason::list_incomplete, message).with_subject(root);
}

bool is_absent(const Error& error) noexcept {
  return error.code() == Errc::not_found && error.reason() == reason::no_object;
}

Result<std::string> range_field(const GetRequest& request) {
  if (request.offset == 0 && request.length == 0) return std::string();
  auto out = "bytes=" + std::to_string(request.offset) + "-";
  if (request.length == 0) return out;
  const auto end = base::add(request.offset, request.length);
  if (!end) return range_length(request, 0).error();
  return out + std::to_string(*end - 1);
}

std::uint64_t answer_max(const GetRequest& request, std::uint64_t object_size_max) noexcept {
  return request.length == 0 ? object_size_max : std::max(request.length, kAnswerLeast);
}

Result<base::Bytes> cut_out(const GetRequest& request, wire::Response answer) {
  const auto said = answer.headers.get("Content-Range");
  if (answer.status != 206 && said.empty()) {
    SV_TRY(const auto length, range_length(request, answer.body.size()));
    const auto from = answer.body.begin() + static_cast<std::ptrdiff_t>(request.offset);
    return base::Bytes(from, from + static_cast<std::ptrdiff_t>(length));
  }
  // Azurite answers a range that begins at the object's end with "bytes 10-9/10".
  const auto size = wire::parse_number(said.substr(std::min(said.rfind('/') + 1, said.size())));
  if (size == request.offset) {
    const auto inside = range_length(request, *size);
    if (!inside) return inside.error();
  }
  const auto range = wire::parse_content_range(said);
  if (!range || range->first != request.offset || answer.body.empty() ||
      range->last - range->first != answer.body.size() - 1) {
    return bad_answer(answer, "the store answered another range than asked for", request.key);
  }
  // What there is came: less than asked for means that the range was too long.
  SV_TRY(const auto length, range_length(request, range->size.value_or(range->last + 1)));
  if (answer.body.size() != length) {
    return bad_answer(answer, "the store answered fewer bytes than asked for", request.key);
  }
  return std::move(answer.body);
}

Capabilities RemoteStore::shared_capabilities(std::string kind) const {
  Capabilities out;
  out.kind = std::move(kind);
  const auto winners = winners_.load();
  out.exclusive_create = winners == 1;
  out.durable_put = true;
  out.parallel_requests = 24;
  if (winners != 1) out.weak_because = weak_because(winners);
  return out;
}

base::Task<Result<unsigned>> RemoteStore::count_winners(std::string root, RequestLimits limits) {
  for (unsigned count = 1; count <= kRacesMax; ++count) {
    auto racing = race_creates(env(), probe_calls(), limits);
    auto winners = co_await std::move(racing);
    if (!winners || *winners > 0) co_return winners;
  }
  co_return Error(Errc::unavailable, reason::lost_answer,
                  "the store does not answer well enough to find out what it can do")
      .with_subject(root);
}

base::Task<Result<void>> RemoteStore::check_absent(std::string key, RequestLimits limits) {
  StatRequest look;
  look.key = key;
  look.limits = std::move(limits);
  auto looking = do_stat(std::move(look));
  const auto there = co_await std::move(looking);
  if (there) co_return object_exists(key);
  if (is_absent(there.error())) co_return Result<void>();
  co_return there.error();
}

base::Task<Result<void>> RemoteStore::remove_in_batches(std::vector<std::string> keys,
                                                        std::size_t most, RequestLimits limits) {
  bool refused = false;
  if (batch_removes_ && keys.size() > 1) {
    std::vector<std::string> left;
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (std::size_t at = 0; at < keys.size(); at += most) {
        const auto end = std::min(at + most, keys.size());
        const auto from = keys.begin() + static_cast<std::ptrdiff_t>(at);
        const auto to = keys.begin() + static_cast<std::ptrdiff_t>(end);
        std::vector<std::string> some(from, to);
        auto spawning = group.spawn(remove_batch(std::move(some), limits, left, refused));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    auto removing = base::with_group(env().loop(), kBatchesAtOnce, body);
    SV_CO_CHECK(std::move(removing));
    keys = std::move(left);
  }
  if (keys.empty()) co_return Result<void>();
  auto removing = remove_singly(std::move(keys), std::move(limits));
  auto removed = co_await std::move(removing);
  if (removed && refused) batch_removes_ = false;
  co_return removed;
}

Result<void> RemoteStore::take_batch(const Result<wire::Response>& answer,
                                     std::vector<std::string> keys, const BatchTerms& terms,
                                     std::vector<std::string>& left, bool& refused) {
  Result<std::vector<wire::Response>> parts = std::vector<wire::Response>();
  if (answer) {
    parts = wire::parse_batch(answer->headers.get("Content-Type"), answer->text(), keys.size());
  } else {
    parts = answer.error();
  }
  if (!parts) {
    if (!terms.is_not_offered(parts.error())) return parts.error();
    refused = true;
    std::move(keys.begin(), keys.end(), std::back_inserter(left));
    return {};
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!terms.is_gone((*parts)[i])) left.push_back(std::move(keys[i]));
  }
  return {};
}

base::Task<Result<void>> RemoteStore::remove_singly(std::vector<std::string> keys,
                                                    RequestLimits limits) {
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (const auto& key : keys) {
      auto spawning = group.spawn(remove_one(key, limits));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto removing = base::with_group(env().loop(), kSinglesAtOnce, body);
  auto removed = co_await std::move(removing);
  co_return removed;
}

base::Task<Result<std::vector<Finding>>> RemoteStore::examine_all(Examined what,
                                                                  RequestLimits limits) {
  std::vector<Finding> out;
  if (!what.source) {
    out.push_back(failure_finding("credentials", what.source.error()));
    co_return out;
  }
  out.push_back(credentials_finding(*what.source));
  auto looking = look_at_root(limits);
  const auto looked = co_await std::move(looking);
  // Without the right to list the others may be there.
  if (!looked && looked.error().code() != Errc::permission_denied) {
    auto finding = failure_finding(topic_of(looked.error(), what.root), looked.error());
    if (finding.topic == out.back().topic) {
      finding.detail = "from " + *what.source + ": " + finding.detail;
      out.pop_back();
    }
    out.push_back(std::move(finding));
    if (what.exchanger.clock_ahead() && out.back().topic != "clock") {
      out.push_back(clock_finding(what.exchanger.clock_ahead()));
    }
    co_return out;
  }
  auto probing = probe(env(), probe_calls(), capabilities().weak_because, limits);
  auto found = co_await std::move(probing);
  out.push_back(clock_finding(what.exchanger.clock_ahead()));
  out.push_back(tls_finding(what.tls));
  std::move(found.begin(), found.end(), std::back_inserter(out));
  auto more = what.more();
  std::move(more.begin(), more.end(), std::back_inserter(out));
  co_return out;
}

}  // namespace snapvault::provider
