// Removals of Swift: many in one request, or one by one where the server does not take that. Large
// objects go with their segments.
#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/swift/store.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::swift {
namespace {

constexpr std::uint64_t kAtOnce = 16;
constexpr std::uint64_t kAnswerMax = 4u << 20;

Error not_removed(const std::string& name, const std::string& status, int number) {
  const bool denied = status.starts_with("403") || status.starts_with("401");
  return Error(denied ? Errc::permission_denied : Errc::unavailable,
               denied ? reason::permission : reason::store_failed,
               "the store did not remove an object: " + status.substr(0, 80))
      .with_subject(name.substr(0, 1024))
      .with_native(number);
}

}  // namespace

// Whether this repository ever made a large object: only then does each removal have to look.
base::Task<Result<bool>> SwiftProvider::has_segments(RequestLimits limits) {
  if (segments_made_) co_return true;
  auto listing = list_entries(segments_container(), address_.prefix, {}, 1, std::move(limits));
  const auto entries = co_await std::move(listing);
  if (entries) {
    segments_made_ = !entries->empty();
    co_return segments_made_;
  }
  // No such container, or none of our business: then there are no segments of ours in it.
  const auto code = entries.error().code();
  if (code == Errc::not_found || code == Errc::permission_denied) co_return false;
  co_return entries.error();
}

base::Task<Result<void>> SwiftProvider::sort_out(const std::string& key, RequestLimits limits,
                                                 std::vector<std::string>& large,
                                                 std::vector<std::string>& small) {
  auto asking = ask(object_call("HEAD", key), std::move(limits));
  const auto answer = co_await std::move(asking);
  if (!answer && answer.error().code() == Errc::not_found) co_return Result<void>();
  if (!answer) co_return answer.error();
  const auto slo = answer->headers.get("X-Static-Large-Object");
  (slo == "True" || slo == "true" ? large : small).push_back(key);
  co_return Result<void>();
}

base::Task<Result<void>> SwiftProvider::do_remove(RemoveRequest request) {
  auto asking = has_segments(request.limits);
  const auto segments = co_await std::move(asking);
  if (!segments) co_return segments.error();
  std::vector<std::string> large, small;
  if (*segments) {
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (const auto& key : request.keys) {
        auto spawning = group.spawn(sort_out(key, request.limits, large, small));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    auto sorting = base::with_group(env().loop(), kAtOnce, body);
    SV_CO_CHECK(std::move(sorting));
  } else {
    small = request.keys;
  }
  for (const auto& key : large) {
    auto removing = remove_large(key, request.limits);
    SV_CO_CHECK(std::move(removing));
  }
  std::vector<std::string> paths;
  for (const auto& key : small) paths.push_back(path_of(address_.container, object_name(key)));
  auto removing = remove_small(std::move(paths), request.limits);
  auto removed = co_await std::move(removing);
  co_return removed;
}

base::Task<Result<void>> SwiftProvider::remove_small(std::vector<std::string> paths,
                                                     RequestLimits limits) {
  while (bulk_works_ && paths.size() > 1) {
    const auto count = std::min(bulk_max_, paths.size());
    const auto end = paths.begin() + static_cast<std::ptrdiff_t>(count);
    auto removing = remove_bulk(std::vector<std::string>(paths.begin(), end), limits);
    auto left = co_await std::move(removing);
    if (left) {
      paths.erase(paths.begin(), end);
      auto each = remove_each(*left, limits);
      SV_CO_CHECK(std::move(each));
      continue;
    }
    // Without the middleware the request is one to the account, or of an unknown form.
    const int status = left.error().native();
    if (status == 413 && bulk_max_ > 1) {
      bulk_max_ /= 2;
      continue;
    }
    const bool unknown = status == 400 || status == 403 || status == 404 || status == 405 ||
                         status == 411 || status == 501 ||
                         left.error().reason() == reason::bad_answer;
    if (!unknown) co_return left.error();
    bulk_works_ = false;
  }
  auto each = remove_each(paths, std::move(limits));
  auto removed = co_await std::move(each);
  co_return removed;
}

// Swift's documentation of the middleware "bulk". Answers the paths that were not removed.
base::Task<Result<std::vector<std::string>>> SwiftProvider::remove_bulk(
    std::vector<std::string> paths, RequestLimits limits) {
  std::string text;
  for (const auto& path : paths) text += path.substr(1) + "\n";
  const auto bytes = base::as_bytes(text);
  auto call = call_for("POST", "", address_.container);
  call.request.query.push_back({"bulk-delete", ""});
  call.request.headers.add("Content-Type", "text/plain");
  call.request.headers.add("Accept", "application/json");
  call.request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  call.answer_max = kAnswerMax;
  auto asking = ask(std::move(call), std::move(limits));
  const auto answer = co_await std::move(asking);
  if (!answer) co_return answer.error();
  SV_CO_TRY_NOW(const auto said, wire::parse_swift_deletion(answer->text()));
  std::vector<std::string> left;
  for (const auto& failure : said.failures) {
    // Each is asked for once more, alone: then the answer is about it only.
    const auto path = failure.name.starts_with('/') ? failure.name : "/" + failure.name;
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
      co_return not_removed(failure.name, failure.status, said.status);
    }
    left.push_back(path);
  }
  if (left.empty() && said.deleted + said.not_found < paths.size()) co_return paths;
  co_return left;
}

base::Task<Result<void>> SwiftProvider::remove_each(const std::vector<std::string>& paths,
                                                    RequestLimits limits) {
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (const auto& path : paths) {
      auto spawning = group.spawn(remove_one(path, limits));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto removing = base::with_group(env().loop(), kAtOnce, body);
  auto removed = co_await std::move(removing);
  co_return removed;
}

base::Task<Result<void>> SwiftProvider::remove_one(std::string path, RequestLimits limits) {
  auto asking = ask(call_for("DELETE", path, path), std::move(limits));
  const auto answer = co_await std::move(asking);
  if (answer || answer.error().code() == Errc::not_found) co_return Result<void>();
  co_return answer.error();
}

// Swift's documentation of the middleware "slo": the manifest and all of its segments.
base::Task<Result<void>> SwiftProvider::remove_large(std::string key, RequestLimits limits) {
  auto call = object_call("DELETE", key);
  call.request.query.push_back({"multipart-manifest", "delete"});
  call.request.headers.add("Accept", "application/json");
  call.answer_max = kAnswerMax;
  auto asking = ask(std::move(call), std::move(limits));
  const auto answer = co_await std::move(asking);
  if (!answer && answer.error().code() == Errc::not_found) co_return Result<void>();
  if (!answer) co_return answer.error();
  if (answer->body.empty()) co_return Result<void>();
  SV_CO_TRY_NOW(const auto said, wire::parse_swift_deletion(answer->text()));
  if (said.failures.empty()) co_return Result<void>();
  co_return not_removed(key, said.failures.front().status, said.status);
}

}  // namespace snapvault::provider::swift
