// doctor: what is right and wrong with the way to a store.
#include <fmt/format.h>

#include "commands.hpp"
#include "json.hpp"
#include "text.hpp"

namespace cli {
namespace {

Status run_doctor(const Globals& globals, const std::string& url) {
  const auto findings =
      need("doctor",
           snapvault::examine_store(url.empty() ? repository_url(globals) : url, {}, globals.stop));
  bool good = true;
  for (const auto& finding : findings) {
    good = good && finding.state != snapvault::Finding::State::bad;
    if (globals.json) continue;
    fmt::print("{:<13} {:<8} {}\n", printable(finding.topic), show_state(finding.state),
               printable(finding.detail));
    if (!finding.hint.empty()) fmt::print("{:<22} hint: {}\n", "", printable(finding.hint));
  }
  if (globals.json) fmt::print("{}\n", to_json(findings));
  return good ? done : failed;
}

}  // namespace

void add_doctor_command(CLI::App& app, Globals& globals, Run& run) {
  auto* doctor = app.add_subcommand(
      "doctor", "Credentials, clock, rights, abilities and speed of a store; needs no key");
  doctor->footer("Example: snapvault doctor 's3://backups/prod?region=eu-central-1'");
  const auto url = std::make_shared<std::string>();
  doctor->add_option("url", *url, "The store (default: --repo)");
  doctor->callback(
      [&globals, &run, url] { run = [&globals, url] { return run_doctor(globals, *url); }; });
}

}  // namespace cli
