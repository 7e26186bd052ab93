// Control records: begin, tomb, abort and the log. Small JSON objects. FORMAT.md section 9.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "format/envelope.hpp"

namespace snapvault::format {

struct Begin {
  std::string source;
  std::int64_t time = 0;            // writer's clock, data only
  std::optional<SessionId> parent;  // pinned
  std::uint64_t parent_order = 0;
};
struct Tomb {
  std::int64_t time = 0;
};
struct Abort {
  std::int64_t time = 0;
  std::string why;
};

// What a log record can say. Kinds this build does not know are kept apart by name.
struct PolicyRecord {                       // the newest value of each wins
  std::optional<std::uint32_t> full_every;  // 0: never
  std::optional<bool> protect_parents;
  std::optional<std::string> compression;  // "zstd:N" or "none"
  std::optional<std::uint64_t> pack_size;
};
struct DamageRecord {  // frames that verify found bad
  struct Frame {
    PackId pack;
    std::uint32_t start16 = 0;
  };
  std::vector<Frame> frames;  // at most 100,000
  std::vector<PackId> packs;  // missing or unreadable as a whole
};
struct FeaturesRecord {
  std::vector<std::string> read_required, write_required, optional;
};
struct CondemnRecord {
  std::vector<PackId> packs;
  std::uint64_t watermark = 0;
};
struct UnknownRecord {
  std::string kind;
};
using LogRecord =
    std::variant<PolicyRecord, DamageRecord, FeaturesRecord, CondemnRecord, UnknownRecord>;

using Salt = std::span<const std::byte, 24>;
base::Bytes build_begin(const KeyRing& keys, std::string_view name, Salt salt, const Begin& begin);
base::Bytes build_tomb(const KeyRing& keys, std::string_view name, Salt salt, const Tomb& tomb);
base::Bytes build_abort(const KeyRing& keys, std::string_view name, Salt salt, const Abort& abort);
base::Bytes build_log(const KeyRing& keys, std::string_view name, Salt salt,
                      const LogRecord& record);

// Errors: data_loss (bad_format, not_authentic), unsupported (newer_format: a critical key, or a
// signature flag, that this build does not know).
Result<Begin> read_begin(const KeyRing& keys, std::string_view name, base::ByteView object);
Result<Tomb> read_tomb(const KeyRing& keys, std::string_view name, base::ByteView object);
Result<Abort> read_abort(const KeyRing& keys, std::string_view name, base::ByteView object);
Result<LogRecord> read_log(const KeyRing& keys, std::string_view name, base::ByteView object);

}  // namespace snapvault::format
