// Subjects: the tokens by which somebody else says who we are: the first half of Google's workload
// identity federation. Source: AIP-4117, "Authenticating with External Account Credentials".
#pragma once

#include <cstdint>
#include <string>

#include "base/secret_text.hpp"
#include "provider/exchanger.hpp"
#include "provider/surroundings.hpp"
#include "wire/gcs_answers.hpp"

namespace snapvault::provider::gcs {

// Loop only, but for construction.
class Subjects {
 public:
  explicit Subjects(Surroundings around);

  // Errors: unauthenticated (bad_credential, expired_credential), precondition_failed (tls), those
  // of the exchanger.
  base::Task<Result<base::SecretText>> get(const wire::GcsCredential& credential,
                                           RequestLimits limits);

 private:
  template <class T>
  using Answering = base::Task<Result<T>>;

  Answering<base::SecretText> from_file(const wire::GcsSubject& subject);
  Answering<base::SecretText> from_url(const wire::GcsSubject& subject, RequestLimits limits);
  Answering<base::SecretText> from_command(const wire::GcsCredential& credential,
                                           RequestLimits limits);
  Answering<base::SecretText> from_aws(const wire::GcsCredential& credential, RequestLimits limits);
  // The rest of AWS: who we are and where.
  Answering<wire::GcsAwsKeys> aws_keys(const wire::GcsSubject& subject, base::SecretText session,
                                       RequestLimits limits);
  Answering<std::string> aws_region(const wire::GcsSubject& subject, base::SecretText session,
                                    RequestLimits limits);
  Answering<base::SecretText> aws_session(const wire::GcsSubject& subject, RequestLimits limits);
  Answering<base::SecretText> fetch(wire::Request request, RequestLimits limits);

  const Surroundings around_;
  Exchanger exchanger_;
};

}  // namespace snapvault::provider::gcs
