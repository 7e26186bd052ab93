// Tokens: bearer tokens of Google, from whoever gives one. GCS.md says who is asked.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/secret_text.hpp"
#include "provider/cached.hpp"
#include "provider/exchanger.hpp"
#include "provider/gcs/settings.hpp"
#include "provider/gcs/subject.hpp"
#include "wire/gcs_answers.hpp"

namespace snapvault::provider::gcs {

struct Token {
  base::SecretText text;
  std::int64_t expires = 0;  // seconds since 1970
  std::string source;        // who gave it, for doctor
  std::string quota_project;
};

// Loop only, but for construction.
class Tokens final : public Signer {
 public:
  // `settings` outlive it.
  Tokens(Surroundings around, const Settings& settings);

  base::Task<Result<void>> sign(wire::Request& request, std::int64_t now,
                                RequestLimits limits) override;
  bool renew() noexcept override;
  // Who gives the token. Errors: unauthenticated (no_credential: no source has one; bad_credential,
  // expired_credential, clock_skew: a source refuses us), data_loss (bad_answer),
  // precondition_failed (tls: a secret would go over plain HTTP), those of the exchanger.
  base::Task<Result<std::string>> source(std::int64_t now, RequestLimits limits);

 private:
  template <class T>
  using Answering = base::Task<Result<T>>;
  using Credential = std::shared_ptr<const wire::GcsCredential>;

  Answering<Token> fetch(RequestLimits limits);
  Answering<Token> fetch_from(Source source, RequestLimits limits);
  Answering<Token> ask_file(std::string path, std::string source, RequestLimits limits);
  Answering<Token> ask_credential(Credential credential, RequestLimits limits);
  Answering<Token> ask_service_account(Credential credential, RequestLimits limits);
  Answering<Token> ask_user(Credential credential, RequestLimits limits);
  Answering<Token> ask_external(Credential credential, RequestLimits limits);
  Answering<Token> impersonate(Credential credential, Token asker, RequestLimits limits);
  Answering<Token> ask_metadata(RequestLimits limits);
  using Parse = Result<wire::GcsToken> (*)(std::string_view json);
  Answering<Token> ask(Exchanger& exchanger, wire::Request request, Parse parse,
                       RequestLimits limits);
  Answering<Token> post(std::string url, const base::SecretText& form, RequestLimits limits);
  Result<wire::Request> token_request(const std::string& url) const;

  const Surroundings around_;
  const Settings& settings_;
  Exchanger oauth_, metadata_;
  Subjects subjects_;
  Cached<Token> cached_;
  std::optional<Source> chosen_;
};

}  // namespace snapvault::provider::gcs
