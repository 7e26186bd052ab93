#include "provider/swift/judge.hpp"

#include <algorithm>

#include <string>
#include <string_view>
#include <utility>

#include "base/reasons.hpp"
#include "wire/swift_answers.hpp"

namespace snapvault::provider::swift {
namespace {

using Action = Verdict::Action;

Error error_of(const wire::Response& response, Errc code, const char* why,
               std::string_view message) {
  return Error(code, why, message)
      .with_native(response.status)
      .with_request_id(request_id(response));
}

Verdict refuse(Error error) { return {.action = Action::refuse, .error = std::move(error)}; }

bool changes(const wire::Request& request) noexcept {
  return request.method != "GET" && request.method != "HEAD";
}

// Busy, or broken for now. 498 is Swift's own status for a rate limit (middleware ratelimit). Of
// 500 to 504 to a put nobody can say whether enough of the replicas were written.
Verdict repeat(const wire::Request& request, const wire::Response& response) {
  const int status = response.status;
  const bool busy = status == 429 || status == 498 || status == 503;
  return {.action = Action::repeat,
          .error = error_of(
              response, Errc::unavailable, busy ? reason::busy : reason::store_failed,
              busy ? "the store has too much to do" : "the store cannot answer the request now"),
          .maybe_done = status >= 500 && changes(request),
          .busy = busy};
}

bool is_passing(int status) noexcept {
  switch (status) {
    case 408:
    case 429:
    case 498:
    case 500:
    case 502:
    case 503:
    case 504:
      return true;
    default:
      return false;
  }
}

// The sentences are those of the middleware container_quotas and account_quotas.
bool is_quota(const wire::Response& response) noexcept {
  return response.text().substr(0, 200).find("quota") != std::string_view::npos;
}

Error no_container(const wire::Response& response) {
  return error_of(response, Errc::not_found, reason::no_bucket, "the container does not exist")
      .with_hint("check its name, or make it with init --create-bucket");
}

Error too_large(const wire::Response& response) {
  if (is_quota(response)) {
    return error_of(response, Errc::resource_exhausted, reason::no_space,
                    "the quota of the account or container is used up")
        .with_hint("remove what is not needed, or ask for a larger quota");
  }
  return error_of(response, Errc::unsupported, reason::store_failed,
                  "the object is larger than the store takes in one piece");
}

Error refused(const wire::Request& request, const wire::Response& response) {
  switch (response.status) {
    case 403:
      return error_of(response, Errc::permission_denied, reason::permission,
                      "the store denies the right to do this")
          .with_hint("ask for a role that may read and write objects of the container");
    case 404:
      if (request.method == "PUT") return no_container(response);
      return error_of(response, Errc::not_found, reason::no_object, "the object does not exist");
    case 412:
      if (request.method == "PUT") {
        return error_of(response, Errc::already_exists, reason::object_exists,
                        "the object exists already");
      }
      return error_of(response, Errc::precondition_failed, reason::store_failed,
                      "the store refuses the request's condition");
    case 413:
      return too_large(response);
    case 416:
      return error_of(response, Errc::invalid_argument, reason::range,
                      "the range reaches past the object's end");
    case 507:
      return error_of(response, Errc::resource_exhausted, reason::no_space, "the store is full");
    default:
      break;
  }
  if (response.status >= 300 && response.status < 400) {
    return error_of(response, Errc::precondition_failed, reason::bad_answer,
                    "the store sends us elsewhere, where no credential is sent")
        .with_hint("correct the storage URL, or give endpoint= in the address");
  }
  return error_of(response, Errc::unsupported, reason::store_failed,
                  "the store refuses the request");
}

Error bad_credential(const wire::Response& response, std::string_view message) {
  return error_of(response, Errc::unauthenticated, reason::bad_credential, message);
}

// What both kinds of token services have in common.
Verdict judge_token(const wire::Request& request, const wire::Response& response) {
  const int status = response.status;
  if (status >= 200 && status < 300) return {};
  if (is_passing(status)) return repeat(request, response);
  if (status >= 300 && status < 400) {
    return refuse(error_of(response, Errc::precondition_failed, reason::bad_url,
                           "the token service sends us elsewhere, where no password is sent")
                      .with_hint("correct the address of the service"));
  }
  return refuse(error_of(response, Errc::unavailable, reason::bad_answer,
                         "the token service answers with an unexpected status"));
}

bool is_list(const wire::Request& request) noexcept {
  return std::any_of(request.query.begin(), request.query.end(),
                     [](const wire::Field& field) { return field.name == "format"; });
}

}  // namespace

Verdict judge(const wire::Request& request, const wire::Response& response) {
  const int status = response.status;
  if (status >= 200 && status < 300) {
    if (!is_list(request) || response.body.empty() || response.text().starts_with('[')) return {};
    return {.action = Action::repeat,
            .error = error_of(response, Errc::data_loss, reason::bad_answer,
                              "the container's listing is none")};
  }
  if (is_passing(status)) return repeat(request, response);
  switch (status) {
    case 401:
      return {.action = Action::renew,
              .error = bad_credential(response, "the store refuses the token")
                           .with_hint("check the credentials, or give a new OS_AUTH_TOKEN")};
    case 409:  // a write of the same name by another clock, or a folder that is not empty yet
      return {.action = Action::repeat,
              .error = error_of(response, Errc::unavailable, reason::store_failed,
                                "another write of the same object is under way")};
    case 422:  // the body does not have the MD5 that its ETag says
      return {.action = Action::repeat,
              .error = error_of(response, Errc::data_loss, reason::store_failed,
                                "the store received other bytes than were sent")};
    default:
      return refuse(refused(request, response));
  }
}

bool is_too_large(const Error& error) noexcept {
  return error.native() == 413 && error.code() == Errc::unsupported;
}

Verdict judge_v1(const wire::Request& request, const wire::Response& response) {
  switch (response.status) {
    case 401:
    case 403:
      return refuse(bad_credential(response, "the store knows no such user, or not by this key")
                        .with_hint("check ST_USER and ST_KEY"));
    case 400:
    case 404:
    case 405:
      return refuse(error_of(response, Errc::precondition_failed, reason::bad_url,
                             "there is no v1 authentication at ST_AUTH")
                        .with_hint("it often ends in /auth/v1.0"));
    default:
      return judge_token(request, response);
  }
}

Verdict judge_keystone(const wire::Request& request, const wire::Response& response) {
  const auto said = wire::keystone_message(response.text());
  const auto with = [&](std::string message) {
    return said.empty() ? message : message + " (" + said + ")";
  };
  switch (response.status) {
    case 300:
      return refuse(error_of(response, Errc::precondition_failed, reason::bad_url,
                             "the address of Keystone leads to a list of its versions")
                        .with_hint("give the address that ends in /v3"));
    case 400:
      return refuse(bad_credential(response, with("Keystone cannot use the credential"))
                        .with_hint("check the user, the project and their domains"));
    case 401:
      return refuse(bad_credential(response, with("Keystone refuses the user or the secret"))
                        .with_hint("check the user, the password, the project and the domains"));
    case 403:
      return refuse(error_of(response, Errc::permission_denied, reason::permission,
                             with("Keystone denies a token for this project")));
    case 404:
      return refuse(error_of(response, Errc::precondition_failed, reason::bad_url,
                             with("Keystone knows no such path or project"))
                        .with_hint("check that the address ends in /v3, and the project"));
    default:
      return judge_token(request, response);
  }
}

}  // namespace snapvault::provider::swift
