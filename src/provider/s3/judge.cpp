#include "provider/s3/judge.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "provider/refusal.hpp"
#include "wire/retry.hpp"
#include "wire/s3_answers.hpp"

namespace snapvault::provider {
namespace {

using Action = Verdict::Action;

// How each code that servers use is taken. Sources: Amazon S3 API Reference, "Error responses";
// MinIO, Ceph, Garage and versitygw for codes of their own.
constexpr const char* kFreshToken = "fetch a new session token";
constexpr const char* kNameRegion = "name it with region= in the address";
constexpr const char* kSetClock = "set the clock, for example by NTP";
constexpr const char* kMoreRoom = "give it more room, or delete snapshots";
constexpr const char* kOtherBytes = "the store received other bytes than were sent";
constexpr const char* kOtherRegion = "the bucket is in another region";
constexpr const char* kSkewed = "this machine's clock differs too much from the store's";
constexpr const char* kFull = "the store is full";
constexpr const char* kQuota = "the bucket is full: its quota is used up";
constexpr const char* kRace = "the store was settling a race for the object";
constexpr const char* kBusy = "the store has too much to do";

constexpr Refusal kRefusals[] = {
    {"NoSuchKey", Action::refuse, Errc::not_found, reason::no_object, "the object does not exist"},
    {"NoSuchBucket", Action::refuse, Errc::not_found, reason::no_bucket,
     "the bucket does not exist", "check its name, or make it with init --create-bucket"},
    {"AccessDenied", Action::refuse, Errc::permission_denied, reason::permission,
     "the store does not allow this to the credential",
     "the rights to list, read, create and remove objects are needed; doctor tries each"},
    {"InvalidAccessKeyId", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store does not know the access key",
     "check AWS_ACCESS_KEY_ID or the profile; doctor says where it came from"},
    {"SignatureDoesNotMatch", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store refuses the signature: the secret key is another one",
     "check AWS_SECRET_ACCESS_KEY or the profile; doctor says where it came from"},
    {"Unauthorized", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store does not accept the credential", "doctor says where it came from"},
    {"ExpiredToken", Action::renew, Errc::unauthenticated, reason::expired_credential,
     "the session of the credential has ended", kFreshToken},
    {"TokenRefreshRequired", Action::renew, Errc::unauthenticated, reason::expired_credential,
     "the session of the credential must be renewed", kFreshToken},
    {"InvalidToken", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store does not accept the session token", kFreshToken},
    {"InvalidTokenId", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store does not accept the session token", kFreshToken},
    {"RequestTimeTooSkewed", Action::clock, Errc::unauthenticated, reason::clock_skew, kSkewed,
     kSetClock},
    {"RequestExpired", Action::clock, Errc::unauthenticated, reason::clock_skew, kSkewed,
     kSetClock},
    {"AuthorizationHeaderMalformed", Action::renew, Errc::invalid_argument, reason::wrong_region,
     kOtherRegion, kNameRegion},
    {"PermanentRedirect", Action::renew, Errc::invalid_argument, reason::wrong_region, kOtherRegion,
     kNameRegion},
    {"TemporaryRedirect", Action::renew, Errc::invalid_argument, reason::wrong_region, kOtherRegion,
     kNameRegion},
    {"Redirect", Action::renew, Errc::invalid_argument, reason::wrong_region, kOtherRegion,
     kNameRegion},
    {"InvalidRegion", Action::renew, Errc::invalid_argument, reason::wrong_region, kOtherRegion,
     kNameRegion},
    {"IllegalLocationConstraintException", Action::renew, Errc::invalid_argument,
     reason::wrong_region, kOtherRegion, kNameRegion},
    {"PreconditionFailed", Action::refuse, Errc::already_exists, reason::object_exists,
     "the object exists already"},
    {"ConditionalRequestConflict", Action::repeat, Errc::unavailable, reason::busy, kRace},
    {"OperationAborted", Action::repeat, Errc::unavailable, reason::busy, kRace},
    {"NoSuchUpload", Action::refuse, Errc::precondition_failed, reason::store_failed,
     "the store lost an upload in parts"},
    {"InvalidRange", Action::refuse, Errc::invalid_argument, reason::range,
     "the range reaches past the object's end"},
    {"InvalidObjectState", Action::refuse, Errc::precondition_failed, reason::store_failed,
     "the object lies in an archive class", "have it restored by the store first"},
    {"KeyTooLongError", Action::refuse, Errc::invalid_argument, reason::bad_name,
     "the name is too long for the store, with the prefix of the address before it"},
    {"InvalidBucketName", Action::refuse, Errc::invalid_argument, reason::bad_url,
     "the store takes no bucket of that name"},
    {"EntityTooLarge", Action::refuse, Errc::resource_exhausted, reason::too_large,
     "the store takes no request that large", "set part_mib= in the address lower"},
    {"QuotaExceeded", Action::refuse, Errc::resource_exhausted, reason::no_space, kQuota,
     kMoreRoom},
    {"ServiceQuotaExceededException", Action::refuse, Errc::resource_exhausted, reason::no_space,
     kQuota, kMoreRoom},
    {"XMinioAdminBucketQuotaExceeded", Action::refuse, Errc::resource_exhausted, reason::no_space,
     kQuota, kMoreRoom},
    {"XMinioStorageFull", Action::refuse, Errc::resource_exhausted, reason::no_space, kFull,
     kMoreRoom},
    {"InsufficientStorage", Action::refuse, Errc::resource_exhausted, reason::no_space, kFull,
     kMoreRoom},
    {"BadDigest", Action::repeat, Errc::data_loss, reason::store_failed, kOtherBytes},
    {"XAmzContentSHA256Mismatch", Action::repeat, Errc::data_loss, reason::store_failed,
     kOtherBytes},
    {"XAmzContentChecksumMismatch", Action::repeat, Errc::data_loss, reason::store_failed,
     kOtherBytes},
    {"IncompleteBody", Action::repeat, Errc::unavailable, reason::lost_answer,
     "the store received a part of the request only"},
    {"RequestTimeout", Action::repeat, Errc::unavailable, reason::busy,
     "the store waited too long for the request"},
    {"SlowDown", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"SlowDownRead", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"SlowDownWrite", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"ServiceUnavailable", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"Throttling", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"ThrottlingException", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"TooManyRequests", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"RequestLimitExceeded", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"InternalError", Action::repeat, Errc::unavailable, reason::store_failed,
     "the store failed inside"},
};

const Refusal* refusal_of(std::string_view word) noexcept { return find_refusal(kRefusals, word); }

// A code for a refusal without a body, as HEAD has it.
std::string_view code_of(int status) noexcept {
  switch (status) {
    case 401:
      return "Unauthorized";
    case 403:
      return "AccessDenied";
    case 404:
      return "NoSuchKey";
    case 412:
      return "PreconditionFailed";
    case 413:
      return "EntityTooLarge";
    case 416:
      return "InvalidRange";
    case 507:
      return "InsufficientStorage";
    default:
      return {};
  }
}

Error finish(Error error, const wire::Response& response, const wire::S3Error& said) {
  auto id = request_id(response);
  if (id.empty()) {
    for (const char c : said.request_id.substr(0, 128)) {
      if (c > ' ' && c < 0x7F) id += c;
    }
  }
  return std::move(error).with_native(response.status).with_request_id(id);
}

std::string shown(const wire::S3Error& said) {
  std::string out;
  const auto text = said.message.empty() ? said.code : said.code + ": " + said.message;
  for (const char c : text.substr(0, 200)) {
    if (c >= ' ' && c < 0x7F) out += c;
  }
  return out;
}

// A code that this file does not know, or none.
Verdict refuse_unknown(const wire::Response& response, const wire::S3Error& said) {
  Verdict out;
  const int status = response.status;
  const bool passing = wire::is_passing(status);
  out.action = passing ? Action::repeat : Action::refuse;
  out.maybe_done = passing && wire::may_be_done(status);
  out.busy = status == 429 || status == 503;
  const auto text = said.code.empty() ? "the store answered with status " + std::to_string(status)
                                      : "the store answered " + shown(said);
  auto error = Error(passing ? Errc::unavailable : Errc::precondition_failed,
                     out.busy ? reason::busy : reason::store_failed, text);
  if (status >= 300 && status < 400) {
    error = std::move(error).with_hint("no redirect is followed: name the endpoint it leads to");
  }
  out.error = finish(std::move(error), response, said);
  return out;
}

Verdict refuse(const wire::Response& response, const wire::S3Error& said) {
  const auto* found = refusal_of(said.code);
  if (!found && said.code.empty()) found = refusal_of(code_of(response.status));
  if (!found) return refuse_unknown(response, said);
  Verdict out;
  out.action = found->action;
  out.maybe_done = found->action == Action::repeat && wire::may_be_done(response.status) &&
                   response.status != 408;
  out.busy = std::string_view(found->message) == kBusy;
  out.error = finish(found->error(), response, said);
  return out;
}

// The answers to refusals by region: another region is worth another try only if one was named.
Verdict refuse_region(const wire::Response& response, const wire::S3Error& said,
                      const std::function<void(const std::string&)>& see_region) {
  auto region = said.region;
  if (region.empty()) region = response.headers.get("x-amz-bucket-region");
  if (!region.empty()) {
    see_region(region);
    auto named = said;
    if (named.code.empty()) named.code = "PermanentRedirect";
    return refuse(response, named);
  }
  if (said.code == "AuthorizationHeaderMalformed") {
    Verdict out;
    out.action = Action::refuse;
    out.error = finish(Error(Errc::unauthenticated, reason::bad_credential,
                             "the store cannot read the signature: the access key may be none")
                           .with_hint("check AWS_ACCESS_KEY_ID or the profile"),
                       response, said);
    return out;
  }
  auto out = refuse(response, said);
  if (out.action == Action::renew) out.action = Action::refuse;
  return out;
}

bool is_of_region(const wire::Response& response, const wire::S3Error& said) noexcept {
  const auto* found = refusal_of(said.code);
  if (found) return std::string_view(found->reason) == reason::wrong_region;
  const int status = response.status;
  if (!said.code.empty()) return false;
  // As HEAD has it, which Amazon answers with 400 where the signature names another region.
  return (status == 301 || status == 307 || status == 400) &&
         response.headers.find("x-amz-bucket-region") != nullptr;
}

bool is_completion(const wire::Request& request) noexcept {
  return request.method == "POST" &&
         std::any_of(request.query.begin(), request.query.end(),
                     [](const wire::Field& field) { return field.name == "uploadId"; });
}

bool is_list(const wire::Request& request) noexcept {
  return std::any_of(request.query.begin(), request.query.end(),
                     [](const wire::Field& field) { return field.name == "list-type"; });
}

// A success may turn out to be none after its head was sent.
Verdict judge_success(const wire::Request& request, const wire::Response& response) {
  if (request.method != "POST" && !is_list(request)) return {};
  const auto said = wire::parse_s3_error(response.text());
  if (said.code.empty()) {
    if (!is_completion(request)) return {};
    auto complete = wire::parse_s3_complete(response.text());
    if (complete) return {};
    return {Action::repeat, finish(std::move(complete).error(), response, said), true, false};
  }
  auto out = refuse(response, said);
  if (!refusal_of(said.code)) out.action = Action::repeat;
  if (out.action == Action::repeat) out.maybe_done = true;
  return out;
}

}  // namespace

Verdict judge_s3(const wire::Request& request, const wire::Response& response,
                 const std::function<void(const std::string&)>& see_region) {
  if (response.status >= 200 && response.status < 300) return judge_success(request, response);
  const auto said = wire::parse_s3_error(response.text());
  if (is_of_region(response, said)) return refuse_region(response, said, see_region);
  return refuse(response, said);
}

bool is_not_understood(const Error& error) noexcept {
  if (error.native() == 501) return true;
  return (error.native() == 400 || error.native() == 405) &&
         error.reason() == reason::store_failed && error.code() == Errc::precondition_failed;
}

}  // namespace snapvault::provider
