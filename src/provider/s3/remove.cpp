// Removals of S3: many in one request, or one by one where the server does not take that.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/try.hpp"
#include "provider/s3/judge.hpp"
#include "provider/s3/store.hpp"
#include "wire/digest.hpp"

namespace snapvault::provider {
namespace {

constexpr std::size_t kBatchMax = 1000;  // DeleteObjects
constexpr std::uint64_t kAnswerMax = 8 << 20;

// Servers without DeleteObjects say so in several ways.
bool is_not_offered(const Error& error) noexcept {
  return is_not_understood(error) ||
         (error.native() == 404 && error.reason() == reason::no_object) ||
         (error.native() == 411 && error.reason() == reason::store_failed);
}

bool is_broken(const Error& error) noexcept {
  return error.code() == Errc::unavailable && error.reason() == reason::store_failed;
}

}  // namespace

base::Task<Result<void>> S3Store::do_remove(RemoveRequest request) {
  return remove_in_batches(std::move(request.keys), kBatchMax, std::move(request.limits));
}

base::Task<Result<void>> S3Store::remove_batch(std::vector<std::string> keys, RequestLimits limits,
                                               std::vector<std::string>& left, bool& refused) {
  auto names = keys;
  for (auto& name : names) name.insert(0, settings_.prefix);
  const auto text = wire::build_s3_delete(names);
  const auto bytes = base::as_bytes(text);
  auto call = make_call("POST", "");
  call.request.query.push_back({"delete", ""});
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.request.headers.set("Content-Type", "application/xml");
  call.request.headers.set("Content-MD5", wire::md5_base64(call.request.body));
  call.answer_max = kAnswerMax;
  auto sending = send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) {
    // One by one shows which of them it is that the server fails at.
    const bool not_offered = is_not_offered(answer.error());
    if (!not_offered && !is_broken(answer.error())) co_return std::move(answer).error();
    refused = refused || not_offered;
    std::move(keys.begin(), keys.end(), std::back_inserter(left));
    co_return Result<void>();
  }
  SV_CO_TRY_NOW(auto undeleted, wire::parse_s3_delete(answer->text()));
  std::sort(names.begin(), names.end());
  for (auto& one : undeleted) {
    if (one.code == "NoSuchKey") continue;
    if (!std::binary_search(names.begin(), names.end(), one.key)) {
      co_return bad_answer(*answer, "the store failed to remove what it was not told to",
                           settings_.bucket);
    }
    left.push_back(one.key.substr(settings_.prefix.size()));
  }
  co_return Result<void>();
}

base::Task<Result<void>> S3Store::remove_one(std::string key, RequestLimits limits) {
  auto call = make_call("DELETE", key);
  auto sending = send(std::move(call), limits);
  const auto answer = co_await std::move(sending);
  if (answer || is_absent(answer.error())) co_return Result<void>();
  if (!is_broken(answer.error())) co_return answer.error();
  // A server that keeps objects in a file system may fail at the name of a folder: what is not
  // there is removed.
  auto looking = check_absent(key, std::move(limits));
  const auto absent = co_await std::move(looking);
  if (absent) co_return Result<void>();
  co_return answer.error();
}

}  // namespace snapvault::provider
