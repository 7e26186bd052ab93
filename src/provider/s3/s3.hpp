// The S3 provider, for AWS and whatever speaks S3. Documented in S3.md beside this file.
#pragma once

#include <memory>
#include <string_view>

#include "provider/address.hpp"
#include "provider/surroundings.hpp"

namespace snapvault::provider {

// What the address may say besides what every store takes.
inline constexpr std::string_view kS3Options[] = {"region", "storage_class", "sse", "sse_kms_key",
                                                  "retention_days"};

// Errors: invalid_argument (bad_url), unauthenticated (no_credential).
Result<std::shared_ptr<Provider>> make_s3(Address address, Surroundings around);

}  // namespace snapvault::provider
