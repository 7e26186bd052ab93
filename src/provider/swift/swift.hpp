// The provider for OpenStack Swift. Documented in SWIFT.md beside this file.
#pragma once

#include <memory>
#include <string_view>

#include "provider/address.hpp"
#include "provider/surroundings.hpp"

namespace snapvault::provider {

// What the address may say besides what every store takes.
inline constexpr std::string_view kSwiftOptions[] = {"region"};

// Errors: invalid_argument (bad_url), unauthenticated (no_credential).
Result<std::shared_ptr<Provider>> make_swift(Address address, Surroundings around);

}  // namespace snapvault::provider
