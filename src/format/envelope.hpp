// Envelope: what every object but `repo` and slots is wrapped in. FORMAT.md section 3.
//
//   header 40 | commitment 32 | records, each at a multiple of 16 | footer 32
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "codec/compress.hpp"
#include "format/keys.hpp"

namespace snapvault::format {

enum class ObjectType : std::uint8_t {
  data_pack = 1,
  map_pack = 2,
  manifest = 3,
  abort = 4,
  begin = 5,
  heartbeat = 6,
  tomb = 7,
  refs = 8,
  segment = 9,
  merged_segment = 10,
  log = 11,
  sweep = 12,
  done = 13,
  catalog = 14,
};
KeyClass first_class(ObjectType type) noexcept;

enum class RecordKind : std::uint32_t {
  frame = 1,       // blocks
  node_frame = 2,  // map nodes
  directory = 3,   // of a pack or segment
  json = 4,        // manifest, begin, tomb, abort, log
  nodes = 5,       // the inline top of a map
  refs = 6,
  packs = 7,    // a segment's pack table
  entries = 8,  // a segment's sorted entries
};
// The class of key that a record of `kind` is under, in an object of `type`.
KeyClass class_of(ObjectType type, RecordKind kind) noexcept;
enum class RecordCodec : std::uint8_t { raw = 0, zstd = 1 };

inline constexpr std::size_t kHeaderSize = 72;  // with commitment
inline constexpr std::size_t kCommitment = 32;
inline constexpr std::uint64_t kFirstRecord = 80;  // the header, padded to a multiple of 16
inline constexpr std::size_t kRecordHeader = 16;
inline constexpr std::size_t kRecordOverhead = kRecordHeader + codec::Aead::kTag;
inline constexpr std::size_t kFooterSize = 32;
inline constexpr std::uint32_t kPlainMax = 16u << 20;  // of one record
inline constexpr std::uint64_t kObjectMax = 512u << 20;

using ObjectHeader = std::array<std::byte, kHeaderSize>;

struct RecordHeader {
  RecordKind kind = RecordKind::json;
  RecordCodec codec = RecordCodec::raw;
  KeyClass key_class = KeyClass::meta;
  std::uint32_t counter = 0;
  std::uint32_t plain_size = 0;
  std::uint32_t stored_size = 0;  // of the payload before encryption; without header and tag
};

// The keys of one object. Immutable; any thread.
class ObjectKeys {
 public:
  const ObjectHeader& header() const noexcept { return header_; }
  ObjectType type() const noexcept;
  std::span<const std::byte, 32> key(KeyClass key_class) const noexcept;
  std::span<const std::byte, 32> commitment(KeyClass key_class) const noexcept;

  // For a new object called `name`. `salt` must never repeat: see make_salt.
  static ObjectKeys create(const KeyRing& keys, ObjectType type, std::string_view name,
                           std::span<const std::byte, 24> salt);
  // For reading. Checks magic, suite, type, flags, epoch and the commitment. Errors: data_loss
  // (bad_format, not_authentic), unsupported (newer_format).
  static Result<ObjectKeys> open(const KeyRing& keys, ObjectType type, std::string_view name,
                                 base::ByteView header72);

 private:
  void derive(const KeyRing& keys, std::string_view name);

  ObjectHeader header_{};
  std::array<codec::Secret<64>, kKeyClasses> keys_;  // key, commitment
};

// salt = first 24 bytes of HMAC(session random, fresh random || n || pid and boot time).
std::array<std::byte, 24> make_salt(const codec::Key& session_random, base::ByteView fresh32,
                                    std::uint64_t n, std::uint64_t process_nonce);

// Space of a record in an object, padding included.
constexpr std::uint64_t record_space(std::uint64_t stored_size) noexcept {
  return (stored_size + kRecordOverhead + 15) / 16 * 16;
}
// Writes header, ciphertext, tag and zero padding: record_space(payload) bytes. Any thread.
void seal_record(const ObjectKeys& keys, const RecordHeader& record, base::ByteView payload,
                 base::MutableBytes out);
// Parses the 16 clear bytes and checks bounds. Errors: data_loss (bad_format).
Result<RecordHeader> decode_record_header(base::ByteView bytes);

// Opens records; keeps contexts and buffers. One thread at a time.
class RecordReader {
 public:
  // `record`: header, ciphertext and tag, without padding. Fills `plain` with exactly the stated
  // plain size. Errors: data_loss (not_authentic, bad_format, bad_compression).
  Result<RecordHeader> open(const ObjectKeys& keys, RecordKind expected, base::ByteView record,
                            base::Bytes& plain);

 private:
  codec::Aead& context(std::span<const std::byte, 32> key);

  std::optional<codec::Aead> aead_;  // under key_
  codec::Key key_;
  std::optional<codec::Decompressor> decompressor_;
  base::Bytes payload_;
};

struct Footer {
  std::uint64_t directory_offset = 0;
  std::uint32_t directory_size = 0;  // header and tag included, padding not
  std::uint32_t records = 0;
  std::uint64_t crc = 0;  // CRC64-NVME of all bytes before the footer
};
void encode_footer(const Footer& footer, base::MutableBytes out32);
// Errors: data_loss (bad_format). `object_size` bounds the offsets.
Result<Footer> decode_footer(base::ByteView last32, std::uint64_t object_size);

// Builds a small object in memory, record by record. Single use.
class ObjectBuilder {
 public:
  ObjectBuilder(const KeyRing& keys, ObjectType type, std::string_view name,
                std::span<const std::byte, 24> salt);
  // Compresses if that helps. The class is class_of(type, kind). At most kPlainMax bytes.
  void add(RecordKind kind, base::ByteView plain);
  // The same for what does not compress.
  void add_raw(RecordKind kind, base::ByteView plain);
  // Bytes so far: where the next record starts, unless a commitment comes first.
  std::uint64_t size() const noexcept { return bytes_.size(); }
  // Of the last record, with header and tag.
  std::uint32_t last_size() const noexcept { return last_size_; }
  void reserve(std::uint64_t object_size) { bytes_.reserve(object_size); }
  // The last record becomes the footer's directory (offset and size of it).
  base::Bytes finish() &&;

 private:
  void append(RecordKind kind, RecordCodec codec, std::size_t plain_size, base::ByteView payload);

  ObjectKeys keys_;
  std::array<bool, kKeyClasses> committed_{};
  base::Bytes bytes_;
  std::optional<codec::Compressor> compressor_;
  base::Bytes compressed_;
  std::uint32_t records_ = 0;
  std::uint64_t last_offset_ = 0;
  std::uint32_t last_size_ = 0;
};

struct Record {
  RecordKind kind = RecordKind::json;
  base::Bytes plain;
};
// Reads a whole small object: checks footer, CRC, commitments, every tag and counter. Errors as
// ObjectKeys::open and RecordReader::open.
Result<std::vector<Record>> read_object(const KeyRing& keys, ObjectType type, std::string_view name,
                                        base::ByteView object);
// Type byte of an object's header, for registers that may hold one of two types.
std::optional<ObjectType> object_type(base::ByteView object) noexcept;

}  // namespace snapvault::format
