#include "provider/azure/tokens.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/azure/judge.hpp"
#include "provider/place.hpp"
#include "provider/secret_body.hpp"
#include "provider/shortly.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::azure {
namespace {

constexpr const char* kScope = "https://storage.azure.com/.default";
constexpr const char* kResource = "https://storage.azure.com/";
// What is not told an end is asked for again soon.
constexpr std::int64_t kLifeUntold = 300;
constexpr base::Nanoseconds kProbeMost = 1 * base::kSecond;

Error absent(std::string_view message) {
  return Error(Errc::unauthenticated, reason::no_credential, message);
}
bool is_absent(const Error& error) noexcept { return error.reason() == reason::no_credential; }

ExchangerOptions options_of_login() {
  ExchangerOptions out;
  out.tries_max = 5;
  return out;
}

// A part of a URL's path: an id, or a domain's name.
bool is_tenant(std::string_view text) noexcept {
  return text.size() <= 255 && text.find_first_not_of(
                                   "abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789.-") == text.npos;
}

}  // namespace

Tokens::Tokens(Surroundings around, const Account& account)
    : around_(std::move(around)),
      sources_(account.token_sources),
      only_named_(account.only_named),
      plain_allowed_(!account.tls),
      login_(*around_.env, around_.transport, nullptr, judge_login, options_of_login()),
      metadata_(*around_.env, around_.transport, nullptr, judge_metadata, options_of_login()),
      cached_(*around_.env, [this](RequestLimits limits) { return fetch(std::move(limits)); }) {}

// One source after the other, until one has a token or refuses us.
base::Task<Result<Token>> Tokens::fetch(RequestLimits limits) {
  if (chosen_) {
    auto fetching = fetch_from(*chosen_, std::move(limits));
    auto token = co_await std::move(fetching);
    co_return token;
  }
  std::string tried;
  for (const auto source : sources_) {
    auto fetching = fetch_from(source, limits);
    auto token = co_await std::move(fetching);
    if (token) chosen_ = source;
    if (token || !is_absent(token.error()) || only_named_) co_return token;
    tried += (tried.empty() ? "" : "; ") + std::string(name_of(source)) + ": " +
             std::string(token.error().message());
  }
  co_return Error(Errc::unauthenticated, reason::no_credential,
                  "nothing says who we are at the Azure store (" + tried + ")")
      .with_hint(
          "set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or "
          "AZURE_STORAGE_CONNECTION_STRING, or AZURE_TENANT_ID, AZURE_CLIENT_ID and "
          "AZURE_CLIENT_SECRET, or run az login");
}

base::Task<Result<Token>> Tokens::fetch_from(TokenSource source, RequestLimits limits) {
  switch (source) {
    case TokenSource::service_principal:
      return ask_by_secret(std::move(limits));
    case TokenSource::workload_identity:
      return ask_by_workload(std::move(limits));
    case TokenSource::managed_identity:
      return ask_managed(std::move(limits));
    case TokenSource::cli:
      break;
  }
  return ask_cli(std::move(limits));
}

Result<Token> Tokens::take(Result<wire::AzureToken> from, std::string source) const {
  if (!from) return std::move(from).error();
  Token out;
  out.text = std::move(from->text);
  out.source = std::move(source);
  // A span of time needs no clock that is right.
  const auto now = around_.env->wall_seconds();
  if (from->lifetime > 0) {
    out.expires = now + from->lifetime;
  } else {
    out.expires = from->expires > 0 ? from->expires : now + kLifeUntold;
  }
  return out;
}

// The URL of the tenant's token service.
Result<std::string> Tokens::login_url() const {
  auto host = variable("AZURE_AUTHORITY_HOST");
  if (host.empty()) host = "https://login.microsoftonline.com";
  if (host.find("://") == host.npos) host.insert(0, "https://");
  while (host.ends_with('/')) host.pop_back();
  const auto tenant = variable("AZURE_TENANT_ID");
  if (!is_tenant(tenant)) {
    return Error(Errc::unauthenticated, reason::bad_credential, "AZURE_TENANT_ID is no tenant")
        .with_hint("it is the id of a directory, or one of its domains");
  }
  return host + "/" + tenant + "/oauth2/v2.0/token";
}

// "Microsoft identity platform and the OAuth 2.0 client credentials flow". `form_name`:
// client_secret or client_assertion.
base::Task<Result<Token>> Tokens::ask_login(std::string form_name, base::SecretText secret,
                                            RequestLimits limits) {
  SV_CO_TRY_NOW(const auto url, login_url());
  SV_CO_TRY_NOW(const auto place, parse_place(url, "AZURE_AUTHORITY_HOST"));
  if (!place.origin.tls && !plain_allowed_) {
    co_return Error(Errc::precondition_failed, reason::tls,
                    "AZURE_AUTHORITY_HOST is plain HTTP, where a secret can be read by others")
        .with_hint("name it with https://, or say ssl=false in the address");
  }
  // Room for all at once: a string that grows leaves its old bytes behind.
  std::string form;
  form.reserve(2048 + 3 * secret.reveal().size());
  form += "client_id=" + wire::encode(variable("AZURE_CLIENT_ID"));
  form += "&scope=" + wire::encode(kScope) + "&grant_type=client_credentials";
  if (form_name == "client_assertion") {
    form += "&client_assertion_type=" +
            wire::encode("urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
  }
  auto encoded = wire::encode(secret.reveal());
  form += "&" + form_name + "=";
  form += encoded;
  base::wipe(encoded);
  const base::SecretText text(std::move(form));
  const SecretBody body(text);
  Call call;
  call.subject = place.origin.url();
  call.request.method = "POST";
  call.request.origin = place.origin;
  call.request.path = place.path;
  call.request.headers.add("Content-Type", "application/x-www-form-urlencoded");
  call.request.headers.add("Accept", "application/json");
  call.request.body = body.body();
  auto sending = login_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  co_return take(wire::parse_azure_token(answer->text()),
                 form_name == "client_secret" ? "AZURE_CLIENT_SECRET" : "client assertion");
}

base::Task<Result<base::SecretText>> Tokens::read_file(const std::string& path) {
  auto work = [&path]() -> Result<base::SecretText> {
    SV_TRY(auto text, read_credential_file(path));
    return base::SecretText(std::move(text));
  };
  auto reading = base::run_on(*around_.env, around_.env->io(), work);
  auto text = co_await std::move(reading);
  co_return text;
}

base::Task<Result<Token>> Tokens::ask_by_secret(RequestLimits limits) {
  const auto path = variable("AZURE_CLIENT_CERTIFICATE_PATH");
  base::SecretText secret(variable("AZURE_CLIENT_SECRET"));
  if (variable("AZURE_TENANT_ID").empty() || variable("AZURE_CLIENT_ID").empty() ||
      (secret.empty() && path.empty())) {
    co_return absent(
        "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET or "
        "AZURE_CLIENT_CERTIFICATE_PATH are not all set");
  }
  auto asking = secret.empty() ? ask_by_certificate(path, std::move(limits))
                               : ask_login("client_secret", std::move(secret), std::move(limits));
  auto token = co_await std::move(asking);
  co_return token;
}

// "Microsoft identity platform application authentication certificate credentials".
base::Task<Result<Token>> Tokens::ask_by_certificate(std::string path, RequestLimits limits) {
  auto reading = read_file(path);
  SV_CO_TRY(const auto pem, std::move(reading));
  std::array<std::byte, 16> id;
  around_.env->random(id);
  wire::AzureAssertion what;
  SV_CO_TRY_NOW(what.audience, login_url());
  what.client = variable("AZURE_CLIENT_ID");
  what.id = base::hex(id);
  what.now = around_.env->wall_seconds();
  auto work = [&] { return wire::sign_azure_assertion(what, pem.reveal()); };
  auto signing = base::run_on(*around_.env, around_.env->cpu(), work);
  auto assertion = co_await std::move(signing);
  if (!assertion) {
    co_return Error(Errc::unauthenticated, reason::bad_credential,
                    "AZURE_CLIENT_CERTIFICATE_PATH: " + std::string(assertion.error().message()))
        .with_subject(path)
        .with_hint("the file holds a certificate and its RSA key in PEM, without a passphrase");
  }
  auto asking = ask_login("client_assertion", *std::move(assertion), std::move(limits));
  auto token = co_await std::move(asking);
  if (token) token->source = "AZURE_CLIENT_CERTIFICATE_PATH";
  co_return token;
}

// The file changes: a cluster writes a new token into it before the old one ends.
base::Task<Result<Token>> Tokens::ask_by_workload(RequestLimits limits) {
  const auto path = variable("AZURE_FEDERATED_TOKEN_FILE");
  if (path.empty() || variable("AZURE_TENANT_ID").empty() || variable("AZURE_CLIENT_ID").empty()) {
    co_return absent("AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID and AZURE_CLIENT_ID are not set");
  }
  auto reading = read_file(path);
  SV_CO_TRY(const auto text, std::move(reading));
  const auto& whole = text.reveal();
  const auto end = whole.find_last_not_of(" \r\n\t");
  base::SecretText assertion(whole.substr(0, end == whole.npos ? 0 : end + 1));
  if (assertion.empty()) {
    co_return Error(Errc::unauthenticated, reason::bad_credential,
                    "AZURE_FEDERATED_TOKEN_FILE names an empty file")
        .with_subject(path);
  }
  auto asking = ask_login("client_assertion", std::move(assertion), std::move(limits));
  auto token = co_await std::move(asking);
  if (token) token->source = "AZURE_FEDERATED_TOKEN_FILE";
  co_return token;
}

// Whether the metadata service of Azure's machines is there: without its header it answers 400.
base::Task<Result<bool>> Tokens::is_in_azure(RequestLimits limits) {
  net::Exchange exchange;
  exchange.request.origin = {false, kMetadataHost, 80};
  exchange.request.path = kMetadataPath;
  exchange.request.query.push_back({"api-version", "2018-02-01"});
  exchange.answer_max = 64u << 10;
  exchange.direct = true;
  auto asking =
      transfer_shortly(*around_.env, *around_.transport, std::move(exchange), kProbeMost, limits);
  const auto answer = co_await std::move(asking);
  SV_CO_CHECK_NOW(check(limits));
  co_return answer && answer->status == 400;
}

// "How to use managed identities for App Service", else "... on an Azure VM".
base::Task<Result<Token>> Tokens::ask_managed(RequestLimits limits) {
  const auto endpoint = variable("IDENTITY_ENDPOINT");
  const base::SecretText secret(variable("IDENTITY_HEADER"));
  const auto client = variable("AZURE_CLIENT_ID");
  const bool service = !endpoint.empty() && !secret.empty();
  Call call;
  call.direct = true;
  auto& request = call.request;
  if (service) {
    SV_CO_TRY_NOW(auto place, parse_place(endpoint, "IDENTITY_ENDPOINT"));
    if (!place.origin.tls && !is_near(place.origin.host) && !plain_allowed_) {
      co_return Error(Errc::precondition_failed, reason::tls,
                      "IDENTITY_ENDPOINT is plain HTTP to another machine")
          .with_hint("it is set by Azure itself; check who changed it");
    }
    request.origin = std::move(place.origin);
    request.path = place.path.empty() ? "/" : std::move(place.path);
    request.headers.add("X-IDENTITY-HEADER", secret.reveal());
    request.query.push_back({"api-version", "2019-08-01"});
  } else {
    if (!only_named_) {
      auto looking = is_in_azure(limits);
      SV_CO_TRY(const bool there, std::move(looking));
      if (!there) co_return absent("this machine has none");
    }
    request.origin = {false, kMetadataHost, 80};
    request.path = kMetadataPath;
    request.headers.add("Metadata", "true");
    request.query.push_back({"api-version", "2018-02-01"});
  }
  request.query.push_back({"resource", kResource});
  if (!client.empty()) request.query.push_back({"client_id", client});
  call.subject = request.origin.url();
  auto sending = metadata_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  co_return take(wire::parse_azure_token(answer->text()),
                 service ? "managed identity (IDENTITY_ENDPOINT)" : "managed identity");
}

base::Task<Result<Token>> Tokens::ask_cli(RequestLimits limits) {
  std::vector<std::string> command = {"az",   "account",    "get-access-token", "--output",
                                      "json", "--resource", kResource};
  const auto tenant = variable("AZURE_TENANT_ID");
  if (!tenant.empty() && is_tenant(tenant)) {
    command.push_back("--tenant");
    command.push_back(tenant);
  }
  auto work = [&]() -> Result<base::SecretText> {
    SV_TRY(auto text, around_.run(command));
    return base::SecretText(std::move(text));
  };
  auto running = base::run_on(*around_.env, around_.env->io(), work);
  const auto printed = co_await std::move(running);
  SV_CO_CHECK_NOW(check(limits));
  if (!printed) {
    auto error = absent("az gives no token");
    co_return std::move(error).with_hint("run az login");
  }
  co_return take(wire::parse_azure_token(printed->reveal()), "az account get-access-token");
}

}  // namespace snapvault::provider::azure
