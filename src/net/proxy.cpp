#include "net/proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <vector>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "net/client.hpp"
#include "wire/encode.hpp"

namespace snapvault::net {
namespace {

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The bytes of an IPv4 or IPv6 address, or none.
std::vector<std::uint8_t> address_bytes(const std::string& text) {
  for (const int family : {AF_INET, AF_INET6}) {
    std::vector<std::uint8_t> out(family == AF_INET ? 4 : 16);
    if (::inet_pton(family, text.c_str(), out.data()) == 1) return out;
  }
  return {};
}

// "10.0.0.0/8", or one address.
bool covers(std::string_view network, const std::string& host) {
  const auto slash = network.find('/');
  const auto base = address_bytes(std::string(network.substr(0, slash)));
  const auto address = address_bytes(host);
  if (base.empty() || base.size() != address.size()) return false;
  auto bits = std::optional<std::uint64_t>(8 * base.size());
  if (slash != std::string_view::npos) bits = wire::parse_number(network.substr(slash + 1));
  if (!bits || *bits > 8 * base.size()) return false;
  for (std::size_t i = 0; i < *bits; ++i) {
    const auto mask = 0x80u >> (i % 8);
    if (((base[i / 8] ^ address[i / 8]) & mask) != 0) return false;
  }
  return true;
}

// Cuts the port, if there is one, off a rule and the brackets off an address. false: another port.
bool take_port(std::string_view& rule, std::uint16_t port) {
  const auto bracket = rule.starts_with('[') ? rule.find(']') : std::string_view::npos;
  const bool bracketed = bracket != std::string_view::npos;
  const auto colon = rule.find(':', bracketed ? bracket : 0);
  const bool has_port = colon != std::string_view::npos && (bracketed || rule.rfind(':') == colon);
  if (has_port &&
      wire::parse_number(rule.substr(colon + 1)) != std::optional<std::uint64_t>(port)) {
    return false;
  }
  rule = bracketed ? rule.substr(1, bracket - 1) : rule.substr(0, has_port ? colon : rule.size());
  return true;
}

bool matches(std::string_view rule, const wire::Origin& to) {
  if (rule == "*") return true;
  if (!take_port(rule, to.port)) return false;
  if (covers(rule, to.host)) return true;
  if (rule.starts_with("*.")) rule.remove_prefix(1);
  if (rule.starts_with('.')) rule.remove_prefix(1);
  if (rule.empty()) return false;
  const std::string_view host(to.host);
  if (wire::equal_in_any_case(host, rule)) return true;
  return host.size() > rule.size() && host[host.size() - rule.size() - 1] == '.' &&
         wire::equal_in_any_case(host.substr(host.size() - rule.size()), rule);
}

}  // namespace

Result<Proxy> parse_proxy(std::string_view text) {
  const auto bad = [](std::string_view message) {
    return Error(Errc::invalid_argument, reason::bad_argument, message)
        .with_hint("set http_proxy and https_proxy to http://[user:password@]host:port");
  };
  if (text.starts_with("https://") || text.starts_with("socks")) {
    return bad("only proxies that are spoken to in plain HTTP are known");
  }
  if (text.starts_with("http://")) text.remove_prefix(7);
  while (text.ends_with('/')) text.remove_suffix(1);
  Proxy out;
  if (const auto at = text.rfind('@'); at != std::string_view::npos) {
    auto user = wire::decode(text.substr(0, at));
    if (!user) return bad("the user of the proxy is not well encoded");
    out.authorization = base::SecretText("Basic " + wire::base64(base::as_bytes(*user)));
    base::wipe(*user);
    text.remove_prefix(at + 1);
  }
  auto origin = wire::parse_origin(text, false);
  if (!origin) return bad("the proxy's address is not well formed");
  out.origin = *std::move(origin);
  if (text.find(':') == std::string_view::npos) out.origin.port = 8080;
  return out;
}

Error proxy_denied(const Proxy& proxy) {
  return Error(Errc::unauthenticated, reason::bad_credential,
               "the proxy wants a name and password, or others")
      .with_native(407)
      .with_subject(proxy.origin.host_field())
      .with_hint("set http_proxy and https_proxy to http://user:password@host:port");
}

bool is_excluded(std::string_view no_proxy, const wire::Origin& to) {
  while (!no_proxy.empty()) {
    const auto comma = no_proxy.find(',');
    if (matches(trim(no_proxy.substr(0, comma)), to)) return true;
    no_proxy.remove_prefix(comma == std::string_view::npos ? no_proxy.size() : comma + 1);
  }
  return false;
}

void read_proxies(const std::function<std::optional<std::string>(const std::string&)>& variable,
                  ClientOptions& options) {
  const auto first = [&](const char* name, const char* other) {
    auto value = variable(name);
    if (!value && other) value = variable(other);
    return value.value_or("");
  };
  options.http_proxy = first("http_proxy", nullptr);
  options.https_proxy = first("https_proxy", "HTTPS_PROXY");
  options.no_proxy = first("no_proxy", "NO_PROXY");
}

}  // namespace snapvault::net
