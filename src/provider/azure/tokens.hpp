// Tokens: bearer tokens of Microsoft Entra ID, from whoever gives one. AZURE.md says who is asked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/secret_text.hpp"
#include "provider/azure/account.hpp"
#include "provider/cached.hpp"
#include "provider/exchanger.hpp"
#include "wire/azure_answers.hpp"

namespace snapvault::provider::azure {

struct Token {
  base::SecretText text;
  std::int64_t expires = 0;  // seconds since 1970; 0: nobody says
  std::string source;        // who gave it, for doctor
};

// Loop only, but for construction.
class Tokens {
 public:
  // `account` says which sources are asked; whoever gives a token is asked for all that follow.
  Tokens(Surroundings around, const Account& account);

  // Errors: unauthenticated (no_credential: no source has one; bad_credential, expired_credential,
  // clock_skew: a source refuses us), data_loss (bad_answer), precondition_failed (tls: a secret
  // would go over plain HTTP), those of the exchanger.
  base::Task<Result<Token>> get(std::int64_t now, RequestLimits limits) {
    return cached_.get(now, std::move(limits));
  }
  // The store refused it.
  void drop() noexcept { cached_.drop(); }

 private:
  template <class T>
  using Answering = base::Task<Result<T>>;

  Answering<Token> fetch(RequestLimits limits);
  Answering<Token> fetch_from(TokenSource source, RequestLimits limits);
  Answering<Token> ask_login(std::string form_name, base::SecretText secret, RequestLimits limits);
  Answering<Token> ask_by_secret(RequestLimits limits);
  Answering<Token> ask_by_certificate(std::string path, RequestLimits limits);
  Answering<Token> ask_by_workload(RequestLimits limits);
  Answering<Token> ask_managed(RequestLimits limits);
  Answering<bool> is_in_azure(RequestLimits limits);
  Answering<Token> ask_cli(RequestLimits limits);
  Answering<base::SecretText> read_file(const std::string& path);

  std::string variable(const std::string& name) const {
    return around_.variable(name).value_or("");
  }
  Result<std::string> login_url() const;
  Result<Token> take(Result<wire::AzureToken> from, std::string source) const;

  const Surroundings around_;
  const std::vector<TokenSource> sources_;
  const bool only_named_;
  const bool plain_allowed_;  // ssl=false
  Exchanger login_, metadata_;
  Cached<Token> cached_;
  std::optional<TokenSource> chosen_;
};

}  // namespace snapvault::provider::azure
