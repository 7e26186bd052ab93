// Random histories. SNAPVAULT_HISTORIES sets how many, SNAPVAULT_SEED the first.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "property/history.hpp"

namespace snapvault::test {
namespace {

constexpr std::uint64_t kHistories = 600;
constexpr int kFailuresMax = 10;

std::uint64_t setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

TEST_CASE("whatever happens to a volume, each of its snapshots restores what was there") {
  const auto first = setting("SNAPVAULT_SEED", 1);
  const auto count = setting("SNAPVAULT_HISTORIES", kHistories);
  int failures = 0;
  for (auto seed = first; seed < first + count && failures < kFailuresMax; ++seed) {
    const auto failure = run_history(seed);
    failures += failure.empty() ? 0 : 1;
    CHECK_MESSAGE(failure.empty(), "seed ", seed, ": ", failure);
  }
}

}  // namespace
}  // namespace snapvault::test
