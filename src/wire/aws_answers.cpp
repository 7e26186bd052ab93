#include "wire/aws_answers.hpp"

#include "base/bytes.hpp"
#include "base/reasons.hpp"
#include "base/try.hpp"
#include "format/json.hpp"
#include "wire/encode.hpp"
#include "wire/xml.hpp"

namespace snapvault::wire {
namespace {

Error bad(std::string_view message) {
  return Error(Errc::unauthenticated, reason::bad_credential, message);
}

const format::Json* member(const format::Json& json, std::string_view name) {
  const auto* object = std::get_if<format::Json::Object>(&json.value);
  if (!object) return nullptr;
  for (const auto& one : *object) {
    if (one.key == name) return &one.value;
  }
  return nullptr;
}

std::string text_of(const format::Json& json, std::string_view name) {
  const auto* found = member(json, name);
  const auto* text = found ? std::get_if<std::string>(&found->value) : nullptr;
  return text ? *text : std::string();
}

// Fit for a header, or empty.
base::SecretText secret_of(const format::Json& json, std::string_view name) {
  auto text = text_of(json, name);
  for (const char c : text) {
    if (c <= ' ' || c >= 0x7F) {
      base::wipe(text);
      break;
    }
  }
  return base::SecretText(std::move(text));
}

Result<format::Json> parse(std::string_view json) {
  auto out = format::parse_json(base::as_bytes(json));
  if (!out) return bad("what should give the credential does not answer in JSON");
  return out;
}

Result<AwsKeys> complete(AwsKeys keys) {
  if (keys.access_key.empty() || keys.secret_key.empty()) {
    return bad("what should give the credential answers without a key");
  }
  return keys;
}

}  // namespace

Result<AwsKeys> parse_aws_keys(std::string_view json) {
  SV_TRY(const auto root, parse(json));
  AwsKeys out;
  out.access_key = secret_of(root, "AccessKeyId");
  out.secret_key = secret_of(root, "SecretAccessKey");
  out.session_token = secret_of(root, "Token");
  if (out.session_token.empty()) out.session_token = secret_of(root, "SessionToken");
  const auto end = text_of(root, "Expiration");
  if (!end.empty()) {
    const auto seconds = parse_iso_date(end);
    if (!seconds) return bad("the credential's end is no date");
    out.expires = *seconds;
  }
  return complete(std::move(out));
}

Result<AwsKeys> parse_sso_keys(std::string_view json) {
  SV_TRY(const auto root, parse(json));
  const auto* keys = member(root, "roleCredentials");
  if (!keys) return bad("the SSO portal answers without credentials");
  AwsKeys out;
  out.access_key = secret_of(*keys, "accessKeyId");
  out.secret_key = secret_of(*keys, "secretAccessKey");
  out.session_token = secret_of(*keys, "sessionToken");
  const auto* end = member(*keys, "expiration");
  const auto* milliseconds = end ? std::get_if<std::uint64_t>(&end->value) : nullptr;
  if (milliseconds) out.expires = static_cast<std::int64_t>(*milliseconds / 1000);
  return complete(std::move(out));
}

Result<SsoToken> parse_sso_token(std::string_view json) {
  SV_TRY(const auto root, parse(json));
  SsoToken out;
  out.text = secret_of(root, "accessToken");
  const auto end = parse_iso_date(text_of(root, "expiresAt"));
  if (out.text.empty() || !end) return bad("the cached SSO token is none");
  out.expires = *end;
  return out;
}

Result<AwsKeys> parse_sts_keys(std::string_view xml) {
  const auto root = parse_xml(xml);
  if (!root) return bad("the token service does not answer in XML");
  for (const auto& result : root->children) {
    const auto* keys = result.child("Credentials");
    if (!keys) continue;
    AwsKeys out;
    out.access_key = base::SecretText(std::string(keys->text_of("AccessKeyId")));
    out.secret_key = base::SecretText(std::string(keys->text_of("SecretAccessKey")));
    out.session_token = base::SecretText(std::string(keys->text_of("SessionToken")));
    const auto end = parse_iso_date(keys->text_of("Expiration"));
    if (!end) return bad("the token service does not say when its credential ends");
    out.expires = *end;
    return complete(std::move(out));
  }
  return bad("the token service answers without credentials");
}

}  // namespace snapvault::wire
