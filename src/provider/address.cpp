#include "provider/address.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider {
namespace {

constexpr std::size_t kAddressMax = 4096;
constexpr std::size_t kContainerMax = 222;  // the longest of all vendors: Google's, with dots
// What is left of a key's 1,024 bytes must hold ours, which are below 120.
constexpr std::size_t kPrefixMax = 800;

Error bad(std::string_view message, std::string_view hint = {}) {
  auto out = Error(Errc::invalid_argument, reason::bad_url, message);
  if (!hint.empty()) return std::move(out).with_hint(hint);
  return out;
}

// The value is not repeated: it may be a secret.
bool names_a_secret(std::string_view name) noexcept {
  constexpr std::string_view kWords[] = {
      "secret", "password",   "passwd", "token",       "sig",        "signature",  "key",
      "sas",    "access_key", "apikey", "account_key", "passphrase", "credentials"};
  return std::find(std::begin(kWords), std::end(kWords), name) != std::end(kWords) ||
         name.find("secret") != std::string_view::npos ||
         name.find("password") != std::string_view::npos || name.ends_with("_token") ||
         name.find("accesskey") != std::string_view::npos;
}

bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '$' || c == ' ';
}

Result<std::string> parse_prefix(std::string_view text) {
  if (text.size() > kPrefixMax) return bad("the prefix in the address is too long");
  std::string out;
  while (!text.empty()) {
    const auto slash = text.find('/');
    const auto name = text.substr(0, slash);
    text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
    if (name.empty() || name == "." || name == ".." ||
        !std::all_of(name.begin(), name.end(), is_plain)) {
      return bad("the prefix in the address is no path of plain names",
                 "use letters, digits, '-', '_', '.' and '/'");
    }
    out.append(name) += '/';
  }
  return out;
}

Result<bool> parse_bool(std::string_view name, std::string_view value) {
  if (value == "true" || value == "1" || value == "on") return true;
  if (value == "false" || value == "0" || value == "off") return false;
  return bad(std::string(name) + "= in the address takes true or false");
}

struct Pending {
  std::vector<std::string> endpoints;
};

// One option of every store; false: it is none of them.
Result<bool> take_common(Address& out, Pending& pending, std::string_view name, std::string value) {
  if (name == "endpoint") {
    for (std::size_t at = 0; at <= value.size();) {
      const auto comma = std::min(value.find(',', at), value.size());
      pending.endpoints.push_back(value.substr(at, comma - at));
      at = comma + 1;
    }
  } else if (name == "ssl") {
    SV_TRY(out.ssl, parse_bool(name, value));
  } else if (name == "path_style") {
    SV_TRY(out.path_style, parse_bool(name, value));
    out.options["path_style"] = out.path_style ? "true" : "false";
  } else if (name == "ca") {
    out.ca = std::move(value);
  } else if (name == "client_cert") {
    out.client_cert = std::move(value);
  } else if (name == "client_key") {
    out.client_key = std::move(value);
  } else if (name == "profile") {
    out.profile = std::move(value);
  } else if (name == "credential") {
    out.credential = std::move(value);
  } else if (name == "part_mib") {
    const auto number = wire::parse_number(value);
    if (!number || *number < 5 || *number > 4096) {
      return bad("part_mib= in the address takes 5 to 4096 (MiB)");
    }
    out.part_size = *number << 20;
  } else {
    return false;
  }
  return true;
}

Result<void> parse_options(Address& out, std::string_view query,
                           std::span<const std::string_view> own) {
  Pending pending;
  while (!query.empty()) {
    const auto end = query.find('&');
    const auto option = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (option.empty()) continue;
    const auto equals = option.find('=');
    const std::string name(option.substr(0, equals));
    if (names_a_secret(name)) {
      return bad("a secret does not belong into an address",
                 "give it by the environment or a credentials file, which nobody else can see");
    }
    if (equals == std::string_view::npos) return bad("an option in the address has no value");
    auto value = wire::decode(option.substr(equals + 1));
    if (!value || value->find('\0') != std::string::npos) {
      return bad("an option in the address is not well encoded");
    }
    SV_TRY(const bool common, take_common(out, pending, name, *value));
    if (common) continue;
    if (std::find(own.begin(), own.end(), name) == own.end()) {
      return bad("the address has an option that this kind of store does not know: " +
                 (name.size() < 40 ? name : name.substr(0, 40)));
    }
    out.options[name] = *std::move(value);
  }
  if (out.client_cert.empty() != out.client_key.empty()) {
    return bad("client_cert= and client_key= in the address go together");
  }
  for (const auto& endpoint : pending.endpoints) {
    SV_TRY(auto origin, wire::parse_origin(endpoint, out.ssl));
    if (origin.tls != out.ssl) {
      return bad("endpoint= and ssl= in the address contradict each other",
                 "write endpoint=host:port, and ssl=false if the store has no TLS");
    }
    out.endpoints.push_back(std::move(origin));
  }
  return {};
}

}  // namespace

std::string Address::option(std::string_view name) const {
  const auto found = options.find(std::string(name));
  return found == options.end() ? std::string() : found->second;
}

std::string Address::text() const {
  auto out = scheme + "://" + container;
  if (!prefix.empty()) out += "/" + prefix.substr(0, prefix.size() - 1);
  return out;
}

std::string_view scheme_of(std::string_view url) noexcept {
  const auto colon = url.find("://");
  if (colon == std::string_view::npos || url.find('/') < colon) return {};
  return url.substr(0, colon);
}

Result<Address> parse_address(const std::string& url, std::span<const std::string_view> own) {
  if (url.size() > kAddressMax) return bad("the address is too long");
  Address out;
  out.scheme = scheme_of(url);
  if (out.scheme.empty()) return bad("the address has no scheme, such as s3://");
  std::string_view rest = std::string_view(url).substr(out.scheme.size() + 3);
  if (rest.find('#') != std::string_view::npos) return bad("the address holds a '#'");
  const auto question = rest.find('?');
  const auto query =
      question == std::string_view::npos ? std::string_view() : rest.substr(question + 1);
  rest = rest.substr(0, question);
  const auto slash = rest.find('/');
  out.container = rest.substr(0, slash);
  if (out.container.find('@') != std::string::npos) {
    return bad("a name or secret before an '@' does not belong into an address",
               "give credentials by the environment or a credentials file");
  }
  const auto& container = out.container;
  if (container.empty() || container.size() > kContainerMax || container == "." ||
      container == ".." || !std::all_of(container.begin(), container.end(), is_plain)) {
    return bad("the address names no bucket or container",
               out.scheme + "://BUCKET/PREFIX?OPTION=VALUE");
  }
  if (slash != std::string_view::npos) {
    auto path = rest.substr(slash + 1);
    while (path.ends_with('/')) path.remove_suffix(1);
    SV_TRY(out.prefix, parse_prefix(path));
  }
  SV_CHECK(parse_options(out, query, own));
  return out;
}

}  // namespace snapvault::provider
