// Manifest: what a snapshot is. JSON in the `.commit` object. FORMAT.md section 8.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "format/map.hpp"
#include "format/refs.hpp"

namespace snapvault::format {

// A block drawn at commit that the next incremental reads although it is said to be unchanged.
struct AuditSample {
  std::uint64_t offset = 0;
  codec::Fingerprint fingerprint;
};
struct BadExtent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

struct Manifest {
  std::string source;  // name
  std::string kind = "volume";
  std::uint64_t size = 0;  // of the volume, bytes
  std::uint32_t block_size = 65536;
  std::uint32_t height = 1;                // levels of the map
  std::int64_t started = 0, finished = 0;  // seconds since 1970 UTC by the writer's clock
  // The parent, of the same source; nothing for a full backup.
  struct Parent {
    std::uint64_t order = 0;
    SessionId session;
  };
  std::optional<Parent> parent;
  std::uint32_t chain = 0;  // incrementals since the last full; 0 for a full
  std::string mode;         // changed, allocated, scan
  std::string mode_reason;
  bool crash_consistent = false;  // the source was in use
  std::string file_system;
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> attributes;  // of the engine
  base::Bytes base_token;                         // at most 4,096 bytes
  std::vector<BadExtent> bad;                     // unreadable when it was taken
  std::vector<AuditSample> samples;               // at most 256
  struct Counts {
    std::uint64_t read_bytes = 0, changed_bytes = 0, new_bytes = 0, stored_bytes = 0;
    std::uint64_t total = 0, zero = 0, hole = 0, unchanged = 0, duplicate = 0, fresh = 0;  // blocks
    std::uint64_t requests = 0;
  } counts;
  std::string dedup = "exact";
  std::vector<std::string> read_required, write_required;  // features in force
  std::string extra_json = "{}";                           // unknown keys, kept as they came
};

// A `.commit` that holds a manifest: JSON, inline nodes, refs (inline, or the name of the object).
struct Commit {
  Manifest manifest;
  InlineNodes nodes;
  std::optional<Refs> refs;             // inline
  std::optional<RefsBase> refs_object;  // else refs/<session>-<n>
};
base::Bytes build_commit(const KeyRing& keys, std::string_view name,
                         std::span<const std::byte, 24> salt, const Commit& commit);
// Errors: data_loss, unsupported (newer_format: an unknown critical key or feature).
Result<Commit> read_commit(const KeyRing& keys, std::string_view name, base::ByteView object);

}  // namespace snapvault::format
