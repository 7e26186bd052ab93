// Removals of Google Cloud Storage: many in one request, or one by one where that is not offered.
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"
#include "wire/batch.hpp"

namespace snapvault::provider::gcs {
namespace {

constexpr std::size_t kBatchMax = 100;  // "Batch requests"
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
  return remove_in_batches(std::move(request.keys), kBatchMax, std::move(request.limits));
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
  co_return take_batch(answer, std::move(keys), {is_gone, is_not_offered}, left, refused);
}

base::Task<Result<void>> GcsStore::remove_one(std::string key, RequestLimits limits) {
  auto sending = exchanger_.send(make_call("DELETE", key), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (answer || is_absent(answer.error())) co_return Result<void>();
  co_return answer.error();
}

}  // namespace snapvault::provider::gcs
