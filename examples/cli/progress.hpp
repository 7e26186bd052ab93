// Progress for people (one bar, or a line every 10 s) and for programs (JSON lines), on stderr.
#pragma once

#include <snapvault/progress.hpp>

#include "command.hpp"

namespace cli {

// For the option on_progress of a job; empty with --quiet or --json alone. `job` is the verb shown.
snapvault::ProgressFunction show_progress(const Globals& globals, const char* job);

}  // namespace cli
