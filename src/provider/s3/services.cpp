#include "provider/s3/services.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"
#include "wire/retry.hpp"
#include "wire/s3_answers.hpp"
#include "wire/xml.hpp"

namespace snapvault::provider {
namespace {

constexpr std::uint64_t kAnswerMax = 64 << 10;
constexpr base::Nanoseconds kFar = 20 * base::kSecond;
// Nobody there shows within a second on a machine that is none of Amazon's.
constexpr base::Nanoseconds kNear = 2 * base::kSecond;

Error refused(const char* service, const wire::Response& answer) {
  // STS answers with an XML error inside <ErrorResponse>.
  const auto said = wire::parse_s3_error(answer.text());
  const bool ended = said.code == "ExpiredToken" || said.code == "ExpiredTokenException";
  auto text = std::string(service) + " refuses to give a credential (status " +
              std::to_string(answer.status) + ")";
  if (!said.code.empty()) text += ": " + said.code.substr(0, 60);
  return Error(Errc::unauthenticated, ended ? reason::expired_credential : reason::bad_credential,
               text)
      .with_native(answer.status)
      .with_request_id(request_id(answer))
      .with_hint("check the role and who may take it on");
}

Error failed(const char* service, const Error& error) {
  const bool ours = error.code() == Errc::cancelled || error.code() == Errc::deadline_exceeded;
  auto out = Error(ours ? error.code() : Errc::unavailable,
                   ours ? error.reason().data() : reason::unreachable,
                   std::string(service) + " gives no credential: " + std::string(error.message()));
  return std::move(out).with_subject(error.subject()).with_hint(error.hint());
}

Error bad(std::string_view message, std::string_view hint = {}) {
  auto out = Error(Errc::unauthenticated, reason::bad_credential, message);
  if (!hint.empty()) return std::move(out).with_hint(hint);
  return out;
}

void set_form(wire::Request& request, const std::vector<wire::Field>& form) {
  auto text = std::make_shared<base::Bytes>();
  for (const auto& field : form) {
    auto piece =
        (text->empty() ? "" : "&") + wire::encode(field.name) + "=" + wire::encode(field.value);
    const auto bytes = base::as_bytes(piece);
    text->insert(text->end(), bytes.begin(), bytes.end());
    base::wipe(piece);
  }
  request.method = "POST";
  request.headers.set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8");
  request.body = PutBody(std::vector<PutBody::Part>{std::move(text)}, 0);
}

// "https://host:port/path" taken apart.
Result<wire::Request> request_to(const std::string& url) {
  const auto scheme = url.find("://");
  if (scheme == std::string::npos) return bad("the address of a credential service is none");
  const auto slash = std::min(url.find('/', scheme + 3), url.size());
  auto origin = wire::parse_origin(url.substr(0, slash), true);
  if (!origin) return bad("the address of a credential service is none");
  wire::Request out;
  out.origin = *std::move(origin);
  auto path = url.substr(slash);
  const auto question = path.find('?');
  if (question != std::string::npos) {
    std::string_view query = std::string_view(path).substr(question + 1);
    while (!query.empty()) {
      const auto end = std::min(query.find('&'), query.size());
      const auto pair = query.substr(0, end);
      const auto equals = std::min(pair.find('='), pair.size());
      const auto name = wire::decode(pair.substr(0, equals));
      const auto value = wire::decode(pair.substr(std::min(equals + 1, pair.size())));
      if (!name || !value) return bad("the address of a credential service is not well encoded");
      out.query.push_back({*name, *value});
      query.remove_prefix(std::min(end + 1, query.size()));
    }
    path.resize(question);
  }
  if (!path.empty()) out.path = path;
  return out;
}

// To whom the vendor allows plain HTTP: this machine, ECS and EKS on it.
bool is_near(const std::string& host) noexcept {
  constexpr std::string_view kNearHosts[] = {"localhost",     "127.0.0.1",      "::1",
                                             "169.254.170.2", "169.254.170.23", "fd00:ec2::23"};
  return std::find(std::begin(kNearHosts), std::end(kNearHosts), host) != std::end(kNearHosts) ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos);
}

// A token on one line, for a header.
Result<base::SecretText> token_of(const std::string& path) {
  SV_TRY(auto text, read_credential_file(path));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(),
                                                  [](char c) { return c > ' ' && c < 0x7F; });
  base::SecretText out(std::move(text));
  if (!plain) return bad("a token file holds no token of one line").with_subject(path);
  return out;
}

}  // namespace

AwsServices::AwsServices(Surroundings around, bool plain_allowed)
    : around_(std::move(around)), plain_allowed_(plain_allowed) {}

base::Task<Result<wire::Response>> AwsServices::send(wire::Request request, bool direct,
                                                     unsigned tries, base::Nanoseconds most,
                                                     const char* service, RequestLimits limits) {
  auto& env = *around_.env;
  const auto started = env.monotonic();
  for (unsigned tried = 1;; ++tried) {
    net::Exchange exchange;
    exchange.request = request;
    exchange.answer_max = kAnswerMax;
    exchange.direct = direct;
    exchange.limits = limits;
    const auto end =
        std::chrono::steady_clock::time_point(std::chrono::nanoseconds(env.monotonic() + most));
    exchange.limits.deadline = limits.deadline ? std::min(*limits.deadline, end) : end;
    auto sending = transfer(env, *around_.transport, std::move(exchange));
    auto answer = co_await std::move(sending);
    const bool passing = answer ? wire::is_passing(answer->status)
                                : answer.error().code() == Errc::unavailable ||
                                      answer.error().code() == Errc::outcome_unknown ||
                                      answer.error().code() == Errc::deadline_exceeded;
    if (answer && !passing) co_return answer;
    if (tried >= tries || !passing || !check(limits)) {
      if (answer) co_return refused(service, *answer);
      co_return failed(service, answer.error());
    }
    const auto pause = wire::pause_after(tried, 200 * base::kMillisecond, 2 * base::kSecond,
                                         env.monotonic() ^ started);
    auto sleeping = sleep_within(env, env.monotonic() + pause, limits);
    SV_CO_CHECK(std::move(sleeping));
  }
}

Result<wire::Request> AwsServices::sts_request(const AssumedRole& role,
                                               const std::string& action) const {
  auto url = around_.variable("AWS_ENDPOINT_URL_STS");
  const auto own = role.region.empty() ? std::string("https://sts.amazonaws.com")
                                       : "https://sts." + role.region + ".amazonaws.com" +
                                             (role.region.starts_with("cn-") ? ".cn" : "");
  SV_TRY(auto request, request_to(url.value_or(own)));
  if (!request.origin.tls && !plain_allowed_) {
    return bad("AWS_ENDPOINT_URL_STS names plain HTTP",
               "say ssl=false in the address if secrets may go that way");
  }
  std::vector<wire::Field> form = {
      {"Action", action},
      {"Version", "2011-06-15"},
      {"RoleArn", role.arn},
      {"RoleSessionName", role.session_name.empty() ? "snapvault" : role.session_name}};
  if (!role.external_id.empty()) form.push_back({"ExternalId", role.external_id});
  if (!role.duration.empty()) form.push_back({"DurationSeconds", role.duration});
  if (!role.token_file.empty()) {
    SV_TRY(const auto token, token_of(role.token_file));
    form.push_back({"WebIdentityToken", token.reveal()});
  }
  set_form(request, form);
  if (!role.token_file.empty()) base::wipe(form.back().value);
  return request;
}

base::Task<Result<wire::AwsKeys>> AwsServices::ask_sts(wire::Request request,
                                                       RequestLimits limits) {
  auto sending = send(std::move(request), false, 3, kFar, "STS", std::move(limits));
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  if (answer->status != 200) co_return refused("STS", *answer);
  co_return wire::parse_sts_keys(answer->text());
}

base::Task<Result<wire::AwsKeys>> AwsServices::assume_with_token(AssumedRole role,
                                                                 RequestLimits limits) {
  auto make = [&] { return sts_request(role, "AssumeRoleWithWebIdentity"); };
  auto making = base::run_on(*around_.env, around_.env->io(), make);
  auto request = co_await std::move(making);
  if (!request) co_return std::move(request).error();
  auto asking = ask_sts(*std::move(request), std::move(limits));
  auto keys = co_await std::move(asking);
  co_return keys;
}

base::Task<Result<wire::AwsKeys>> AwsServices::assume(AssumedRole role, wire::SigningKey asker,
                                                      std::int64_t now, RequestLimits limits) {
  auto request = sts_request(role, "AssumeRole");
  if (!request) co_return std::move(request).error();
  wire::SigningScope scope;
  scope.region = role.region.empty() ? "us-east-1" : role.region;
  scope.service = "sts";
  scope.now = now;
  scope.payload_hash = wire::sha256_hex(request->body);
  wire::sign_v4(*request, asker, scope);
  auto asking = ask_sts(*std::move(request), std::move(limits));
  auto keys = co_await std::move(asking);
  co_return keys;
}

base::Task<Result<wire::AwsKeys>> AwsServices::ask_sso(std::string region, std::string account,
                                                       std::string role, base::SecretText token,
                                                       RequestLimits limits) {
  wire::Request request;
  request.origin = {true, "portal.sso." + region + ".amazonaws.com", 443};
  request.path = "/federation/credentials";
  request.query = {{"account_id", std::move(account)}, {"role_name", std::move(role)}};
  request.headers.set("x-amz-sso_bearer_token", token.reveal());
  auto sending = send(std::move(request), false, 3, kFar, "the SSO portal", std::move(limits));
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  if (answer->status != 200) co_return refused("the SSO portal", *answer);
  co_return wire::parse_sso_keys(answer->text());
}

// docs.aws.amazon.com, AWS SDKs and Tools Reference Guide, "Container credential provider".
Result<wire::Request> AwsServices::container_request() const {
  const auto relative = around_.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const auto full = around_.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
  SV_TRY(auto request, request_to(relative ? "http://169.254.170.2" + *relative : *full));
  if (!request.origin.tls && !is_near(request.origin.host)) {
    return bad("AWS_CONTAINER_CREDENTIALS_FULL_URI names plain HTTP on another machine");
  }
  base::SecretText token;
  if (const auto path = around_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
    SV_TRY(token, token_of(*path));
  } else if (auto text = around_.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")) {
    token = base::SecretText(*std::move(text));
  }
  if (!token.empty()) request.headers.set("Authorization", token.reveal());
  return request;
}

base::Task<Result<std::optional<wire::AwsKeys>>> AwsServices::ask_container(RequestLimits limits) {
  using Keys = std::optional<wire::AwsKeys>;
  if (!around_.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") &&
      !around_.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    co_return Keys();
  }
  auto make = [this] { return container_request(); };
  auto making = base::run_on(*around_.env, around_.env->io(), make);
  auto request = co_await std::move(making);
  if (!request) co_return std::move(request).error();
  auto sending = send(*std::move(request), true, 3, kNear, "the container", std::move(limits));
  const auto answer = co_await std::move(sending);
  if (!answer) co_return answer.error();
  if (answer->status != 200) co_return refused("the container", *answer);
  auto keys = wire::parse_aws_keys(answer->text());
  if (!keys) co_return std::move(keys).error();
  co_return Keys(*std::move(keys));
}

// docs.aws.amazon.com, Amazon EC2 User Guide, "Use the Instance Metadata Service", version 2.
base::Task<Result<std::optional<wire::AwsKeys>>> AwsServices::ask_instance(RequestLimits limits) {
  using Keys = std::optional<wire::AwsKeys>;
  if (around_.variable("AWS_EC2_METADATA_DISABLED") == std::optional<std::string>("true")) {
    co_return Keys();
  }
  const auto named = around_.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  SV_CO_TRY_NOW(auto request, request_to(named.value_or("http://169.254.169.254")));
  const auto origin = request.origin;
  request.method = "PUT";
  request.path = "/latest/api/token";
  request.headers.set("X-aws-ec2-metadata-token-ttl-seconds", "21600");
  auto beginning = send(request, true, 1, kNear, "the instance", limits);
  const auto token = co_await std::move(beginning);
  if (!token) {
    // Nobody is there: this is no machine of Amazon's.
    if (!named && token.error().code() == Errc::unavailable) co_return Keys();
    if (!named && token.error().code() == Errc::deadline_exceeded && check(limits)) {
      co_return Keys();
    }
    co_return token.error();
  }
  if (token->status != 200) co_return refused("the instance", *token);
  wire::Request next;
  next.origin = origin;
  next.path = "/latest/meta-data/iam/security-credentials/";
  next.headers.set("X-aws-ec2-metadata-token", token->text());
  auto naming = send(next, true, 3, kNear, "the instance", limits);
  const auto role = co_await std::move(naming);
  if (!role) co_return role.error();
  if (role->status == 404) co_return Keys();  // the instance has no role
  if (role->status != 200) co_return refused("the instance", *role);
  const auto name = role->text().substr(0, role->text().find('\n'));
  next.path += wire::encode(name);
  auto asking = send(next, true, 3, kNear, "the instance", limits);
  const auto answer = co_await std::move(asking);
  if (!answer) co_return answer.error();
  if (answer->status != 200) co_return refused("the instance", *answer);
  auto keys = wire::parse_aws_keys(answer->text());
  if (!keys) co_return std::move(keys).error();
  co_return Keys(*std::move(keys));
}

}  // namespace snapvault::provider
