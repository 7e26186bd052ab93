// Small objects: many read at once, and one created for certain.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "provider/client.hpp"

namespace snapvault::store {

inline constexpr std::uint64_t kParallelGets = 32;

// Gets objects side by side; the answers stand in the order of `names`. Nothing: no such object.
base::Task<Result<std::vector<std::optional<base::Bytes>>>> fetch(provider::Client& client,
                                                                  std::vector<std::string> names);

// Creates an object whose bytes nobody else can have written, as its salt or key is random. If it
// stands there with just these bytes, an earlier sending of the same request succeeded. Errors:
// already_exists: it holds something else.
base::Task<Result<void>> create_own(provider::Client& client, std::string name, base::Bytes object);

}  // namespace snapvault::store
