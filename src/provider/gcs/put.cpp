// Puts of Google Cloud Storage: in one request, or in pieces (resumable.cpp), as the server can
// take them.
#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"
#include "provider/request.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::gcs {
namespace {

// A refusal of a small body costs less than waiting for leave to send it.
constexpr std::uint64_t kExpectFrom = 1 << 20;
constexpr std::uint64_t kPartLeast = 1 << 20;

PutBody::Part part_of(std::string_view text) {
  const auto bytes = base::as_bytes(text);
  return std::make_shared<const base::Bytes>(bytes.begin(), bytes.end());
}

// multipart/related, RFC 2387: what the object shall be called, and its bytes.
PutBody related(const std::string& boundary, const std::string& json, const PutBody& bytes) {
  std::vector<PutBody::Part> parts;
  parts.push_back(part_of("--" + boundary + "\r\nContent-Type: application/json\r\n\r\n" + json +
                          "\r\n--" + boundary +
                          "\r\nContent-Type: application/octet-stream\r\n\r\n"));
  parts.insert(parts.end(), bytes.parts().begin(), bytes.parts().end());
  parts.push_back(part_of("\r\n--" + boundary + "--\r\n"));
  return PutBody(std::move(parts), 0);
}

}  // namespace

Call GcsStore::upload_call(const PutRequest& request, std::string_view kind) const {
  auto call = make_call("POST", "");
  call.request.path = "/upload" + call.request.path + "/o";
  call.request.query.push_back({"uploadType", std::string(kind)});
  // The metadata says it too; here the store's own logs show it.
  call.request.query.push_back({"name", settings_.prefix + request.key});
  // Of racing creates one finds no generation: Cloud Storage, "Request preconditions".
  if (request.if_absent) call.request.query.push_back({"ifGenerationMatch", "0"});
  call.subject = request.key;
  return call;
}

// What the store says that it keeps now. A server that tells no sum keeps none.
Result<void> GcsStore::check_kept(const wire::Response& answer, const PutBody& body,
                                  std::string_view crc, std::string_view key) const {
  const auto kept = wire::parse_gcs_object(answer.text());
  const auto bad = [&](std::string_view message, const char* why) {
    return Error(Errc::data_loss, why, message)
        .with_subject(key)
        .with_native(answer.status)
        .with_request_id(request_id(answer));
  };
  if (!kept) return bad(kept.error().message(), reason::bad_answer);
  if (kept->size != body.size() || (!kept->crc32c.empty() && kept->crc32c != crc)) {
    return bad("the store keeps other bytes than sent", reason::store_failed);
  }
  return {};
}

base::Task<Result<void>> GcsStore::put_whole(PutRequest request, std::string crc) {
  std::array<std::byte, 16> random;
  env().random(random);
  const auto boundary = "object_" + base::hex(random);
  auto call = upload_call(request, "multipart");
  const auto json = wire::gcs_object_json(settings_.prefix + request.key, crc);
  call.request.body = related(boundary, json, request.body);
  call.request.headers.set("Content-Type", "multipart/related; boundary=" + boundary);
  call.conditional = request.if_absent;
  call.expect_continue = request.body.size() >= kExpectFrom;
  auto sending = exchanger_.send(std::move(call), request.limits);
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  co_return check_kept(*answer, request.body, crc, request.key);
}

// What the server takes in one request is learnt from its refusals (DE-06).
base::Task<Result<void>> GcsStore::do_put(PutRequest request) {
  if (request.if_absent && winners_ != 1) {
    auto checking = check_absent(request.key, request.limits);
    SV_CO_CHECK(std::move(checking));
  }
  auto work = [&request] { return wire::crc32c_base64(request.body); };
  auto summing = base::run_on(env(), env().cpu(), work);
  const auto crc = co_await std::move(summing);
  const auto size = request.body.size();
  for (;;) {
    const auto part_size = part_size_;
    const bool whole = size <= part_size;
    auto putting = whole ? put_whole(request, crc) : put_in_pieces(request, crc, part_size);
    auto put = co_await std::move(putting);
    if (put || put.error().reason() != reason::too_large) co_return put;
    const auto sent = whole ? size : part_size;
    if (sent <= kPartLeast) co_return put;
    part_size_ = std::min(part_size_, std::max(kPartLeast, sent / 2));
  }
}

}  // namespace snapvault::provider::gcs
