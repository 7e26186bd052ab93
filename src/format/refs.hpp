// Refs: every pack a snapshot needs and how much of it. FORMAT.md section 6.
//
// Either a full table, or one cumulative delta against the full table of an earlier snapshot of the
// same source (depth always 1).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/envelope.hpp"

namespace snapvault::format {

// Where a full table stands: inline in a `.commit`, or in refs/<session>-<n>.
struct RefsBase {
  static constexpr std::uint32_t kInline = 0xFFFFFFFF;
  std::uint64_t order = 0;  // of the commit, for kInline
  SessionId session;
  std::uint32_t n = kInline;
  std::uint32_t entries = 0;  // of the full table: a delta above a quarter of it is rebased
};
struct RefsEntry {
  PackId pack;
  std::int64_t live = 0;  // blocks or nodes; in a delta: the change, not 0
};
struct Refs {
  std::optional<RefsBase> base;    // nothing: a full table, every `live` above 0
  std::vector<RefsEntry> entries;  // rising by pack
};
base::Bytes encode_refs(const Refs& refs);
Result<Refs> decode_refs(base::ByteView bytes);

// The full table of `delta` over `base`. Errors: data_loss (bad_format) if a count falls below 0.
Result<Refs> apply_refs(const Refs& base, const Refs& delta);

}  // namespace snapvault::format
