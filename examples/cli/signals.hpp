// Signals: Ctrl-C and SIGTERM cancel, cleanly if that takes less than a second; SIGHUP reads the
// limits again.
#pragma once

#include <stop_token>

#include "command.hpp"

namespace cli {

// Blocks the signals and serves them on a thread of its own. To be called before any other thread
// exists; `globals` must live as long as the process.
void serve_signals(const Globals& globals, std::stop_source stop);

}  // namespace cli
