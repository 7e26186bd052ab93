// Snapshot: one backup of one source, and random reads of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <snapvault/config.hpp>
#include <snapvault/result.hpp>
#include <snapvault/source.hpp>

namespace snapvault {

// Blocks of a snapshot, counted when it was taken.
struct BlockCounts {
  std::uint64_t total = 0;      // of the volume
  std::uint64_t zero = 0;       // read as zeros, holes included
  std::uint64_t unchanged = 0;  // as in the parent
  std::uint64_t duplicate = 0;  // changed, but stored before
  std::uint64_t fresh = 0;      // stored by this backup ("new" in JSON)
};

// A range of a volume, in bytes.
struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool operator==(const ByteRange&) const = default;
};

// What is known of a snapshot; plain data.
struct SnapshotInfo {
  std::string id;                     // 32 hex digits
  std::string name;                   // SOURCE-ID, with 12 digits of the id
  std::string source;                 // [cluster/]name
  std::string kind;                   // "volume"
  std::optional<std::string> parent;  // id; nothing for a full backup
  bool is_incremental = false;
  bool has_dependents = false;    // another live snapshot names it as parent; it may be deleted all
                                  // the same unless the policy protects parents
  bool crash_consistent = false;  // the source was in use
  std::uint64_t size = 0;         // of the volume, bytes
  std::uint32_t block_size = 0;
  std::int64_t started = 0, finished = 0;  // seconds since 1970-01-01 UTC, the writer's clock
  std::string mode, mode_reason;
  std::uint64_t logical_bytes = 0;  // the size of the volume
  std::uint64_t read_bytes = 0;     // from the source
  std::uint64_t changed_bytes = 0;  // of blocks that differ from the parent's, those that became
                                    // empty and all behind its end too; without one: with data
  std::uint64_t new_bytes = 0;      // of blocks that no snapshot had, before compression
  std::uint64_t stored_bytes = 0;   // uploaded: data, maps, index and records, its own included
  BlockCounts blocks;
  std::string file_system;  // such as "ext4", or empty
  std::map<std::string, std::string> tags;
  std::map<std::string, std::string> attributes;  // kept for the engine, returned as they were
  std::vector<ByteRange> marked;                  // unreadable when it was taken
};

// A live snapshot of an open repository. Copies share one. Keeps its repository open.
// Thread safety: every function from any thread; blocking.
class SNAPVAULT_EXPORT Snapshot {
 public:
  const SnapshotInfo& info() const noexcept;

  // What is inside, from the map alone: extents of data, zero, hole (zero|hole) in [offset,
  // offset + length), at most 4,096 a call. covered_to says how far; bad ranges are in info().
  Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length) const;

  // Fills `into` with the bytes from `offset`; frames are cached, and readers may run at once.
  // Errors: invalid_argument (range), data_loss (the bytes cannot be given; the range that is bad
  // is the subject). Nothing wrong is ever returned.
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) const;

  struct State;  // internal
  explicit Snapshot(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  const std::shared_ptr<State>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace snapvault
