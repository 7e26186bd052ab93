// Removals of S3: many in one request, or one by one where the server does not take that.
#include <algorithm>
#include <utility>

#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/s3/judge.hpp"
#include "provider/s3/store.hpp"
#include "wire/digest.hpp"

namespace snapvault::provider {
namespace {

constexpr std::uint64_t kAtOnce = 16;
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
  auto keys = std::move(request.keys);
  bool refused = false;
  if (batch_removes_ && keys.size() > 1) {
    auto removing = remove_batch(keys, request.limits);
    auto left = co_await std::move(removing);
    if (left) {
      keys = *std::move(left);
    } else {
      // One by one shows which of them it is that the server fails at.
      refused = is_not_offered(left.error());
      if (!refused && !is_broken(left.error())) co_return std::move(left).error();
    }
  }
  if (keys.empty()) co_return Result<void>();
  auto removing = remove_singly(std::move(keys), std::move(request.limits));
  auto removed = co_await std::move(removing);
  if (removed && refused) batch_removes_ = false;
  co_return removed;
}

// The keys that are left: a request of its own for each waits, or says why not.
base::Task<Result<std::vector<std::string>>> S3Store::remove_batch(std::vector<std::string> keys,
                                                                   RequestLimits limits) {
  for (auto& key : keys) key.insert(0, settings_.prefix);
  const auto text = wire::build_s3_delete(keys);
  const auto bytes = base::as_bytes(text);
  auto call = make_call("POST", "");
  call.request.query.push_back({"delete", ""});
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.request.headers.set("Content-Type", "application/xml");
  call.request.headers.set("Content-MD5", wire::md5_base64(call.request.body));
  call.answer_max = kAnswerMax;
  auto sending = send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  SV_CO_TRY_NOW(auto undeleted, wire::parse_s3_delete(answer->text()));
  std::vector<std::string> left;
  std::sort(keys.begin(), keys.end());
  for (auto& one : undeleted) {
    if (one.code == "NoSuchKey") continue;
    if (!std::binary_search(keys.begin(), keys.end(), one.key)) {
      co_return Error(Errc::data_loss, reason::bad_answer,
                      "the store failed to remove what it was not told to")
          .with_subject(settings_.bucket)
          .with_request_id(request_id(*answer));
    }
    left.push_back(one.key.substr(settings_.prefix.size()));
  }
  co_return left;
}

base::Task<Result<void>> S3Store::remove_singly(std::vector<std::string> keys,
                                                RequestLimits limits) {
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (const auto& key : keys) {
      auto spawning = group.spawn(remove_one(key, limits));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto removing = base::with_group(env().loop(), kAtOnce, body);
  auto removed = co_await std::move(removing);
  co_return removed;
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
