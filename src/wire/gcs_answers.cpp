#include "wire/gcs_answers.hpp"

#include <algorithm>
#include <optional>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "format/json.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

using format::Json;

constexpr std::size_t kTokenSizeMax = 16u << 10;

Error bad_answer(std::string_view message) {
  return Error(Errc::data_loss, reason::bad_answer, message);
}
Error bad_file(std::string_view message) {
  return Error(Errc::unauthenticated, reason::bad_credential, message);
}

void wipe(Json& json) noexcept {
  if (auto* text = std::get_if<std::string>(&json.value)) base::wipe(*text);
  if (auto* array = std::get_if<Json::Array>(&json.value)) {
    for (auto& one : *array) wipe(one);
  }
  if (auto* object = std::get_if<Json::Object>(&json.value)) {
    for (auto& member : *object) wipe(member.value);
  }
}
// A tree that may hold secrets: wiped when it goes.
struct Wiped {
  Json json;
  explicit Wiped(Json tree) noexcept : json(std::move(tree)) {}
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { wipe(json); }
};

const Json* member(const Json* json, std::string_view name) noexcept {
  const auto* object = json ? std::get_if<Json::Object>(&json->value) : nullptr;
  if (!object) return nullptr;
  for (const auto& one : *object) {
    if (one.key == name) return &one.value;
  }
  return nullptr;
}
// The member if it is a text, or empty.
const std::string& text_of(const Json* json, std::string_view name) noexcept {
  static const std::string kNone;
  const auto* found = member(json, name);
  const auto* text = found ? std::get_if<std::string>(&found->value) : nullptr;
  return text ? *text : kNone;
}
base::SecretText secret_of(const Json* json, std::string_view name) {
  return base::SecretText(text_of(json, name));
}
// A number, or a text that is one, as Google writes 64-bit numbers.
std::optional<std::uint64_t> number_of(const Json* json, std::string_view name) noexcept {
  const auto* found = member(json, name);
  if (!found) return {};
  if (const auto* number = std::get_if<std::uint64_t>(&found->value)) return *number;
  const auto* text = std::get_if<std::string>(&found->value);
  return text ? parse_number(*text) : std::nullopt;
}
bool is_true(const Json* json, std::string_view name) noexcept {
  const auto* found = member(json, name);
  const auto* value = found ? std::get_if<bool>(&found->value) : nullptr;
  return value && *value;
}

// Fit for a header: visible ASCII, without a space.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kTokenSizeMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// For messages: one short line of visible ASCII.
std::string shown(std::string_view text) {
  constexpr std::size_t kShownMax = 200;
  std::string out(text.substr(0, kShownMax));
  for (auto& c : out) {
    if (c < ' ' || c >= 0x7f) c = ' ';
  }
  return out;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Result<GcsObject> object_of(const Json& json) {
  GcsObject out;
  out.name = text_of(&json, "name");
  const auto size = number_of(&json, "size");
  if (out.name.empty() || !size) return bad_answer("an object in the store's answer has no name");
  out.size = *size;
  out.updated = parse_iso_date(text_of(&json, "updated")).value_or(0);
  out.crc32c = text_of(&json, "crc32c");
  return out;
}

Result<GcsToken> checked(GcsToken token) {
  if (!is_token(token.text.reveal())) return bad_answer("the token service gave no usable token");
  constexpr std::uint64_t kLifetimeMax = 30 * 86'400;
  token.lifetime = std::min(token.lifetime, kLifetimeMax);
  return token;
}

Result<GcsSubject> subject_of(const Json* source) {
  GcsSubject out;
  out.file = text_of(source, "file");
  out.url = text_of(source, "url");
  const auto* executable = member(source, "executable");
  out.command = text_of(executable, "command");
  out.output_file = text_of(executable, "output_file");
  if (const auto& id = text_of(source, "environment_id"); !id.empty()) {
    if (id != "aws1") return bad_file("the credentials file wants a newer form of AWS's identity");
    out.aws = true;
    out.region_url = text_of(source, "region_url");
    out.verification_url = text_of(source, "regional_cred_verification_url");
    out.session_token_url = text_of(source, "imdsv2_session_token_url");
    if (out.verification_url.empty()) return bad_file("the credentials file lacks the URL of AWS");
    return out;
  }
  if (out.file.empty() + out.url.empty() + out.command.empty() != 2) {
    return bad_file("the credentials file names no source of the external token, or several");
  }
  const auto* format = member(source, "format");
  out.is_json = text_of(format, "type") == "json";
  out.field = text_of(format, "subject_token_field_name");
  if (out.is_json && out.field.empty()) {
    return bad_file("the credentials file names no field of the external token");
  }
  const auto* headers = member(source, "headers");
  const auto* list = headers ? std::get_if<Json::Object>(&headers->value) : nullptr;
  if (!list) return out;
  for (const auto& one : *list) {
    auto value = secret_of(headers, one.key);
    const auto& text = value.reveal();
    const bool fits = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' '; });
    if (!is_token(one.key) || one.key.find(':') != std::string::npos || !fits) {
      return bad_file("the credentials file has a header that cannot be sent");
    }
    out.headers.push_back({one.key, std::move(value)});
  }
  return out;
}

void read_common(const Json* json, GcsCredential& out) {
  out.project_id = text_of(json, "project_id");
  out.quota_project = text_of(json, "quota_project_id");
  out.client_email = text_of(json, "client_email");
  out.private_key_id = text_of(json, "private_key_id");
  out.client_id = text_of(json, "client_id");
  out.private_key = secret_of(json, "private_key");
  out.client_secret = secret_of(json, "client_secret");
  out.refresh_token = secret_of(json, "refresh_token");
  out.token_url = text_of(json, "token_uri");
  out.impersonation_url = text_of(json, "service_account_impersonation_url");
  const auto* list = member(json, "delegates");
  const auto* delegates = list ? std::get_if<Json::Array>(&list->value) : nullptr;
  if (!delegates) return;
  for (const auto& one : *delegates) {
    if (const auto* text = std::get_if<std::string>(&one.value)) out.delegates.push_back(*text);
  }
}

Result<void> read_external(const Json* json, GcsCredential& out) {
  out.token_url = text_of(json, "token_url");
  out.audience = text_of(json, "audience");
  out.subject_token_type = text_of(json, "subject_token_type");
  out.workforce_project = text_of(json, "workforce_pool_user_project");
  const auto* wanted = member(json, "service_account_impersonation");
  const auto seconds = number_of(wanted, "token_lifetime_seconds");
  if (seconds) out.impersonation_seconds = std::clamp<std::uint64_t>(*seconds, 600, 43'200);
  if (out.token_url.empty() || out.audience.empty() || out.subject_token_type.empty()) {
    return bad_file("the credentials file of an external account is not complete");
  }
  SV_TRY(out.subject, subject_of(member(json, "credential_source")));
  return {};
}

Result<GcsCredential> credential_of(const Json* json, bool nested) {
  constexpr std::string_view kGoogleToken = "https://oauth2.googleapis.com/token";
  using Kind = GcsCredential::Kind;
  GcsCredential out;
  read_common(json, out);
  const auto& type = text_of(json, "type");
  if (type == "service_account") {
    if (out.client_email.empty() || out.private_key.empty()) {
      return bad_file("the credentials file of a service account lacks its e-mail or its key");
    }
  } else if (type == "authorized_user") {
    out.kind = Kind::authorized_user;
    if (out.client_id.empty() || out.client_secret.empty() || out.refresh_token.empty()) {
      return bad_file("the credentials file of a user is not complete");
    }
  } else if (type == "external_account") {
    out.kind = Kind::external_account;
    SV_CHECK(read_external(json, out));
  } else if (type == "impersonated_service_account" && !nested) {
    out.kind = Kind::impersonated;
    if (out.impersonation_url.empty()) {
      return bad_file("the credentials file does not say whom to impersonate");
    }
    SV_TRY(auto source, credential_of(member(json, "source_credentials"), true));
    out.source = std::make_shared<const GcsCredential>(std::move(source));
  } else {
    return bad_file("the credentials file is of a kind that is not supported: \"" + shown(type) +
                    "\"");
  }
  if (out.token_url.empty()) out.token_url = kGoogleToken;
  return out;
}

}  // namespace

Result<GcsObject> parse_gcs_object(std::string_view json) {
  const auto tree = format::parse_json(base::as_bytes(json));
  if (!tree) return bad_answer("the store's answer is no JSON");
  return object_of(*tree);
}

Result<GcsPage> parse_gcs_page(std::string_view json) {
  const auto tree = format::parse_json(base::as_bytes(json));
  if (!tree || !std::holds_alternative<Json::Object>(tree->value)) {
    return bad_answer("the store's list is no JSON");
  }
  // An error behind a status that says success has no items, as an empty list has none.
  if (member(&*tree, "error")) return bad_answer("the store answered an error instead of a list");
  GcsPage out;
  out.next_page = text_of(&*tree, "nextPageToken");
  const auto* items = member(&*tree, "items");
  if (!items) return out;
  const auto* list = std::get_if<Json::Array>(&items->value);
  if (!list) return bad_answer("the store's list has no items");
  out.objects.reserve(list->size());
  for (const auto& one : *list) {
    SV_TRY(auto object, object_of(one));
    out.objects.push_back(std::move(object));
  }
  return out;
}

Result<std::string> parse_gcs_location(std::string_view json) {
  const auto tree = format::parse_json(base::as_bytes(json));
  if (!tree) return bad_answer("the store's answer is no JSON");
  return shown(text_of(&*tree, "location"));
}

std::string gcs_object_json(std::string_view name, std::string_view crc32c) {
  format::JsonWriter out;
  out.text("name", name).text("crc32c", crc32c).text("contentType", "application/octet-stream");
  return std::move(out).finish();
}

std::string gcs_bucket_json(std::string_view name) {
  format::JsonWriter out;
  out.text("name", name);
  return std::move(out).finish();
}

GcsRefusal parse_gcs_refusal(std::string_view body) {
  GcsRefusal out;
  const auto tree = format::parse_json(base::as_bytes(body));
  if (!tree) {
    if (!body.starts_with('<')) out.message = shown(body);  // a sentence, not a page
    return out;
  }
  const auto* error = member(&*tree, "error");
  if (!error) return out;
  if (const auto* code = std::get_if<std::string>(&error->value)) {
    out.reason = shown(*code);
    out.message = shown(text_of(&*tree, "error_description"));
    return out;
  }
  out.message = shown(text_of(error, "message"));
  const auto* errors = member(error, "errors");
  const auto* list = errors ? std::get_if<Json::Array>(&errors->value) : nullptr;
  if (list && !list->empty()) out.reason = shown(text_of(&list->front(), "reason"));
  if (out.reason.empty()) out.reason = shown(text_of(error, "status"));
  return out;
}

Result<GcsToken> parse_gcs_token(std::string_view json) {
  auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return bad_answer("the token service's answer is no JSON");
  const Wiped tree(*std::move(parsed));
  GcsToken out;
  out.text = secret_of(&tree.json, "access_token");
  out.lifetime = number_of(&tree.json, "expires_in").value_or(0);
  return checked(std::move(out));
}

Result<GcsToken> parse_gcs_impersonated(std::string_view json) {
  auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return bad_answer("the token service's answer is no JSON");
  const Wiped tree(*std::move(parsed));
  GcsToken out;
  out.text = secret_of(&tree.json, "accessToken");
  out.expires = parse_iso_date(text_of(&tree.json, "expireTime")).value_or(0);
  return checked(std::move(out));
}

std::string gcs_impersonation_json(const std::vector<std::string>& delegates,
                                   std::string_view scope, std::uint64_t seconds) {
  format::JsonWriter out;
  if (!delegates.empty()) out.texts("delegates", delegates);
  out.texts("scope", {std::string(scope)}).text("lifetime", std::to_string(seconds) + "s");
  return std::move(out).finish();
}

std::string gcs_jwt_header(std::string_view key_id) {
  format::JsonWriter out;
  out.text("alg", "RS256").text("typ", "JWT");
  if (!key_id.empty()) out.text("kid", key_id);
  return std::move(out).finish();
}

std::string gcs_jwt_claims(const GcsClaims& claims) {
  format::JsonWriter out;
  out.text("iss", claims.issuer).text("scope", claims.scope).text("aud", claims.audience);
  out.signed_number("exp", claims.issued + 3600).signed_number("iat", claims.issued);
  return std::move(out).finish();
}

base::SecretText gcs_aws_subject(std::string_view url, const std::vector<GcsHeader>& headers) {
  format::JsonWriter out;
  out.text("url", url).text("method", "POST").key("headers").raw() += '[';
  for (const auto& header : headers) {
    if (&header != &headers.front()) out.raw() += ',';
    format::JsonWriter one;
    one.text("key", header.name).text("value", header.value.reveal());
    const base::SecretText text(std::move(one).finish());
    out.raw() += text.reveal();
  }
  out.raw() += ']';
  return base::SecretText(std::move(out).finish());
}

std::string gcs_user_project_json(std::string_view project) {
  format::JsonWriter out;
  out.text("userProject", project);
  return std::move(out).finish();
}

Result<GcsCredential> parse_gcs_credential(std::string_view json) {
  auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return bad_file("the credentials file is no JSON");
  const Wiped tree(*std::move(parsed));
  return credential_of(&tree.json, false);
}

Result<base::SecretText> parse_gcs_subject(std::string_view text, const GcsSubject& subject) {
  base::SecretText out;
  if (subject.is_json) {
    auto parsed = format::parse_json(base::as_bytes(text));
    if (!parsed) return bad_file("what should hold the external token is no JSON");
    const Wiped tree(*std::move(parsed));
    out = secret_of(&tree.json, subject.field);
  } else {
    out = base::SecretText(std::string(trimmed(text)));
  }
  if (out.empty()) return bad_file("there is no external token where the credentials file says");
  return out;
}

Result<base::SecretText> parse_gcs_executable(std::string_view json, std::string_view type,
                                              std::int64_t now) {
  auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return bad_file("the program that gives the external token answered no JSON");
  const Wiped tree(*std::move(parsed));
  const auto* root = &tree.json;
  if (number_of(root, "version") != 1u || !is_true(root, "success")) {
    return bad_file("the program that gives the external token failed: " +
                    shown(text_of(root, "code")));
  }
  if (text_of(root, "token_type") != type) {
    return bad_file("the program gave an external token of another kind than the file wants");
  }
  const auto expires = number_of(root, "expiration_time");
  if (expires && *expires <= static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0))) {
    return Error(Errc::unauthenticated, reason::expired_credential,
                 "the external token that the program gave has expired");
  }
  const bool saml = type == "urn:ietf:params:oauth:token-type:saml2";
  auto token = secret_of(root, saml ? "saml_response" : "id_token");
  if (token.empty()) return bad_file("the program gave no external token");
  return token;
}

Result<GcsAwsKeys> parse_gcs_aws_keys(std::string_view json) {
  auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return bad_file("AWS's metadata service answered no JSON");
  const Wiped tree(*std::move(parsed));
  GcsAwsKeys out;
  out.access_key = text_of(&tree.json, "AccessKeyId");
  out.secret_key = secret_of(&tree.json, "SecretAccessKey");
  out.session_token = secret_of(&tree.json, "Token");
  if (out.access_key.empty() || out.secret_key.empty()) {
    return bad_file("AWS's metadata service gave no credentials");
  }
  return out;
}

}  // namespace snapvault::wire
