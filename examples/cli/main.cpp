// snapvault: the example program. It contains no backup logic: every command is a few calls of the
// public API.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdio>
#include <exception>

#include "commands.hpp"
#include "signals.hpp"

namespace {

void add_globals(CLI::App& app, cli::Globals& globals) {
  app.add_option("--repo", globals.repo, "Repository: a path or URL")->envname("SNAPVAULT_REPO");
  app.add_option("--passphrase-file", globals.passphrase_file, "File whose first line unlocks it");
  app.add_option("--passphrase-command", globals.passphrase_command,
                 "Command that prints the passphrase");
  app.add_option("--key-file", globals.key_file, "Raw 32-byte key instead of a passphrase");
  app.add_flag("--json", globals.json, "One JSON document on stdout");
  app.add_flag("--quiet,-q", globals.quiet, "No progress");
  app.add_option_function<std::string>(
         "--progress",
         [&globals](const std::string& form) { globals.progress_json = form == "json"; },
         "Progress as bar (default) or json, a line each on stderr")
      ->check(CLI::IsMember({"bar", "json"}));
  app.add_option("--limit-upload", globals.limit_upload, "Bytes a second, such as 50M");
  app.add_option("--limit-download", globals.limit_download, "Bytes a second");
  app.add_option("--limit-read", globals.limit_read, "Bytes a second read from sources");
  app.add_option("--limit-requests", globals.limit_requests, "Requests a second to the store");
  app.add_option("--limits-file", globals.limits_file,
                 "Lines upload=50M, download=, read=, requests=; read again on SIGHUP");
  app.add_option("--memory-max", globals.memory_max, "Bound on memory (default 256M)");
  app.add_option("--cpu-threads", globals.cpu_threads, "Threads that compute (default: all cores)");
}

void add_commands(CLI::App& app, cli::Globals& globals, cli::Run& run) {
  add_repository_commands(app, globals, run);
  add_backup_command(app, globals, run);
  add_restore_command(app, globals, run);
  add_listing_commands(app, globals, run);
  add_verify_command(app, globals, run);
  add_doctor_command(app, globals, run);
  add_completion_command(app, globals, run);
  app.require_subcommand(1);
  app.fallthrough();
  for (auto* command : app.get_subcommands({})) {
    command->fallthrough();
    for (auto* inner : command->get_subcommands({})) inner->fallthrough();
  }
}

// Keys and credentials are in memory: a crash leaves no core file, whoever would write it.
void forbid_core_files() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  ::prctl(PR_SET_DUMPABLE, 0);
}

}  // namespace

int main(int argc, char** argv) {
  forbid_core_files();
  cli::Globals globals;
  std::stop_source stop;
  globals.stop = stop.get_token();
  cli::serve_signals(globals, stop);

  CLI::App app("snapvault backs volumes up to object storage and restores them");
  app.set_version_flag("--version", cli::version_text());
  cli::Run run;
  add_globals(app, globals);
  add_commands(app, globals, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? cli::done : cli::usage;
  }
  try {
    globals.runtime = cli::make_runtime(globals);
    return run();
  } catch (const cli::Failure& failure) {
    cli::print_failure(globals, failure.what(), failure.error());
    return cli::status_of(failure.error());
  } catch (const std::exception& unexpected) {
    fmt::print(stderr, "snapvault: {} (unexpected)\n", unexpected.what());
    return cli::failed;
  }
}
