// backup volume.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "commands.hpp"
#include "json.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace cli {
namespace {

struct Backup {
  std::string path, source, parent, block_size, changed, audit, on_read_error = "fail";
  std::string compression, full, verify_upload = "all";
  bool incremental = false, force = false;
  std::vector<std::string> tags;
};

std::string default_source(const std::string& path) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return std::string(host.data()) + "/" + std::filesystem::path(path).filename().string();
}

std::vector<snapvault::Extent> read_extents(const std::string& from) {
  std::ifstream file;
  if (from != "-") {
    file.open(from);
    if (!file) wrong_usage("--changed: cannot read " + from);
  }
  std::istream& lines = from == "-" ? std::cin : file;
  std::vector<snapvault::Extent> extents;
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.empty()) extents.push_back(parse_extent(line, number));
  }
  return extents;
}

double parse_percent(std::string text) {
  if (text.empty()) return 0;
  if (text.back() == '%') text.pop_back();
  std::size_t used = 0;
  double value = -1;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
  }
  if (used != text.size() || !(value >= 0 && value <= 100)) {
    wrong_usage("a percentage is from 0% to 100%");
  }
  return value;
}

snapvault::BackupOptions make_options(const Globals& globals, const Backup& given) {
  using snapvault::BackupMode;
  snapvault::BackupOptions options;
  options.source = given.source.empty() ? default_source(given.path) : given.source;
  if (!given.full.empty() && given.incremental) {
    wrong_usage("--full and --incremental exclude each other");
  }
  if (given.incremental) options.mode = BackupMode::incremental;
  if (given.full == "logical") options.mode = BackupMode::full;
  if (given.full == "physical") options.mode = BackupMode::full_physical;
  if (!given.changed.empty() && given.parent.empty()) wrong_usage("--changed needs --parent");
  options.parent = given.parent;
  if (!given.block_size.empty()) {
    const auto size = need_size("--block-size", given.block_size);
    if (size == 0 || size > (4u << 20)) wrong_usage("--block-size is from 4K to 4M");
    options.block_size = static_cast<std::uint32_t>(size);
  }
  options.force = given.force;
  options.audit = parse_percent(given.audit);
  options.mark_unreadable = given.on_read_error == "mark";
  options.verify_metadata_only = given.verify_upload == "metadata";
  options.compression = given.compression;
  for (const auto& tag : given.tags) {
    const auto equals = tag.find('=');
    if (equals == 0 || equals == std::string::npos) wrong_usage("--tag takes KEY=VALUE");
    options.tags[tag.substr(0, equals)] = tag.substr(equals + 1);
  }
  options.stop = globals.stop;
  options.on_progress = show_progress(globals, "backup");
  return options;
}

void print_report(const snapvault::BackupReport& report) {
  const auto& snapshot = report.snapshot;
  fmt::print("{}\n", snapshot.name);
  fmt::print("  {} ({}: {}), {}\n", snapshot.is_incremental ? "incremental" : "full", snapshot.mode,
             snapshot.mode_reason, show_duration(report.seconds));
  fmt::print("  volume {}, read {}, changed {}, new {}, stored {}\n", show_size(snapshot.size),
             show_size(snapshot.read_bytes), show_size(snapshot.changed_bytes),
             show_size(snapshot.new_bytes), show_size(snapshot.stored_bytes));
  fmt::print("  blocks: {} total, {} zero, {} unchanged, {} duplicate, {} new; {} requests\n",
             snapshot.blocks.total, snapshot.blocks.zero, snapshot.blocks.unchanged,
             snapshot.blocks.duplicate, snapshot.blocks.fresh, report.requests);
  for (const auto& bad : snapshot.marked) {
    fmt::print("  unreadable: {} bytes at {}\n", bad.length, bad.offset);
  }
}

// With --changed the named parent decides whether the extents count, so its id goes to the source.
snapvault::VolumeFileOptions volume_options(const Globals&, const Backup& given,
                                            const snapvault::Repository& repository) {
  snapvault::VolumeFileOptions options;
  if (given.parent.empty()) return options;
  auto parent = repository.snapshot(given.parent);
  if (given.changed.empty()) {
    need("parent", std::move(parent));
    return options;
  }
  options.changed = read_extents(given.changed);
  options.base_token = parent ? parent->info().id : "gone";
  return options;
}

Status run_backup(const Globals& globals, const Backup& given) {
  const auto options = make_options(globals, given);
  auto repository = open_repository(globals, snapvault::Access::append);
  const auto info_weak = repository.weak_because();
  if (!info_weak.empty() && !globals.quiet) {
    fmt::print(stderr, "warning: weak store, one writer at a time: {}\n", info_weak);
  }
  auto volume = need("backup", snapvault::VolumeFile::open(
                                   given.path, volume_options(globals, given, repository)));
  const auto report = need("backup", repository.backup(*volume, options));
  if (globals.json) fmt::print("{}\n", to_json(report));
  if (!globals.json && globals.quiet) fmt::print("{}\n", report.snapshot.name);
  if (!globals.json && !globals.quiet) print_report(report);
  for (const auto& warning : report.warnings) {
    if (!globals.json && !globals.quiet) fmt::print(stderr, "warning: {}\n", warning);
  }
  return report.snapshot.marked.empty() ? done : marked;
}

}  // namespace

void add_backup_command(CLI::App& app, Globals& globals, Run& run) {
  auto* backup = app.add_subcommand("backup", "Takes a snapshot of a source");
  backup->require_subcommand(1);
  backup->footer("Example: snapvault --repo /backups backup volume /dev/vg/db --source node7/db");
  auto* volume = backup->add_subcommand("volume", "An image file or block device");
  volume->footer("Example: snapvault --repo /backups backup volume disk.img --source node7/disk");
  const auto given = std::make_shared<Backup>();
  volume->add_option("path", given->path, "Image file or block device")->required();
  volume->add_option("--source", given->source, "[CLUSTER/]NAME (default: HOSTNAME/file name)");
  // A flag with a value, so that a bare --full does not swallow the path behind it.
  volume
      ->add_flag("--full{logical}", given->full,
                 "Read everything; --full=physical shares no stored data")
      ->check(CLI::IsMember({"logical", "physical"}));
  volume->add_flag("--incremental", given->incremental, "Fail without a parent");
  volume->add_option("--parent", given->parent, "Snapshot to be incremental to");
  volume->add_flag("--force", given->force, "Although it is in use: crash-consistent");
  volume->add_option("--block-size", given->block_size, "4K to 4M, a power of two");
  volume->add_option("--changed", given->changed,
                     "Extents changed since --parent, as JSON lines; - for stdin");
  volume->add_option("--audit", given->audit, "Percent of unchanged blocks to read and compare");
  volume->add_option("--on-read-error", given->on_read_error, "fail or mark")
      ->check(CLI::IsMember({"fail", "mark"}));
  volume
      ->add_option("--verify-upload", given->verify_upload,
                   "all: unpack and compare data too (default); metadata: do not")
      ->check(CLI::IsMember({"all", "metadata"}));
  volume->add_option("--compression", given->compression, "none or zstd:1 to zstd:19");
  volume->add_option("--tag", given->tags, "KEY=VALUE, may be repeated");
  volume->callback(
      [&globals, &run, given] { run = [&globals, given] { return run_backup(globals, *given); }; });
}

}  // namespace cli
