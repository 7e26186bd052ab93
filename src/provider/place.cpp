#include "provider/place.hpp"

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::provider {
namespace {

constexpr std::size_t kUrlSizeMax = 2048;
constexpr std::size_t kFieldSizeMax = 16u << 10;

bool is_visible(std::string_view text) noexcept {
  for (const char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

}  // namespace

Result<Place> parse_place(std::string_view url, std::string_view what) {
  const auto bad = [&](std::string_view message) {
    return Error(Errc::invalid_argument, reason::bad_url, message)
        .with_context(what)
        .with_hint("it has the form https://host:port/path");
  };
  if (url.size() > kUrlSizeMax) return bad("the URL is too long");
  if (!url.starts_with("https://") && !url.starts_with("http://")) {
    return bad("the URL begins neither with https:// nor with http://");
  }
  const auto host = url.find("//") + 2;
  const auto slash = url.find('/', host);
  const auto authority = url.substr(0, slash);
  auto path = slash == std::string_view::npos ? std::string_view() : url.substr(slash);
  if (authority.find('@') != std::string_view::npos) return bad("the URL holds a user");
  if (!is_visible(url) || url.find_first_of("?#\\\"<>") != std::string_view::npos) {
    return bad("the URL holds a character that it must not");
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  auto origin = wire::parse_origin(authority, true);
  if (!origin) return bad(origin.error().message());
  return Place{.origin = *std::move(origin), .path = std::string(path)};
}

bool is_near(std::string_view host) noexcept {
  if (host == "localhost" || host == "::1") return true;
  const bool number = host.find_first_not_of("0123456789.") == host.npos;
  return number && (host.starts_with("127.") || host.starts_with("169.254."));
}

bool is_field_value(std::string_view text) noexcept {
  if (text.empty() || text.size() > kFieldSizeMax) return false;
  if (text.front() == ' ' || text.back() == ' ') return false;
  for (const char c : text) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

}  // namespace snapvault::provider
