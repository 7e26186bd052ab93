// list, show, catalog, diff, delete.
#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "json.hpp"
#include "text.hpp"

namespace cli {
namespace {

using snapvault::Access;

struct List {
  std::string source, since, status;
  std::vector<std::string> tags;
  std::uint64_t limit = 0;
};

Status run_list(const Globals& globals, const List& given) {
  snapvault::SnapshotFilter filter;
  filter.source = given.source;
  filter.limit = given.limit;
  for (const auto& tag : given.tags) {
    const auto equals = tag.find('=');
    if (equals == std::string::npos) wrong_usage("--tag takes KEY=VALUE");
    filter.tags[tag.substr(0, equals)] = tag.substr(equals + 1);
  }
  if (!given.since.empty()) {
    const auto time = parse_time(given.since);
    if (!time) wrong_usage("--since takes a date such as 2026-01-31 or 2026-01-31T12:00:00Z");
    filter.since = *time;
  }
  const auto repository = open_repository(globals, Access::read);
  auto snapshots = need("list", repository.snapshots(filter));
  if (!given.status.empty() && given.status != "done") snapshots.clear();
  if (globals.json) {
    fmt::print("{}\n", to_json(snapshots));
    return done;
  }
  if (snapshots.empty()) return done;
  fmt::print("{:<44} {:<19}  {:<11}  {:>10}  {:>10}  STATUS\n", "SNAPSHOT", "CREATED", "TYPE",
             "SIZE", "STORED");
  for (const auto& info : snapshots) {
    fmt::print("{:<44} {:<19}  {:<11}  {:>10}  {:>10}  {}\n", printable(info.name),
               show_time(info.finished), info.is_incremental ? "incremental" : "full",
               show_size(info.size), show_size(info.stored_bytes),
               info.marked.empty() ? "done" : "done, marked");
  }
  return done;
}

Status run_show(const Globals& globals, const std::string& name) {
  const auto repository = open_repository(globals, Access::read);
  const auto snapshot = need("show", repository.snapshot(name));
  const auto& info = snapshot.info();
  if (globals.json) {
    fmt::print("{}\n", to_json(info));
    return done;
  }
  fmt::print("snapshot      {}\nid            {}\n", printable(info.name), info.id);
  fmt::print("kind          {}, {} blocks of {}\n", info.kind, info.blocks.total,
             show_size(info.block_size));
  fmt::print("size          {} ({} bytes)\n", show_size(info.size), info.size);
  fmt::print("type          {}{}{}\n", info.is_incremental ? "incremental to " : "full",
             info.parent.value_or(""), info.has_dependents ? ", has dependents" : "");
  fmt::print("mode          {} ({})\n", info.mode, info.mode_reason);
  fmt::print("taken         {} to {}{}\n", show_time(info.started), show_time(info.finished),
             info.crash_consistent ? ", crash-consistent" : "");
  fmt::print("read          {}\nchanged       {}\nnew           {}\nstored        {}\n",
             show_size(info.read_bytes), show_size(info.changed_bytes), show_size(info.new_bytes),
             show_size(info.stored_bytes));
  fmt::print("blocks        {} zero, {} unchanged, {} duplicate, {} new\n", info.blocks.zero,
             info.blocks.unchanged, info.blocks.duplicate, info.blocks.fresh);
  if (!info.file_system.empty()) fmt::print("file system   {}\n", printable(info.file_system));
  for (const auto& [key, value] : info.tags) {
    fmt::print("tag           {}={}\n", printable(key), printable(value));
  }
  for (const auto& [key, value] : info.attributes) {
    fmt::print("attribute     {}={}\n", printable(key), printable(value));
  }
  for (const auto& bad : info.marked) {
    fmt::print("unreadable    {} bytes at {}\n", bad.length, bad.offset);
  }
  return done;
}

const char* kind_of(const snapvault::Extent& extent) {
  if (has(extent.flags, snapvault::ExtentFlags::hole)) return "hole";
  return has(extent.flags, snapvault::ExtentFlags::zero) ? "zero" : "data";
}

Status run_catalog(const Globals& globals, const std::string& name) {
  const auto repository = open_repository(globals, Access::read);
  const auto snapshot = need("catalog", repository.snapshot(name));
  std::vector<snapvault::Extent> all;
  for (std::uint64_t at = 0; at < snapshot.info().size;) {
    const auto page = need("catalog", snapshot.extents(at, snapshot.info().size - at));
    for (const auto& extent : page.extents) {
      if (!globals.json) {
        fmt::print("{:>16} {:>16}  {}\n", extent.offset, extent.length, kind_of(extent));
      }
      if (globals.json) all.push_back(extent);
    }
    at = page.covered_to;
  }
  if (globals.json) fmt::print("{}\n", to_json(all));
  return done;
}

Status run_diff(const Globals& globals, const std::string& a, const std::string& b) {
  const auto repository = open_repository(globals, Access::read);
  const auto ranges = need("diff", repository.diff(a, b));
  if (globals.json) {
    fmt::print("{}\n", to_json(ranges));
    return done;
  }
  for (const auto& range : ranges) fmt::print("{:>16} {:>16}\n", range.offset, range.length);
  return done;
}

Status run_delete(const Globals& globals, const std::vector<std::string>& names, bool dry_run) {
  auto repository = open_repository(globals, dry_run ? Access::read : Access::manage);
  const auto gone = need("delete", repository.remove(names, dry_run));
  if (globals.json) {
    fmt::print("{}\n", to_json(gone));
    return done;
  }
  for (const auto& info : gone) {
    fmt::print("{} {}\n", dry_run ? "would delete" : "deleted", printable(info.name));
  }
  return done;
}

}  // namespace

void add_listing_commands(CLI::App& app, Globals& globals, Run& run) {
  auto* list = app.add_subcommand("list", "Snapshots, newest first");
  list->footer("Example: snapvault --repo /backups list --source node7/disk --limit 5");
  const auto filter = std::make_shared<List>();
  list->add_option("--source", filter->source, "Only of this source");
  list->add_option("--status", filter->status, "Only with this status (done)");
  list->add_option("--tag", filter->tags, "Only with KEY=VALUE, may be repeated");
  list->add_option("--since", filter->since, "Only finished at or after this time");
  list->add_option("--limit", filter->limit, "At most so many");
  list->callback([&globals, &run, filter] {
    run = [&globals, filter] { return run_list(globals, *filter); };
  });

  const auto names = std::make_shared<std::vector<std::string>>();
  const auto add = [&](const char* command, const char* text, const char* example, int count) {
    auto* sub = app.add_subcommand(command, text);
    sub->footer(std::string("Example: snapvault --repo /backups ") + example);
    sub->add_option("snapshot", *names, "SOURCE@latest[~N], SOURCE-ID or an id prefix")
        ->required()
        ->expected(count < 0 ? 1 : count, count < 0 ? 10'000 : count);
    return sub;
  };
  add("show", "One snapshot", "show node7/disk@latest", 1)->callback([&globals, &run, names] {
    run = [&globals, names] { return run_show(globals, names->front()); };
  });
  add("catalog", "What is inside: the extents of a volume", "catalog node7/disk@latest", 1)
      ->callback([&globals, &run, names] {
        run = [&globals, names] { return run_catalog(globals, names->front()); };
      });
  add("diff", "Ranges that differ, from maps alone", "diff node7/disk@latest~1 node7/disk@latest",
      2)
      ->callback([&globals, &run, names] {
        run = [&globals, names] { return run_diff(globals, names->at(0), names->at(1)); };
      });
  auto* remove = add("delete", "Removes snapshots", "delete node7/disk@latest~3 --dry-run", -1);
  const auto dry_run = std::make_shared<bool>(false);
  remove->add_flag("--dry-run", *dry_run, "Say what would be deleted");
  remove->callback([&globals, &run, names, dry_run] {
    run = [&globals, names, dry_run] { return run_delete(globals, *names, *dry_run); };
  });
}

}  // namespace cli
