// Small objects: many read at once.
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

}  // namespace snapvault::store
