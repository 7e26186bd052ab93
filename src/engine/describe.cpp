#include "engine/describe.hpp"

namespace snapvault::engine {

std::string snapshot_name(const std::string& source, const format::SessionId& id) {
  return source + "-" + id.hex().substr(0, 12);
}

SnapshotInfo describe(const store::Snapshot& snapshot) {
  const auto& manifest = snapshot.commit.manifest;
  const auto& counts = manifest.counts;
  SnapshotInfo info;
  info.id = snapshot.name.session.hex();
  info.name = snapshot_name(manifest.source, snapshot.name.session);
  info.source = manifest.source;
  info.kind = manifest.kind;
  if (manifest.parent) info.parent = manifest.parent->session.hex();
  info.is_incremental = manifest.parent.has_value();
  info.crash_consistent = manifest.crash_consistent;
  info.size = manifest.size;
  info.block_size = manifest.block_size;
  info.started = manifest.started;
  info.finished = manifest.finished;
  info.mode = manifest.mode;
  info.mode_reason = manifest.mode_reason;
  info.logical_bytes = manifest.size;
  info.read_bytes = counts.read_bytes;
  info.changed_bytes = counts.changed_bytes;
  info.new_bytes = counts.new_bytes;
  info.stored_bytes = counts.stored_bytes + snapshot.record_bytes;
  info.blocks.total = counts.total;
  info.blocks.zero = counts.zero + counts.hole;
  info.blocks.unchanged = counts.unchanged;
  info.blocks.duplicate = counts.duplicate;
  info.blocks.fresh = counts.fresh;
  info.file_system = manifest.file_system;
  info.tags = manifest.tags;
  info.attributes = manifest.attributes;
  for (const auto& bad : manifest.bad) info.marked.push_back({bad.offset, bad.length});
  return info;
}

}  // namespace snapvault::engine
