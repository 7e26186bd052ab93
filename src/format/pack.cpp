#include "format/pack.hpp"

#include <algorithm>
#include <cassert>

#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "format/errors.hpp"

namespace snapvault::format {
namespace {

constexpr std::size_t kFrameEntry = 9;
constexpr std::size_t kPrefix = 16;

constexpr std::uint64_t directory_plain(std::uint64_t frames, std::uint64_t blocks) noexcept {
  return 4 + frames * kFrameEntry + blocks * kPrefix;
}

ObjectType type_of(const PackId& id) noexcept {
  return id.pack_class == PackClass::data ? ObjectType::data_pack : ObjectType::map_pack;
}

}  // namespace

// u32 frames | frames of {u32 start / 16, u32 stored, u8 blocks - 1} | prefixes of 16 bytes
base::Bytes encode_directory(const Directory& directory) {
  base::Bytes out(directory_plain(directory.frames.size(), directory.prefixes.size()));
  auto* to = out.data();
  base::store(to, static_cast<std::uint32_t>(directory.frames.size()));
  to += 4;
  for (const auto& frame : directory.frames) {
    base::store(to, frame.start16);
    base::store(to + 4, frame.stored);
    base::store(to + 8, static_cast<std::uint8_t>(frame.blocks - 1));
    to += kFrameEntry;
  }
  for (const auto& prefix : directory.prefixes) {
    to = std::copy(prefix.bytes.begin(), prefix.bytes.end(), to);
  }
  return out;
}

Result<Directory> decode_directory(base::ByteView plain, std::uint64_t pack_size) {
  base::ByteReader reader(plain);
  const auto count = reader.read<std::uint32_t>();
  if (count == 0 || count > kFramesMax || reader.rest().size() < count * kFrameEntry) {
    return bad_format("the directory of a pack states a wrong number of frames");
  }
  Directory directory;
  directory.frames.resize(count);
  std::uint64_t end = kFirstRecord;
  std::uint32_t blocks = 0;
  for (auto& frame : directory.frames) {
    frame.start16 = reader.read<std::uint32_t>();
    frame.stored = reader.read<std::uint32_t>();
    frame.blocks = reader.read<std::uint8_t>() + 1u;
    frame.first = blocks;
    blocks += frame.blocks;
    const auto start = std::uint64_t{frame.start16} * 16;
    if (start < end || frame.stored <= kRecordOverhead ||
        frame.stored > kPlainMax + kRecordOverhead) {
      return bad_format("the frames of a pack overlap or have a wrong size");
    }
    end = start + base::round_up(frame.stored, 16);
    if (end > pack_size) return bad_format("a frame runs past the end of its pack");
  }
  if (reader.rest().size() != std::uint64_t{blocks} * kPrefix) {
    return bad_format("the directory of a pack states a wrong number of blocks");
  }
  directory.prefixes.resize(blocks);
  for (auto& prefix : directory.prefixes) {
    const auto bytes = reader.take(kPrefix);
    std::copy(bytes.begin(), bytes.end(), prefix.bytes.begin());
  }
  return directory;
}

PackBuilder::PackBuilder(const KeyRing& keys, const PackId& id, std::span<const std::byte, 24> salt,
                         base::Bytes buffer)
    : id_(id),
      keys_(ObjectKeys::create(keys, type_of(id), pack_name(id), salt)),
      buffer_(std::move(buffer)),
      end_(kFirstRecord) {
  // A buffer that was used before only has its last bytes zeroed again.
  buffer_.resize(buffer_.capacity());
  const auto& header = keys_.header();
  const auto end = std::copy(header.begin(), header.end(), buffer_.begin());
  std::fill(end, buffer_.begin() + kFirstRecord, std::byte{0});
}

bool PackBuilder::fits(std::uint64_t stored_size, std::uint32_t blocks) const noexcept {
  const auto frames = directory_.frames.size() + 1;
  const auto directory = directory_plain(frames, directory_.prefixes.size() + blocks);
  const auto capacity = std::min<std::uint64_t>(buffer_.size(), kObjectMax);
  return stored_size <= kPlainMax && frames <= kFramesMax && directory <= kPlainMax &&
         end_ + record_space(stored_size) + kCommitment + record_space(directory) + kFooterSize <=
             capacity;
}

PackBuilder::Place PackBuilder::reserve(std::uint64_t stored_size,
                                        std::span<const BlockPrefix> blocks) {
  assert(fits(stored_size, static_cast<std::uint32_t>(blocks.size())));
  assert(!blocks.empty() && blocks.size() <= kFrameBlocksMax && stored_size > 0);
  FrameEntry entry;
  entry.start16 = static_cast<std::uint32_t>(end_ / 16);
  entry.stored = static_cast<std::uint32_t>(stored_size + kRecordOverhead);
  entry.blocks = static_cast<std::uint32_t>(blocks.size());
  entry.first = static_cast<std::uint32_t>(directory_.prefixes.size());
  directory_.prefixes.insert(directory_.prefixes.end(), blocks.begin(), blocks.end());
  try {
    directory_.frames.push_back(entry);
  } catch (...) {
    directory_.prefixes.resize(entry.first);
    throw;
  }
  Place place;
  place.frame = static_cast<std::uint32_t>(directory_.frames.size() - 1);
  place.start16 = entry.start16;
  place.counter = place.frame;
  const auto space = record_space(stored_size);
  place.bytes = base::MutableBytes(buffer_).subspan(end_, space);
  end_ += space;
  return place;
}

base::Bytes PackBuilder::finish() && {
  const auto plain = encode_directory(directory_);
  const auto commitment = keys_.commitment(KeyClass::index);
  std::copy(commitment.begin(), commitment.end(), buffer_.begin() + end_);
  end_ += kCommitment;

  RecordHeader record;
  record.kind = RecordKind::directory;
  record.key_class = KeyClass::index;
  record.counter = static_cast<std::uint32_t>(directory_.frames.size());
  record.plain_size = record.stored_size = static_cast<std::uint32_t>(plain.size());
  const auto space = record_space(plain.size());
  seal_record(keys_, record, plain, base::MutableBytes(buffer_).subspan(end_, space));

  Footer footer;
  footer.directory_offset = end_;
  footer.directory_size = static_cast<std::uint32_t>(plain.size() + kRecordOverhead);
  footer.records = record.counter + 1;
  end_ += space;
  footer.crc = codec::crc64(base::ByteView(buffer_).first(end_));
  encode_footer(footer, base::MutableBytes(buffer_).subspan(end_, kFooterSize));
  end_ += kFooterSize;
  buffer_.resize(end_);
  return std::move(buffer_);
}

Result<PackTail> read_pack_tail(const ObjectKeys& keys, base::ByteView tail,
                                std::uint64_t pack_size) {
  if (tail.size() > pack_size) return bad_format("a pack is shorter than what was read of it");
  PackTail out;
  SV_TRY(out.footer, decode_footer(tail.last(std::min(tail.size(), kFooterSize)), pack_size));
  if (out.footer.directory_offset < kFirstRecord + kCommitment) {
    return bad_format("a pack without frames");
  }
  const auto size = directory_bytes(out.footer);
  if (size > tail.size()) return out;

  const auto bytes = tail.last(size);
  if (!codec::equal_in_constant_time(bytes.first(kCommitment), keys.commitment(KeyClass::index))) {
    return not_authentic("the directory of a pack is damaged, or the pack was moved here");
  }
  const auto record = bytes.subspan(kCommitment, out.footer.directory_size);
  const auto used = kCommitment + record.size();
  if (!base::is_zero(bytes.subspan(used, bytes.size() - kFooterSize - used))) {
    return bad_format("padding is not zero");
  }
  RecordReader reader;
  base::Bytes plain;
  SV_TRY(const auto header, reader.open(keys, RecordKind::directory, record, plain));
  SV_TRY(out.directory, decode_directory(plain, out.footer.directory_offset - kCommitment));
  if (header.counter != out.directory.frames.size() || out.footer.records != header.counter + 1) {
    return bad_format("the directory of a pack lists another number of frames than it has");
  }
  out.complete = true;
  return out;
}

}  // namespace snapvault::format
