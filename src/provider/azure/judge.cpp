#include "provider/azure/judge.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "provider/refusal.hpp"
#include "wire/azure_answers.hpp"
#include "wire/retry.hpp"

namespace snapvault::provider::azure {
namespace {

using Action = Verdict::Action;

// How each code is taken. Sources: learn.microsoft.com, "Status and error codes" and "Blob service
// error codes"; Azurite for the texts of its own.
constexpr const char* kDoctor = "doctor says where the credential came from";
constexpr const char* kRights =
    "the rights to list, read, create and remove blobs are needed "
    "(Storage Blob Data Contributor); doctor tries each";
constexpr const char* kDenied = "the store does not allow this to the credential";
constexpr const char* kBusy = "the store has too much to do";
constexpr const char* kOtherBytes = "the store received other bytes than were sent";
constexpr const char* kExists = "the object exists already";
constexpr const char* kLeased = "somebody holds a lease on the blob or its container";
constexpr const char* kKept = "a policy of the store forbids to change the blob";
constexpr const char* kFull = "the account is full: its quota is used up";
constexpr const char* kMoreRoom = "give it more room, or delete snapshots";
constexpr const char* kArchived = "the object lies in the archive tier";
constexpr const char* kGone = "the store no longer has the blocks of an upload";

constexpr Refusal kRefusals[] = {
    {"BlobNotFound", Action::refuse, Errc::not_found, reason::no_object,
     "the object does not exist"},
    {"ContainerNotFound", Action::refuse, Errc::not_found, reason::no_bucket,
     "the container does not exist", "check its name, or make it with init --create-bucket"},
    {"ContainerDisabled", Action::refuse, Errc::permission_denied, reason::permission,
     "the container is disabled"},
    {"ContainerBeingDeleted", Action::repeat, Errc::unavailable, reason::busy,
     "the container is being deleted", "wait for half a minute, or name another one"},
    {"ContainerAlreadyExists", Action::refuse, Errc::already_exists, reason::object_exists,
     "the container exists already"},
    {"BlobAlreadyExists", Action::refuse, Errc::already_exists, reason::object_exists, kExists},
    {"ConditionNotMet", Action::refuse, Errc::already_exists, reason::object_exists, kExists},
    {"InvalidBlobType", Action::refuse, Errc::already_exists, reason::object_exists,
     "a blob of another kind exists under that name"},
    {"BlobImmutableDueToPolicy", Action::refuse, Errc::permission_denied, reason::permission,
     kKept},
    {"BlobImmutableDueToLegalHold", Action::refuse, Errc::permission_denied, reason::permission,
     kKept},
    {"BlobArchived", Action::refuse, Errc::precondition_failed, reason::store_failed, kArchived,
     "have it rehydrated first"},
    {"BlobBeingRehydrated", Action::refuse, Errc::precondition_failed, reason::store_failed,
     kArchived, "wait until it is rehydrated"},
    {"InvalidBlockList", Action::refuse, Errc::aborted, reason::store_failed, kGone},
    {"InvalidBlockId", Action::refuse, Errc::aborted, reason::store_failed, kGone},
    {"InvalidBlobOrBlock", Action::refuse, Errc::aborted, reason::store_failed, kGone},
    {"InvalidRange", Action::refuse, Errc::invalid_argument, reason::range,
     "the range reaches past the object's end"},
    {"InvalidResourceName", Action::refuse, Errc::invalid_argument, reason::bad_url,
     "the store takes no container or blob of that name",
     "a container has 3 to 63 small letters, digits and single dashes"},
    {"RequestBodyTooLarge", Action::refuse, Errc::resource_exhausted, reason::too_large,
     "the store takes no request that large", "set part_mib= in the address lower"},
    {"AuthorizationFailure", Action::refuse, Errc::permission_denied, reason::permission, kDenied,
     "a firewall of the account may be the cause, or the rights of a SAS"},
    {"AuthorizationPermissionMismatch", Action::refuse, Errc::permission_denied, reason::permission,
     kDenied, kRights},
    {"InsufficientAccountPermissions", Action::refuse, Errc::permission_denied, reason::permission,
     kDenied, kRights},
    {"AuthorizationResourceTypeMismatch", Action::refuse, Errc::permission_denied,
     reason::permission, "the SAS does not hold for containers, or not for blobs",
     "make one for the container, with the rights racwdl"},
    {"AuthorizationServiceMismatch", Action::refuse, Errc::permission_denied, reason::permission,
     "the SAS is for another service than Blob"},
    {"AuthorizationSourceIPMismatch", Action::refuse, Errc::permission_denied, reason::permission,
     "the SAS does not hold for this machine's address"},
    {"AuthorizationProtocolMismatch", Action::refuse, Errc::permission_denied, reason::permission,
     "the SAS holds for HTTPS only", "leave ssl=false out of the address"},
    {"AccountIsDisabled", Action::refuse, Errc::permission_denied, reason::permission,
     "the storage account is disabled"},
    {"PublicAccessNotPermitted", Action::refuse, Errc::unauthenticated, reason::bad_credential,
     "the store wants to know who we are", kDoctor},
    {"NoAuthenticationInformation", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store wants to know who we are", kDoctor},
    {"KeyBasedAuthenticationNotPermitted", Action::refuse, Errc::unauthenticated,
     reason::bad_credential, "the account takes no keys",
     "use a service principal, a managed identity or az login"},
    {"InvalidAuthenticationInfo", Action::renew, Errc::unauthenticated, reason::bad_credential,
     "the store does not accept the credential", kDoctor},
    {"Md5Mismatch", Action::repeat, Errc::data_loss, reason::store_failed, kOtherBytes},
    {"Crc64Mismatch", Action::repeat, Errc::data_loss, reason::store_failed, kOtherBytes},
    {"IncompleteBody", Action::repeat, Errc::unavailable, reason::lost_answer,
     "the store received a part of the request only"},
    {"ServerBusy", Action::repeat, Errc::unavailable, reason::busy, kBusy},
    {"OperationTimedOut", Action::repeat, Errc::unavailable, reason::busy,
     "the store did not finish in time"},
    {"InternalError", Action::repeat, Errc::unavailable, reason::store_failed,
     "the store failed inside"},
    {"AccountBeingCreated", Action::repeat, Errc::unavailable, reason::busy,
     "the storage account is being made"},
    {"QuotaExceeded", Action::refuse, Errc::resource_exhausted, reason::no_space, kFull, kMoreRoom},
    {"AccountQuotaExceeded", Action::refuse, Errc::resource_exhausted, reason::no_space, kFull,
     kMoreRoom},
    {"InsufficientStorage", Action::refuse, Errc::resource_exhausted, reason::no_space, kFull,
     kMoreRoom},
};

const Refusal* refusal_of(std::string_view word) noexcept { return find_refusal(kRefusals, word); }

// A code for a refusal without one: of something on the way, or of another server.
std::string_view code_of(int status) noexcept {
  switch (status) {
    case 401:
      return "InvalidAuthenticationInfo";
    case 403:
      return "AuthorizationPermissionMismatch";
    case 404:
      return "BlobNotFound";
    case 412:
      return "ConditionNotMet";
    case 413:
      return "RequestBodyTooLarge";
    case 416:
      return "InvalidRange";
    case 507:
      return "InsufficientStorage";
    default:
      return {};
  }
}

Error finish(Error error, const wire::Response& response) {
  return std::move(error).with_native(response.status).with_request_id(request_id(response));
}

Verdict refuse(const wire::Response& response, Action action, Error error) {
  Verdict out;
  out.action = action;
  out.error = finish(std::move(error), response);
  return out;
}

bool holds(std::string_view text, std::string_view part) noexcept {
  return text.find(part) != text.npos;
}

// A refusal of who we are, which has one code for many causes; the texts tell them apart. A HEAD
// has none: then the clocks do.
Verdict refuse_identity(const wire::Response& response, std::string_view detail,
                        const Circumstances& now) {
  constexpr std::int64_t kSkewMost = 600;  // Azure refuses more than 15 minutes
  const bool skewed = now.dated && std::abs(now.ahead) > kSkewMost;
  if (holds(detail, "date header too old") || holds(detail, "date header is not within") ||
      (skewed && !holds(detail, "MAC signature"))) {
    return refuse(response, Action::clock,
                  Error(Errc::unauthenticated, reason::clock_skew,
                        "this machine's clock differs too much from the store's")
                      .with_hint("set the clock, for example by NTP"));
  }
  if (holds(detail, "Lifetime validation failed") || holds(detail, "token is expired")) {
    return refuse(response, Action::renew,
                  Error(Errc::unauthenticated, reason::expired_credential, "the token has ended"));
  }
  if (holds(detail, "specified time frame") || holds(detail, "Signature not valid") || now.ended) {
    return refuse(response, Action::refuse,
                  Error(Errc::unauthenticated, reason::expired_credential,
                        "the shared access signature has ended, or has not begun")
                      .with_hint("make a new one, or check this machine's clock"));
  }
  return refuse(response, Action::renew,
                Error(Errc::unauthenticated, reason::bad_credential,
                      "the store refuses the key, signature or token")
                    .with_hint("check AZURE_STORAGE_KEY and what else names a credential; doctor "
                               "says where it came from"));
}

bool is_of_identity(const wire::Response& response, const wire::AzureError& said) noexcept {
  if (said.code == "AuthenticationFailed" || said.code == "InvalidAuthenticationInfo") return true;
  // Azurite says this of a signature that is wrong, which at Azure is a missing right.
  return (said.code == "AuthorizationFailure" && holds(said.detail, "including the signature")) ||
         (said.code.empty() && response.status == 401);
}

Verdict refuse_unknown(const wire::Response& response, const wire::AzureError& said) {
  Verdict out;
  const int status = response.status;
  const bool passing = wire::is_passing(status);
  out.action = passing ? Action::repeat : Action::refuse;
  out.maybe_done = passing && wire::may_be_done(status);
  out.busy = status == 429 || status == 503;
  const auto text = said.code.empty() ? "the store answered with status " + std::to_string(status)
                                      : "the store answered " + said.code;
  auto error = Error(passing ? Errc::unavailable : Errc::precondition_failed,
                     out.busy ? reason::busy : reason::store_failed, text);
  if (status >= 300 && status < 400) {
    error = std::move(error).with_hint("no redirect is followed: name the endpoint it leads to");
  }
  out.error = finish(std::move(error), response);
  return out;
}

// A lease shows by what the code begins with: LeaseIdMissing, LeaseAlreadyPresent, ...
bool is_of_lease(std::string_view code) noexcept { return code.starts_with("Lease"); }

Error refused_by_login(const wire::Response& response, const wire::AzureRefusal& said) {
  const std::string_view number = said.number;
  std::string what = number.empty() ? said.error : said.number;
  if (what.empty()) what = "status " + std::to_string(response.status);
  const char* why = reason::bad_credential;
  const char* hint = "check AZURE_TENANT_ID, AZURE_CLIENT_ID and the secret or certificate";
  if (number == "AADSTS7000222") {
    why = reason::expired_credential;
    hint = "the secret has ended: make a new one";
  } else if (number == "AADSTS700024") {
    why = reason::clock_skew;
    hint = "the assertion is not valid at this time: set the clock, for example by NTP";
  } else if (number == "AADSTS90002" || number == "AADSTS900023") {
    hint = "check AZURE_TENANT_ID";
  } else if (number == "AADSTS700016") {
    hint = "check AZURE_CLIENT_ID: the tenant does not know it";
  } else if (number == "AADSTS7000215") {
    hint = "check AZURE_CLIENT_SECRET: it is the secret's value, not its id";
  }
  return finish(Error(Errc::unauthenticated, why,
                      "the login service refuses who we say we are (" + what + ")")
                    .with_hint(hint),
                response);
}

}  // namespace

Verdict judge_azure(const wire::Request& request, const wire::Response& response,
                    const Circumstances& circumstances) {
  if (response.status >= 200 && response.status < 300) {
    // A list may turn out to be an error after its head was sent.
    const bool list = std::any_of(request.query.begin(), request.query.end(), [](const auto& one) {
      return one.name == "comp" && one.value == "list";
    });
    if (!list || !response.text().starts_with("<?xml") ||
        response.text().find("<EnumerationResults") != std::string_view::npos) {
      return {};
    }
    auto out = refuse_unknown(response, wire::parse_azure_error(response));
    out.action = Action::repeat;
    return out;
  }
  const auto said = wire::parse_azure_error(response);
  if (is_of_identity(response, said)) return refuse_identity(response, said.detail, circumstances);
  if (is_of_lease(said.code)) {
    return refuse(response, Action::refuse,
                  Error(Errc::permission_denied, reason::permission, kLeased)
                      .with_hint("break the lease first"));
  }
  const auto* found = refusal_of(said.code.empty() ? code_of(response.status) : said.code);
  if (found == nullptr) return refuse_unknown(response, said);
  auto out = refuse(response, found->action, found->error());
  out.maybe_done = found->action == Action::repeat && wire::may_be_done(response.status) &&
                   response.status != 408;
  out.busy = std::string_view(found->message) == kBusy;
  return out;
}

Verdict judge_login(const wire::Request&, const wire::Response& response) {
  const int status = response.status;
  if (status == 200) return {};
  const auto said = wire::parse_azure_refusal(response.text());
  if (wire::is_passing(status) || said.error == "temporarily_unavailable") {
    auto out = refuse(response, Action::repeat,
                      Error(Errc::unavailable, reason::busy,
                            "the login service answered with status " + std::to_string(status)));
    out.busy = status == 429 || status == 503;
    return out;
  }
  return refuse(response, Action::refuse, refused_by_login(response, said));
}

Verdict judge_metadata(const wire::Request&, const wire::Response& response) {
  const int status = response.status;
  if (status == 200) return {};
  // "Retry guidance": 404 and 410 while the service is brought up to date.
  if (wire::is_passing(status) || status == 404 || status == 410) {
    return refuse(
        response, Action::repeat,
        Error(Errc::unavailable, reason::busy,
              "the service of managed identities answered with status " + std::to_string(status)));
  }
  const bool none = status == 400;
  return refuse(response, Action::refuse,
                Error(Errc::unauthenticated, none ? reason::no_credential : reason::bad_credential,
                      none ? "the machine has no such managed identity"
                           : "the service of managed identities refuses us")
                    .with_hint("assign an identity to the machine, or check AZURE_CLIENT_ID"));
}

}  // namespace snapvault::provider::azure
