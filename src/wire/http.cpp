#include "wire/http.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

Error bad(std::string_view message) {
  return Error(Errc::invalid_argument, reason::bad_url, message)
      .with_hint("write host, host:port or [v6]:port");
}

// Letters, digits, '-', '.', '_' for names and IPv4; ':' and '%' besides for IPv6.
bool is_host(std::string_view host, bool v6) noexcept {
  if (host.empty() || host.size() > 255) return false;
  return std::all_of(host.begin(), host.end(), [v6](char c) {
    const bool plain = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_';
    return plain || (v6 && (c == ':' || c == '%'));
  });
}

}  // namespace

bool equal_in_any_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

void Fields::add(std::string_view name, std::string_view value) {
  fields_.push_back({std::string(name), std::string(value)});
}

void Fields::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Fields::remove(std::string_view name) noexcept {
  std::erase_if(fields_,
                [name](const Field& field) { return equal_in_any_case(field.name, name); });
}

const std::string* Fields::find(std::string_view name) const noexcept {
  for (const auto& field : fields_) {
    if (equal_in_any_case(field.name, name)) return &field.value;
  }
  return nullptr;
}

std::string_view Fields::get(std::string_view name) const noexcept {
  const auto* value = find(name);
  return value ? std::string_view(*value) : std::string_view();
}

std::string Origin::host_field() const {
  auto out = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? 443 : 80)) out += ":" + std::to_string(port);
  return out;
}

std::string Origin::url() const { return (tls ? "https://" : "http://") + host_field(); }

Result<Origin> parse_origin(std::string_view text, bool tls) {
  Origin out;
  out.tls = tls;
  if (text.starts_with("https://")) {
    out.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    out.tls = false;
    text.remove_prefix(7);
  }
  if (text.ends_with('/')) text.remove_suffix(1);
  out.port = out.tls ? 443 : 80;
  std::string_view port;
  const bool v6 = text.starts_with('[');
  if (v6) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return bad("the address of a host lacks its ']'");
    out.host = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
    if (!text.empty() && text.front() != ':') return bad("a host is followed by what is no port");
    port = text.empty() ? text : text.substr(1);
    if (!text.empty() && port.empty()) return bad("the port of a host is empty");
  } else {
    const auto colon = text.find(':');
    out.host = text.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = text.substr(colon + 1);
      if (port.empty()) return bad("the port of a host is empty");
    }
  }
  if (!is_host(out.host, v6)) return bad("this is no name or address of a host");
  if (!port.empty()) {
    const auto number = parse_number(port);
    if (!number || *number == 0 || *number > 65535) return bad("a port is a number up to 65535");
    out.port = static_cast<std::uint16_t>(*number);
  }
  return out;
}

std::string Request::target() const {
  std::string out = path;
  char mark = '?';
  for (const auto& field : query) {
    out += mark;
    out += encode(field.name) + "=" + encode(field.value);
    mark = '&';
  }
  return out;
}

}  // namespace snapvault::wire
