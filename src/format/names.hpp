// Names of objects and the identifiers in them. FORMAT.md section 1.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"

namespace snapvault::format {

template <std::size_t N, class Tag>
struct Identifier {
  std::array<std::byte, N> bytes{};
  auto operator<=>(const Identifier&) const = default;
  base::ByteView view() const noexcept { return bytes; }
  std::string hex() const { return base::hex(bytes); }
};
using RepositoryId = Identifier<16, struct RepositoryTag>;
using SessionId = Identifier<16, struct SessionTag>;  // a snapshot's id is its session's
using SourceTag = Identifier<16, struct SourceTagTag>;
using BlockId = Identifier<24, struct BlockTag>;       // of a block, map node or chunk
using BlockPrefix = Identifier<16, struct PrefixTag>;  // the first 16 bytes of a BlockId

BlockPrefix prefix_of(const BlockId& id) noexcept;
std::optional<SessionId> parse_session(std::string_view hex) noexcept;

enum class PackClass : std::uint8_t { data = 0, map = 1 };

struct PackId {
  SessionId session;
  PackClass pack_class = PackClass::data;
  std::uint32_t n = 0;
  auto operator<=>(const PackId&) const = default;
};
struct PackIdHash {
  std::size_t operator()(const PackId& id) const noexcept {
    return base::load<std::uint64_t>(id.session.bytes.data()) * 31 + id.n * 2 +
           static_cast<std::size_t>(id.pack_class);
  }
};

// packs/<session:2>/<session>/<n div 1024>/d<n>
std::string pack_name(const PackId& id);
std::optional<PackId> parse_pack_name(std::string_view name) noexcept;
std::string packs_prefix(const SessionId& session);  // ends in '/'

inline constexpr std::string_view kRepoName = "repo";
std::string control_prefix(const RepositoryId& id);  // "ctl/<repo-id>/"
std::string slot_name(const RepositoryId& id, std::uint32_t slot);
std::string epoch_name(const RepositoryId& id, std::uint32_t epoch);
std::string log_name(const RepositoryId& id, std::uint32_t n);

// A name below ctl/<repo-id>/.
struct ControlEntry {
  enum class Kind : std::uint8_t { slot, epoch, log, sweep, done } kind = Kind::slot;
  std::uint32_t n = 0;
};
std::optional<ControlEntry> parse_control_name(const RepositoryId& id,
                                               std::string_view name) noexcept;

// A name below src/<tag>/. `order` is the plain one; names carry 2^64 - 1 - order.
struct SourceEntry {
  enum class Kind : std::uint8_t { begin, commit, tomb, heartbeat } kind = Kind::begin;
  SourceTag tag;
  std::uint64_t order = 0;
  SessionId session;
  std::uint32_t n = 0;  // of a heartbeat
};
std::string source_prefix(const SourceTag& tag);  // "src/<tag>/"
std::string source_entry_name(const SourceEntry& entry);
std::optional<SourceEntry> parse_source_entry(std::string_view name) noexcept;

std::string refs_name(const SessionId& session, std::uint32_t n);
std::string segment_name(const SessionId& session, std::uint32_t n);  // index/s-<session>-<n>
struct SegmentEntry {
  SessionId session;
  std::uint32_t n = 0;
};
std::optional<SegmentEntry> parse_segment_name(std::string_view name) noexcept;

// Well-formed UTF-8: no overlong form, surrogate or value above U+10FFFF.
bool is_utf8(std::string_view text) noexcept;

// Source names: [cluster/]name, valid UTF-8, no '@' or control characters, 1 to 255 bytes.
// Errors: invalid_argument (bad_name).
Result<void> check_source_name(std::string_view name);

}  // namespace snapvault::format
