// Map: where each block of a volume is. A copy-on-write radix tree, 64 children at every level.
// FORMAT.md section 5.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "codec/fingerprint.hpp"
#include "format/envelope.hpp"

namespace snapvault::format {

inline constexpr std::uint32_t kFanout = 64;

enum class BlockState : std::uint8_t { hole = 0, zero = 1, data = 2, bad = 3 };
enum class ChildState : std::uint8_t { hole = 0, zero = 1, node = 2 };

// Where a block or node is: a pack of the node's own table, and the frame and slot in it.
struct Place {
  std::uint8_t pack = 0;      // index into the node's pack table, 0 to 63
  std::uint8_t slot = 0;      // ordinal in the frame
  std::uint32_t start16 = 0;  // record start / 16, 25 bits
  std::uint32_t stored = 0;   // record with header and tag, 25 bits
  bool operator==(const Place&) const = default;
};

struct BlockEntry {
  BlockState state = BlockState::hole;
  BlockId id;  // the rest for data only
  codec::Fingerprint fingerprint;
  Place place;
};
struct Leaf {
  std::array<BlockEntry, kFanout> blocks;
  std::vector<PackId> packs;  // of Place::pack; no duplicates, each used
};
struct ChildEntry {
  ChildState state = ChildState::hole;
  BlockId id;  // the rest for node only
  Place place;
};
struct Inner {
  std::array<ChildEntry, kFanout> children;
  std::vector<PackId> packs;
};

// Index of `pack` in `packs`, appended if new. At most 64 ever, as a node has 64 entries.
std::uint8_t intern_pack(std::vector<PackId>& packs, const PackId& pack);
// Rebuilds a node's pack table so that it holds exactly what its entries use, in order of use.
void compact_packs(Leaf& leaf);
void compact_packs(Inner& inner);

base::Bytes encode_leaf(const Leaf& leaf);
base::Bytes encode_inner(const Inner& inner);
// Errors: data_loss (bad_format).
Result<Leaf> decode_leaf(base::ByteView bytes);
Result<Inner> decode_inner(base::ByteView bytes);

// A frame of nodes: u16 count, u32 end offsets, the nodes. At most 256.
base::Bytes encode_node_frame(std::span<const base::Bytes> nodes);
Result<std::vector<base::ByteView>> decode_node_frame(base::ByteView frame);

// Levels of a map, leaves being level 0. `height` is the number of levels, at least 1.
std::uint32_t map_height(std::uint64_t volume_size, std::uint32_t block_size) noexcept;
// Bytes of volume under one node of `level`.
std::uint64_t node_span(std::uint32_t level, std::uint32_t block_size) noexcept;

// The inline top of a map, the "nodes" record of a manifest: the root and, if that is no leaf, the
// level below it unless that is the leaf level. Nodes in order of position; the root first.
struct InlineNodes {
  std::vector<base::Bytes> nodes;  // encoded; node i + 1 is the root's i-th child that is a node
};
base::Bytes encode_inline_nodes(const InlineNodes& nodes);
Result<InlineNodes> decode_inline_nodes(base::ByteView bytes);

}  // namespace snapvault::format
