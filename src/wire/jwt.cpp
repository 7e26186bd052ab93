#include "wire/jwt.hpp"

#include "base/try.hpp"
#include "codec/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {

Result<base::SecretText> sign_jwt(std::string_view header_json, std::string_view claims_json,
                                  std::string_view private_key_pem) {
  auto text = base64_url(base::as_bytes(header_json));
  text += '.';
  text += base64_url(base::as_bytes(claims_json));
  SV_TRY(const auto signature, codec::sign_rs256(private_key_pem, base::as_bytes(text)));
  text += '.';
  text += base64_url(signature);
  return base::SecretText(std::move(text));
}

}  // namespace snapvault::wire
