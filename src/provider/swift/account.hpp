// Account: who we are at a Swift store and where that is asked, found in the address, the
// environment or clouds.yaml. SWIFT.md lists the sources in their order.
#pragma once

#include <string>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"
#include "provider/address.hpp"
#include "provider/place.hpp"
#include "provider/surroundings.hpp"
#include "wire/swift_answers.hpp"

namespace snapvault::provider::swift {

struct Account {
  enum class Kind {
    v1,        // a user and a key, sent in headers (tempauth and its likes)
    keystone,  // a token from Keystone v3
    token,     // a token and a storage URL, as given; nothing renews it
  };
  Kind kind = Kind::v1;
  std::string source;            // for people: "the environment (ST_AUTH)"
  Place auth = {};               // v1: the whole URL; keystone: ends in /v3
  std::string user = {};         // v1
  base::SecretText secret = {};  // v1: the key; token: the token
  wire::KeystoneLogin login = {};
  std::string region = {},
              interface = {};    // keystone: which endpoint; no region: the only one there is
  std::string storage_url = {};  // used instead of what the service answers, unless empty
  std::string ca = {};           // the source names this CA file; or empty
  // Plain HTTP was asked for by name: by ssl=false, or by the URL of the service.
  bool plain_allowed = false;
};

// Blocks if it reads clouds.yaml. Errors: unauthenticated (no_credential, bad_credential),
// invalid_argument (bad_url), unsupported.
Result<Account> find_account(const Address& address, const Surroundings& around);

}  // namespace snapvault::provider::swift
