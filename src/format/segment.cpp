#include "format/segment.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "format/errors.hpp"

namespace snapvault::format {
namespace {

using base::append;

static_assert(sizeof(IndexEntry) == kIndexEntrySize && std::is_trivially_copyable_v<IndexEntry>,
              "entries are stored as they stand in memory");

constexpr std::size_t kPackSize = 105;  // of an IndexPack
constexpr std::size_t kPacksPerRecord = 8192;
constexpr std::size_t kDirectoryRecord = 32;  // first prefix 16, offset u64, stored u32, count u32

ObjectType type_of(std::string_view name) noexcept {
  return name.starts_with("index/m-") ? ObjectType::merged_segment : ObjectType::segment;
}

// Prefixes in the order of their bytes, by two loads.
std::pair<std::uint64_t, std::uint64_t> rank(const BlockPrefix& prefix) noexcept {
  const auto* const bytes = prefix.bytes.data();
  return {__builtin_bswap64(base::load<std::uint64_t>(bytes)),
          __builtin_bswap64(base::load<std::uint64_t>(bytes + 8))};
}
bool before(const IndexEntry& a, const IndexEntry& b) noexcept {
  const auto rank_a = rank(a.prefix), rank_b = rank(b.prefix);
  if (rank_a != rank_b) return rank_a < rank_b;
  return std::tie(a.pack, a.frame, a.slot, a.flags) < std::tie(b.pack, b.frame, b.slot, b.flags);
}

void append_pack(base::Bytes& out, const IndexPack& pack) {
  append(out, pack.id.session.view());
  append(out, static_cast<std::uint8_t>(pack.id.pack_class));
  append(out, pack.id.n);
  append(out, base::ByteView(pack.header));
  append(out, pack.directory_size);
  append(out, pack.size);
}

Result<void> read_packs(base::ByteView plain, std::vector<IndexPack>& packs) {
  base::ByteReader reader(plain);
  while (!reader.finished()) {
    IndexPack pack;
    const auto session = reader.take(pack.id.session.bytes.size());
    std::copy(session.begin(), session.end(), pack.id.session.bytes.begin());
    const auto pack_class = reader.read<std::uint8_t>();
    pack.id.n = reader.read<std::uint32_t>();
    const auto header = reader.take(kHeaderSize);
    std::copy(header.begin(), header.end(), pack.header.begin());
    pack.directory_size = reader.read<std::uint32_t>();
    pack.size = reader.read<std::uint64_t>();
    if (!reader.ok() || pack_class > 1 || pack.directory_size <= kRecordOverhead ||
        pack.directory_size > kPlainMax + kRecordOverhead || pack.size > kObjectMax ||
        pack.size < kFirstRecord + pack.directory_size + kFooterSize) {
      return bad_format("the pack table of an index segment is malformed");
    }
    pack.id.pack_class = static_cast<PackClass>(pack_class);
    packs.push_back(pack);
  }
  return {};
}

// What a segment's directory says.
struct SegmentDirectory {
  std::uint32_t packs = 0;
  std::uint64_t entries = 0;
  std::vector<SegmentTable::EntryRecord> pack_records;  // `first` is zero, `entries` are packs
  std::vector<SegmentTable::EntryRecord> entry_records;
};

// u32 packs | u32 records of packs | u64 entries | the records
base::Bytes encode_table(const SegmentDirectory& directory) {
  base::Bytes out;
  append(out, directory.packs);
  append(out, static_cast<std::uint32_t>(directory.pack_records.size()));
  append(out, directory.entries);
  for (const auto* records : {&directory.pack_records, &directory.entry_records}) {
    for (const auto& record : *records) {
      append(out, record.first.view());
      append(out, record.offset);
      append(out, record.stored);
      append(out, record.entries);
    }
  }
  return out;
}

// The records are contiguous. `end`: where the directory's record starts; the records fill
// everything before it.
Result<SegmentDirectory> decode_table(base::ByteView plain, std::uint64_t end) {
  base::ByteReader reader(plain);
  SegmentDirectory directory;
  directory.packs = reader.read<std::uint32_t>();
  const auto pack_records = reader.read<std::uint32_t>();
  directory.entries = reader.read<std::uint64_t>();
  const auto records = reader.rest().size() / kDirectoryRecord;
  if (!reader.ok() || reader.rest().size() % kDirectoryRecord != 0 || pack_records == 0 ||
      pack_records >= records || directory.packs > kSegmentPacksMax ||
      directory.entries > kSegmentEntriesMax) {
    return bad_format("the directory of an index segment is malformed");
  }
  std::uint64_t at = kFirstRecord, packs = 0, entries = 0;
  for (std::size_t i = 0; i < records; ++i) {
    const bool is_packs = i < pack_records;
    auto& list = is_packs ? directory.pack_records : directory.entry_records;
    SegmentTable::EntryRecord record;
    const auto first = reader.take(record.first.bytes.size());
    std::copy(first.begin(), first.end(), record.first.bytes.begin());
    record.offset = reader.read<std::uint64_t>();
    record.stored = reader.read<std::uint32_t>();
    record.entries = reader.read<std::uint32_t>();
    const bool is_sane =
        record.offset == at && record.stored > kRecordOverhead &&
        record.stored <= kPlainMax + kRecordOverhead && record.entries > 0 &&
        (is_packs ? base::is_zero(record.first.view())
                  : record.stored == record.entries * kIndexEntrySize + kRecordOverhead &&
                        record.entries <= kEntriesPerRecord &&
                        (list.empty() || list.back().first <= record.first));
    if (!is_sane) return bad_format("the records of an index segment are malformed");
    at += base::round_up(record.stored, 16);
    (is_packs ? packs : entries) += record.entries;
    list.push_back(record);
  }
  if (at != end || packs != directory.packs || entries != directory.entries) {
    return bad_format("the directory of an index segment does not match its records");
  }
  return directory;
}

}  // namespace

base::Bytes build_segment(const KeyRing& keys, std::string_view name,
                          std::span<const std::byte, 24> salt, const std::vector<IndexPack>& packs,
                          std::vector<IndexEntry> entries) {
  assert(!packs.empty() && packs.size() <= kSegmentPacksMax);
  assert(!entries.empty() && entries.size() <= kSegmentEntriesMax);
  std::sort(entries.begin(), entries.end(), before);

  ObjectBuilder object(keys, type_of(name), name, salt);
  object.reserve(entries.size() * (kIndexEntrySize + 1) + packs.size() * (kPackSize + 1) + 65536);
  SegmentDirectory directory;
  directory.packs = static_cast<std::uint32_t>(packs.size());
  directory.entries = entries.size();
  for (std::size_t i = 0; i < packs.size(); i += kPacksPerRecord) {
    const auto count = std::min(kPacksPerRecord, packs.size() - i);
    base::Bytes plain;
    plain.reserve(count * kPackSize);
    for (std::size_t j = 0; j < count; ++j) append_pack(plain, packs[i + j]);
    const auto offset = object.size();
    object.add(RecordKind::packs, plain);
    directory.pack_records.push_back(
        {{}, offset, object.last_size(), static_cast<std::uint32_t>(count)});
  }
  for (std::size_t i = 0; i < entries.size(); i += kEntriesPerRecord) {
    const auto count = std::min(kEntriesPerRecord, entries.size() - i);
    const auto part = std::span(entries).subspan(i, count);
    const auto offset = object.size();
    object.add_raw(RecordKind::entries, std::as_bytes(part));
    directory.entry_records.push_back(
        {part.front().prefix, offset, object.last_size(), static_cast<std::uint32_t>(count)});
  }
  object.add(RecordKind::directory, encode_table(directory));
  return std::move(object).finish();
}

Result<SegmentTable> read_segment_table(const KeyRing& keys, std::string_view name,
                                        base::ByteView object) {
  SV_TRY(const auto object_keys,
         ObjectKeys::open(keys, type_of(name), name,
                          object.first(std::min(object.size(), kHeaderSize))));
  SV_TRY(const auto footer,
         decode_footer(object.last(std::min(object.size(), kFooterSize)), object.size()));
  if (codec::crc64(object.first(object.size() - kFooterSize)) != footer.crc) {
    return bad_format("the checksum of an index segment is wrong");
  }
  RecordReader reader;
  base::Bytes plain;
  SV_TRY(const auto last,
         reader.open(object_keys, RecordKind::directory,
                     object.subspan(footer.directory_offset, footer.directory_size), plain));
  SV_TRY(auto directory, decode_table(plain, footer.directory_offset));
  const auto records = directory.pack_records.size() + directory.entry_records.size() + 1;
  if (footer.records != records || last.counter != records - 1) {
    return bad_format("an index segment has another number of records than it states");
  }
  SegmentTable table;
  for (const auto& record : directory.pack_records) {
    SV_TRY(const auto header, reader.open(object_keys, RecordKind::packs,
                                          object.subspan(record.offset, record.stored), plain));
    if (header.plain_size != record.entries * kPackSize) {
      return bad_format("an index segment has another number of packs than it states");
    }
    SV_CHECK(read_packs(plain, table.packs));
  }
  table.entries = directory.entries;
  table.records = std::move(directory.entry_records);
  return table;
}

Result<std::vector<IndexEntry>> read_segment_entries(const ObjectKeys& keys,
                                                     const SegmentTable& table,
                                                     const SegmentTable::EntryRecord& record,
                                                     base::ByteView stored) {
  RecordReader reader;
  base::Bytes plain;
  SV_CHECK(reader.open(keys, RecordKind::entries, stored, plain));
  if (plain.size() != record.entries * kIndexEntrySize || record.entries == 0) {
    return bad_format("a record of an index segment has another size than stated");
  }
  std::vector<IndexEntry> entries(record.entries);
  std::memcpy(entries.data(), plain.data(), plain.size());
  if (entries.front().prefix != record.first) {
    return bad_format("a record of an index segment stands in the wrong place");
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].pack >= table.packs.size() || entries[i].frame >= kFramesMax ||
        (i > 0 && before(entries[i], entries[i - 1]))) {
      return bad_format("the entries of an index segment are malformed");
    }
  }
  return entries;
}

}  // namespace snapvault::format
