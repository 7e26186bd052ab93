#include "provider/gcs/store.hpp"

#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/gcs/judge.hpp"
#include "provider/request.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::gcs {
namespace {

ExchangerOptions exchanger_options(const Settings& settings) {
  ExchangerOptions out;
  out.origins = settings.origins;
  return out;
}

// The whole object, against the sum that the store keeps of it: "crc32c=AAAAAA==,md5=...".
Result<base::Bytes> take_whole(const GetRequest& request, wire::Response answer) {
  for (const auto& field : answer.headers) {
    if (!wire::equal_in_any_case(field.name, "x-goog-hash")) continue;
    const auto at = field.value.find("crc32c=");
    if (at == std::string::npos) continue;
    const auto kept = std::string_view(field.value).substr(at + 7, 8);
    if (kept != wire::crc32c_base64(answer.body)) {
      return bad_answer(answer, "the store sent other bytes than it keeps", request.key);
    }
  }
  return std::move(answer.body);
}

}  // namespace

GcsStore::GcsStore(Settings settings, Surroundings around)
    : RemoteStore(around.env),
      settings_(std::move(settings)),
      tokens_(around, settings_),
      transport_(around.transport),
      exchanger_(*around.env, transport_, &tokens_, judge_gcs, exchanger_options(settings_)),
      part_size_(settings_.part_size) {}

Capabilities GcsStore::capabilities() const { return shared_capabilities("gcs"); }

Call GcsStore::make_call(std::string method, const std::string& key) const {
  Call call;
  call.request.method = std::move(method);
  call.request.path = "/storage/v1/b/" + wire::encode(settings_.bucket);
  // "/" in a name is encoded too: Cloud Storage, "Encoding URI path parts".
  if (!key.empty()) call.request.path += "/o/" + wire::encode(settings_.prefix + key);
  call.subject = key.empty() ? settings_.bucket : key;
  return call;
}

// Google says whether it is the object or the bucket that does not exist; of other servers the
// bucket is asked for, once.
base::Task<Result<wire::Response>> GcsStore::send_to_object(Call call, RequestLimits limits) {
  auto sending = exchanger_.send(std::move(call), limits);
  auto answer = co_await std::move(sending);
  if (answer) bucket_seen_ = true;
  const bool unsure = !answer && answer.error().reason() == reason::no_object;
  if (!unsure || bucket_seen_ || settings_.vendor) co_return answer;
  auto looking = exchanger_.send(make_call("GET", ""), std::move(limits));
  auto bucket = co_await std::move(looking);
  if (!bucket && bucket.error().reason() == reason::no_bucket) co_return std::move(bucket).error();
  bucket_seen_ = true;
  co_return answer;
}

base::Task<Result<base::Bytes>> GcsStore::do_get(GetRequest request) {
  auto call = make_call("GET", request.key);
  call.request.query.push_back({"alt", "media"});
  call.answer_max = answer_max(request, capabilities().object_size_max);
  SV_CO_TRY_NOW(const auto range, range_field(request));
  if (!range.empty()) call.request.headers.set("Range", range);
  auto sending = send_to_object(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  if (range.empty()) co_return take_whole(request, *std::move(answer));
  co_return cut_out(request, *std::move(answer));
}

base::Task<Result<ObjectInfo>> GcsStore::do_stat(StatRequest request) {
  auto call = make_call("GET", request.key);
  call.request.query.push_back({"fields", "name,size,updated,crc32c"});
  auto sending = send_to_object(std::move(call), request.limits);
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  const auto object = wire::parse_gcs_object(answer->text());
  if (!object) co_return bad_answer(*answer, object.error().message(), request.key);
  if (object->name != settings_.prefix + request.key) {
    co_return bad_answer(*answer, "the store tells of another object than asked for", request.key);
  }
  ObjectInfo info;
  info.key = request.key;
  info.size = object->size;
  info.modified = object->updated;
  co_return info;
}

}  // namespace snapvault::provider::gcs
