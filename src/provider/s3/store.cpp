#include "provider/s3/store.hpp"

#include <algorithm>
#include <utility>

#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"
#include "provider/s3/judge.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"
#include "wire/sigv4.hpp"

namespace snapvault::provider {
namespace {

// Below this hashing costs less than a second thread; above it, it would hold up the loop, and TLS
// and the checksum guard the body anyway.
constexpr std::uint64_t kHashedInline = 16 << 10;
// A refusal of a small body costs less than waiting for leave to send it.
constexpr std::uint64_t kExpectFrom = 1 << 20;
constexpr std::uint64_t kListAnswerMax = 8 << 20;
// Pages of nothing but others' names, or of none, in a row.
constexpr unsigned kEmptyPagesMax = 100'000;

ExchangerOptions exchanger_options(const S3Settings& settings) {
  ExchangerOptions out;
  out.origins = settings.origins;
  return out;
}

}  // namespace

S3Store::S3Store(S3Settings settings, std::unique_ptr<S3Signer> signer, Surroundings around)
    : RemoteStore(around.env),
      settings_(std::move(settings)),
      signer_(std::move(signer)),
      transport_(around.transport),
      exchanger_(
          *around.env, transport_, signer_.get(),
          [this](const wire::Request& request, const wire::Response& response) {
            return judge_s3(request, response,
                            [this](const std::string& region) { signer_->see_region(region); });
          },
          exchanger_options(settings_)),
      part_size_(settings_.part_size) {}

Capabilities S3Store::capabilities() const { return shared_capabilities("s3"); }

Call S3Store::make_call(std::string method, const std::string& key) const {
  Call call;
  call.request.method = std::move(method);
  call.request.path = "/";
  if (settings_.path_style) call.request.path += wire::encode(settings_.bucket);
  if (!key.empty()) {
    if (settings_.path_style) call.request.path += '/';
    call.request.path += wire::encode_path(settings_.prefix + key);
  }
  call.subject = key.empty() ? settings_.bucket : key;
  return call;
}

base::Task<Result<wire::Response>> S3Store::send(Call call, RequestLimits limits) {
  const auto& body = call.request.body;
  std::string hash = wire::kEmptyPayload;
  if (body.size() > kHashedInline && settings_.tls) {
    hash = wire::kUnsignedPayload;
  } else if (body.size() > kHashedInline) {
    auto work = [&body] { return wire::sha256_hex(body); };
    auto hashing = base::run_on(env(), env().cpu(), work);
    hash = co_await std::move(hashing);
  } else if (body.size() > 0) {
    hash = wire::sha256_hex(body);
  }
  call.request.headers.set("X-Amz-Content-Sha256", hash);
  call.expect_continue = body.size() >= kExpectFrom;
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (answer) bucket_seen_ = true;
  co_return answer;
}

void S3Store::add_sse_c(wire::Fields& headers) const {
  if (settings_.sse_c_key.empty()) return;
  headers.set("x-amz-server-side-encryption-customer-algorithm", "AES256");
  headers.set("x-amz-server-side-encryption-customer-key", settings_.sse_c_key.reveal());
  headers.set("x-amz-server-side-encryption-customer-key-MD5", settings_.sse_c_md5);
}

base::Task<Result<base::Bytes>> S3Store::do_get(GetRequest request) {
  auto call = make_call("GET", request.key);
  add_sse_c(call.request.headers);
  call.answer_max = answer_max(request, capabilities().object_size_max);
  SV_CO_TRY_NOW(const auto range, range_field(request));
  if (!range.empty()) call.request.headers.set("Range", range);
  auto sending = send(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  if (range.empty()) co_return std::move(answer->body);
  co_return cut_out(request, *std::move(answer));
}

base::Task<Result<wire::Response>> S3Store::head(std::string key, RequestLimits limits) {
  auto call = make_call("HEAD", key);
  add_sse_c(call.request.headers);
  auto sending = send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  co_return answer;
}

// The answer to a HEAD has no body, which would say why. A GET has; and where that is granted what
// was wrong with the first request has been set right since, such as the clock.
base::Task<Result<void>> S3Store::explain(std::string key, Error error, RequestLimits limits) {
  const auto status = error.native();
  if (status == 404 && !bucket_seen_) {
    auto listing = list_raw(settings_.prefix, {}, {}, 1, std::move(limits));
    const auto listed = co_await std::move(listing);
    if (!listed && listed.error().reason() == reason::no_bucket) co_return listed.error();
    co_return error;
  }
  if (status != 400 && status != 401 && status != 403) co_return error;
  auto call = make_call("GET", key);
  add_sse_c(call.request.headers);
  call.request.headers.set("Range", "bytes=0-0");
  auto asking = send(std::move(call), std::move(limits));
  const auto answer = co_await std::move(asking);
  // An empty object has no first byte.
  if (answer || answer.error().reason() == reason::range) co_return Result<void>();
  if (answer.error().reason() == reason::bad_answer) co_return error;
  co_return answer.error();
}

base::Task<Result<ObjectInfo>> S3Store::do_stat(StatRequest request) {
  auto asking = head(request.key, request.limits);
  auto answer = co_await std::move(asking);
  if (!answer) {
    auto explaining = explain(request.key, answer.error(), request.limits);
    auto explained = co_await std::move(explaining);
    if (!explained) co_return std::move(explained).error();
    auto again = head(request.key, request.limits);
    answer = co_await std::move(again);
    if (!answer) co_return std::move(answer).error();
  }
  const auto size = wire::parse_number(answer->headers.get("Content-Length"));
  if (!size) {
    co_return bad_answer(*answer, "the store does not tell the object's size", request.key);
  }
  ObjectInfo info;
  info.key = request.key;
  info.size = *size;
  info.modified = wire::parse_http_date(answer->headers.get("Last-Modified")).value_or(0);
  co_return info;
}

base::Task<Result<wire::S3List>> S3Store::list_raw(std::string prefix, std::string start_after,
                                                   std::string token, std::uint32_t max_keys,
                                                   RequestLimits limits) {
  auto call = make_call("GET", "");
  call.answer_max = kListAnswerMax;
  auto& query = call.request.query;
  query.push_back({"list-type", "2"});
  query.push_back({"encoding-type", "url"});
  query.push_back({"max-keys", std::to_string(max_keys)});
  query.push_back({"prefix", std::move(prefix)});
  if (!start_after.empty()) query.push_back({"start-after", std::move(start_after)});
  if (!token.empty()) query.push_back({"continuation-token", std::move(token)});
  auto sending = send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  auto list = wire::parse_s3_list(answer->text());
  if (list) co_return list;
  auto error = std::move(list).error();
  co_return std::move(error).with_subject(settings_.bucket).with_request_id(request_id(*answer));
}

// Adds what is ours of a page: names of others beside ours are not ours to report, and some servers
// begin anew where they do not find the name to start after.
Result<void> S3Store::add_own(std::vector<ObjectInfo> objects, const std::string& start_after,
                              ListPage& page) const {
  for (auto& object : objects) {
    if (!object.key.starts_with(settings_.prefix)) {
      return Error(Errc::data_loss, reason::list_incomplete,
                   "the store listed a key outside of what it was asked for");
    }
    object.key.erase(0, settings_.prefix.size());
    if (is_key(object.key) && object.key > start_after) page.objects.push_back(std::move(object));
  }
  return {};
}

base::Task<Result<ListPage>> S3Store::do_list(ListRequest request) {
  ListPage page;
  const auto prefix = settings_.prefix + request.prefix;
  auto after = request.start_after.empty() ? "" : settings_.prefix + request.start_after;
  std::string token;
  for (unsigned empty = 0;; ++empty) {
    auto listing = list_raw(prefix, after, token, request.max_keys, request.limits);
    auto list = co_await std::move(listing);
    if (!list) co_return std::move(list).error();
    const auto last = list->objects.empty() ? std::string() : list->objects.back().key;
    SV_CO_CHECK_NOW(add_own(std::move(list->objects), request.start_after, page));
    page.truncated = list->truncated;
    if (!list->truncated || !page.objects.empty()) break;
    // Nothing of ours, and more follows: behind the last name, or where the server says.
    const bool stuck = last.empty() ? list->next_token == token : empty > 0 && last <= after;
    if (stuck || empty >= kEmptyPagesMax) {
      co_return Error(Errc::data_loss, reason::list_incomplete, "the store's list comes to no end")
          .with_subject(settings_.bucket);
    }
    token = last.empty() ? std::move(list->next_token) : std::string();
    if (!last.empty()) after = last;
  }
  if (page.objects.size() > request.max_keys) {  // a server may take no notice of max-keys
    page.objects.resize(request.max_keys);
    page.truncated = true;
  }
  co_return page;
}

}  // namespace snapvault::provider
