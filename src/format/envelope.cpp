#include "format/envelope.hpp"

#include <algorithm>
#include <cassert>

#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "format/errors.hpp"

namespace snapvault::format {
namespace {

using base::append;

constexpr std::string_view kMagic = "SNPVLT01";
constexpr std::string_view kEndMagic = "SNPVEND1";
constexpr std::uint8_t kSuite = 1;
constexpr std::size_t kFixed = 40;  // the header without commitment
constexpr int kLevel = 3;           // of zstd, for metadata

// Offsets in the header.
constexpr std::size_t kSuiteAt = 8, kTypeAt = 9, kFlagsAt = 10, kEpochAt = 12, kSaltAt = 16;

using Nonce = std::array<std::byte, codec::Aead::kNonce>;
using AssociatedData = std::array<std::byte, kHeaderSize + kRecordHeader>;

Nonce nonce_of(const RecordHeader& record) noexcept {
  Nonce nonce;
  base::store(nonce.data(), static_cast<std::uint32_t>(record.kind));
  base::store(nonce.data() + 4, std::uint64_t{record.counter});
  return nonce;
}

AssociatedData associated_data(const ObjectKeys& keys, const std::byte* record) noexcept {
  AssociatedData out;
  std::copy(keys.header().begin(), keys.header().end(), out.begin());
  std::copy_n(record, kRecordHeader, out.begin() + kHeaderSize);
  return out;
}

void encode_record_header(const RecordHeader& record, std::byte* out) noexcept {
  out[0] = static_cast<std::byte>(record.kind);
  out[1] = static_cast<std::byte>(record.codec);
  out[2] = static_cast<std::byte>(record.key_class);
  out[3] = std::byte{0};
  base::store(out + 4, record.counter);
  base::store(out + 8, record.plain_size);
  base::store(out + 12, record.stored_size);
}

}  // namespace

KeyClass first_class(ObjectType type) noexcept {
  switch (type) {
    case ObjectType::data_pack:
      return KeyClass::data;
    case ObjectType::map_pack:
    case ObjectType::manifest:
    case ObjectType::catalog:
      return KeyClass::meta;
    case ObjectType::segment:
    case ObjectType::merged_segment:
      return KeyClass::index;
    case ObjectType::abort:
    case ObjectType::begin:
    case ObjectType::heartbeat:
    case ObjectType::tomb:
    case ObjectType::refs:
    case ObjectType::log:
    case ObjectType::sweep:
    case ObjectType::done:
      break;
  }
  return KeyClass::ctl;
}

KeyClass class_of(ObjectType type, RecordKind kind) noexcept {
  switch (kind) {
    case RecordKind::frame:
      return KeyClass::data;
    case RecordKind::node_frame:
    case RecordKind::nodes:
      return KeyClass::meta;
    case RecordKind::directory:
    case RecordKind::packs:
    case RecordKind::entries:
      return KeyClass::index;
    case RecordKind::refs:
      return KeyClass::ctl;
    case RecordKind::json:
      break;
  }
  return first_class(type);
}

ObjectType ObjectKeys::type() const noexcept { return static_cast<ObjectType>(header_[kTypeAt]); }
std::span<const std::byte, 32> ObjectKeys::key(KeyClass key_class) const noexcept {
  return keys_[static_cast<std::size_t>(key_class)].view().first<32>();
}
std::span<const std::byte, 32> ObjectKeys::commitment(KeyClass key_class) const noexcept {
  return keys_[static_cast<std::size_t>(key_class)].view().last<32>();
}

// HKDF(class key of the epoch, header salt, "obj" 00 || fixed 40 || class u8 || repository || name)
void ObjectKeys::derive(const KeyRing& keys, std::string_view name) {
  const base::ByteView fixed = base::ByteView(header_).first(kFixed);
  const auto epoch = base::load<std::uint32_t>(header_.data() + kEpochAt);
  base::Bytes info;
  info.reserve(4 + kFixed + 1 + 16 + name.size());
  append(info, base::as_bytes(std::string_view("obj\0", 4)));
  append(info, fixed);
  const auto class_at = info.size();
  append(info, std::uint8_t{0});
  append(info, keys.repository().view());
  append(info, base::as_bytes(name));
  for (std::size_t i = 0; i < kKeyClasses; ++i) {
    info[class_at] = static_cast<std::byte>(i);
    codec::hkdf(keys.class_key(epoch, static_cast<KeyClass>(i)), fixed.subspan(kSaltAt), info,
                keys_[i].mutable_view());
  }
}

ObjectKeys ObjectKeys::create(const KeyRing& keys, ObjectType type, std::string_view name,
                              std::span<const std::byte, 24> salt) {
  ObjectKeys out;
  auto* const header = out.header_.data();
  std::memcpy(header, kMagic.data(), kMagic.size());
  header[kSuiteAt] = std::byte{kSuite};
  header[kTypeAt] = static_cast<std::byte>(type);
  base::store(header + kFlagsAt, std::uint16_t{0});
  base::store(header + kEpochAt, keys.epoch());
  std::copy(salt.begin(), salt.end(), header + kSaltAt);
  out.derive(keys, name);
  const auto commitment = out.commitment(first_class(type));
  std::copy(commitment.begin(), commitment.end(), header + kFixed);
  return out;
}

Result<ObjectKeys> ObjectKeys::open(const KeyRing& keys, ObjectType type, std::string_view name,
                                    base::ByteView header72) {
  if (header72.size() != kHeaderSize || base::as_text(header72.first(kMagic.size())) != kMagic) {
    return bad_format("the object does not begin as one of this format");
  }
  const auto flags = base::load<std::uint16_t>(header72.data() + kFlagsAt);
  const auto found = object_type(header72);
  if (header72[kSuiteAt] != std::byte{kSuite} || (flags & 0xFF) != 0 || !found) {
    return newer_format("the object needs a newer version");
  }
  if (*found != type) return bad_format("the object is of another type than its name says");
  if (!keys.has_epoch(base::load<std::uint32_t>(header72.data() + kEpochAt))) {
    return not_authentic("the object is sealed under a key this repository does not have");
  }
  ObjectKeys out;
  std::copy(header72.begin(), header72.end(), out.header_.begin());
  out.derive(keys, name);
  if (!codec::equal_in_constant_time(out.commitment(first_class(type)), header72.subspan(kFixed))) {
    return not_authentic("the object's header is damaged, or the object was moved here");
  }
  return out;
}

std::array<std::byte, 24> make_salt(const codec::Key& session_random, base::ByteView fresh32,
                                    std::uint64_t n, std::uint64_t process_nonce) {
  base::Bytes message(fresh32.begin(), fresh32.end());
  append(message, n);
  append(message, process_nonce);
  const auto digest = codec::hmac(session_random.view(), message);
  std::array<std::byte, 24> salt;
  std::copy_n(digest.begin(), salt.size(), salt.begin());
  return salt;
}

void seal_record(const ObjectKeys& keys, const RecordHeader& record, base::ByteView payload,
                 base::MutableBytes out) {
  assert(out.size() == record_space(payload.size()) && record.stored_size == payload.size());
  encode_record_header(record, out.data());
  const auto aad = associated_data(keys, out.data());
  codec::Aead aead(keys.key(record.key_class));
  const auto sealed = out.subspan(kRecordHeader, payload.size() + codec::Aead::kTag);
  aead.seal(nonce_of(record), aad, payload, sealed);
  const auto padding = out.subspan(kRecordHeader + sealed.size());
  std::fill(padding.begin(), padding.end(), std::byte{0});
}

Result<RecordHeader> decode_record_header(base::ByteView bytes) {
  base::ByteReader reader(bytes);
  const auto kind = reader.read<std::uint8_t>();
  const auto codec = reader.read<std::uint8_t>();
  const auto key_class = reader.read<std::uint8_t>();
  const auto reserved = reader.read<std::uint8_t>();
  RecordHeader record;
  record.counter = reader.read<std::uint32_t>();
  record.plain_size = reader.read<std::uint32_t>();
  record.stored_size = reader.read<std::uint32_t>();
  if (!reader.ok() || kind < 1 || kind > 8 || codec > 1 || key_class >= kKeyClasses ||
      reserved != 0) {
    return bad_format("the header of a record is malformed");
  }
  record.kind = static_cast<RecordKind>(kind);
  record.codec = static_cast<RecordCodec>(codec);
  record.key_class = static_cast<KeyClass>(key_class);
  const bool fits = record.codec == RecordCodec::raw ? record.stored_size == record.plain_size
                                                     : record.stored_size < record.plain_size;
  if (!fits || record.plain_size > kPlainMax) return bad_format("the size of a record is wrong");
  return record;
}

codec::Aead& RecordReader::context(std::span<const std::byte, 32> key) {
  if (!aead_ || !codec::equal_in_constant_time(key_.view(), key)) {
    aead_.reset();
    key_ = codec::Key(key);
    aead_.emplace(key);
  }
  return *aead_;
}

Result<RecordHeader> RecordReader::open(const ObjectKeys& keys, RecordKind expected,
                                        base::ByteView record, base::Bytes& plain) {
  SV_TRY(const auto header,
         decode_record_header(record.first(std::min(record.size(), kRecordHeader))));
  if (header.kind != expected || header.key_class != class_of(keys.type(), header.kind) ||
      record.size() != header.stored_size + kRecordOverhead) {
    return bad_format("a record is of another kind or size than expected");
  }
  const auto aad = associated_data(keys, record.data());
  const auto sealed = record.subspan(kRecordHeader);
  // Nothing is sized by what a record states before its tag is checked.
  auto& into = header.codec == RecordCodec::raw ? plain : payload_;
  into.resize(header.stored_size);
  if (!context(keys.key(header.key_class)).open(nonce_of(header), aad, sealed, into)) {
    return not_authentic("a record is damaged or stands in the wrong place");
  }
  if (header.codec == RecordCodec::zstd) {
    if (!decompressor_) decompressor_.emplace();
    plain.resize(header.plain_size);
    SV_CHECK(decompressor_->decompress(payload_, plain));
  }
  return header;
}

void encode_footer(const Footer& footer, base::MutableBytes out32) {
  base::store(out32.data(), footer.directory_offset);
  base::store(out32.data() + 8, footer.directory_size);
  base::store(out32.data() + 12, footer.records);
  base::store(out32.data() + 16, footer.crc);
  std::memcpy(out32.data() + 24, kEndMagic.data(), kEndMagic.size());
}

Result<Footer> decode_footer(base::ByteView last32, std::uint64_t object_size) {
  base::ByteReader reader(last32);
  Footer footer;
  footer.directory_offset = reader.read<std::uint64_t>();
  footer.directory_size = reader.read<std::uint32_t>();
  footer.records = reader.read<std::uint32_t>();
  footer.crc = reader.read<std::uint64_t>();
  if (base::as_text(reader.take(kEndMagic.size())) != kEndMagic || !reader.finished()) {
    return bad_format("the object does not end as one of this format: it may be cut short");
  }
  if (object_size > kObjectMax || object_size < kFirstRecord + kRecordOverhead + kFooterSize) {
    return bad_format("the object is too large or too small");
  }
  const auto end = object_size - kFooterSize;
  const auto space = base::round_up(footer.directory_size, 16);
  if (footer.directory_size < kRecordOverhead ||
      footer.directory_size > kPlainMax + kRecordOverhead || footer.directory_offset % 16 != 0 ||
      footer.directory_offset < kFirstRecord || footer.directory_offset > end ||
      end - footer.directory_offset != space || footer.records == 0 ||
      footer.records > end / kRecordOverhead) {
    return bad_format("the end of the object is malformed");
  }
  return footer;
}

ObjectBuilder::ObjectBuilder(const KeyRing& keys, ObjectType type, std::string_view name,
                             std::span<const std::byte, 24> salt)
    : keys_(ObjectKeys::create(keys, type, name, salt)) {
  base::append(bytes_, base::ByteView(keys_.header()));
  bytes_.resize(kFirstRecord);
  committed_[static_cast<std::size_t>(first_class(type))] = true;
}

void ObjectBuilder::add(RecordKind kind, base::ByteView plain) {
  if (!compressor_) compressor_.emplace(kLevel);
  compressed_.resize(plain.size());
  if (const auto size = compressor_->compress(plain, compressed_)) {
    append(kind, RecordCodec::zstd, plain.size(), base::ByteView(compressed_).first(*size));
  } else {
    add_raw(kind, plain);
  }
}

void ObjectBuilder::add_raw(RecordKind kind, base::ByteView plain) {
  append(kind, RecordCodec::raw, plain.size(), plain);
}

void ObjectBuilder::append(RecordKind kind, RecordCodec codec, std::size_t plain_size,
                           base::ByteView payload) {
  assert(plain_size <= kPlainMax);
  const auto key_class = class_of(keys_.type(), kind);
  if (auto& is_committed = committed_[static_cast<std::size_t>(key_class)]; !is_committed) {
    base::append(bytes_, keys_.commitment(key_class));
    is_committed = true;
  }
  RecordHeader record;
  record.kind = kind;
  record.codec = codec;
  record.key_class = key_class;
  record.counter = records_++;
  record.plain_size = static_cast<std::uint32_t>(plain_size);
  record.stored_size = static_cast<std::uint32_t>(payload.size());
  last_offset_ = bytes_.size();
  last_size_ = static_cast<std::uint32_t>(payload.size() + kRecordOverhead);
  bytes_.resize(last_offset_ + record_space(payload.size()));
  seal_record(keys_, record, payload, base::MutableBytes(bytes_).subspan(last_offset_));
}

base::Bytes ObjectBuilder::finish() && {
  const Footer footer{last_offset_, last_size_, records_, codec::crc64(bytes_)};
  bytes_.resize(bytes_.size() + kFooterSize);
  encode_footer(footer, base::MutableBytes(bytes_).last(kFooterSize));
  return std::move(bytes_);
}

namespace {

// Walks the records of an object that is wholly in memory.
class RecordWalk {
 public:
  RecordWalk(const ObjectKeys& keys, base::ByteView area) : keys_(keys), area_(area) {
    committed_[static_cast<std::size_t>(first_class(keys.type()))] = true;
  }
  bool finished() const noexcept { return at_ == area_.size(); }
  std::uint64_t last_offset() const noexcept { return last_offset_; }
  std::uint64_t last_size() const noexcept { return last_size_; }
  std::uint32_t records() const noexcept { return records_; }

  Result<Record> next() {
    const auto announced = skip_commitment();
    SV_TRY(const auto header,
           decode_record_header(
               area_.subspan(at_, std::min<std::uint64_t>(kRecordHeader, area_.size() - at_))));
    const auto size = header.stored_size + kRecordOverhead;
    const auto space = record_space(header.stored_size);
    if (space > area_.size() - at_) return bad_format("a record runs past the end of its object");
    if (header.counter != records_ || !committed_[static_cast<std::size_t>(header.key_class)] ||
        (announced && *announced != header.key_class)) {
      return bad_format("a record is out of order or lacks its commitment");
    }
    if (!base::is_zero(area_.subspan(at_ + size, space - size))) {
      return bad_format("padding is not zero");
    }
    Record record;
    record.kind = header.kind;
    SV_TRY(const auto opened,
           reader_.open(keys_, header.kind, area_.subspan(at_, size), record.plain));
    last_offset_ = at_;
    last_size_ = opened.stored_size + kRecordOverhead;
    at_ += space;
    ++records_;
    return record;
  }

 private:
  // A class's commitment stands before its first record.
  std::optional<KeyClass> skip_commitment() {
    if (area_.size() - at_ < kCommitment) return std::nullopt;
    for (std::size_t i = 0; i < kKeyClasses; ++i) {
      const auto key_class = static_cast<KeyClass>(i);
      if (committed_[i] || !codec::equal_in_constant_time(keys_.commitment(key_class),
                                                          area_.subspan(at_, kCommitment))) {
        continue;
      }
      committed_[i] = true;
      at_ += kCommitment;
      return key_class;
    }
    return std::nullopt;
  }

  const ObjectKeys& keys_;
  base::ByteView area_;  // the object without its footer
  std::uint64_t at_ = kFirstRecord;
  std::array<bool, kKeyClasses> committed_{};
  std::uint64_t last_offset_ = 0, last_size_ = 0;
  std::uint32_t records_ = 0;
  RecordReader reader_;
};

}  // namespace

Result<std::vector<Record>> read_object(const KeyRing& keys, ObjectType type, std::string_view name,
                                        base::ByteView object) {
  SV_TRY(const auto object_keys,
         ObjectKeys::open(keys, type, name, object.first(std::min(object.size(), kHeaderSize))));
  SV_TRY(const auto footer,
         decode_footer(object.last(std::min(object.size(), kFooterSize)), object.size()));
  const auto area = object.first(object.size() - kFooterSize);
  if (codec::crc64(area) != footer.crc) return bad_format("the checksum of the object is wrong");
  if (!base::is_zero(area.subspan(kHeaderSize, kFirstRecord - kHeaderSize))) {
    return bad_format("padding is not zero");
  }
  RecordWalk walk(object_keys, area);
  std::vector<Record> records;
  while (!walk.finished()) {
    SV_TRY(auto record, walk.next());
    records.push_back(std::move(record));
  }
  if (walk.records() != footer.records || walk.last_offset() != footer.directory_offset ||
      walk.last_size() != footer.directory_size) {
    return bad_format("the end of the object does not match its records");
  }
  return records;
}

std::optional<ObjectType> object_type(base::ByteView object) noexcept {
  if (object.size() < kFixed || base::as_text(object.first(kMagic.size())) != kMagic) {
    return std::nullopt;
  }
  const auto type = std::to_integer<unsigned>(object[kTypeAt]);
  if (type < 1 || type > static_cast<unsigned>(ObjectType::catalog)) return std::nullopt;
  return static_cast<ObjectType>(type);
}

}  // namespace snapvault::format
