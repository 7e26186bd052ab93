// Removals of Azure: many in one request, or one by one where the server does not take that.
#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/azure/store.hpp"
#include "wire/batch.hpp"

namespace snapvault::provider::azure {
namespace {

constexpr std::size_t kBatchMax = 256;  // "Blob Batch"
constexpr std::uint64_t kBatchesAtOnce = 4;
constexpr std::uint64_t kSinglesAtOnce = 16;
constexpr std::uint64_t kAnswerMax = 4 << 20;

// Without it a blob that has snapshots stays.
constexpr const char* kSnapshots = "x-ms-delete-snapshots";

// Servers without batches say so in several ways.
bool is_not_offered(const Error& error) noexcept {
  const int status = error.native();
  return (error.code() == Errc::precondition_failed &&
          (status == 400 || status == 405 || status == 501)) ||
         (status == 404 && error.reason() == reason::no_object) ||
         (error.code() == Errc::data_loss && error.reason() == reason::bad_answer);
}

bool is_gone(const wire::Response& part) {
  if (part.status >= 200 && part.status < 300) return true;
  return part.status == 404 && wire::parse_azure_error(part).code == "BlobNotFound";
}

}  // namespace

base::Task<Result<void>> AzureStore::do_remove(RemoveRequest request) {
  auto keys = std::move(request.keys);
  bool refused = false;
  if (batch_removes_ && keys.size() > 1) {
    std::vector<std::string> left;
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (std::size_t at = 0; at < keys.size(); at += kBatchMax) {
        const auto end = std::min(at + kBatchMax, keys.size());
        const auto from = keys.begin() + static_cast<std::ptrdiff_t>(at);
        const auto to = keys.begin() + static_cast<std::ptrdiff_t>(end);
        std::vector<std::string> some(from, to);
        auto spawning = group.spawn(remove_batch(std::move(some), request.limits, left, refused));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    auto removing = base::with_group(env().loop(), kBatchesAtOnce, body);
    SV_CO_CHECK(std::move(removing));
    keys = std::move(left);
  }
  if (keys.empty()) co_return Result<void>();
  auto removing = remove_singly(std::move(keys), std::move(request.limits));
  auto removed = co_await std::move(removing);
  if (removed && refused) batch_removes_ = false;
  co_return removed;
}

// Each request in the body is signed by itself.
base::Task<Result<std::string>> AzureStore::build_removal(const std::vector<std::string>& keys,
                                                          std::string_view boundary,
                                                          RequestLimits limits) {
  std::vector<wire::Request> requests;
  for (const auto& key : keys) {
    auto inner = make_call("DELETE", key).request;
    inner.headers.set(kSnapshots, "include");
    auto signing = signer_.sign_inner(inner, exchanger_.now(), limits);
    SV_CO_CHECK(std::move(signing));
    inner.headers.set("Content-Length", "0");
    requests.push_back(std::move(inner));
  }
  co_return wire::build_batch(requests, boundary);
}

// Adds to `left` what is not gone: a request of its own for each waits, or says why not.
base::Task<Result<void>> AzureStore::remove_batch(std::vector<std::string> keys,
                                                  RequestLimits limits,
                                                  std::vector<std::string>& left, bool& refused) {
  std::array<std::byte, 16> random;
  env().random(random);
  const auto boundary = "batch_" + base::hex(random);
  auto building = build_removal(keys, boundary, limits);
  SV_CO_TRY(const auto text, std::move(building));
  const auto bytes = base::as_bytes(text);
  auto call = make_call("POST", "");
  call.request.query.push_back({"comp", "batch"});
  call.request.headers.set("Content-Type", "multipart/mixed; boundary=" + boundary);
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.answer_max = kAnswerMax;
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  const auto answer = co_await std::move(sending);
  Result<std::vector<wire::Response>> parts = std::vector<wire::Response>();
  if (answer) {
    parts = wire::parse_batch(answer->headers.get("Content-Type"), answer->text(), keys.size());
  } else {
    parts = answer.error();
  }
  if (!parts) {
    if (!is_not_offered(parts.error())) co_return parts.error();
    refused = true;
    std::move(keys.begin(), keys.end(), std::back_inserter(left));
    co_return Result<void>();
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (!is_gone((*parts)[i])) left.push_back(std::move(keys[i]));
  }
  co_return Result<void>();
}

base::Task<Result<void>> AzureStore::remove_singly(std::vector<std::string> keys,
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

base::Task<Result<void>> AzureStore::remove_one(std::string key, RequestLimits limits) {
  auto call = make_call("DELETE", key);
  call.request.headers.set(kSnapshots, "include");
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (answer || answer.error().reason() == reason::no_object) co_return Result<void>();
  co_return answer.error();
}

}  // namespace snapvault::provider::azure
