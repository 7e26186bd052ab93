// Keys, names and forged objects for the tests of the format.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

#include "base/reasons.hpp"
#include "codec/crc64.hpp"
#include "format/envelope.hpp"

namespace snapvault::format {

// N bytes that count up from `first`.
template <std::size_t N>
std::array<std::byte, N> rising(unsigned first) {
  std::array<std::byte, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = static_cast<std::byte>(first + i);
  return out;
}
inline codec::Key rising_key(unsigned first) {
  return codec::Key(std::span<const std::byte, 32>(rising<32>(first)));
}
inline base::Bytes bytes_of(std::string_view text) {
  const auto view = base::as_bytes(text);
  return {view.begin(), view.end()};
}
inline base::Bytes unhexed(std::string_view hex) {
  base::Bytes out(hex.size() / 2);
  REQUIRE(base::unhex(hex, out));
  return out;
}

inline constexpr std::uint32_t kEpoch = 7;
inline RepositoryId repository_id() { return {rising<16>(0)}; }
inline SessionId session_id(unsigned first = 0xA0) { return {rising<16>(first)}; }
inline std::array<std::byte, 24> salt() { return rising<24>(0x60); }

inline KeyRing key_ring() {
  KeyRing keys(repository_id(), rising_key(0x20));
  REQUIRE(keys.add_epoch(kEpoch, keys.wrap_epoch(kEpoch, rising_key(0x40))));
  return keys;
}

template <class T>
void check_refused(const Result<T>& result, Errc code, std::string_view why) {
  REQUIRE(!result.has_value());
  CHECK(result.error().code() == code);
  CHECK(result.error().reason() == why);
  CHECK(!result.error().message().empty());
}
template <class T>
void check_malformed(const Result<T>& result) {
  check_refused(result, Errc::data_loss, reason::bad_format);
}
template <class T>
void check_not_authentic(const Result<T>& result) {
  check_refused(result, Errc::data_loss, reason::not_authentic);
}
template <class T>
void check_newer(const Result<T>& result) {
  check_refused(result, Errc::unsupported, reason::newer_format);
}

// Puts the right checksum into an object that a test has changed.
inline void correct_checksum(base::Bytes& object) {
  const auto area = base::ByteView(object).first(object.size() - kFooterSize);
  base::store(object.data() + area.size() + 16, codec::crc64(area));
}

// An object of records that are authentic, whatever else is wrong with them.
class Forger {
 public:
  Forger(const KeyRing& keys, ObjectType type, std::string_view name)
      : keys_(ObjectKeys::create(keys, type, name, salt())) {
    base::append(bytes_, base::ByteView(keys_.header()));
    bytes_.resize(kFirstRecord);
  }
  const ObjectKeys& keys() const { return keys_; }
  base::Bytes& bytes() { return bytes_; }

  RecordHeader record(RecordKind kind, base::ByteView plain) {
    RecordHeader header;
    header.kind = kind;
    header.key_class = class_of(keys_.type(), kind);
    header.counter = footer.records;
    header.plain_size = header.stored_size = static_cast<std::uint32_t>(plain.size());
    return header;
  }
  void add(RecordKind kind, base::ByteView plain) { add(record(kind, plain), plain); }
  void add(const RecordHeader& header, base::ByteView payload) {
    footer.directory_offset = bytes_.size();
    footer.directory_size = static_cast<std::uint32_t>(payload.size() + kRecordOverhead);
    ++footer.records;
    bytes_.resize(bytes_.size() + record_space(payload.size()));
    seal_record(keys_, header, payload,
                base::MutableBytes(bytes_).subspan(footer.directory_offset));
  }
  void commit(KeyClass key_class) { base::append(bytes_, keys_.commitment(key_class)); }
  base::Bytes finish() {
    auto object = bytes_;
    footer.crc = codec::crc64(object);
    object.resize(object.size() + kFooterSize);
    encode_footer(footer, base::MutableBytes(object).last(kFooterSize));
    return object;
  }

  Footer footer;

 private:
  ObjectKeys keys_;
  base::Bytes bytes_;
};

}  // namespace snapvault::format
