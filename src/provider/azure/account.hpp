// Account: what the address and the environment say of an Azure store and of who we are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret_text.hpp"
#include "provider/address.hpp"
#include "provider/surroundings.hpp"
#include "wire/http.hpp"
#include "wire/shared_key.hpp"

namespace snapvault::provider::azure {

// Where a bearer token may come from, in the order of asking.
enum class TokenSource { service_principal, workload_identity, managed_identity, cli };
// "service principal" and so on, for messages.
std::string_view name_of(TokenSource source) noexcept;

struct Account {
  std::string name;  // of the storage account
  std::string container, prefix;
  std::vector<wire::Origin> origins;
  bool vendor = true;  // all are Azure's own, of which it is known what they can do
  bool tls = true;
  bool path_style = false;  // the account stands in the path
  std::uint64_t part_size = 64u << 20;

  // Who we are: one of these three.
  std::optional<wire::SharedKey> key;
  base::SecretText sas;  // "sv=...&sig=...", encoded as it was given
  std::vector<TokenSource> token_sources;
  bool only_named = false;  // a single source was asked for by name
  std::string source;       // of key and sas, for doctor
};

// Errors: invalid_argument (bad_url), unauthenticated (bad_credential: what was given cannot be
// read; no_credential).
Result<Account> read_account(const Address& address, const Surroundings& around);

// A connection string, "Name=value;..." (learn.microsoft.com, "Configure Azure Storage connection
// strings"). Errors: unauthenticated (bad_credential), without what it holds.
struct ConnectionString {
  std::string account, endpoint_suffix, protocol, blob_endpoint;
  base::SecretText key, sas;
  bool development = false;
};
Result<ConnectionString> parse_connection_string(std::string_view text);

// The parameters of a SAS, decoded. Nothing if it is none: it has a signature, "sig".
std::optional<std::vector<wire::Field>> parse_sas(std::string_view text);
// When it ends ("se"), in seconds since 1970; nothing if it does not say.
std::optional<std::int64_t> sas_end(std::string_view text);

}  // namespace snapvault::provider::azure
