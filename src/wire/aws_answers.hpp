// What AWS's services for credentials answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"

namespace snapvault::wire {

struct AwsKeys {
  base::SecretText access_key, secret_key, session_token;
  std::int64_t expires = 0;  // seconds since 1970; 0 = never
};

// {"AccessKeyId", "SecretAccessKey", "Token" or "SessionToken", "Expiration"}: instance metadata,
// containers and credential_process (docs.aws.amazon.com). Errors: unauthenticated
// (bad_credential).
Result<AwsKeys> parse_aws_keys(std::string_view json);
// {"roleCredentials": {"accessKeyId", ..., "expiration": milliseconds}}: GetRoleCredentials of SSO.
Result<AwsKeys> parse_sso_keys(std::string_view json);
// {"accessToken", "expiresAt"}: a token in ~/.aws/sso/cache. Errors: as above.
struct SsoToken {
  base::SecretText text;
  std::int64_t expires = 0;
};
Result<SsoToken> parse_sso_token(std::string_view json);
// AssumeRole and AssumeRoleWithWebIdentity of STS, in XML. Errors: as above.
Result<AwsKeys> parse_sts_keys(std::string_view xml);

}  // namespace snapvault::wire
