// The commands. Each adds its options to the program and, when it was chosen, sets `run`.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

#include "command.hpp"

namespace cli {

using Run = std::function<Status()>;

void add_repository_commands(CLI::App& app, Globals& globals, Run& run);  // init, set, info, key
void add_backup_command(CLI::App& app, Globals& globals, Run& run);
void add_restore_command(CLI::App& app, Globals& globals, Run& run);
void add_listing_commands(CLI::App& app, Globals& globals,
                          Run& run);  // list, show, catalog, diff, delete
void add_verify_command(CLI::App& app, Globals& globals, Run& run);
void add_doctor_command(CLI::App& app, Globals& globals, Run& run);
void add_completion_command(CLI::App& app, Globals& globals, Run& run);

// For --version: ours, and what is linked.
std::string version_text();

}  // namespace cli
