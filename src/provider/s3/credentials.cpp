#include "provider/s3/credentials.hpp"

#include "base/reasons.hpp"

namespace snapvault::provider {

struct AwsCredentialChain::State {
  Surroundings around;
};

AwsCredentialChain::AwsCredentialChain(Surroundings around, const Address&)
    : state_(std::make_unique<State>()) {
  state_->around = std::move(around);
}
AwsCredentialChain::~AwsCredentialChain() = default;

base::Task<Result<AwsCredentials>> AwsCredentialChain::get(std::int64_t, RequestLimits) {
  const auto& variable = state_->around.variable;
  const auto key = variable("AWS_ACCESS_KEY_ID"), secret = variable("AWS_SECRET_ACCESS_KEY");
  if (!key || !secret) {
    co_return Error(Errc::unauthenticated, reason::no_credential, "no credential was found");
  }
  AwsCredentials out;
  out.access_key = base::SecretText(*key);
  out.secret_key = base::SecretText(*secret);
  out.session_token = base::SecretText(variable("AWS_SESSION_TOKEN").value_or(""));
  out.source = "environment";
  co_return out;
}
void AwsCredentialChain::drop() noexcept {}
std::string AwsCredentialChain::region() const {
  return state_->around.variable("AWS_REGION").value_or("");
}
std::string AwsCredentialChain::endpoint() const {
  return state_->around.variable("AWS_ENDPOINT_URL").value_or("");
}

}  // namespace snapvault::provider
