#include "reports.hpp"

#include <utility>

namespace snapvault::capi {
namespace {

std::vector<sv_range> to_c(const std::vector<ByteRange>& ranges) {
  std::vector<sv_range> out;
  out.reserve(ranges.size());
  for (const auto& range : ranges) out.push_back({range.offset, range.length});
  return out;
}

// What a job cost, into its report.
template <class Report>
void set_traffic(Report& report, const Traffic& from) {
  report.gets = from.gets;
  report.puts = from.puts;
  report.lists = from.lists;
  report.removes = from.removes;
  report.stats = from.stats;
  report.syncs = from.syncs;
  report.bytes_up = from.bytes_up;
  report.bytes_down = from.bytes_down;
}

}  // namespace

KeptSnapshot::KeptSnapshot(SnapshotInfo given) : info(std::move(given)), marked(to_c(info.marked)) {
  view.struct_size = sizeof(view);
  view.id = info.id.c_str();
  view.name = info.name.c_str();
  view.source = info.source.c_str();
  view.kind = info.kind.c_str();
  view.parent = info.parent ? info.parent->c_str() : nullptr;
  view.mode = info.mode.c_str();
  view.mode_reason = info.mode_reason.c_str();
  view.file_system = info.file_system.c_str();
  view.is_incremental = info.is_incremental;
  view.has_dependents = info.has_dependents;
  view.crash_consistent = info.crash_consistent;
  view.block_size = info.block_size;
  view.size = info.size;
  view.started = info.started;
  view.finished = info.finished;
  view.logical_bytes = info.logical_bytes;
  view.read_bytes = info.read_bytes;
  view.changed_bytes = info.changed_bytes;
  view.new_bytes = info.new_bytes;
  view.stored_bytes = info.stored_bytes;
  view.marked = marked.empty() ? nullptr : marked.data();
  view.marked_count = marked.size();
}

OwnedBackupReport::OwnedBackupReport(BackupReport&& from)
    : sv_backup_report(), kept(std::move(from.snapshot)), texts(std::move(from.warnings)) {
  for (const auto& warning : texts) pointers.push_back(warning.c_str());
  struct_size = sizeof(sv_backup_report);
  snapshot = &kept.view;
  requests = from.requests;
  seconds = from.seconds;
  audit_failed = from.audit_failed;
  warnings = pointers.empty() ? nullptr : pointers.data();
  warning_count = pointers.size();
  set_traffic(*this, from.traffic);
}

OwnedRestoreReport::OwnedRestoreReport(const RestoreReport& from)
    : sv_restore_report(), ranges(to_c(from.bad)) {
  struct_size = sizeof(sv_restore_report);
  bytes_total = from.bytes_total;
  written_bytes = from.written_bytes;
  zeroed_bytes = from.zeroed_bytes;
  unchanged_bytes = from.unchanged_bytes;
  fetched_bytes = from.fetched_bytes;
  requests = from.requests;
  seconds = from.seconds;
  bad = ranges.empty() ? nullptr : ranges.data();
  bad_count = ranges.size();
  set_traffic(*this, from.traffic);
}

}  // namespace snapvault::capi
