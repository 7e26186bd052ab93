#include "wire/swift_answers.hpp"

#include <optional>
#include <utility>

#include "base/bytes.hpp"
#include "base/reasons.hpp"
#include "base/try.hpp"
#include "format/json.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

using format::Json;
using format::JsonReader;
using format::JsonWriter;

constexpr std::size_t kFailuresMax = 10'000;
constexpr std::size_t kServicesMax = 1'000;
constexpr std::size_t kEndpointsMax = 1'000;
constexpr std::size_t kMessageMax = 200;

Error bad_answer(std::string_view message) {
  return Error(Errc::data_loss, reason::bad_answer, message);
}

Result<Json> parse(std::string_view text, std::string_view complaint) {
  auto json = format::parse_json(base::as_bytes(text));
  if (!json) return bad_answer(complaint);
  return json;
}

// The status at the beginning of "404 Not Found"; 0 if there is none.
int status_of(std::string_view line) {
  const auto number = parse_number(line.substr(0, line.find(' ')));
  return number && *number >= 100 && *number <= 599 ? static_cast<int>(*number) : 0;
}

std::string text_or_empty(JsonReader& reader, std::string_view name) {
  return reader.has(name) ? reader.text(name) : std::string();
}

// {"id": "..."} or {"name": "..."}.
JsonWriter by_id_or_name(const std::string& id, const std::string& name) {
  JsonWriter out;
  if (!id.empty()) {
    out.text("id", id);
  } else {
    out.text("name", name);
  }
  return out;
}

std::string domain(const std::string& id, const std::string& name) {
  return by_id_or_name(id.empty() && name.empty() ? "default" : id, name).finish();
}

// A user or project: an id needs no domain.
JsonWriter in_domain(const std::string& id, const std::string& name, const std::string& domain_id,
                     const std::string& domain_name) {
  auto out = by_id_or_name(id, name);
  if (id.empty()) out.key("domain").raw() += domain(domain_id, domain_name);
  return out;
}

JsonWriter user_of(const KeystoneLogin& login) {
  return in_domain(login.user_id, login.user_name, login.user_domain_id, login.user_domain_name);
}

// Appends, and leaves no copy of a secret behind.
void append(std::string& to, std::string from) {
  to += from;
  base::wipe(from);
}

Result<void> add_endpoints(KeystoneToken& token, const Json& service) {
  JsonReader reader(service);
  if (text_or_empty(reader, "type") != "object-store") return {};
  const auto& endpoints = reader.array("endpoints");
  if (token.object_stores.size() + endpoints.size() > kEndpointsMax) {
    return bad_answer("Keystone's catalog is too large");
  }
  for (const auto& item : endpoints) {
    JsonReader each(item);
    KeystoneEndpoint out{
        .interface = each.text("interface"), .region = {}, .url = each.text("url")};
    // Both say the same; older catalogs have no "region_id".
    for (const auto* name : {"region_id", "region"}) {
      if (each.has(name)) out.region = each.text(name);
    }
    // A region may be null: then it is nothing that anybody can name.
    if (out.url.empty() || out.interface.empty()) continue;
    token.object_stores.push_back(std::move(out));
  }
  return {};
}

}  // namespace

Result<std::vector<SwiftEntry>> parse_swift_list(std::string_view json) {
  SV_TRY(const auto parsed, parse(json, "the container's listing is no JSON that can be read"));
  const auto* const items = std::get_if<Json::Array>(&parsed.value);
  if (items == nullptr) return bad_answer("the container's listing is no JSON array");
  if (items->size() > kSwiftEntriesMax) return bad_answer("the container's listing is too long");
  std::vector<SwiftEntry> out;
  out.reserve(items->size());
  for (const auto& item : *items) {
    JsonReader reader(item);
    if (reader.has("subdir")) continue;
    SwiftEntry entry;
    entry.name = reader.text("name");
    entry.bytes = reader.number("bytes");
    entry.hash = text_or_empty(reader, "hash");
    entry.modified = parse_iso_date(text_or_empty(reader, "last_modified")).value_or(0);
    if (!reader.finish()) return bad_answer("an entry of the container's listing lacks a member");
    out.push_back(std::move(entry));
  }
  return out;
}

Result<SwiftDeletion> parse_swift_deletion(std::string_view json) {
  SV_TRY(const auto parsed, parse(json, "the answer to a delete is no JSON that can be read"));
  JsonReader reader(parsed);
  SwiftDeletion out;
  out.status = status_of(reader.text("Response Status"));
  out.message = text_or_empty(reader, "Response Body");
  out.deleted = reader.number("Number Deleted");
  out.not_found = reader.number("Number Not Found");
  const auto& failures = reader.array("Errors");
  if (!reader.finish() || out.status == 0) {
    return bad_answer("the answer to a delete lacks a member");
  }
  if (failures.size() > kFailuresMax) return bad_answer("the answer to a delete is too long");
  for (const auto& item : failures) {
    const auto* const pair = std::get_if<Json::Array>(&item.value);
    if (pair == nullptr || pair->size() != 2) return bad_answer("a delete's error is no pair");
    const auto* const name = std::get_if<std::string>(&pair->front().value);
    const auto* const status = std::get_if<std::string>(&pair->back().value);
    if (name == nullptr || status == nullptr) return bad_answer("a delete's error is no text");
    out.failures.push_back({.name = *name, .status = *status});
  }
  return out;
}

std::string slo_manifest(const std::vector<SwiftSegment>& segments) {
  std::string out = "[";
  for (const auto& segment : segments) {
    if (out.size() > 1) out += ',';
    JsonWriter item;
    item.text("path", segment.path);
    item.text("etag", segment.etag);
    item.number("size_bytes", segment.size);
    out += std::move(item).finish();
  }
  out += ']';
  return out;
}

base::SecretText keystone_login(const KeystoneLogin& login) {
  const auto& secret = login.secret.reveal();
  // Room for all of it at once: a string that grows leaves its old bytes behind.
  const auto room = 4096 + 6 * secret.size();
  const bool application = !login.application_id.empty() || !login.application_name.empty();
  auto inner =
      application ? by_id_or_name(login.application_id, login.application_name) : user_of(login);
  inner.raw().reserve(room);
  inner.text(application ? "secret" : "password", secret);
  if (application && login.application_id.empty()) {
    inner.key("user").raw() += user_of(login).finish();
  }
  const auto* const method = application ? "application_credential" : "password";
  std::string out;
  out.reserve(2 * room);
  out += R"({"auth":{"identity":{"methods":[")";
  out += method;
  out += R"("],")";
  out += method;
  out += application ? R"(":)" : R"(":{"user":)";
  append(out, std::move(inner).finish());
  out += application ? "}" : "}}";
  if (!application && !(login.project_id.empty() && login.project_name.empty())) {
    out += R"(,"scope":{"project":)";
    out += in_domain(login.project_id, login.project_name, login.project_domain_id,
                     login.project_domain_name)
               .finish();
    out += '}';
  }
  out += "}}";
  return base::SecretText(std::move(out));
}

Result<KeystoneToken> parse_keystone_token(std::string_view json) {
  SV_TRY(const auto parsed, parse(json, "Keystone's answer is no JSON that can be read"));
  JsonReader reader(parsed);
  JsonReader inner(reader.object("token"));
  KeystoneToken out;
  const auto expires = parse_iso_date(text_or_empty(inner, "expires_at"));
  const auto issued = parse_iso_date(text_or_empty(inner, "issued_at"));
  if (expires && issued && *expires > *issued) out.lifetime = *expires - *issued;
  out.has_catalog = inner.has("catalog");
  if (!reader.finish()) return bad_answer("Keystone's answer holds no token");
  if (!out.has_catalog) return out;
  const auto& services = inner.array("catalog");
  if (services.size() > kServicesMax) return bad_answer("Keystone's catalog is too large");
  for (const auto& service : services) SV_CHECK(add_endpoints(out, service));
  return out;
}

std::string keystone_message(std::string_view json) {
  const auto parsed = format::parse_json(base::as_bytes(json));
  if (!parsed) return {};
  JsonReader reader(*parsed);
  JsonReader inner(reader.object("error"));
  std::string out;
  for (const char c : inner.text("message")) {
    if (out.size() == kMessageMax) break;
    if (c >= ' ' && c <= '~') out += c;
  }
  return out;
}

}  // namespace snapvault::wire
