// Puts of S3: in one request, or in parts, as the server can take them.
#include <algorithm>
#include <utility>

#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"
#include "provider/s3/judge.hpp"
#include "provider/s3/store.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider {
namespace {

// docs.aws.amazon.com, "Amazon S3 multipart upload limits".
constexpr std::uint64_t kPartLeast = 5u << 20;
constexpr std::uint64_t kWholeMost = 5ull << 30;

constexpr const char* kCrc64 = "x-amz-checksum-crc64nvme";

}  // namespace

// How a new object is kept. A probe is never locked: it has to go again.
void S3Store::add_object_fields(wire::Fields& headers, const std::string& key) const {
  headers.set("Content-Type", "application/octet-stream");
  if (!settings_.storage_class.empty()) {
    headers.set("x-amz-storage-class", settings_.storage_class);
  }
  if (!settings_.sse.empty()) headers.set("x-amz-server-side-encryption", settings_.sse);
  if (!settings_.sse_kms_key.empty()) {
    headers.set("x-amz-server-side-encryption-aws-kms-key-id", settings_.sse_kms_key);
  }
  add_sse_c(headers);
  if (settings_.retention_days == 0 || key.starts_with("doctor/")) return;
  constexpr std::int64_t kDay = 86400;
  headers.set("x-amz-object-lock-mode", settings_.lock_mode);
  headers.set("x-amz-object-lock-retain-until-date",
              wire::iso_date(exchanger_.now() + settings_.retention_days * kDay));
}

// CRC64NVME, which the body has anyway, or MD5 for a server that does not know that.
base::Task<void> S3Store::add_checksum(wire::Request& request, Checksum checksum) {
  const auto& body = request.body;
  if (checksum == Checksum::crc64) {
    request.headers.set(kCrc64, wire::crc64_base64(body));
    co_return;
  }
  auto work = [&body] { return wire::md5_base64(body); };
  auto hashing = base::run_on(env(), env().cpu(), work);
  const auto md5 = co_await std::move(hashing);
  request.headers.set("Content-MD5", md5);
}

// A server that keeps a checksum says so.
void S3Store::note_checksum(const wire::Response& answer, Checksum sent) noexcept {
  if (sent == Checksum::crc64 && !answer.headers.find(kCrc64)) checksum_ = Checksum::md5;
}

// Servers that keep objects in a file system stumble when one is made in a folder from which
// another request just removed the last: MinIO on one drive answers 403 then, versitygw 409 with a
// code about folders. So they are asked again before that is believed.
base::Task<Result<wire::Response>> S3Store::send_patiently(Call call, RequestLimits limits) {
  constexpr unsigned kTries = 4;
  for (unsigned tried = 1;; ++tried) {
    auto sending = send(call, limits);
    auto answer = co_await std::move(sending);
    if (answer || settings_.amazon || tried == kTries) co_return answer;
    const auto& error = answer.error();
    const bool stumbled = error.code() == Errc::permission_denied ||
                          (error.native() == 409 && error.reason() == reason::store_failed);
    if (!stumbled) co_return answer;
    const auto until = env().monotonic() + tried * 20 * base::kMillisecond;
    auto sleeping = sleep_within(env(), until, limits);
    SV_CO_CHECK(std::move(sleeping));
  }
}

base::Task<Result<wire::Response>> S3Store::send_whole(PutRequest request, Checksum checksum) {
  auto call = make_call("PUT", request.key);
  call.request.body = request.body;
  call.conditional = request.if_absent;
  if (request.if_absent) call.request.headers.set("If-None-Match", "*");
  add_object_fields(call.request.headers, request.key);
  auto adding = add_checksum(call.request, checksum);
  co_await std::move(adding);
  auto sending = send_patiently(std::move(call), std::move(request.limits));
  auto answer = co_await std::move(sending);
  co_return answer;
}

base::Task<Result<void>> S3Store::put_whole(PutRequest request) {
  auto checksum = checksum_;
  auto sending = send_whole(request, checksum);
  auto answer = co_await std::move(sending);
  if (!answer && checksum == Checksum::crc64 && is_not_understood(answer.error())) {
    checksum = Checksum::md5;  // perhaps it was the checksum
    auto again = send_whole(request, checksum);
    answer = co_await std::move(again);
    if (answer) checksum_ = checksum;
  }
  if (!answer) co_return std::move(answer).error();
  note_checksum(*answer, checksum);
  const auto kept = answer->headers.get(kCrc64);
  if (!kept.empty() && kept != wire::crc64_base64(request.body)) {
    co_return Error(Errc::data_loss, reason::store_failed, "the store keeps other bytes than sent")
        .with_subject(request.key)
        .with_request_id(request_id(*answer));
  }
  co_return Result<void>();
}

// What the server takes in one request is learnt from its refusals (DE-06).
base::Task<Result<void>> S3Store::put_learning(PutRequest request, bool in_parts) {
  const auto size = request.body.size();
  for (;;) {
    const auto part_size = part_size_;
    const bool parts = size > part_size && (in_parts || size > kWholeMost);
    auto putting = parts ? put_in_parts(request, part_size) : put_whole(request);
    auto put = co_await std::move(putting);
    if (put || put.error().reason() != reason::too_large) co_return put;
    const auto sent = parts ? part_size : size;
    if (sent <= kPartLeast) co_return put;
    part_size_ = std::min(part_size_, std::max(kPartLeast, sent / 2));
    in_parts = true;
  }
}

base::Task<Result<void>> S3Store::do_put(PutRequest request) {
  bool in_parts = true;
  if (request.if_absent && winners_ != 1) {
    auto checking = check_absent(request.key, request.limits);
    SV_CO_CHECK(std::move(checking));
  } else if (request.if_absent && request.body.size() > part_size_) {
    // Where the completion of parts has no condition, one request that has one is as good.
    auto looking = parts_are_conditional(request.limits);
    SV_CO_TRY(in_parts, std::move(looking));
    if (!in_parts) {
      auto checking = check_absent(request.key, request.limits);
      SV_CO_CHECK(std::move(checking));
    }
  }
  auto putting = put_learning(std::move(request), in_parts);
  auto put = co_await std::move(putting);
  co_return put;
}

}  // namespace snapvault::provider
