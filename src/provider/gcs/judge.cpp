#include "provider/gcs/judge.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "provider/refusal.hpp"
#include "wire/gcs_answers.hpp"
#include "wire/retry.hpp"

namespace snapvault::provider::gcs {
namespace {

using Action = Verdict::Action;

constexpr const char* kRights =
    "the rights to list, read, create and delete objects are needed "
    "(roles/storage.objectUser); doctor tries each";
constexpr const char* kDoctor = "doctor says where the credential came from";

// How each reason is taken. Source: cloud.google.com/storage/docs/json_api/v1/status-codes.
constexpr Refusal kRefusals[] = {
    {"accountDisabled", Action::refuse, Errc::permission_denied, reason::permission,
     "the account of the project is disabled", "look at its billing"},
    {"UserProjectAccountProblem", Action::refuse, Errc::permission_denied, reason::permission,
     "the project that pays for the request is disabled", "look at its billing"},
    {"userProjectMissing", Action::refuse, Errc::precondition_failed, reason::store_failed,
     "the bucket wants its requester to pay", "name a quota project in the credentials file"},
    {"retentionPolicyNotMet", Action::refuse, Errc::permission_denied, reason::permission,
     "a retention policy of the bucket forbids to change the object"},
    {"objectUnderActiveHold", Action::refuse, Errc::permission_denied, reason::permission,
     "the object is held"},
    {"sslRequired", Action::refuse, Errc::precondition_failed, reason::tls,
     "the store speaks TLS only", "leave ssl=false out of the address"},
    {"rateLimitExceeded", Action::repeat, Errc::unavailable, reason::busy,
     "the store has too much to do"},
    {"userRateLimitExceeded", Action::repeat, Errc::unavailable, reason::busy,
     "the store has too much to do"},
    {"quotaExceeded", Action::refuse, Errc::resource_exhausted, reason::no_space,
     "a quota of the project is used up", "ask for a larger one, or delete snapshots"},
    {"uploadTooLarge", Action::refuse, Errc::resource_exhausted, reason::too_large,
     "the store takes no request that large", "set part_mib= in the address lower"},
    {"conflict", Action::refuse, Errc::already_exists, reason::object_exists,
     "what should be made exists already"},
    {"conditionNotMet", Action::refuse, Errc::already_exists, reason::object_exists,
     "the object exists already"},
};

const Refusal* refusal_of(std::string_view word) noexcept { return find_refusal(kRefusals, word); }

bool holds(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != text.npos;
}

Verdict verdict(const wire::Response& response, Action action, Error error) {
  Verdict out;
  out.action = action;
  out.error = std::move(error).with_native(response.status).with_request_id(request_id(response));
  return out;
}

Error missing(const wire::Request& request, const wire::GcsRefusal& said) {
  if (is_of_object(request) && !holds(said.message, "bucket does not exist")) {
    return Error(Errc::not_found, reason::no_object, "the object does not exist");
  }
  return Error(Errc::not_found, reason::no_bucket, "the bucket does not exist")
      .with_hint("check its name, or make it with init --create-bucket");
}

// By status, where the reason says nothing that is known.
Verdict refuse_by_status(const wire::Request& request, const wire::Response& response,
                         const wire::GcsRefusal& said) {
  const auto refuse = [&](Errc code, const char* why, std::string_view message,
                          std::string_view hint = {}) {
    auto error = Error(code, why, message);
    if (!hint.empty()) error = std::move(error).with_hint(hint);
    return verdict(response, Action::refuse, std::move(error));
  };
  switch (response.status) {
    case 401:
      return verdict(response, Action::renew,
                     Error(Errc::unauthenticated, reason::bad_credential,
                           "the store does not accept the token")
                         .with_hint(kDoctor));
    case 403:
      return refuse(Errc::permission_denied, reason::permission,
                    "the store does not allow this to the credential", kRights);
    case 404:
      return verdict(response, Action::refuse, missing(request, said));
    case 409:
      return refuse(Errc::already_exists, reason::object_exists,
                    "what should be made exists already");
    case 412:
      return refuse(Errc::already_exists, reason::object_exists, "the object exists already");
    case 413:
      return refuse(Errc::resource_exhausted, reason::too_large,
                    "the store takes no request that large", "set part_mib= in the address lower");
    case 416:
      return refuse(Errc::invalid_argument, reason::range,
                    "the range reaches past the object's end");
    case 507:
      return refuse(Errc::resource_exhausted, reason::no_space, "the store is full");
    default:
      break;
  }
  const auto text = "the store answered with status " + std::to_string(response.status) +
                    (said.reason.empty() ? "" : " (" + said.reason + ")");
  if (response.status >= 300 && response.status < 400) {
    return refuse(Errc::precondition_failed, reason::store_failed, text,
                  "no redirect is followed: name the endpoint it leads to");
  }
  return refuse(Errc::precondition_failed, reason::store_failed, text);
}

Verdict repeat(const wire::Response& response, std::string_view who) {
  const int status = response.status;
  const bool busy = status == 429 || status == 503;
  auto out = verdict(response, Action::repeat,
                     Error(Errc::unavailable, busy ? reason::busy : reason::store_failed,
                           std::string(who) + " answered with status " + std::to_string(status)));
  out.busy = busy;
  out.maybe_done = wire::may_be_done(status);
  return out;
}

// The bytes or their sum arrived wrong.
bool is_of_sum(const wire::GcsRefusal& said) noexcept {
  return holds(said.message, "CRC32C") || holds(said.message, "crc32c") ||
         holds(said.message, "MD5") || holds(said.message, "checksum");
}

// No list in the place of one, although the status says success.
bool is_error_inside(const wire::Request& request, const wire::Response& response) noexcept {
  return request.method == "GET" && request.path.ends_with("/o") &&
         !wire::parse_gcs_page(response.text());
}

bool is_of_time(std::string_view message) noexcept {
  return holds(message, "timeframe") || holds(message, "iat") || holds(message, "expired") ||
         holds(message, "nbf");
}

}  // namespace

bool is_of_object(const wire::Request& request) noexcept { return holds(request.path, "/o/"); }

Verdict judge_gcs(const wire::Request& request, const wire::Response& response) {
  const int status = response.status;
  if (status >= 200 && status < 300) {
    if (!is_error_inside(request, response)) return {};
    auto out = verdict(response, Action::repeat,
                       Error(Errc::data_loss, reason::bad_answer, "the store's list is none"));
    return out;
  }
  // How far a resumable upload came.
  if (status == 308 && holds(request.path, "/upload/")) return {};
  const auto said = wire::parse_gcs_refusal(response.text());
  if (status == 400 && is_of_sum(said)) {
    return verdict(response, Action::repeat,
                   Error(Errc::data_loss, reason::store_failed,
                         "the store received other bytes than were sent"));
  }
  if (holds(request.path, "/upload/") && (status == 410 || status == 404) &&
      request.method == "PUT") {
    return verdict(response, Action::refuse,
                   Error(Errc::aborted, reason::store_failed, "the store forgot the upload"));
  }
  if (const auto* found = refusal_of(said.reason); found && status < 500) {
    auto out = verdict(response, found->action, found->error());
    out.busy = found->action == Action::repeat;
    return out;
  }
  if (wire::is_passing(status)) return repeat(response, "the store");
  return refuse_by_status(request, response, said);
}

Verdict judge_token(const wire::Request&, const wire::Response& response) {
  const int status = response.status;
  if (status == 200) return {};
  if (wire::is_passing(status)) return repeat(response, "the token service");
  const auto said = wire::parse_gcs_refusal(response.text());
  const char* why = reason::bad_credential;
  const char* hint = kDoctor;
  if (said.reason == "invalid_grant" && is_of_time(said.message)) {
    why = reason::clock_skew;
    hint = "set the clock, for example by NTP; or the token that is exchanged has ended";
  } else if (said.reason == "invalid_grant") {
    hint = "the key may have been deleted, or the login withdrawn: make a new credentials file";
  } else if (said.reason == "invalid_client" || said.reason == "unauthorized_client") {
    hint = "the account or client that the credentials file names is not known";
  } else if (status == 403) {
    hint = "the right to make tokens (roles/iam.serviceAccountTokenCreator) is needed";
  }
  const auto what = said.reason.empty() ? "status " + std::to_string(status) : said.reason;
  return verdict(response, Action::refuse,
                 Error(Errc::unauthenticated, why,
                       "the token service refuses who we say we are (" + what + ")")
                     .with_hint(hint));
}

Verdict judge_metadata(const wire::Request&, const wire::Response& response) {
  const int status = response.status;
  if (status == 200) return {};
  if (wire::is_passing(status)) return repeat(response, "the metadata server");
  const bool none = status == 404;
  return verdict(
      response, Action::refuse,
      Error(Errc::unauthenticated, none ? reason::no_credential : reason::bad_credential,
            none ? "the machine has no service account" : "the metadata server refuses us")
          .with_hint("give the machine a service account with the storage scope"));
}

Verdict judge_subject(const wire::Request&, const wire::Response& response) {
  const int status = response.status;
  if (status == 200) return {};
  if (wire::is_passing(status)) return repeat(response, "the source of the external token");
  return verdict(
      response, Action::refuse,
      Error(Errc::unauthenticated, reason::bad_credential,
            "the source of the external token answered with status " + std::to_string(status))
          .with_hint("check credential_source in the credentials file"));
}

}  // namespace snapvault::provider::gcs
