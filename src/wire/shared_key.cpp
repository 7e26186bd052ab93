#include "wire/shared_key.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

// Between the method and Content-MD5 stand three more, which the request does not carry as fields.
constexpr std::string_view kSignedFields[] = {
    "Content-MD5",   "Content-Type",        "Date", "If-Modified-Since", "If-Match",
    "If-None-Match", "If-Unmodified-Since", "Range"};

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Linear white space becomes one space, and goes at the ends.
std::string squeeze(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_space(c)) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string canonical_headers(const Fields& headers) {
  std::map<std::string, std::string> sorted;
  for (const auto& field : headers) {
    auto name = lower(field.name);
    if (name.starts_with("x-ms-")) sorted[std::move(name)] = squeeze(field.value);
  }
  std::string out;
  for (const auto& [name, value] : sorted) out += name + ":" + value + "\n";
  return out;
}

std::string canonical_resource(const Request& request, std::string_view account) {
  std::string out("/");
  out.append(account).append(request.path);
  std::map<std::string, std::vector<std::string>> sorted;
  for (const auto& field : request.query) sorted[lower(field.name)].push_back(field.value);
  for (auto& [name, values] : sorted) {
    std::sort(values.begin(), values.end());
    out += "\n" + name + ":";
    for (std::size_t i = 0; i < values.size(); ++i) out += (i == 0 ? "" : ",") + values[i];
  }
  return out;
}

}  // namespace

std::optional<base::SecretText> read_shared_key(std::string_view text) {
  auto bytes = unbase64(text);
  if (!bytes || bytes->empty()) return {};
  base::SecretText out{std::string(base::as_text(*bytes))};
  ::explicit_bzero(bytes->data(), bytes->size());
  return out;
}

std::string shared_key_text(const Request& request, std::string_view account) {
  const auto& headers = request.headers;
  const auto size = request.body.size();
  auto out = request.method + "\n";
  out.append(headers.get("Content-Encoding")).append("\n");
  out.append(headers.get("Content-Language")).append("\n");
  out += (size == 0 ? "" : std::to_string(size)) + "\n";
  const bool dated = headers.find("x-ms-date") != nullptr;
  for (const auto name : kSignedFields) {
    if (name != "Date" || !dated) out.append(headers.get(name));
    out += '\n';
  }
  return out + canonical_headers(headers) + canonical_resource(request, account);
}

std::string shared_key_signature(std::string_view text, const SharedKey& key) {
  return base64(hmac_sha256(base::as_bytes(key.key.reveal()), text));
}

void sign_shared_key(Request& request, const SharedKey& key) {
  const auto signature = shared_key_signature(shared_key_text(request, key.account), key);
  request.headers.set("Authorization", "SharedKey " + key.account + ":" + signature);
}

}  // namespace snapvault::wire
