#include "provider/azure/store.hpp"

#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/azure/judge.hpp"
#include "provider/request.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::azure {
namespace {

ExchangerOptions exchanger_options(const Account& account) {
  ExchangerOptions out;
  out.origins = account.origins;
  return out;
}

std::unique_ptr<Tokens> tokens_for(const Account& account, const Surroundings& around) {
  if (account.token_sources.empty()) return nullptr;
  return std::make_unique<Tokens>(around, account);
}

}  // namespace

AzureStore::AzureStore(Account account, Surroundings around)
    : RemoteStore(around.env),
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

Capabilities AzureStore::capabilities() const { return shared_capabilities("azure"); }

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
  call.answer_max = answer_max(request, capabilities().object_size_max);
  SV_CO_TRY_NOW(const auto range, range_field(request));
  if (!range.empty()) call.request.headers.set("x-ms-range", range);
  auto sending = exchanger_.send(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  if (range.empty()) co_return std::move(answer->body);
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
