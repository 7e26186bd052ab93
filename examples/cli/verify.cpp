// verify.
#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct Verify {
  std::string snapshot, sample;
  bool structure = false, data = false, read_only = false;
};

void print_report(const snapvault::VerifyReport& report) {
  fmt::print("{} snapshots, {} packs, {} map leaves", report.snapshots, report.packs, report.nodes);
  if (report.frames) {
    fmt::print(", {} frames, {} blocks, {}", report.frames, report.blocks, show_size(report.bytes));
  }
  fmt::print(" checked in {}\n", show_duration(report.seconds));
  for (const auto& object : report.objects) {
    fmt::print("damaged: {}: {} ({})\n", printable(object.key), printable(object.message),
               object.reason);
  }
  for (const auto& snapshot : report.affected) {
    if (snapshot.unreadable) fmt::print("lost: {}\n", printable(snapshot.name));
    for (const auto& extent : snapshot.extents) {
      fmt::print("hit: {}: {} bytes at {}\n", printable(snapshot.name), extent.length,
                 extent.offset);
    }
  }
  fmt::print("{}\n", report.clean() ? "no damage found" : "damage found");
}

Status run_verify(const Globals& globals, const Verify& given) {
  snapvault::VerifyOptions options;
  options.snapshot = given.snapshot;
  if (given.data) options.depth = snapvault::VerifyDepth::data;
  if (!given.sample.empty()) {
    auto text = given.sample;
    if (text.back() == '%') text.pop_back();
    std::size_t used = 0;
    try {
      options.sample_percent = std::stod(text, &used);
    } catch (const std::exception&) {
    }
    if (used == 0 || used != text.size()) wrong_usage("--sample takes a percentage, such as 5%");
    options.depth = snapvault::VerifyDepth::sample;
  }
  options.record_damage = !given.read_only;
  options.stop = globals.stop;
  options.on_progress = show_progress(globals, "verify");
  auto repository = open_repository(
      globals, given.read_only ? snapvault::Access::read : snapvault::Access::append);
  const auto report = need("verify", repository.verify(options));
  if (globals.json) fmt::print("{}\n", to_json(report));
  if (!globals.json && !(globals.quiet && report.clean())) print_report(report);
  return report.clean() ? done : damage;
}

}  // namespace

void add_verify_command(CLI::App& app, Globals& globals, Run& run) {
  auto* verify = app.add_subcommand("verify", "Finds damage and says what it hits");
  verify->footer("Example: snapvault --repo /backups verify --sample 5%");
  const auto given = std::make_shared<Verify>();
  verify->add_option("snapshot", given->snapshot, "Only this one (default: all)");
  auto* structure = verify->add_flag("--structure", given->structure, "Maps and packs (default)");
  auto* sample = verify->add_option("--sample", given->sample, "And this share of the data");
  auto* data = verify->add_flag("--data", given->data, "And every byte of it");
  structure->excludes(sample)->excludes(data);
  sample->excludes(data);
  verify->add_flag("--read-only", given->read_only, "Do not record what is found for healing");
  verify->callback(
      [&globals, &run, given] { run = [&globals, given] { return run_verify(globals, *given); }; });
}

}  // namespace cli
