// AwsCredentialChain: where the credential of an S3 store comes from. In this order, the first that
// is there counts (docs.aws.amazon.com, AWS SDKs and Tools Reference Guide, "Standardized
// credential providers"):
//   1. profile=NAME of the address; nothing else is looked at then
//   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
//   3. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, by STS
//   4. the profile AWS_PROFILE, or "default", of the shared files: keys, role_arn with
//   source_profile,
//      credential_source or web_identity_token_file, credential_process, a cached SSO token
//   5. the container's (ECS, EKS Pod Identity)
//   6. the instance's role, by IMDSv2
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/secret_text.hpp"
#include "base/task.hpp"
#include "provider/address.hpp"
#include "provider/surroundings.hpp"

namespace snapvault::provider {

struct AwsCredentials {
  base::SecretText access_key, secret_key, session_token;
  std::int64_t expires = 0;  // seconds since 1970; 0 = never
  std::string source;        // who answered, for doctor: "environment", "profile backup"
};

// Loop only, but for construction, which reads the profile files (for region and endpoint).
class AwsCredentialChain {
 public:
  AwsCredentialChain(Surroundings around, const Address& address);
  ~AwsCredentialChain();

  // Fetched anew before it ends. Errors: unauthenticated (no_credential, bad_credential,
  // expired_credential), unavailable, those of `limits`.
  base::Task<Result<AwsCredentials>> get(std::int64_t now, RequestLimits limits);
  // The store refused it: the next get() fetches it anew, from files too.
  void drop() noexcept;

  // AWS_REGION, AWS_DEFAULT_REGION, or the profile's; or empty.
  std::string region() const;
  // AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or the profile's; or empty.
  std::string endpoint() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::provider
