// Uploads of S3 in parts: create, send the parts side by side, complete if absent.
#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"
#include "provider/s3/judge.hpp"
#include "provider/s3/known.hpp"
#include "provider/s3/store.hpp"
#include "wire/digest.hpp"

namespace snapvault::provider {
namespace {

constexpr std::uint64_t kPartsAtOnce = 4;
constexpr std::uint64_t kPartsMax = 10'000;
constexpr base::Nanoseconds kAbortMost = 3 * base::kSecond;

// While a request that nobody waits for long is under way.
struct Watched {
  std::stop_source stop;
  bool ended = false;
};

base::Task<Result<void>> watch(base::Env& env, Watched& watched) {
  const auto until = env.monotonic() + kAbortMost;
  while (!watched.ended && env.monotonic() < until) {
    const auto next = env.monotonic() + 10 * base::kMillisecond;
    co_await base::sleep_until(env, next);
  }
  watched.stop.request_stop();
  co_return Result<void>();
}

base::Task<Result<void>> end_watch(base::Task<Result<wire::Response>> sending, Watched& watched) {
  const auto answer = co_await std::move(sending);
  base::permit_unchecked(answer, "stores remove what was left behind by a rule of the bucket");
  watched.ended = true;
  co_return Result<void>();
}

struct Ended {
  const RequestLimits& limits;
  bool operator()() const { return !check(limits); }
};

}  // namespace

base::Task<Result<S3Store::Upload>> S3Store::begin_parts(std::string key, Checksum checksum,
                                                         RequestLimits limits) {
  auto call = make_call("POST", key);
  call.request.query.push_back({"uploads", ""});
  add_object_fields(call.request.headers, key);
  if (checksum == Checksum::crc64) {
    call.request.headers.set("x-amz-checksum-algorithm", "CRC64NVME");
    call.request.headers.set("x-amz-checksum-type", "FULL_OBJECT");
  }
  auto sending = send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  Upload upload;
  SV_CO_TRY_NOW(upload.id, wire::parse_s3_upload(answer->text()));
  // A server that keeps checksums of parts says so.
  const bool kept =
      wire::equal_in_any_case(answer->headers.get("x-amz-checksum-algorithm"), "CRC64NVME");
  upload.checksum = kept && checksum == Checksum::crc64 ? Checksum::crc64 : Checksum::md5;
  co_return upload;
}

base::Task<Result<S3Store::Upload>> S3Store::begin_learning(std::string key, RequestLimits limits) {
  const auto checksum = checksum_;
  auto beginning = begin_parts(key, checksum, limits);
  auto upload = co_await std::move(beginning);
  if (upload || checksum == Checksum::md5 || !is_not_understood(upload.error())) co_return upload;
  auto again = begin_parts(std::move(key), Checksum::md5, std::move(limits));
  upload = co_await std::move(again);
  co_return upload;
}

base::Task<Result<void>> S3Store::put_part(const std::string& key, const Upload& upload,
                                           PutBody body, std::size_t number, RequestLimits limits,
                                           wire::S3Part& sent) {
  auto call = make_call("PUT", key);
  call.request.query.push_back({"partNumber", std::to_string(number)});
  call.request.query.push_back({"uploadId", upload.id});
  auto crc64 = wire::crc64_base64(body);
  call.request.body = std::move(body);
  add_sse_c(call.request.headers);
  auto adding = add_checksum(call.request, upload.checksum);
  co_await std::move(adding);
  auto sending = send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  sent.etag = answer->headers.get("ETag");
  // MinIO wants to be told the checksum of each part once more.
  if (upload.checksum == Checksum::crc64) sent.crc64 = std::move(crc64);
  if (sent.etag.empty() || sent.etag.size() > 256) {
    co_return Error(Errc::data_loss, reason::bad_answer, "the store does not name a part")
        .with_subject(key)
        .with_request_id(request_id(*answer));
  }
  co_return Result<void>();
}

base::Task<Result<void>> S3Store::send_parts(const PutRequest& request, const Upload& upload,
                                             const std::vector<PutBody>& parts,
                                             std::vector<wire::S3Part>& sent) {
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto spawning =
          group.spawn(put_part(request.key, upload, parts[i], i + 1, request.limits, sent[i]));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto sending = base::with_group(env().loop(), kPartsAtOnce, body);
  auto result = co_await std::move(sending);
  co_return result;
}

base::Task<Result<void>> S3Store::finish_parts(PutRequest request, const Upload& upload,
                                               std::vector<wire::S3Part> sent) {
  const auto text = wire::build_s3_complete(sent);
  const auto bytes = base::as_bytes(text);
  auto call = make_call("POST", request.key);
  call.request.query.push_back({"uploadId", upload.id});
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  auto& headers = call.request.headers;
  headers.set("Content-Type", "application/xml");
  // A second completion, after a lost answer, may find the upload gone: that says nothing.
  call.conditional = true;
  if (request.if_absent) headers.set("If-None-Match", "*");
  add_sse_c(headers);
  const bool with_checksum = upload.checksum == Checksum::crc64;
  if (with_checksum) {
    headers.set("x-amz-checksum-crc64nvme", wire::crc64_base64(request.body));
    headers.set("x-amz-checksum-type", "FULL_OBJECT");
  }
  auto sending = send_patiently(std::move(call), std::move(request.limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  const auto kept = wire::parse_s3_complete(answer->text());
  if (kept && with_checksum && !kept->empty() && *kept != wire::crc64_base64(request.body)) {
    co_return Error(Errc::data_loss, reason::store_failed, "the store keeps other bytes than sent")
        .with_subject(request.key)
        .with_request_id(request_id(*answer));
  }
  co_return Result<void>();
}

// What was sent takes room in the store until it is given up. Not bound by the caller's limits,
// which may be why it ends, and for that never long.
base::Task<void> S3Store::abort_parts(std::string key, std::string upload) {
  auto call = make_call("DELETE", key);
  call.request.query.push_back({"uploadId", std::move(upload)});
  Watched watched;
  RequestLimits limits;
  limits.stop = watched.stop.get_token();
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    auto sending = send(std::move(call), std::move(limits));
    auto first = group.spawn(end_watch(std::move(sending), watched));
    co_await std::move(first);
    auto second = group.spawn(watch(env(), watched));
    co_await std::move(second);
    co_return Result<void>();
  };
  auto aborting = base::with_group(env().loop(), 2, body);
  const auto aborted = co_await std::move(aborting);
  base::permit_unchecked(aborted, "neither of the two fails");
}

base::Task<Result<void>> S3Store::put_in_parts(PutRequest request, std::uint64_t part_size) {
  const auto least = (request.body.size() + kPartsMax - 1) / kPartsMax;
  const auto size = std::max(part_size, least);
  auto cut = [&request, size] { return wire::split(request.body, size); };
  auto cutting = base::run_on(env(), env().cpu(), cut);
  const auto parts = co_await std::move(cutting);
  auto beginning = begin_learning(request.key, request.limits);
  auto upload = co_await std::move(beginning);
  if (!upload) co_return std::move(upload).error();
  std::vector<wire::S3Part> sent(parts.size());
  auto sending = send_parts(request, *upload, parts, sent);
  auto result = co_await std::move(sending);
  if (result) {
    auto finishing = finish_parts(request, *upload, std::move(sent));
    result = co_await std::move(finishing);
    // Where it may have been completed nothing is given up.
    if (result || result.error().code() == Errc::outcome_unknown) co_return result;
  }
  auto aborting = abort_parts(request.key, upload->id);
  co_await std::move(aborting);
  co_return result;
}

// Whether "only if absent" holds for a completion, too: tried once on each store but Amazon's.
base::Task<Result<bool>> S3Store::parts_are_conditional(RequestLimits limits) {
  if (settings_.amazon) co_return true;
  const Ended ended{limits};
  auto entering = parts_line_.enter(env(), ended);
  const auto place = co_await std::move(entering);
  SV_CO_CHECK_NOW(check(limits));
  if (const auto known = known_s3(store_name()).conditional_parts) co_return *known;
  auto looking = look_at_parts(std::move(limits));
  const auto found = co_await std::move(looking);
  if (!found) co_return false;  // one request is always good, and says what is wrong
  KnownS3 known;
  known.conditional_parts = *found;
  note_s3(store_name(), known);
  co_return *found;
}

base::Task<Result<bool>> S3Store::look_at_parts(RequestLimits limits) {
  PutRequest probe;
  std::array<std::byte, 8> name;
  env().random(name);
  probe.key = "doctor/probe-" + base::hex(name);
  probe.body = PutBody(base::Bytes(16));
  probe.limits = limits;
  auto putting = put_whole(probe);
  SV_CO_CHECK(std::move(putting));
  auto again = put_in_parts(probe, part_size_);
  const auto put = co_await std::move(again);
  auto removing = remove_one(probe.key, std::move(limits));
  const auto removed = co_await std::move(removing);
  base::permit_unchecked(removed, "a probe that stays is an object of a few bytes");
  if (put || is_not_understood(put.error())) co_return false;
  if (put.error().code() == Errc::already_exists) co_return true;
  co_return put.error();
}

}  // namespace snapvault::provider
