// A history: what happens to two volumes and their backups, drawn from a seed, with everything that
// must hold checked after each step.
#pragma once

#include <cstdint>
#include <string>

namespace snapvault::test {

// Empty if all held; else what did not, and at which step.
std::string run_history(std::uint64_t seed);

}  // namespace snapvault::test
