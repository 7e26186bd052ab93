#include "format/names.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::format {
namespace {

// Takes `text` off the front of `name`, if it stands there.
bool skip(std::string_view& name, std::string_view text) noexcept {
  if (!name.starts_with(text)) return false;
  name.remove_prefix(text.size());
  return true;
}

// Takes 8 hex digits off the front.
std::optional<std::uint32_t> take_number(std::string_view& name) noexcept {
  if (name.size() < 8) return std::nullopt;
  const auto value = base::parse_hex(name.substr(0, 8));
  if (!value) return std::nullopt;
  name.remove_prefix(8);
  return static_cast<std::uint32_t>(*value);
}

template <std::size_t N, class Tag>
bool take_id(std::string_view& name, Identifier<N, Tag>& id) noexcept {
  if (name.size() < 2 * N || !base::unhex(name.substr(0, 2 * N), id.bytes)) return false;
  name.remove_prefix(2 * N);
  return true;
}

constexpr char letter(PackClass pack_class) noexcept {
  return pack_class == PackClass::data ? 'd' : 'm';
}

// The code point at the front of `text`, taken off; nothing if it is not well-formed.
std::optional<char32_t> take_code_point(std::string_view& text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  std::size_t size = 1;
  char32_t value = first;
  char32_t least = 0;
  if (first >= 0xF0 && first < 0xF8) {
    size = 4, value = first & 7, least = 0x10000;
  } else if (first >= 0xE0 && first < 0xF0) {
    size = 3, value = first & 15, least = 0x800;
  } else if (first >= 0xC0 && first < 0xE0) {
    size = 2, value = first & 31, least = 0x80;
  } else if (first >= 0x80) {
    return std::nullopt;
  }
  if (text.size() < size) return std::nullopt;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return std::nullopt;
    value = value << 6 | (byte(i) & 0x3F);
  }
  if (value < least || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

}  // namespace

BlockPrefix prefix_of(const BlockId& id) noexcept {
  BlockPrefix prefix;
  std::copy_n(id.bytes.begin(), prefix.bytes.size(), prefix.bytes.begin());
  return prefix;
}

std::optional<SessionId> parse_session(std::string_view hex) noexcept {
  SessionId session;
  if (!base::unhex(hex, session.bytes)) return std::nullopt;
  return session;
}

std::string packs_prefix(const SessionId& session) {
  const auto digits = session.hex();
  return "packs/" + digits.substr(0, 2) + "/" + digits + "/";
}

std::string pack_name(const PackId& id) {
  return packs_prefix(id.session) + base::hex8(id.n / 1024) + "/" + letter(id.pack_class) +
         base::hex8(id.n);
}

std::optional<PackId> parse_pack_name(std::string_view name) noexcept {
  const auto two = name.substr(0, 9);  // "packs/" and 2 digits, checked below
  PackId id;
  if (!skip(name, "packs/") || name.size() < 3) return std::nullopt;
  name.remove_prefix(2);
  if (!skip(name, "/") || two.substr(6, 2) != name.substr(0, 2) || !take_id(name, id.session) ||
      !skip(name, "/")) {
    return std::nullopt;
  }
  const auto group = take_number(name);
  if (!group || !skip(name, "/")) return std::nullopt;
  if (skip(name, "m")) {
    id.pack_class = PackClass::map;
  } else if (!skip(name, "d")) {
    return std::nullopt;
  }
  const auto n = take_number(name);
  if (!n || !name.empty() || *n / 1024 != *group) return std::nullopt;
  id.n = *n;
  return id;
}

std::string control_prefix(const RepositoryId& id) { return "ctl/" + id.hex() + "/"; }
std::string slot_name(const RepositoryId& id, std::uint32_t slot) {
  return control_prefix(id) + "k-s-" + base::hex8(slot);
}
std::string epoch_name(const RepositoryId& id, std::uint32_t epoch) {
  return control_prefix(id) + "k-e-" + base::hex8(epoch);
}
std::string log_name(const RepositoryId& id, std::uint32_t n) {
  return control_prefix(id) + "log-" + base::hex8(n);
}

std::optional<ControlEntry> parse_control_name(const RepositoryId& id,
                                               std::string_view name) noexcept {
  RepositoryId found;
  if (!skip(name, "ctl/") || !take_id(name, found) || found != id || !skip(name, "/")) {
    return std::nullopt;
  }
  ControlEntry entry;
  if (skip(name, "k-e-")) {
    entry.kind = ControlEntry::Kind::epoch;
  } else if (skip(name, "log-")) {
    entry.kind = ControlEntry::Kind::log;
  } else if (!skip(name, "k-s-")) {
    return std::nullopt;
  }
  const auto n = take_number(name);
  if (!n) return std::nullopt;
  entry.n = *n;
  if (entry.kind == ControlEntry::Kind::log) {
    if (skip(name, ".sweep")) {
      entry.kind = ControlEntry::Kind::sweep;
    } else if (skip(name, ".done")) {
      entry.kind = ControlEntry::Kind::done;
    }
  }
  if (!name.empty()) return std::nullopt;
  return entry;
}

std::string source_prefix(const SourceTag& tag) { return "src/" + tag.hex() + "/"; }

std::string source_entry_name(const SourceEntry& entry) {
  const auto stem =
      source_prefix(entry.tag) + base::hex16(~entry.order) + "-" + entry.session.hex();
  switch (entry.kind) {
    case SourceEntry::Kind::begin:
      return stem + ".begin";
    case SourceEntry::Kind::commit:
      return stem + ".commit";
    case SourceEntry::Kind::tomb:
      return stem + ".tomb";
    case SourceEntry::Kind::heartbeat:
      break;
  }
  return stem + ".hb-" + base::hex8(entry.n);
}

std::optional<SourceEntry> parse_source_entry(std::string_view name) noexcept {
  SourceEntry entry;
  if (!skip(name, "src/") || !take_id(name, entry.tag) || !skip(name, "/") || name.size() < 16) {
    return std::nullopt;
  }
  const auto inverted = base::parse_hex(name.substr(0, 16));
  if (!inverted) return std::nullopt;
  entry.order = ~*inverted;
  name.remove_prefix(16);
  if (!skip(name, "-") || !take_id(name, entry.session)) return std::nullopt;
  if (name == ".begin") return entry;
  if (name == ".commit") {
    entry.kind = SourceEntry::Kind::commit;
    return entry;
  }
  if (name == ".tomb") {
    entry.kind = SourceEntry::Kind::tomb;
    return entry;
  }
  if (!skip(name, ".hb-")) return std::nullopt;
  const auto n = take_number(name);
  if (!n || !name.empty()) return std::nullopt;
  entry.kind = SourceEntry::Kind::heartbeat;
  entry.n = *n;
  return entry;
}

std::string refs_name(const SessionId& session, std::uint32_t n) {
  return "refs/" + session.hex() + "-" + base::hex8(n);
}
std::string segment_name(const SessionId& session, std::uint32_t n) {
  return "index/s-" + session.hex() + "-" + base::hex8(n);
}

std::optional<SegmentEntry> parse_segment_name(std::string_view name) noexcept {
  SegmentEntry entry;
  if (!skip(name, "index/s-") || !take_id(name, entry.session) || !skip(name, "-")) {
    return std::nullopt;
  }
  const auto n = take_number(name);
  if (!n || !name.empty()) return std::nullopt;
  entry.n = *n;
  return entry;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    if (!take_code_point(text)) return false;
  }
  return true;
}

Result<void> check_source_name(std::string_view name) {
  const auto bad = [](std::string_view message) {
    return Error(Errc::invalid_argument, reason::bad_name, message);
  };
  if (name.empty() || name.size() > 255) {
    return bad("the name of a source has 1 to 255 bytes");
  }
  const auto slash = name.find('/');
  if (slash == 0 || slash == name.size() - 1 || name.rfind('/') != slash) {
    return bad("the name of a source is NAME or CLUSTER/NAME");
  }
  while (!name.empty()) {
    const auto code_point = take_code_point(name);
    if (!code_point) return bad("the name of a source is not valid UTF-8");
    if (*code_point == '@') return bad("the name of a source must not contain '@'");
    if (*code_point < 0x20 || (*code_point >= 0x7F && *code_point < 0xA0)) {
      return bad("the name of a source must not contain control characters");
    }
  }
  return {};
}

}  // namespace snapvault::format
