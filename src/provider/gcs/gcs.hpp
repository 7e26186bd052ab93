// The provider for Google Cloud Storage. Documented in GCS.md beside this file.
#pragma once

#include <memory>
#include <string_view>

#include "provider/address.hpp"
#include "provider/surroundings.hpp"

namespace snapvault::provider {

// What the address may say besides what every store takes.
inline constexpr std::string_view kGcsOptions[] = {"project"};

// Errors: invalid_argument (bad_url), unauthenticated (no_credential).
Result<std::shared_ptr<Provider>> make_gcs(Address address, Surroundings around);

}  // namespace snapvault::provider
