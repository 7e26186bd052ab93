// Which requests go by which proxy.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"
#include "wire/http.hpp"

namespace snapvault::net {

struct Proxy {
  wire::Origin origin;
  base::SecretText authorization;  // for Proxy-Authorization; may be empty
};

// "http://[user:password@]host:port", or without the scheme. Errors: invalid_argument
// (bad_argument), without the text, which may hold a password.
Result<Proxy> parse_proxy(std::string_view text);

// The proxy answered 407. unauthenticated (bad_credential).
Error proxy_denied(const Proxy& proxy);

// Whether no_proxy ("a.b, .c.d, 10.0.0.0/8, [::1]:8080, *") excludes `to`. A name excludes itself
// and all below it.
bool is_excluded(std::string_view no_proxy, const wire::Origin& to);

}  // namespace snapvault::net
