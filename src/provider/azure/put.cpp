// Puts of Azure: in one request, or in blocks, as the server can take them.
#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/azure/store.hpp"
#include "provider/request.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::azure {
namespace {

// A refusal of a small body costs less than waiting for leave to send it.
constexpr std::uint64_t kExpectFrom = 1 << 20;
// "Scalability and performance targets for Blob storage".
constexpr std::uint64_t kBlocksMax = 50'000;
constexpr std::uint64_t kWholeMost = 5000ull << 20;
constexpr std::uint64_t kPartLeast = 1 << 20;
constexpr std::uint64_t kBlocksAtOnce = 4;
// Of an upload whose blocks the store gives up, because another one ended at the same name.
constexpr unsigned kUploadsMax = 3;

constexpr const char* kCrc64 = "x-ms-content-crc64";

}  // namespace

// CRC-64, which the body has anyway, or MD5 for a server that takes no notice of that.
base::Task<void> AzureStore::add_checksum(wire::Request& request, Checksum checksum) {
  const auto& body = request.body;
  if (checksum == Checksum::crc64) {
    request.headers.set(kCrc64, wire::azure_crc64(body));
    co_return;
  }
  auto work = [&body] { return wire::md5_base64(body); };
  auto hashing = base::run_on(env(), env().cpu(), work);
  const auto md5 = co_await std::move(hashing);
  request.headers.set("Content-MD5", md5);
}

// Sends a body, and looks at what the server says that it received.
base::Task<Result<void>> AzureStore::send_checked(Call call, RequestLimits limits) {
  const auto checksum = checksum_;
  auto adding = add_checksum(call.request, checksum);
  co_await std::move(adding);
  call.expect_continue = call.request.body.size() >= kExpectFrom;
  const auto subject = call.subject;
  const auto crc64 = wire::azure_crc64(call.request.body);
  const std::string md5(call.request.headers.get("Content-MD5"));
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  const auto kept_crc64 = answer->headers.get(kCrc64),
             kept_md5 = answer->headers.get("Content-MD5");
  if (checksum == Checksum::crc64 && kept_crc64.empty()) checksum_ = Checksum::md5;
  const bool other = (!kept_crc64.empty() && kept_crc64 != crc64) ||
                     (!md5.empty() && !kept_md5.empty() && kept_md5 != md5);
  if (!other) co_return Result<void>();
  co_return Error(Errc::data_loss, reason::store_failed, "the store keeps other bytes than sent")
      .with_subject(subject)
      .with_native(answer->status)
      .with_request_id(request_id(*answer));
}

base::Task<Result<void>> AzureStore::put_whole(PutRequest request) {
  auto call = make_call("PUT", request.key);
  call.request.body = std::move(request.body);
  call.conditional = request.if_absent;
  auto& headers = call.request.headers;
  headers.set("x-ms-blob-type", "BlockBlob");
  headers.set("Content-Type", "application/octet-stream");
  if (request.if_absent) headers.set("If-None-Match", "*");
  auto sending = send_checked(std::move(call), std::move(request.limits));
  auto sent = co_await std::move(sending);
  co_return sent;
}

base::Task<Result<void>> AzureStore::put_block(const PutRequest& request, std::string id,
                                               PutBody body) {
  auto call = make_call("PUT", request.key);
  call.request.query.push_back({"comp", "block"});
  call.request.query.push_back({"blockid", std::move(id)});
  call.request.body = std::move(body);
  auto sending = send_checked(std::move(call), request.limits);
  auto sent = co_await std::move(sending);
  co_return sent;
}

// Blocks that are not in a list yet are everybody's who writes to that name: a name of its own for
// each upload's keeps those of another one out of ours. All have the same length, as Azure wants.
base::Task<Result<void>> AzureStore::put_in_blocks(PutRequest request, std::uint64_t part_size) {
  const auto least = (request.body.size() + kBlocksMax - 1) / kBlocksMax;
  const auto size = std::max(part_size, least);
  auto cut = [&request, size] { return wire::split(request.body, size); };
  auto cutting = base::run_on(env(), env().cpu(), cut);
  const auto parts = co_await std::move(cutting);
  std::array<std::byte, 16> upload;
  env().random(upload);
  std::vector<std::string> ids;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto name = base::hex(upload) + base::hex8(static_cast<std::uint32_t>(i));
    ids.push_back(wire::base64(base::as_bytes(name)));
  }
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto spawning = group.spawn(put_block(request, ids[i], parts[i]));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto sending = base::with_group(env().loop(), kBlocksAtOnce, body);
  SV_CO_CHECK(std::move(sending));
  const auto text = wire::build_azure_blocks(ids);
  const auto bytes = base::as_bytes(text);
  auto call = make_call("PUT", request.key);
  call.request.query.push_back({"comp", "blocklist"});
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.conditional = request.if_absent;
  auto& headers = call.request.headers;
  headers.set("Content-Type", "application/xml");
  headers.set("x-ms-blob-content-type", "application/octet-stream");
  if (request.if_absent) headers.set("If-None-Match", "*");
  auto ending = send_checked(std::move(call), std::move(request.limits));
  auto ended = co_await std::move(ending);
  co_return ended;
}

// Whoever ends an upload takes the blocks of all others at that name away.
base::Task<Result<void>> AzureStore::put_patiently(PutRequest request, std::uint64_t part_size) {
  for (unsigned count = 1;; ++count) {
    auto putting = put_in_blocks(request, part_size);
    auto put = co_await std::move(putting);
    if (put || put.error().code() != Errc::aborted || count == kUploadsMax) co_return put;
    if (!request.if_absent) continue;
    auto checking = check_absent(request.key, request.limits);
    SV_CO_CHECK(std::move(checking));
  }
}

// What the server takes in one request is learnt from its refusals (DE-06).
base::Task<Result<void>> AzureStore::do_put(PutRequest request) {
  if (request.if_absent && winners_ != 1) {
    auto checking = check_absent(request.key, request.limits);
    SV_CO_CHECK(std::move(checking));
  }
  const auto size = request.body.size();
  for (;;) {
    const auto part_size = std::min(part_size_, kWholeMost);
    const bool whole = size <= part_size;
    auto putting = whole ? put_whole(request) : put_patiently(request, part_size);
    auto put = co_await std::move(putting);
    if (put || put.error().reason() != reason::too_large) co_return put;
    const auto sent = whole ? size : part_size;
    if (sent <= kPartLeast) co_return put;
    part_size_ = std::min(part_size_, std::max(kPartLeast, sent / 2));
  }
}

}  // namespace snapvault::provider::azure
