#include "net/request_head.hpp"

#include <algorithm>
#include <initializer_list>

#include "base/reasons.hpp"

namespace snapvault::net {
namespace {

bool is_line(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

bool is_token(std::string_view text) noexcept {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

// Enough, so that no copy with a token in it is left behind.
std::size_t size_of(const wire::Request& request, std::string_view target,
                    std::string_view authorization) {
  auto out = 512 + request.method.size() + request.origin.host.size() * 2 + target.size() +
             authorization.size();
  for (const auto& field : request.headers) out += field.name.size() + field.value.size() + 4;
  return out;
}

}  // namespace

Result<base::SecretText> build_head(const Exchange& exchange, bool by_proxy,
                                    const base::SecretText& proxy_authorization) {
  const auto bad = [] {
    return Error(Errc::invalid_argument, reason::bad_argument,
                 "a request would hold a character that ends a line");
  };
  const auto& request = exchange.request;
  const auto target = request.target();
  const bool plain =
      std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!plain || !target.starts_with('/') || !is_token(request.method)) return bad();
  std::string out;
  out.reserve(size_of(request, target, proxy_authorization.reveal()));
  const auto add = [&out](std::initializer_list<std::string_view> parts) {
    for (const auto part : parts) out += part;
  };
  add({request.method, " "});
  if (by_proxy) add({request.origin.url()});
  add({target, " HTTP/1.1\r\nHost: ", request.origin.host_field(), "\r\n"});
  add({"User-Agent: snapvault/", SNAPVAULT_VERSION_STRING, "\r\nAccept: */*\r\n"});
  for (const auto& field : request.headers) {
    if (!is_token(field.name) || !is_line(field.value)) {
      base::wipe(out);
      return bad();
    }
    add({field.name, ": ", field.value, "\r\n"});
  }
  if (!proxy_authorization.empty()) {
    add({"Proxy-Authorization: ", proxy_authorization.reveal(), "\r\n"});
  }
  const bool sends = request.method == "PUT" || request.method == "POST";
  if (sends || request.body.size() > 0) {
    add({"Content-Length: ", std::to_string(request.body.size()), "\r\n"});
  }
  if (exchange.expect_continue && request.body.size() > 0) add({"Expect: 100-continue\r\n"});
  add({"\r\n"});
  return base::SecretText(std::move(out));
}

}  // namespace snapvault::net
