#include "format/map.hpp"

#include <algorithm>
#include <bit>
#include <cassert>

#include "base/try.hpp"
#include "format/errors.hpp"

namespace snapvault::format {
namespace {

using base::append;

constexpr std::size_t kStateBytes = 16;  // 64 states of 2 bits
constexpr std::size_t kPackEntry = 21;   // session 16, class u8, n u32
constexpr std::size_t kBlockEntry = 48;  // id 24, fingerprint 16, place 8
constexpr std::size_t kChildEntry = 32;  // id 24, place 8
constexpr std::uint8_t kNoPacks = 0xFF;  // in place of count - 1: all children stand inline
constexpr std::uint32_t kNodeFrameMax = 256;
constexpr std::uint32_t kInlineMax = 1 + kFanout;

constexpr std::uint64_t pack_place(const Place& place) noexcept {
  return std::uint64_t{place.pack} | std::uint64_t{place.slot} << 6 |
         std::uint64_t{place.start16} << 14 | std::uint64_t{place.stored} << 39;
}
constexpr Place unpack_place(std::uint64_t word) noexcept {
  Place place;
  place.pack = static_cast<std::uint8_t>(word & 63);
  place.slot = static_cast<std::uint8_t>(word >> 6 & 255);
  place.start16 = static_cast<std::uint32_t>(word >> 14 & 0x1FFFFFF);
  place.stored = static_cast<std::uint32_t>(word >> 39);
  return place;
}

bool is_sane(const Place& place, std::size_t packs) noexcept {
  return place.pack < packs && std::uint64_t{place.start16} * 16 >= kFirstRecord &&
         place.stored > kRecordOverhead && place.stored <= kPlainMax + kRecordOverhead;
}

template <class Entries>
void append_states(base::Bytes& out, const Entries& entries) {
  for (std::size_t i = 0; i < kFanout; i += 4) {
    unsigned byte = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      byte |= static_cast<unsigned>(entries[i + j].state) << 2 * j;
    }
    out.push_back(static_cast<std::byte>(byte));
  }
}

void append_packs(base::Bytes& out, const std::vector<PackId>& packs) {
  append(out, packs.empty() ? kNoPacks : static_cast<std::uint8_t>(packs.size() - 1));
  for (const auto& pack : packs) {
    append(out, pack.session.view());
    append(out, static_cast<std::uint8_t>(pack.pack_class));
    append(out, pack.n);
  }
}

constexpr unsigned state_at(base::ByteView states, std::size_t i) noexcept {
  return std::to_integer<unsigned>(states[i / 4]) >> i % 4 * 2 & 3;
}

Result<std::vector<PackId>> read_packs(base::ByteReader& reader) {
  const auto count = reader.read<std::uint8_t>();
  if (count == kNoPacks) return std::vector<PackId>();
  if (count >= kFanout || reader.rest().size() < (count + 1u) * kPackEntry) {
    return bad_format("the pack table of a map node is malformed");
  }
  std::vector<PackId> packs(count + 1u);
  for (auto& pack : packs) {
    const auto session = reader.take(pack.session.bytes.size());
    std::copy(session.begin(), session.end(), pack.session.bytes.begin());
    const auto pack_class = reader.read<std::uint8_t>();
    pack.n = reader.read<std::uint32_t>();
    if (pack_class > 1) return bad_format("a map node names a pack of an unknown class");
    pack.pack_class = static_cast<PackClass>(pack_class);
  }
  auto sorted = packs;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    return bad_format("a map node names a pack twice");
  }
  return packs;
}

void read_id(base::ByteReader& reader, BlockId& id) noexcept {
  const auto bytes = reader.take(id.bytes.size());
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
}

template <class Entries, class Stored>
void compact(Entries& entries, std::vector<PackId>& packs, Stored is_stored) {
  std::vector<PackId> used;
  for (auto& entry : entries) {
    if (is_stored(entry)) entry.place.pack = intern_pack(used, packs[entry.place.pack]);
  }
  packs = std::move(used);
}

Error unused_pack() { return bad_format("a map node names a pack that it does not use"); }

}  // namespace

std::uint8_t intern_pack(std::vector<PackId>& packs, const PackId& pack) {
  const auto found = std::find(packs.begin(), packs.end(), pack);
  const auto index = static_cast<std::uint8_t>(found - packs.begin());
  if (found == packs.end()) packs.push_back(pack);
  return index;
}

void compact_packs(Leaf& leaf) {
  compact(leaf.blocks, leaf.packs,
          [](const BlockEntry& entry) { return entry.state == BlockState::data; });
}
void compact_packs(Inner& inner) {
  if (inner.packs.empty()) return;  // all children stand inline
  compact(inner.children, inner.packs,
          [](const ChildEntry& entry) { return entry.state == ChildState::node; });
}

base::Bytes encode_leaf(const Leaf& leaf) {
  base::Bytes out;
  const auto blocks = std::count_if(leaf.blocks.begin(), leaf.blocks.end(), [](const auto& entry) {
    return entry.state == BlockState::data;
  });
  out.reserve(kStateBytes + 1 + leaf.packs.size() * kPackEntry + blocks * kBlockEntry);
  append_states(out, leaf.blocks);
  if (blocks == 0) return out;
  append_packs(out, leaf.packs);
  for (const auto& block : leaf.blocks) {
    if (block.state != BlockState::data) continue;
    assert(is_sane(block.place, leaf.packs.size()));
    append(out, block.id.view());
    append(out, block.fingerprint.low);
    append(out, block.fingerprint.high);
    append(out, pack_place(block.place));
  }
  return out;
}

base::Bytes encode_inner(const Inner& inner) {
  base::Bytes out;
  const auto nodes =
      std::count_if(inner.children.begin(), inner.children.end(),
                    [](const auto& entry) { return entry.state == ChildState::node; });
  out.reserve(kStateBytes + 1 + inner.packs.size() * kPackEntry + nodes * kChildEntry);
  append_states(out, inner.children);
  if (nodes == 0) return out;
  append_packs(out, inner.packs);
  for (const auto& child : inner.children) {
    if (child.state != ChildState::node) continue;
    assert(inner.packs.empty() ? child.place == Place{} : is_sane(child.place, inner.packs.size()));
    append(out, child.id.view());
    append(out, pack_place(child.place));
  }
  return out;
}

Result<Leaf> decode_leaf(base::ByteView bytes) {
  base::ByteReader reader(bytes);
  const auto states = reader.take(kStateBytes);
  if (!reader.ok()) return bad_format("a map leaf is cut short");
  Leaf leaf;
  bool has_data = false;
  for (std::size_t i = 0; i < kFanout; ++i) {
    leaf.blocks[i].state = static_cast<BlockState>(state_at(states, i));
    has_data = has_data || leaf.blocks[i].state == BlockState::data;
  }
  if (has_data) {
    SV_TRY(leaf.packs, read_packs(reader));
  }
  std::uint64_t used = 0;
  for (auto& block : leaf.blocks) {
    if (block.state != BlockState::data) continue;
    read_id(reader, block.id);
    block.fingerprint.low = reader.read<std::uint64_t>();
    block.fingerprint.high = reader.read<std::uint64_t>();
    block.place = unpack_place(reader.read<std::uint64_t>());
    if (!reader.ok() || !is_sane(block.place, leaf.packs.size())) {
      return bad_format("the place of a block is malformed");
    }
    used |= std::uint64_t{1} << block.place.pack;
  }
  if (!reader.finished()) return bad_format("a map leaf has bytes too many");
  if (static_cast<std::size_t>(std::popcount(used)) != leaf.packs.size()) return unused_pack();
  return leaf;
}

Result<Inner> decode_inner(base::ByteView bytes) {
  base::ByteReader reader(bytes);
  const auto states = reader.take(kStateBytes);
  if (!reader.ok()) return bad_format("a map node is cut short");
  Inner inner;
  bool has_nodes = false;
  for (std::size_t i = 0; i < kFanout; ++i) {
    if (state_at(states, i) > 2) return bad_format("a map node has a child of unknown state");
    inner.children[i].state = static_cast<ChildState>(state_at(states, i));
    has_nodes = has_nodes || inner.children[i].state == ChildState::node;
  }
  if (has_nodes) {
    SV_TRY(inner.packs, read_packs(reader));
  }
  std::uint64_t used = 0;
  for (auto& child : inner.children) {
    if (child.state != ChildState::node) continue;
    read_id(reader, child.id);
    child.place = unpack_place(reader.read<std::uint64_t>());
    const bool is_good =
        inner.packs.empty() ? child.place == Place{} : is_sane(child.place, inner.packs.size());
    if (!reader.ok() || !is_good) return bad_format("the place of a map node is malformed");
    if (!inner.packs.empty()) used |= std::uint64_t{1} << child.place.pack;
  }
  if (!reader.finished()) return bad_format("a map node has bytes too many");
  if (static_cast<std::size_t>(std::popcount(used)) != inner.packs.size()) return unused_pack();
  return inner;
}

namespace {

// u16 count | u32 ends, from the first node's start | the nodes
Result<std::vector<base::ByteView>> split_nodes(base::ByteView bytes, std::uint32_t count_max) {
  base::ByteReader reader(bytes);
  const auto count = reader.read<std::uint16_t>();
  auto ends = base::ByteReader(reader.take(count * std::uint64_t{4}));
  if (!reader.ok() || count == 0 || count > count_max) {
    return bad_format("a frame of map nodes states a wrong number of them");
  }
  std::vector<base::ByteView> nodes(count);
  std::uint32_t start = 0;
  for (auto& node : nodes) {
    const auto end = ends.read<std::uint32_t>();
    if (end < start || end - start < kStateBytes) {
      return bad_format("a frame of map nodes has nodes of a wrong size");
    }
    node = reader.take(end - start);
    start = end;
  }
  if (!reader.finished()) return bad_format("a frame of map nodes has another size than it states");
  return nodes;
}

base::Bytes join_nodes(std::span<const base::Bytes> nodes) {
  base::Bytes out;
  append(out, static_cast<std::uint16_t>(nodes.size()));
  std::uint32_t end = 0;
  for (const auto& node : nodes) {
    end += static_cast<std::uint32_t>(node.size());
    append(out, end);
  }
  out.reserve(out.size() + end);
  for (const auto& node : nodes) append(out, node);
  return out;
}

}  // namespace

base::Bytes encode_node_frame(std::span<const base::Bytes> nodes) {
  assert(!nodes.empty() && nodes.size() <= kNodeFrameMax);
  return join_nodes(nodes);
}
Result<std::vector<base::ByteView>> decode_node_frame(base::ByteView frame) {
  return split_nodes(frame, kNodeFrameMax);
}

std::uint32_t map_height(std::uint64_t volume_size, std::uint32_t block_size) noexcept {
  std::uint32_t height = 1;
  while (node_span(height - 1, block_size) < volume_size) ++height;
  return height;
}

std::uint64_t node_span(std::uint32_t level, std::uint32_t block_size) noexcept {
  std::uint64_t span = block_size;
  for (std::uint32_t i = 0; i <= level; ++i) {
    if (span > UINT64_MAX / kFanout) return UINT64_MAX;
    span *= kFanout;
  }
  return span;
}

base::Bytes encode_inline_nodes(const InlineNodes& nodes) {
  assert(!nodes.nodes.empty() && nodes.nodes.size() <= kInlineMax);
  return join_nodes(nodes.nodes);
}

Result<InlineNodes> decode_inline_nodes(base::ByteView bytes) {
  SV_TRY(const auto views, split_nodes(bytes, kInlineMax));
  InlineNodes out;
  out.nodes.reserve(views.size());
  for (const auto view : views) out.nodes.emplace_back(view.begin(), view.end());
  return out;
}

}  // namespace snapvault::format
