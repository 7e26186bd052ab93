#include "provider/gcs/subject.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/gcs/judge.hpp"
#include "provider/place.hpp"
#include "provider/request.hpp"
#include "wire/encode.hpp"
#include "wire/sigv4.hpp"

namespace snapvault::provider::gcs {
namespace {

Error bad(std::string_view message) {
  return Error(Errc::unauthenticated, reason::bad_credential, message);
}

ExchangerOptions subject_options() {
  ExchangerOptions out;
  out.tries_max = 4;
  return out;
}

// And AWS's metadata service by IPv6.
bool may_be_plain(std::string_view host) noexcept {
  return is_near(host) || host == "fd00:ec2::254";
}

// A request of `url`, whose query is taken apart. Errors: unauthenticated (bad_credential),
// precondition_failed (tls).
Result<wire::Request> request_to(std::string_view url, std::string_view what) {
  const auto question = url.find('?');
  auto place = parse_place(url.substr(0, question), what);
  if (!place) return bad("the credentials file's " + std::string(what) + " is no URL");
  wire::Request out;
  out.origin = std::move(place->origin);
  out.path = place->path.empty() ? "/" : std::move(place->path);
  auto query = question == url.npos ? std::string_view() : url.substr(question + 1);
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto part = query.substr(0, end);
    query.remove_prefix(end == query.npos ? query.size() : end + 1);
    const auto equals = part.find('=');
    auto name = wire::decode(part.substr(0, equals));
    auto value = wire::decode(equals == part.npos ? "" : part.substr(equals + 1));
    if (!name || !value) return bad("the credentials file's " + std::string(what) + " is no URL");
    out.query.push_back({*std::move(name), *std::move(value)});
  }
  if (!out.origin.tls && !may_be_plain(out.origin.host)) {
    return Error(Errc::precondition_failed, reason::tls,
                 "the credentials file's " + std::string(what) +
                     " is plain HTTP, where a token can be read by others");
  }
  return out;
}

// A request of AWS's metadata service, and of nobody else: Google's own clients check this too.
Result<wire::Request> metadata_request(std::string_view url, std::string_view what) {
  SV_TRY(auto out, request_to(url, what));
  if (!may_be_plain(out.origin.host)) {
    return bad("the credentials file's " + std::string(what) + " is not AWS's metadata service");
  }
  return out;
}

bool is_region(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

// A command as a shell would take it apart, without expanding anything: words, and quotes around
// what holds spaces.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  char quote = 0;
  bool inside = false;
  for (const char c : text) {
    if (quote == 0 && (c == ' ' || c == '\t')) {
      inside = false;
      continue;
    }
    if (!inside) out.emplace_back();
    inside = true;
    if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else {
      out.back() += c;
    }
  }
  return out;
}

}  // namespace

Subjects::Subjects(Surroundings around)
    : around_(std::move(around)),
      exchanger_(*around_.env, around_.transport, nullptr, judge_subject, subject_options()) {}

base::Task<Result<base::SecretText>> Subjects::get(const wire::GcsCredential& credential,
                                                   RequestLimits limits) {
  const auto& subject = credential.subject;
  auto getting = subject.aws             ? from_aws(credential, std::move(limits))
                 : !subject.file.empty() ? from_file(subject)
                 : !subject.url.empty()  ? from_url(subject, std::move(limits))
                                         : from_command(credential, std::move(limits));
  auto got = co_await std::move(getting);
  co_return got;
}

base::Task<Result<base::SecretText>> Subjects::from_file(const wire::GcsSubject& subject) {
  auto work = [&]() -> Result<base::SecretText> {
    SV_TRY(auto text, read_credential_file(subject.file));
    const base::SecretText whole(std::move(text));
    return wire::parse_gcs_subject(whole.reveal(), subject);
  };
  auto reading = base::run_on(*around_.env, around_.env->io(), work);
  auto token = co_await std::move(reading);
  co_return token;
}

// The answer's text, which is a secret.
base::Task<Result<base::SecretText>> Subjects::fetch(wire::Request request, RequestLimits limits) {
  Call call;
  call.subject = request.origin.url();
  call.direct = !request.origin.tls;
  call.answer_max = 64u << 10;
  call.request = std::move(request);
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  base::SecretText out{std::string(answer->text())};
  ::explicit_bzero(answer->body.data(), answer->body.size());
  co_return out;
}

base::Task<Result<base::SecretText>> Subjects::from_url(const wire::GcsSubject& subject,
                                                        RequestLimits limits) {
  SV_CO_TRY_NOW(auto request, request_to(subject.url, "credential_source.url"));
  for (const auto& header : subject.headers) {
    request.headers.set(header.name, header.value.reveal());
  }
  auto fetching = fetch(std::move(request), std::move(limits));
  auto text = co_await std::move(fetching);
  if (!text) co_return std::move(text).error();
  co_return wire::parse_gcs_subject(text->reveal(), subject);
}

// AIP-4117, "Executable-sourced credentials": runs only if the environment allows it by name.
base::Task<Result<base::SecretText>> Subjects::from_command(const wire::GcsCredential& credential,
                                                            RequestLimits limits) {
  const auto& subject = credential.subject;
  if (around_.variable("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") !=
      std::optional<std::string>("1")) {
    auto error = bad("the credentials file wants to run a program, which is not allowed");
    co_return std::move(error).with_hint("set GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1");
  }
  const auto now = around_.env->wall_seconds();
  // What an earlier run left behind, if it still lives.
  if (!subject.output_file.empty()) {
    auto look = [&]() -> Result<base::SecretText> {
      SV_TRY(auto text, read_credential_file(subject.output_file));
      const base::SecretText whole(std::move(text));
      return wire::parse_gcs_executable(whole.reveal(), credential.subject_token_type, now);
    };
    auto looking = base::run_on(*around_.env, around_.env->io(), look);
    auto left = co_await std::move(looking);
    if (left) co_return left;
  }
  std::vector<std::string> command = {
      "/usr/bin/env", "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=" + credential.audience,
      "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=" + credential.subject_token_type,
      "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0"};
  if (!subject.output_file.empty()) {
    command.push_back("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=" + subject.output_file);
  }
  const auto words = words_of(subject.command);
  // A word with '=' would be taken for one more variable by env.
  if (words.empty() || words.front().find('=') != std::string::npos) {
    co_return bad("the command in the credentials file is none");
  }
  command.insert(command.end(), words.begin(), words.end());
  auto work = [&]() -> Result<base::SecretText> {
    SV_TRY(auto text, around_.run(command));
    const base::SecretText whole(std::move(text));
    return wire::parse_gcs_executable(whole.reveal(), credential.subject_token_type, now);
  };
  auto running = base::run_on(*around_.env, around_.env->io(), work);
  auto token = co_await std::move(running);
  if (auto within = check(limits); !within) co_return std::move(within).error();
  co_return token;
}

base::Task<Result<base::SecretText>> Subjects::aws_session(const wire::GcsSubject& subject,
                                                           RequestLimits limits) {
  if (subject.session_token_url.empty()) co_return base::SecretText();
  SV_CO_TRY_NOW(auto request,
                metadata_request(subject.session_token_url, "imdsv2_session_token_url"));
  request.method = "PUT";
  request.headers.set("X-aws-ec2-metadata-token-ttl-seconds", "300");
  auto fetching = fetch(std::move(request), std::move(limits));
  auto text = co_await std::move(fetching);
  if (text && !is_field_value(text->reveal())) co_return bad("AWS's session token is none");
  co_return text;
}

base::Task<Result<std::string>> Subjects::aws_region(const wire::GcsSubject& subject,
                                                     base::SecretText session,
                                                     RequestLimits limits) {
  for (const auto* name : {"AWS_REGION", "AWS_DEFAULT_REGION"}) {
    if (auto region = around_.variable(name); region && is_region(*region)) co_return *region;
  }
  SV_CO_TRY_NOW(auto request, metadata_request(subject.region_url, "region_url"));
  if (!session.empty()) request.headers.set("X-aws-ec2-metadata-token", session.reveal());
  auto fetching = fetch(std::move(request), std::move(limits));
  const auto zone = co_await std::move(fetching);
  if (!zone) co_return zone.error();
  // An availability zone: "us-east-1a".
  const auto& text = zone->reveal();
  if (text.size() < 2 || !is_region(text)) co_return bad("AWS's metadata service names no zone");
  co_return text.substr(0, text.size() - 1);
}

base::Task<Result<wire::GcsAwsKeys>> Subjects::aws_keys(const wire::GcsSubject& subject,
                                                        base::SecretText session,
                                                        RequestLimits limits) {
  const auto key = around_.variable("AWS_ACCESS_KEY_ID");
  auto secret = around_.variable("AWS_SECRET_ACCESS_KEY");
  if (key && secret) {
    wire::GcsAwsKeys out;
    out.access_key = *key;
    out.secret_key = base::SecretText(*std::move(secret));
    out.session_token = base::SecretText(around_.variable("AWS_SESSION_TOKEN").value_or(""));
    co_return out;
  }
  SV_CO_TRY_NOW(auto request, metadata_request(subject.url, "credential_source.url"));
  if (!session.empty()) request.headers.set("X-aws-ec2-metadata-token", session.reveal());
  auto naming = fetch(request, limits);
  const auto role = co_await std::move(naming);
  if (!role) co_return role.error();
  const auto& text = role->reveal();
  request.path += "/" + wire::encode(text.substr(0, text.find('\n')));
  auto asking = fetch(std::move(request), std::move(limits));
  const auto keys = co_await std::move(asking);
  if (!keys) co_return keys.error();
  co_return wire::parse_gcs_aws_keys(keys->reveal());
}

// "aws4_request": a signed GetCallerIdentity that Google sends for us.
base::Task<Result<base::SecretText>> Subjects::from_aws(const wire::GcsCredential& credential,
                                                        RequestLimits limits) {
  const auto& subject = credential.subject;
  auto beginning = aws_session(subject, limits);
  SV_CO_TRY(const auto session, std::move(beginning));
  auto locating = aws_region(subject, session, limits);
  SV_CO_TRY(const auto region, std::move(locating));
  auto naming = aws_keys(subject, session, limits);
  SV_CO_TRY(const auto keys, std::move(naming));
  auto url = subject.verification_url;
  constexpr std::string_view kPlace = "{region}";
  if (const auto at = url.find(kPlace); at != url.npos) url.replace(at, kPlace.size(), region);
  SV_CO_TRY_NOW(auto request, request_to(url, "regional_cred_verification_url"));
  const auto& host = request.origin.host;
  const bool aws = host == "sts." + region + ".amazonaws.com" || host == "sts.amazonaws.com" ||
                   host == "sts." + region + ".amazonaws.com.cn";
  if (!aws || !request.origin.tls) {
    co_return bad("the credentials file's regional_cred_verification_url is not AWS's");
  }
  request.method = "POST";
  request.headers.set("x-goog-cloud-target-resource", credential.audience);
  wire::SigningScope scope;
  scope.region = region;
  scope.service = "sts";
  scope.now = around_.env->wall_seconds();
  scope.payload_hash = wire::kEmptyPayload;
  wire::sign_v4(request, {keys.access_key, keys.secret_key, keys.session_token}, scope);
  std::vector<wire::GcsHeader> headers;
  for (const auto& field : request.headers) {
    headers.push_back({field.name, base::SecretText(field.value)});
  }
  headers.push_back({"host", base::SecretText(host)});
  co_return wire::gcs_aws_subject(url, headers);
}

}  // namespace snapvault::provider::gcs
