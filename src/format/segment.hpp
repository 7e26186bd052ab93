// Index segment: sorted entries that say which pack holds a block. FORMAT.md section 7.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "format/pack.hpp"

namespace snapvault::format {

inline constexpr std::size_t kIndexEntrySize = 24;
inline constexpr std::size_t kEntriesPerRecord = 2730;  // 64 KiB records
// So that an object stays below 512 MiB.
inline constexpr std::size_t kSegmentEntriesMax = 1u << 24;
inline constexpr std::size_t kSegmentPacksMax = 1u << 20;

struct IndexEntry {
  BlockPrefix prefix;
  std::uint32_t pack = 0;  // ordinal in the segment's pack table
  std::uint16_t frame = 0;
  std::uint8_t slot = 0;
  std::uint8_t flags = 0;  // 0 so far; unknown ones are ignored
};
struct IndexPack {
  PackId id;
  ObjectHeader header{};             // so that a frame is read with one request
  std::uint32_t directory_size = 0;  // stored, with header and tag
  std::uint64_t size = 0;            // of the pack, bytes
};

// Builds the object: entries are sorted here. At least one pack and one entry. A name that begins
// with "index/m-" makes a merged segment.
base::Bytes build_segment(const KeyRing& keys, std::string_view name,
                          std::span<const std::byte, 24> salt, const std::vector<IndexPack>& packs,
                          std::vector<IndexEntry> entries);

// What is kept in memory of a segment: its packs and where each record of entries starts.
struct SegmentTable {
  std::vector<IndexPack> packs;
  struct EntryRecord {
    BlockPrefix first;         // smallest prefix of the record
    std::uint64_t offset = 0;  // in the object
    std::uint32_t stored = 0;  // with header and tag
    std::uint32_t entries = 0;
  };
  std::vector<EntryRecord> records;
  std::uint64_t entries = 0;
};
// From the whole object. Errors: data_loss, unsupported.
Result<SegmentTable> read_segment_table(const KeyRing& keys, std::string_view name,
                                        base::ByteView object);
// The entries of one record, from its stored bytes. They rise by prefix.
Result<std::vector<IndexEntry>> read_segment_entries(const ObjectKeys& keys,
                                                     const SegmentTable& table,
                                                     const SegmentTable::EntryRecord& record,
                                                     base::ByteView stored);

}  // namespace snapvault::format
