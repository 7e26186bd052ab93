// Coroutines side by side on a virtual loop.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/sync.hpp"

namespace snapvault::base {

// Runs `body(group)` and all that it spawned.
template <class Body>
Result<void> run_side_by_side(Env& env, Body& body) {
  return run_sync(env, with_group(env.loop(), 64, body));
}

struct VirtualLoop {
  std::shared_ptr<Env> env = make_virtual_env(7);
  std::vector<std::string> told;  // what happened, in order
};

}  // namespace snapvault::base
