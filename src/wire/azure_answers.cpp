#include "wire/azure_answers.hpp"

#include <algorithm>
#include <array>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "codec/digest.hpp"
#include "format/json.hpp"
#include "wire/encode.hpp"
#include "wire/jwt.hpp"
#include "wire/xml.hpp"

namespace snapvault::wire {
namespace {

using format::Json;

constexpr std::size_t kCodeMax = 100;
constexpr std::size_t kDetailMax = 4096;
constexpr std::size_t kMarkerMax = 4096;
constexpr std::size_t kTokenMax = 32u << 10;
constexpr std::int64_t kLifetimeMax = 366 * 86'400;
// 9999-12-31: what is later is no time.
constexpr std::uint64_t kTimeMax = 253'402'300'799;

Error bad(std::string_view message) { return Error(Errc::data_loss, reason::bad_answer, message); }

bool is_letter_or_digit(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

std::string name_in(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kCodeMax)) {
    if (!is_letter_or_digit(c) && c != '_') break;
    out += c;
  }
  return out;
}

const Json* member(const Json& json, std::string_view name) noexcept {
  const auto* const members = std::get_if<Json::Object>(&json.value);
  if (members == nullptr) return nullptr;
  const auto found = std::find_if(members->begin(), members->end(),
                                  [name](const Json::Member& one) { return one.key == name; });
  return found == members->end() ? nullptr : &found->value;
}

const std::string* text_in(const Json& json, std::string_view name) noexcept {
  const auto* const value = member(json, name);
  return value == nullptr ? nullptr : std::get_if<std::string>(&value->value);
}

// A number, or text that is one: the services differ. 0 if it is none.
std::int64_t time_in(const Json& json, std::string_view name) noexcept {
  const auto* const value = member(json, name);
  if (value == nullptr) return 0;
  std::optional<std::uint64_t> out;
  if (const auto* const number = std::get_if<std::uint64_t>(&value->value)) out = *number;
  if (const auto* const text = std::get_if<std::string>(&value->value)) out = parse_number(*text);
  return out && *out <= kTimeMax ? static_cast<std::int64_t>(*out) : 0;
}

// RFC 6750: what a bearer token consists of.
bool is_token(std::string_view text) noexcept {
  return !text.empty() && text.size() <= kTokenMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) ||
                  std::string_view("-._~+/=").find(c) != std::string_view::npos;
         });
}

// The tree of a JSON answer with a secret in it, wiped at its end.
class SecretJson {
 public:
  explicit SecretJson(Json json) noexcept : json_(std::move(json)) {}
  SecretJson(const SecretJson&) = delete;
  SecretJson& operator=(const SecretJson&) = delete;
  ~SecretJson() {
    auto* const members = std::get_if<Json::Object>(&json_.value);
    if (members == nullptr) return;
    for (auto& one : *members) {
      if (auto* const text = std::get_if<std::string>(&one.value.value)) base::wipe(*text);
    }
  }
  const Json& operator*() const noexcept { return json_; }

 private:
  Json json_;
};

}  // namespace

AzureError parse_azure_error(const Response& answer) {
  AzureError out;
  out.code = name_in(answer.headers.get("x-ms-error-code"));
  const auto root = parse_xml(answer.text());
  if (!root || root->name != "Error") return out;
  if (out.code.empty()) out.code = name_in(root->text_of("Code"));
  out.detail = root->text_of("Message").substr(0, kDetailMax);
  out.detail += ' ';
  out.detail += root->text_of("AuthenticationErrorDetail").substr(0, kDetailMax);
  return out;
}

Result<AzureList> parse_azure_list(std::string_view body) {
  SV_TRY(const auto root, parse_xml(body));
  const auto* const blobs = root.child("Blobs");
  if (root.name != "EnumerationResults" || blobs == nullptr) {
    return bad("the store's list is no list");
  }
  // Without it, an answer that was cut short would look like the last page.
  const auto* const marker = root.child("NextMarker");
  if (marker == nullptr) return bad("the store's list does not say whether more follows");
  AzureList out;
  out.next_marker = marker->text;
  if (out.next_marker.size() > kMarkerMax) return bad("the store's list goes on under a long name");
  for (const auto& blob : blobs->children) {
    if (blob.name != "Blob") continue;
    const auto* const about = blob.child("Properties");
    if (about == nullptr) return bad("the store's list names a blob without properties");
    if (about->text_of("ResourceType") == "directory") continue;
    ObjectInfo info;
    info.key = blob.text_of("Name");
    const auto size = parse_number(about->text_of("Content-Length"));
    if (!size || info.key.empty()) return bad("the store's list names a blob without a size");
    info.size = *size;
    info.modified = parse_http_date(about->text_of("Last-Modified")).value_or(0);
    out.objects.push_back(std::move(info));
  }
  return out;
}

std::string build_azure_blocks(const std::vector<std::string>& ids) {
  std::string out = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
  for (const auto& id : ids) out += "<Latest>" + escape_xml(id) + "</Latest>";
  return out + "</BlockList>";
}

std::string azure_crc64(const PutBody& body) {
  std::array<std::byte, 8> bytes;
  base::store(bytes.data(), body.crc64_nvme());
  return base64(bytes);
}

Result<AzureToken> parse_azure_token(std::string_view json) {
  auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return bad("the answer to a request for a token is no JSON that can be read");
  const SecretJson answer(*std::move(parsed));
  const auto* text = text_in(*answer, "access_token");
  if (text == nullptr) text = text_in(*answer, "accessToken");
  if (text == nullptr || !is_token(*text)) {
    return bad("the answer to a request for a token holds none that can be sent");
  }
  AzureToken out;
  out.text = base::SecretText(*text);
  out.expires = time_in(*answer, "expires_on");
  out.lifetime = std::min(time_in(*answer, "expires_in"), kLifetimeMax);
  return out;
}

AzureRefusal parse_azure_refusal(std::string_view json) {
  const auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return {};
  AzureRefusal out;
  if (const auto* const error = text_in(*parsed, "error")) out.error = name_in(*error);
  const auto* const description = text_in(*parsed, "error_description");
  if (description != nullptr && description->starts_with("AADSTS")) {
    out.number = name_in(*description);
  }
  return out;
}

Result<base::SecretText> sign_azure_assertion(const AzureAssertion& what, std::string_view pem) {
  constexpr std::int64_t kLife = 600;
  SV_TRY(const auto thumbprint, codec::certificate_thumbprint(pem));
  format::JsonWriter header, claims;
  header.text("alg", "RS256").text("typ", "JWT").text("x5t", base64_url(thumbprint));
  claims.text("aud", what.audience).text("iss", what.client).text("sub", what.client);
  claims.text("jti", what.id);
  const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(what.now, 0));
  claims.number("nbf", now).number("iat", now).number("exp", now + kLife);
  return sign_jwt(std::move(header).finish(), std::move(claims).finish(), pem);
}

}  // namespace snapvault::wire
