#include "provider/swift/account.hpp"

#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/swift/clouds.hpp"

namespace snapvault::provider::swift {
namespace {

Error incomplete(std::string_view message) {
  return Error(Errc::unauthenticated, reason::no_credential, message);
}

std::string variable(const Surroundings& around, const char* name) {
  return around.variable(name).value_or(std::string());
}
// The first that is set.
std::string variable(const Surroundings& around, const char* name, const char* old_name) {
  auto out = variable(around, name);
  return out.empty() ? variable(around, old_name) : out;
}

// "public", also when it is written "publicURL", as in the days of v2.
std::string interface_of(std::string text) {
  if (text.ends_with("URL")) text.resize(text.size() - 3);
  return text.empty() ? "public" : text;
}

// The URL of Keystone with its version, which the variable may leave out.
Result<Place> keystone_place(const std::string& url) {
  SV_TRY(auto place, parse_place(url, "the address of Keystone"));
  if (place.path.ends_with("/v3")) return place;
  if (place.path.ends_with("/v2.0")) {
    return Error(Errc::unsupported, reason::bad_url, "Keystone v2.0 is not supported")
        .with_hint("give the address that ends in /v3");
  }
  place.path += "/v3";
  return place;
}

Result<void> check_login(const Account& account) {
  const auto& login = account.login;
  const bool application = !login.application_id.empty() || !login.application_name.empty();
  const bool user = !login.user_id.empty() || !login.user_name.empty();
  if (login.secret.empty()) {
    return incomplete(application ? "the application credential has no secret"
                                  : "Keystone's user has no password");
  }
  if (login.application_id.empty() && !user) return incomplete("no user of Keystone is named");
  return {};
}

Result<Account> from_token(const Surroundings& around) {
  Account out{.kind = Account::Kind::token,
              .source = "the environment (OS_STORAGE_URL and OS_AUTH_TOKEN)"};
  out.storage_url = variable(around, "OS_STORAGE_URL");
  out.secret = base::SecretText(variable(around, "OS_AUTH_TOKEN"));
  SV_TRY(out.auth, parse_place(out.storage_url, "OS_STORAGE_URL"));
  return out;
}

Result<Account> from_v1(const Surroundings& around) {
  Account out{.kind = Account::Kind::v1, .source = "the environment (ST_AUTH)"};
  SV_TRY(out.auth, parse_place(variable(around, "ST_AUTH"), "ST_AUTH"));
  out.user = variable(around, "ST_USER");
  out.secret = base::SecretText(variable(around, "ST_KEY"));
  if (out.user.empty() || out.secret.empty()) {
    return incomplete("ST_AUTH is set, but ST_USER or ST_KEY is not");
  }
  return out;
}

Result<Account> from_variables(const Surroundings& around) {
  Account out{.kind = Account::Kind::keystone, .source = "the environment (OS_AUTH_URL)"};
  SV_TRY(out.auth, keystone_place(variable(around, "OS_AUTH_URL")));
  auto& login = out.login;
  login.application_id = variable(around, "OS_APPLICATION_CREDENTIAL_ID");
  login.application_name = variable(around, "OS_APPLICATION_CREDENTIAL_NAME");
  const bool application = !login.application_id.empty() || !login.application_name.empty();
  login.secret = base::SecretText(
      variable(around, application ? "OS_APPLICATION_CREDENTIAL_SECRET" : "OS_PASSWORD"));
  login.user_id = variable(around, "OS_USER_ID");
  login.user_name = variable(around, "OS_USERNAME");
  login.user_domain_id = variable(around, "OS_USER_DOMAIN_ID");
  login.user_domain_name = variable(around, "OS_USER_DOMAIN_NAME");
  login.project_id = variable(around, "OS_PROJECT_ID", "OS_TENANT_ID");
  login.project_name = variable(around, "OS_PROJECT_NAME", "OS_TENANT_NAME");
  login.project_domain_id = variable(around, "OS_PROJECT_DOMAIN_ID");
  login.project_domain_name = variable(around, "OS_PROJECT_DOMAIN_NAME");
  out.region = variable(around, "OS_REGION_NAME");
  out.interface = interface_of(variable(around, "OS_INTERFACE", "OS_ENDPOINT_TYPE"));
  out.storage_url = variable(around, "OS_STORAGE_URL");
  return out;
}

Result<Account> from_cloud(const std::string& name, const Surroundings& around) {
  SV_TRY(const auto cloud, find_cloud(name, around));
  const auto kind = cloud.get("auth_type");
  const bool v1 = kind == "v1password";
  Account out{.kind = v1 ? Account::Kind::v1 : Account::Kind::keystone,
              .source = "cloud " + name + " of " + cloud.file};
  if (!kind.empty() && kind != "password" && kind != "v3password" && !v1 &&
      kind != "v3applicationcredential") {
    return Error(Errc::unsupported, reason::bad_credential,
                 "clouds.yaml names an auth_type that is not supported")
        .with_subject(name)
        .with_hint("password, v3applicationcredential and v1password are");
  }
  const auto url = cloud.get("auth.auth_url");
  if (url.empty()) {
    return incomplete(
        "the cloud of clouds.yaml has no auth_url; vendor profiles are not known here");
  }
  SV_TRY(out.auth, v1 ? parse_place(url, "auth_url") : keystone_place(url));
  out.region = cloud.get("region_name");
  out.interface = interface_of(cloud.get("interface"));
  out.storage_url = cloud.get("object_store_endpoint_override");
  out.ca = cloud.get("cacert");
  auto& login = out.login;
  login.application_id = cloud.get("auth.application_credential_id");
  login.application_name = cloud.get("auth.application_credential_name");
  const bool application = !login.application_id.empty() || !login.application_name.empty();
  base::SecretText secret(
      cloud.get(application ? "auth.application_credential_secret" : "auth.password"));
  login.user_id = cloud.get("auth.user_id");
  login.user_name = cloud.get("auth.username");
  login.user_domain_id = cloud.get("auth.user_domain_id");
  login.user_domain_name = cloud.get("auth.user_domain_name");
  login.project_id = cloud.get("auth.project_id");
  login.project_name = cloud.get("auth.project_name");
  login.project_domain_id = cloud.get("auth.project_domain_id");
  login.project_domain_name = cloud.get("auth.project_domain_name");
  if (v1) out.user = login.user_name;
  (v1 ? out.secret : login.secret) = std::move(secret);
  if (v1 && (out.user.empty() || out.secret.empty())) {
    return incomplete("the cloud of clouds.yaml has no username or no password");
  }
  return out;
}

Result<Account> find(const Address& address, const Surroundings& around) {
  const auto is_set = [&](const char* name) { return around.variable(name).has_value(); };
  const auto& only = address.credential;  // the user names the source
  const auto may = [&](std::string_view source) { return only.empty() || only == source; };
  if (!may("cloud") && !may("token") && !may("v1") && !may("keystone")) {
    return Error(Errc::invalid_argument, reason::bad_url, "credential= names no source")
        .with_hint("cloud, token, v1 and keystone are");
  }
  if (may("cloud") && !address.profile.empty()) return from_cloud(address.profile, around);
  if (may("token") && is_set("OS_STORAGE_URL") && is_set("OS_AUTH_TOKEN")) {
    return from_token(around);
  }
  if (may("v1") && is_set("ST_AUTH")) return from_v1(around);
  if (may("cloud") && is_set("OS_CLOUD")) {
    return from_cloud(variable(around, "OS_CLOUD"), around);
  }
  if (may("keystone") && is_set("OS_AUTH_URL")) return from_variables(around);
  return Error(Errc::unauthenticated, reason::no_credential,
               "nothing in the environment says who we are at the Swift store")
      .with_hint("set ST_AUTH, ST_USER and ST_KEY, or OS_AUTH_URL and its companions, or OS_CLOUD");
}

}  // namespace

Result<Account> find_account(const Address& address, const Surroundings& around) {
  SV_TRY(auto out, find(address, around));
  if (out.kind == Account::Kind::keystone) SV_CHECK(check_login(out));
  // These are sent in header fields; a line break would begin another one.
  const bool fields = out.kind == Account::Kind::keystone ||
                      ((out.kind == Account::Kind::token || is_field_value(out.user)) &&
                       is_field_value(out.secret.reveal()));
  if (!fields) {
    return Error(Errc::unauthenticated, reason::bad_credential,
                 "the user, key or token holds a character that cannot be sent")
        .with_subject(out.source);
  }
  if (auto region = address.option("region"); !region.empty()) out.region = std::move(region);
  out.plain_allowed = !address.ssl || !out.auth.origin.tls;
  return out;
}

}  // namespace snapvault::provider::swift
