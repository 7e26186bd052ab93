#include "provider/gcs/tokens.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/gcs/judge.hpp"
#include "provider/place.hpp"
#include "provider/secret_body.hpp"
#include "provider/shortly.hpp"
#include "wire/encode.hpp"
#include "wire/jwt.hpp"

namespace snapvault::provider::gcs {
namespace {

constexpr const char* kScope = "https://www.googleapis.com/auth/devstorage.read_write";
// Of a token that is only shown to generateAccessToken.
constexpr const char* kScopeOfAll = "https://www.googleapis.com/auth/cloud-platform";
// What is not told an end is asked for again soon.
constexpr std::int64_t kLifeUntold = 300;
constexpr base::Nanoseconds kProbeMost = 1 * base::kSecond;

Error absent(std::string_view message) {
  return Error(Errc::unauthenticated, reason::no_credential, message);
}
bool is_absent(const Error& error) noexcept { return error.reason() == reason::no_credential; }

ExchangerOptions token_options() {
  ExchangerOptions out;
  out.tries_max = 5;
  return out;
}

// "name=value&..." of a form that holds secrets.
class Form {
 public:
  // Room for all at once: a string that grows leaves its old bytes behind.
  Form() { text_.reserve(256u << 10); }
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;
  ~Form() { base::wipe(text_); }
  Form& add(std::string_view name, std::string_view value) {
    if (!text_.empty()) text_ += '&';
    text_ += name;
    text_ += '=';
    auto encoded = wire::encode(value);
    text_ += encoded;
    base::wipe(encoded);
    return *this;
  }
  base::SecretText text() const { return base::SecretText(std::string(text_)); }

 private:
  std::string text_;
};

Token token_of(wire::GcsToken from, std::int64_t now) {
  Token out;
  out.text = std::move(from.text);
  // A span of time needs no clock that is right.
  if (from.lifetime > 0) {
    out.expires = now + static_cast<std::int64_t>(from.lifetime);
  } else {
    out.expires = from.expires > 0 ? from.expires : now + kLifeUntold;
  }
  return out;
}

}  // namespace

Tokens::Tokens(Surroundings around, const Settings& settings)
    : around_(std::move(around)),
      settings_(settings),
      oauth_(*around_.env, around_.transport, nullptr, judge_token, token_options()),
      metadata_(*around_.env, around_.transport, nullptr, judge_metadata, token_options()),
      subjects_(around_),
      cached_(*around_.env, [this](RequestLimits limits) { return fetch(std::move(limits)); }) {}

base::Task<Result<void>> Tokens::sign(wire::Request& request, std::int64_t now,
                                      RequestLimits limits) {
  if (settings_.sources.front() == Source::anonymous) co_return Result<void>();
  auto getting = cached_.get(now, std::move(limits));
  auto token = co_await std::move(getting);
  if (!token) co_return std::move(token).error();
  auto value = "Bearer " + token->text.reveal();
  request.headers.set("Authorization", value);
  base::wipe(value);
  if (!token->quota_project.empty()) {
    request.headers.set("x-goog-user-project", token->quota_project);
  }
  co_return Result<void>();
}

bool Tokens::renew() noexcept {
  cached_.drop();
  return settings_.sources.front() != Source::anonymous;
}

base::Task<Result<std::string>> Tokens::source(std::int64_t now, RequestLimits limits) {
  if (settings_.sources.front() == Source::anonymous) co_return std::string("nobody (anonymous)");
  auto getting = cached_.get(now, std::move(limits));
  auto token = co_await std::move(getting);
  if (!token) co_return std::move(token).error();
  co_return token->source;
}

// One source after the other, until one has a token or refuses us.
base::Task<Result<Token>> Tokens::fetch(RequestLimits limits) {
  if (chosen_) {
    auto fetching = fetch_from(*chosen_, std::move(limits));
    auto token = co_await std::move(fetching);
    co_return token;
  }
  std::string tried;
  for (const auto source : settings_.sources) {
    auto fetching = fetch_from(source, limits);
    auto token = co_await std::move(fetching);
    if (token) chosen_ = source;
    if (token || !is_absent(token.error()) || settings_.only_named) co_return token;
    tried += (tried.empty() ? "" : "; ") + std::string(name_of(source)) + ": " +
             std::string(token.error().message());
  }
  co_return Error(Errc::unauthenticated, reason::no_credential,
                  "nothing says who we are at Google Cloud Storage (" + tried + ")")
      .with_hint(
          "set GOOGLE_APPLICATION_CREDENTIALS to a credentials file, or run gcloud auth "
          "application-default login");
}

base::Task<Result<Token>> Tokens::fetch_from(Source source, RequestLimits limits) {
  switch (source) {
    case Source::file:
      if (settings_.file.empty()) break;
      return ask_file(settings_.file, "GOOGLE_APPLICATION_CREDENTIALS", std::move(limits));
    case Source::gcloud:
      return ask_file(settings_.gcloud_file, "", std::move(limits));
    case Source::metadata:
      return ask_metadata(std::move(limits));
    case Source::anonymous:
      break;
  }
  auto none = []() -> base::Task<Result<Token>> {
    co_return absent("GOOGLE_APPLICATION_CREDENTIALS is not set");
  };
  return none();
}

// `source` names the variable that names the file; empty: gcloud's, which may not be there.
base::Task<Result<Token>> Tokens::ask_file(std::string path, std::string source,
                                           RequestLimits limits) {
  const bool named = !source.empty();
  auto work = [&]() -> Result<Credential> {
    auto text = read_credential_file(path);
    if (!text) {
      if (named) return std::move(text).error();
      return absent("there is no file of gcloud's");
    }
    const base::SecretText whole(*std::move(text));
    SV_TRY(auto parsed, wire::parse_gcs_credential(whole.reveal()));
    return std::make_shared<const wire::GcsCredential>(std::move(parsed));
  };
  auto reading = base::run_on(*around_.env, around_.env->io(), work);
  auto credential = co_await std::move(reading);
  if (!credential) co_return std::move(credential).error().with_subject(path);
  auto asking = ask_credential(*credential, std::move(limits));
  auto token = co_await std::move(asking);
  if (!token) {
    if (!token.error().subject().empty()) co_return std::move(token).error();
    co_return std::move(token).error().with_subject(path);
  }
  token->source = named ? std::move(source) : "gcloud's credentials file";
  const auto& email = (*credential)->client_email;
  if (!email.empty()) token->source += " (" + email + ")";
  token->quota_project = (*credential)->quota_project;
  if (!token->quota_project.empty() && !is_field_value(token->quota_project)) {
    co_return Error(Errc::unauthenticated, reason::bad_credential,
                    "the quota project in the credentials file is none");
  }
  co_return token;
}

base::Task<Result<Token>> Tokens::ask_credential(Credential credential, RequestLimits limits) {
  using Kind = wire::GcsCredential::Kind;
  if (credential->kind == Kind::impersonated) {
    auto first = ask_credential(credential->source, limits);
    auto asker = co_await std::move(first);
    if (!asker) co_return std::move(asker).error();
    auto second = impersonate(std::move(credential), *std::move(asker), std::move(limits));
    auto token = co_await std::move(second);
    co_return token;
  }
  auto asking = credential->kind == Kind::service_account
                    ? ask_service_account(std::move(credential), std::move(limits))
                : credential->kind == Kind::authorized_user
                    ? ask_user(std::move(credential), std::move(limits))
                    : ask_external(std::move(credential), std::move(limits));
  auto token = co_await std::move(asking);
  co_return token;
}

// A place that what the file holds may be sent to.
Result<wire::Request> Tokens::token_request(const std::string& url) const {
  auto place = parse_place(url, "the token service in the credentials file");
  if (!place) {
    return Error(Errc::unauthenticated, reason::bad_credential,
                 "the token service in the credentials file is no URL");
  }
  if (!is_token_host(place->origin.host, settings_)) {
    return Error(Errc::unauthenticated, reason::bad_credential,
                 "the credentials file names a token service that is not Google's")
        .with_subject(place->origin.host)
        .with_hint("if it is trusted, the program that embeds snapvault can allow it by name");
  }
  if (!place->origin.tls && !settings_.plain_allowed) {
    return Error(Errc::precondition_failed, reason::tls,
                 "the credentials file names a token service of plain HTTP, where a secret can be "
                 "read by others")
        .with_hint("name it with https://, or say ssl=false in the address");
  }
  wire::Request out;
  out.method = "POST";
  out.origin = std::move(place->origin);
  out.path = std::move(place->path);
  out.headers.add("Accept", "application/json");
  return out;
}

// The metadata server is asked directly, all others by the proxy that there may be.
base::Task<Result<Token>> Tokens::ask(Exchanger& exchanger, wire::Request request, Parse parse,
                                      RequestLimits limits) {
  Call call;
  call.direct = &exchanger == &metadata_;
  call.subject = request.origin.url();
  call.request = std::move(request);
  auto sending = exchanger.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  auto token = parse(answer->text());
  ::explicit_bzero(answer->body.data(), answer->body.size());
  if (!token) co_return std::move(token).error();
  co_return token_of(*std::move(token), around_.env->wall_seconds());
}

base::Task<Result<Token>> Tokens::post(std::string url, const base::SecretText& form,
                                       RequestLimits limits) {
  SV_CO_TRY_NOW(auto request, token_request(url));
  const SecretBody body(form);
  request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  request.body = body.body();
  auto asking = ask(oauth_, std::move(request), wire::parse_gcs_token, std::move(limits));
  auto token = co_await std::move(asking);
  co_return token;
}

// developers.google.com/identity/protocols/oauth2/service-account, "HTTP/REST"; RFC 7523. By the
// service's clock, once it has said that it is not ours.
base::Task<Result<Token>> Tokens::ask_service_account(Credential credential, RequestLimits limits) {
  for (bool again = false;; again = true) {
    wire::GcsClaims claims;
    claims.issuer = credential->client_email;
    claims.scope = kScope;
    claims.audience = credential->token_url;
    claims.issued = around_.env->wall_seconds() + oauth_.clock_ahead().value_or(0);
    auto work = [&] {
      return wire::sign_jwt(wire::gcs_jwt_header(credential->private_key_id),
                            wire::gcs_jwt_claims(claims), credential->private_key.reveal());
    };
    auto signing = base::run_on(*around_.env, around_.env->cpu(), work);
    const auto assertion = co_await std::move(signing);
    if (!assertion) {
      co_return Error(Errc::unauthenticated, reason::bad_credential,
                      "the private key in the credentials file cannot be read")
          .with_hint("make a new key of the service account");
    }
    Form form;
    form.add("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    form.add("assertion", assertion->reveal());
    const auto text = form.text();
    auto posting = post(credential->token_url, text, limits);
    auto token = co_await std::move(posting);
    if (token || again || token.error().reason() != reason::clock_skew) co_return token;
  }
}

// RFC 6749 section 6.
base::Task<Result<Token>> Tokens::ask_user(Credential credential, RequestLimits limits) {
  Form form;
  form.add("grant_type", "refresh_token").add("client_id", credential->client_id);
  form.add("client_secret", credential->client_secret.reveal());
  form.add("refresh_token", credential->refresh_token.reveal());
  const auto text = form.text();
  auto posting = post(credential->token_url, text, std::move(limits));
  auto token = co_await std::move(posting);
  co_return token;
}

// RFC 8693, as AIP-4117 wants it.
base::Task<Result<Token>> Tokens::ask_external(Credential credential, RequestLimits limits) {
  // Before the subject token is fetched: nobody runs a program for a service that is not trusted.
  SV_CO_CHECK_NOW(token_request(credential->token_url));
  auto getting = subjects_.get(*credential, limits);
  const auto subject = co_await std::move(getting);
  if (!subject) co_return subject.error();
  const bool impersonating = !credential->impersonation_url.empty();
  Form form;
  form.add("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
  form.add("requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
  form.add("audience", credential->audience).add("scope", impersonating ? kScopeOfAll : kScope);
  form.add("subject_token_type", credential->subject_token_type);
  form.add("subject_token", subject->reveal());
  if (!credential->workforce_project.empty()) {
    form.add("options", wire::gcs_user_project_json(credential->workforce_project));
  }
  const auto text = form.text();
  auto posting = post(credential->token_url, text, limits);
  auto token = co_await std::move(posting);
  if (!token || !impersonating) co_return token;
  auto second = impersonate(std::move(credential), *std::move(token), std::move(limits));
  auto other = co_await std::move(second);
  co_return other;
}

// IAM Service Account Credentials API, projects.serviceAccounts.generateAccessToken.
base::Task<Result<Token>> Tokens::impersonate(Credential credential, Token asker,
                                              RequestLimits limits) {
  auto url = credential->impersonation_url;
  // The verb behind the colon is a part of the path.
  SV_CO_TRY_NOW(auto request, token_request(url));
  auto value = "Bearer " + asker.text.reveal();
  request.headers.add("Authorization", value);
  base::wipe(value);
  request.headers.add("Content-Type", "application/json");
  const auto json = wire::gcs_impersonation_json(credential->delegates, kScope,
                                                 credential->impersonation_seconds);
  const auto bytes = base::as_bytes(json);
  request.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  auto asking = ask(oauth_, std::move(request), wire::parse_gcs_impersonated, std::move(limits));
  auto token = co_await std::move(asking);
  co_return token;
}

// cloud.google.com/compute/docs/access/authenticate-workloads; the header keeps requests that were
// forged through somebody else's server out.
base::Task<Result<Token>> Tokens::ask_metadata(RequestLimits limits) {
  const auto named = around_.variable("GCE_METADATA_HOST");
  auto origin = wire::parse_origin(named.value_or("metadata.google.internal"), false);
  if (!origin) {
    co_return Error(Errc::unauthenticated, reason::bad_credential,
                    "GCE_METADATA_HOST is no host:port");
  }
  wire::Request request;
  request.origin = *std::move(origin);
  request.path = "/computeMetadata/v1/instance/service-accounts/default/token";
  request.query.push_back({"scopes", kScope});
  request.headers.add("Metadata-Flavor", "Google");
  if (!named && !settings_.only_named) {
    net::Exchange exchange;
    exchange.request.origin = request.origin;
    exchange.request.headers.add("Metadata-Flavor", "Google");
    exchange.answer_max = 64u << 10;
    exchange.direct = true;
    auto asking =
        transfer_shortly(*around_.env, *around_.transport, std::move(exchange), kProbeMost, limits);
    const auto answer = co_await std::move(asking);
    SV_CO_CHECK_NOW(check(limits));
    if (!answer || answer->headers.get("Metadata-Flavor") != "Google") {
      co_return absent("this is no machine of Google's");
    }
  }
  auto asking = ask(metadata_, std::move(request), wire::parse_gcs_token, std::move(limits));
  auto token = co_await std::move(asking);
  if (!token) co_return std::move(token).error();
  token->source = "the metadata server";
  co_return token;
}

}  // namespace snapvault::provider::gcs
