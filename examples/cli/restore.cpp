// restore.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "commands.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct Restore {
  std::string snapshot, to, range;
  bool in_place = false, overwrite = false, resume = false, keep_going = false, check_ids = false;
};

snapvault::ByteRange parse_range(const std::string& text) {
  const auto plus = text.find('+');
  const auto offset = parse_size(text.substr(0, plus));
  const auto length = plus == std::string::npos ? std::nullopt : parse_size(text.substr(plus + 1));
  if (!offset || !length || *length == 0)
    wrong_usage("--range takes OFFSET+LENGTH, such as 1G+64M");
  return {*offset, *length};
}

std::unique_ptr<snapvault::BlockSink> open_target(
    const Restore& given, const std::optional<snapvault::ByteRange>& range) {
  using snapvault::TargetMode;
  if (given.to == "-") {
    const auto part = range.value_or(snapvault::ByteRange());
    return need("restore",
                snapvault::VolumeTarget::stream(STDOUT_FILENO, part.offset, part.length));
  }
  auto mode = TargetMode::create;
  if (given.overwrite) mode = TargetMode::overwrite;
  if (given.in_place || given.resume) mode = TargetMode::in_place;
  return need("restore", snapvault::VolumeTarget::open(given.to, mode));
}

void print_report(std::FILE* out, const snapvault::RestoreReport& report) {
  fmt::print(out, "restored {} in {}: written {}, zeroed {}, unchanged {}\n",
             show_size(report.bytes_total), show_duration(report.seconds),
             show_size(report.written_bytes), show_size(report.zeroed_bytes),
             show_size(report.unchanged_bytes));
  fmt::print(out, "  fetched {} in {} frames, {} requests\n", show_size(report.fetched_bytes),
             report.frames, report.requests);
  for (const auto& bad : report.bad) {
    fmt::print(out, "  not restored: {} bytes at {}\n", bad.length, bad.offset);
  }
}

Status run_restore(const Globals& globals, const Restore& given) {
  if (given.in_place && given.overwrite) {
    wrong_usage("--in-place and --overwrite exclude each other");
  }
  const bool to_stdout = given.to == "-";
  if (to_stdout && (given.in_place || given.overwrite || given.resume)) {
    wrong_usage("stdout can be neither overwritten nor resumed");
  }
  snapvault::RestoreOptions options;
  if (!given.range.empty()) options.range = parse_range(given.range);
  options.in_place = given.in_place || given.resume;
  options.keep_going = given.keep_going;
  options.check_ids = given.check_ids;
  options.stop = globals.stop;
  options.on_progress = show_progress(globals, "restore");
  const auto repository = open_repository(globals, snapvault::Access::read);
  const auto snapshot = need("restore", repository.snapshot(given.snapshot));
  const auto target = open_target(given, options.range);
  const auto report =
      need("restore", snapvault::Restorer(repository).restore(snapshot, *target, options));
  // Data has stdout to itself.
  std::FILE* out = to_stdout ? stderr : stdout;
  if (globals.json) fmt::print(out, "{}\n", to_json(report, snapshot.info()));
  if (!globals.json && !globals.quiet) print_report(out, report);
  return report.bad.empty() ? done : marked;
}

}  // namespace

void add_restore_command(CLI::App& app, Globals& globals, Run& run) {
  auto* restore = app.add_subcommand("restore", "Writes a snapshot to a file or device");
  restore->footer("Example: snapvault --repo /backups restore node7/disk@latest --to disk.img");
  const auto given = std::make_shared<Restore>();
  restore->add_option("snapshot", given->snapshot, "SOURCE@latest[~N], SOURCE-ID or an id prefix")
      ->required();
  restore->add_option("--to", given->to, "File, block device, or - for stdout")->required();
  restore->add_flag("--in-place", given->in_place, "Write only what differs from what is there");
  restore->add_flag("--overwrite", given->overwrite, "Write over an existing target");
  restore->add_flag("--resume", given->resume, "Go on with an interrupted restore");
  restore->add_option("--range", given->range, "Only OFFSET+LENGTH, such as 1G+64M");
  restore->add_flag("--keep-going", given->keep_going, "Go on past damage and list bad ranges");
  restore->add_flag("--check-ids", given->check_ids, "Recompute block ids too");
  restore->callback([&globals, &run, given] {
    run = [&globals, given] { return run_restore(globals, *given); };
  });
}

}  // namespace cli
