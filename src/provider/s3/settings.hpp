// Settings: what an address says of an S3 store, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/secret_text.hpp"
#include "provider/address.hpp"
#include "provider/surroundings.hpp"
#include "wire/http.hpp"

namespace snapvault::provider {

struct S3Settings {
  std::string bucket, prefix;
  std::vector<wire::Origin> origins;
  bool amazon = false;  // Amazon's own, of which it is known what it can do
  // Where no endpoint was named the host follows the region: what stands before the region's host.
  std::optional<std::string> before_region;
  bool path_style = false;  // the bucket stands in the path
  bool tls = true;
  std::uint64_t part_size = 64u << 20;
  std::string storage_class;
  std::string sse, sse_kms_key;  // "AES256", "aws:kms", "aws:kms:dsse"
  base::SecretText sse_c_key;    // base64; its MD5 beside it
  std::string sse_c_md5;
  std::string lock_mode;             // GOVERNANCE or COMPLIANCE
  std::uint32_t retention_days = 0;  // 0: none
};

// `endpoint` and `region` are what the surroundings say, for what the address leaves out. Errors:
// invalid_argument (bad_url).
Result<S3Settings> read_s3_settings(const Address& address, const Surroundings& around,
                                    const std::string& endpoint, const std::string& region);

}  // namespace snapvault::provider
