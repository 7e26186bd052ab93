// The services that give AWS credentials over the network: STS, SSO, containers, instance metadata.
#pragma once

#include <string>

#include "provider/exchanger.hpp"
#include "provider/surroundings.hpp"
#include "wire/aws_answers.hpp"
#include "wire/sigv4.hpp"

namespace snapvault::provider {

struct AssumedRole {
  std::string arn, session_name, external_id, region;
  std::string token_file;  // web identity: who asks shows this token, and signs nothing
  std::string duration;    // seconds; empty: the role's own
};

// Loop only. What these answer is about a credential, never about an object: each error is
// unauthenticated, unavailable, cancelled or deadline_exceeded, and says which service it was.
class AwsServices {
 public:
  // `plain_allowed`: the address turned TLS off by name.
  AwsServices(Surroundings around, bool plain_allowed);

  base::Task<Result<wire::AwsKeys>> assume_with_token(AssumedRole role, RequestLimits limits);
  base::Task<Result<wire::AwsKeys>> assume(AssumedRole role, wire::SigningKey asker,
                                           std::int64_t now, RequestLimits limits);
  base::Task<Result<wire::AwsKeys>> ask_sso(std::string region, std::string account,
                                            std::string role, base::SecretText token,
                                            RequestLimits limits);
  // AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI. Nothing: neither is set.
  base::Task<Result<std::optional<wire::AwsKeys>>> ask_container(RequestLimits limits);
  // IMDSv2. Nothing: turned off, or nobody is there.
  base::Task<Result<std::optional<wire::AwsKeys>>> ask_instance(RequestLimits limits);

 private:
  base::Task<Result<wire::Response>> send(wire::Request request, bool direct, unsigned tries,
                                          base::Nanoseconds most, const char* service,
                                          RequestLimits limits);
  base::Task<Result<wire::AwsKeys>> ask_sts(wire::Request request, RequestLimits limits);
  Result<wire::Request> sts_request(const AssumedRole& role, const std::string& action) const;
  Result<wire::Request> container_request() const;

  Surroundings around_;
  const bool plain_allowed_;
};

}  // namespace snapvault::provider
