#include "format/refs.hpp"

#include <algorithm>
#include <cassert>

#include "base/try.hpp"
#include "format/errors.hpp"

namespace snapvault::format {
namespace {

using base::append;

constexpr std::uint32_t kDelta = 1;       // flag: a base follows
constexpr std::size_t kGroupHeader = 24;  // session 16, class u8, 0 u8 x 3, u32 entries
constexpr std::size_t kEntrySize = 12;    // n u32, live i64

bool same_group(const PackId& a, const PackId& b) noexcept {
  return a.session == b.session && a.pack_class == b.pack_class;
}

// The entries of one group, appended to `entries`.
Result<void> read_group(base::ByteReader& reader, bool is_delta, std::vector<RefsEntry>& entries) {
  PackId pack;
  const auto session = reader.take(pack.session.bytes.size());
  std::copy(session.begin(), session.end(), pack.session.bytes.begin());
  const auto pack_class = reader.read<std::uint8_t>();
  const auto reserved = reader.take(3);
  const auto count = reader.read<std::uint32_t>();
  if (!reader.ok() || pack_class > 1 || !base::is_zero(reserved) || count == 0 ||
      count > reader.rest().size() / kEntrySize) {
    return bad_format("a group of refs is malformed");
  }
  pack.pack_class = static_cast<PackClass>(pack_class);
  for (std::uint32_t i = 0; i < count; ++i) {
    pack.n = reader.read<std::uint32_t>();
    const auto live = reader.read<std::int64_t>();
    if (!entries.empty() &&
        (entries.back().pack >= pack || (i == 0 && same_group(entries.back().pack, pack)))) {
      return bad_format("refs are out of order");
    }
    if (is_delta ? live == 0 : live <= 0) return bad_format("a count of refs is out of range");
    entries.push_back({pack, live});
  }
  return {};
}

}  // namespace

base::Bytes encode_refs(const Refs& refs) {
  base::Bytes out;
  append(out, refs.base ? kDelta : std::uint32_t{0});
  if (refs.base) {
    append(out, refs.base->order);
    append(out, refs.base->session.view());
    append(out, refs.base->n);
    append(out, refs.base->entries);
  }
  const auto groups_at = out.size();
  append(out, std::uint32_t{0});
  std::uint32_t groups = 0;
  for (auto first = refs.entries.begin(); first != refs.entries.end(); ++groups) {
    const auto end = std::find_if(first, refs.entries.end(), [&](const RefsEntry& entry) {
      return !same_group(entry.pack, first->pack);
    });
    append(out, first->pack.session.view());
    append(out, static_cast<std::uint32_t>(first->pack.pack_class));
    append(out, static_cast<std::uint32_t>(end - first));
    for (; first != end; ++first) {
      append(out, first->pack.n);
      append(out, first->live);
    }
  }
  base::store(out.data() + groups_at, groups);
  return out;
}

Result<Refs> decode_refs(base::ByteView bytes) {
  base::ByteReader reader(bytes);
  const auto flags = reader.read<std::uint32_t>();
  if (flags > kDelta) return newer_format("the refs need a newer version");
  Refs refs;
  if (flags == kDelta) {
    RefsBase base;
    base.order = reader.read<std::uint64_t>();
    const auto session = reader.take(base.session.bytes.size());
    std::copy(session.begin(), session.end(), base.session.bytes.begin());
    base.n = reader.read<std::uint32_t>();
    base.entries = reader.read<std::uint32_t>();
    refs.base = base;
  }
  const auto groups = reader.read<std::uint32_t>();
  if (!reader.ok() || groups > reader.rest().size() / (kGroupHeader + kEntrySize)) {
    return bad_format("the refs state a wrong number of groups");
  }
  refs.entries.reserve(reader.rest().size() / kEntrySize);
  for (std::uint32_t i = 0; i < groups; ++i) {
    SV_CHECK(read_group(reader, refs.base.has_value(), refs.entries));
  }
  if (!reader.finished()) return bad_format("the refs have bytes too many");
  return refs;
}

Result<Refs> apply_refs(const Refs& base, const Refs& delta) {
  if (base.base || !delta.base || delta.base->entries != base.entries.size()) {
    return bad_format("the refs are a delta against another table");
  }
  Refs out;
  auto at = base.entries.begin();
  for (const auto& change : delta.entries) {
    for (; at != base.entries.end() && at->pack < change.pack; ++at) out.entries.push_back(*at);
    const bool is_known = at != base.entries.end() && at->pack == change.pack;
    std::int64_t live = is_known ? at->live : 0;
    if (is_known) ++at;
    if (__builtin_add_overflow(live, change.live, &live) || live < 0) {
      return bad_format("a count of refs falls below 0 or is too large");
    }
    if (live > 0) out.entries.push_back({change.pack, live});
  }
  out.entries.insert(out.entries.end(), at, base.entries.end());
  return out;
}

}  // namespace snapvault::format
