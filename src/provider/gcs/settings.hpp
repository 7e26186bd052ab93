// Settings: what the address and the environment say of a Google store and of who we are.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "provider/address.hpp"
#include "provider/surroundings.hpp"
#include "wire/http.hpp"

namespace snapvault::provider::gcs {

// Where a token comes from.
enum class Source {
  file,       // GOOGLE_APPLICATION_CREDENTIALS
  gcloud,     // the file that gcloud auth application-default login writes
  metadata,   // the metadata server of Google's machines
  anonymous,  // no token: an emulator
};
std::string_view name_of(Source source) noexcept;

struct Settings {
  std::string bucket, prefix;
  std::vector<wire::Origin> origins;
  bool vendor = true;          // Google's own, of which it is known what it can do
  bool tls = true;             // all origins
  bool plain_allowed = false;  // ssl=false
  std::uint64_t part_size = 64u << 20;
  std::string project;                   // for init --create-bucket; or empty
  std::vector<Source> sources;           // in the order of asking
  bool only_named = false;               // a single one was asked for by name
  std::string file, gcloud_file;         // paths; or empty
  std::vector<std::string> token_hosts;  // besides Google's own
};

// Errors: invalid_argument (bad_url).
Result<Settings> read_settings(const Address& address, const Surroundings& around);

// Whether a credentials file may send what it holds to `host`: Google's own hosts, and those of
// `settings`. Google's guide "Validate credential configurations from external sources" asks for
// this.
bool is_token_host(std::string_view host, const Settings& settings) noexcept;

}  // namespace snapvault::provider::gcs
