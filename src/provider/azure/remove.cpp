// Removals of Azure: many in one request, or one by one where the server does not take that.
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/azure/store.hpp"
#include "wire/batch.hpp"

namespace snapvault::provider::azure {
namespace {

constexpr std::size_t kBatchMax = 256;  // "Blob Batch"
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
  return remove_in_batches(std::move(request.keys), kBatchMax, std::move(request.limits));
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
  co_return take_batch(answer, std::move(keys), {is_gone, is_not_offered}, left, refused);
}

base::Task<Result<void>> AzureStore::remove_one(std::string key, RequestLimits limits) {
  auto call = make_call("DELETE", key);
  call.request.headers.set(kSnapshots, "include");
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  const auto answer = co_await std::move(sending);
  if (answer || is_absent(answer.error())) co_return Result<void>();
  co_return answer.error();
}

}  // namespace snapvault::provider::azure
