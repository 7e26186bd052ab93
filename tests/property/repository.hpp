// A new repository with a raw key, on one thread and virtual time.
#pragma once

#include <doctest/doctest.h>
#include <snapvault/snapvault.hpp>

#include <memory>
#include <utility>

#include "api/state.hpp"
#include "base/env.hpp"

namespace snapvault::test {

inline Repository make_repository(std::shared_ptr<Provider> store, std::uint64_t seed = 1,
                                  InitOptions options = {}, std::uint64_t memory = 64u << 20) {
  options.raw_key = RawKey{};
  options.runtime = make_runtime(base::make_virtual_env(seed), memory);
  auto made = Repository::init(std::move(store), options);
  REQUIRE(made);
  return *std::move(made);
}

}  // namespace snapvault::test
