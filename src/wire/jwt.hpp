// JSON Web Tokens signed with RS256 (RFC 7515, RFC 7519): only made, never checked.
#pragma once

#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"

namespace snapvault::wire {

// base64url(header) . base64url(claims) . base64url(signature). Both are JSON objects. Errors:
// those of codec::sign_rs256.
Result<base::SecretText> sign_jwt(std::string_view header_json, std::string_view claims_json,
                                  std::string_view private_key_pem);

}  // namespace snapvault::wire
