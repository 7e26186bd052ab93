// launch: a task that runs on its own, with nobody who awaits it.
#pragma once

#include <exception>
#include <utility>

#include "base/env.hpp"
#include "base/task.hpp"

namespace snapvault::base {

// Starts `task` on the loop of `env`, whose threads start if they do not run yet. Any thread. The
// task lets no exception out. Throws std::bad_alloc (nothing was started) and std::system_error (no
// thread could be had).
void launch(Env& env, Task<void> task);

}  // namespace snapvault::base
