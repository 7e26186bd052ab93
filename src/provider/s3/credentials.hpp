// AwsCredentialChain: where the credential of an S3 store comes from.
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
  std::string source;        // who answered, for doctor
};

class AwsCredentialChain {
 public:
  AwsCredentialChain(Surroundings around, const Address& address);
  ~AwsCredentialChain();
  base::Task<Result<AwsCredentials>> get(std::int64_t now, RequestLimits limits);
  void drop() noexcept;
  std::string region() const;
  std::string endpoint() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::provider
