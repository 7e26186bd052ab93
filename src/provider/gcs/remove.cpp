// Removals of Google Cloud Storage: many in one request, or one by one where that is not offered.
#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"
#include "wire/batch.hpp"

namespace snapvault::provider::gcs {
namespace {

constexpr std::size_t kBatchMax = 100;  // "Batch requests"
constexpr std::uint64_t kBatchesAtOnce = 4;
constexpr std::uint64_t kSinglesAtOnce = 16;
constexpr std::uint64_t kAnswerMax = 4 << 20;

bool is_not_offered(const Error& error) noexcept {
  const int status = error.native();
  return status == 400 || status == 404 || status == 405 || status == 501 ||
         (error.code() == Errc::data_loss && error.reason() == reason::bad_answer);
}

bool is_gone(const wire::Response& part) noexcept {
  return part.status >= 200 && part.status < 300;
}

}  // namespace

base::Task<Result<void>> GcsStore::do_remove(RemoveRequest request) {
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

// Adds to `left` what is not gone: a request of its own for each waits, or says why not. The token
// of the request outside holds for those inside.
base::Task<Result<void>> GcsStore::remove_batch(std::vector<std::string> keys, RequestLimits limits,
                                                std::vector<std::string>& left, bool& refused) {
  std::array<std::byte, 16> random;
  env().random(random);
  const auto boundary = "batch_" + base::hex(random);
  std::vector<wire::Request> requests;
  for (const auto& key : keys) requests.push_back(make_call("DELETE", key).request);
  const auto text = wire::build_batch(requests, boundary);
  const auto bytes = base::as_bytes(text);
  auto call = make_call("POST", "");
  call.request.path = "/batch/storage/v1";
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

base::Task<Result<void>> GcsStore::remove_singly(std::vector<std::string> keys,
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

base::Task<Result<void>> GcsStore::remove_one(std::string key, RequestLimits limits) {
  auto sending = exchanger_.send(make_call("DELETE", key), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (answer || answer.error().reason() == reason::no_object) co_return Result<void>();
  co_return answer.error();
}

}  // namespace snapvault::provider::gcs
