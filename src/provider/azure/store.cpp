#include "provider/azure/store.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/azure/judge.hpp"
#include "provider/request.hpp"
#include "wire/encode.hpp"
#include "wire/s3_answers.hpp"

namespace snapvault::provider::azure {
namespace {

// A server that ignores ranges sends all: as much of it is taken in as for any answer.
constexpr std::uint64_t kAnswerLeast = 1 << 20;

ExchangerOptions exchanger_options(const Account& account) {
  ExchangerOptions out;
  out.origins = account.origins;
  return out;
}

std::unique_ptr<Tokens> tokens_for(const Account& account, const Surroundings& around) {
  if (account.token_sources.empty()) return nullptr;
  return std::make_unique<Tokens>(around, account);
}

Error bad_answer(const wire::Response& answer, std::string_view message, std::string_view subject) {
  return Error(Errc::data_loss, reason::bad_answer, message)
      .with_subject(subject)
      .with_native(answer.status)
      .with_request_id(request_id(answer));
}

// Errors: invalid_argument (range).
Result<void> inside(const GetRequest& request, std::uint64_t size) {
  SV_TRY(const auto length, range_length(request, size));
  (void)length;
  return {};
}

// The bytes of `request` out of the answer to it. The store cuts a range at the blob's end, and
// says of what it is a part.
Result<base::Bytes> cut_out(const GetRequest& request, wire::Response answer) {
  const auto said = answer.headers.get("Content-Range");
  if (answer.status != 206 && said.empty()) {
    SV_TRY(const auto length, range_length(request, answer.body.size()));
    const auto from = answer.body.begin() + static_cast<std::ptrdiff_t>(request.offset);
    return base::Bytes(from, from + static_cast<std::ptrdiff_t>(length));
  }
  // Azurite answers a range that begins at the blob's end with "bytes 10-9/10".
  const auto slash = said.rfind('/');
  if (slash != std::string_view::npos) {
    if (const auto size = wire::parse_number(said.substr(slash + 1))) {
      SV_CHECK(inside(request, *size));
    }
  }
  const auto range = wire::parse_content_range(said);
  if (!range || range->first != request.offset || answer.body.empty() ||
      range->last - range->first != answer.body.size() - 1) {
    return bad_answer(answer, "the store answered another range than asked for", request.key);
  }
  SV_TRY(const auto length, range_length(request, range->size.value_or(range->last + 1)));
  if (answer.body.size() != length) {
    return bad_answer(answer, "the store answered fewer bytes than asked for", request.key);
  }
  return std::move(answer.body);
}

}  // namespace

AzureStore::AzureStore(Account account, Surroundings around)
    : AwaitingProvider(around.env),
      account_(std::move(account)),
      signer_(account_, tokens_for(account_, around)),
      transport_(around.transport),
      exchanger_(
          *around.env, transport_, &signer_,
          [this](const wire::Request& request, const wire::Response& response) {
            return judge_azure(request, response, circumstances(response));
          },
          exchanger_options(account_)),
      part_size_(account_.part_size) {}

Circumstances AzureStore::circumstances(const wire::Response& response) const {
  Circumstances out;
  out.dated = account_.key.has_value();
  const auto date = wire::parse_http_date(response.headers.get("Date"));
  if (date) out.ahead = *date - exchanger_.now();
  if (account_.sas.empty()) return out;
  const auto end = sas_end(account_.sas.reveal());
  out.ended = end && *end <= date.value_or(exchanger_.now());
  return out;
}

Capabilities AzureStore::capabilities() const {
  Capabilities out;
  out.kind = "azure";
  const auto winners = winners_.load();
  out.exclusive_create = winners == 1;
  out.durable_put = true;
  out.parallel_requests = 24;
  if (winners != 1) out.weak_because = weak_because(winners);
  return out;
}

Call AzureStore::make_call(std::string method, const std::string& key) const {
  Call call;
  call.request.method = std::move(method);
  call.request.path = account_.path_style ? "/" + account_.name + "/" : "/";
  call.request.path += wire::encode(account_.container);
  if (key.empty()) {
    call.request.query.push_back({"restype", "container"});
  } else {
    call.request.path += "/" + wire::encode_path(account_.prefix + key);
  }
  call.subject = key.empty() ? account_.container : key;
  return call;
}

base::Task<Result<base::Bytes>> AzureStore::do_get(GetRequest request) {
  auto call = make_call("GET", request.key);
  call.answer_max = capabilities().object_size_max;
  const bool ranged = request.offset != 0 || request.length != 0;
  std::string last;
  if (request.length != 0) {
    const auto end = base::add(request.offset, request.length);
    if (!end) co_return range_length(request, 0).error();
    last = std::to_string(*end - 1);
    call.answer_max = std::max(request.length, kAnswerLeast);
  }
  if (ranged) {
    call.request.headers.set("x-ms-range", "bytes=" + std::to_string(request.offset) + "-" + last);
  }
  auto sending = exchanger_.send(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  if (!ranged) co_return std::move(answer->body);
  co_return cut_out(request, *std::move(answer));
}

base::Task<Result<ObjectInfo>> AzureStore::do_stat(StatRequest request) {
  auto sending = exchanger_.send(make_call("HEAD", request.key), request.limits);
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
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

}  // namespace snapvault::provider::azure
