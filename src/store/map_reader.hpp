// MapReader: walks the map of one snapshot, fetching only the nodes it is asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "format/manifest.hpp"
#include "store/pack_reader.hpp"

namespace snapvault::store {

// A child's entry with its pack by name. `inlined`: the node stands in the manifest, not in a pack.
struct NodeEntry {
  format::ChildState state = format::ChildState::hole;
  bool inlined = false;
  format::BlockId id;
  format::PackId pack;
  std::uint8_t slot = 0;
  std::uint32_t start16 = 0;
  std::uint32_t stored = 0;
};

// Leaves under one node of `level`.
constexpr std::uint64_t leaves_under(std::uint32_t level) noexcept {
  return std::uint64_t{1} << (6 * level);
}
// The lowest level that stands in the manifest, given the levels of the map.
constexpr std::uint32_t lowest_inline(std::uint32_t height) noexcept {
  return height <= 2 ? height - 1 : height - 2;
}

// Loop only. Keeps at most 64 decoded nodes, and the node frames read last up to 4 MiB (one at
// least). The commit and the reader must outlive it. Every node's id is checked when it is read.
class MapReader {
 public:
  MapReader(const format::Commit& commit, PackReader& packs, const format::KeyRing& keys);
  ~MapReader();

  std::uint32_t height() const noexcept;
  std::uint64_t leaves() const noexcept;  // ceil(size / leaf span)
  std::uint64_t blocks() const noexcept;  // ceil(size / block size)

  // The run that holds leaf `index`: one leaf with content, or the largest known subtree of holes
  // or zeros from `index` on, cut at the end of the volume.
  struct Item {
    enum class Kind : std::uint8_t { hole, zero, leaf } kind = Kind::hole;
    std::uint64_t first = 0;
    std::uint64_t count = 1;
    std::shared_ptr<const format::Leaf> leaf;
  };
  base::Task<Result<Item>> at(std::uint64_t index);

  // The entry of node `index` of `level`, which need not exist: under a hole or zero it says that.
  // The root itself: inlined, without an id.
  base::Task<Result<NodeEntry>> entry(std::uint32_t level, std::uint64_t index);
  // Nodes by position; the entry must say `node`.
  base::Task<Result<std::shared_ptr<const format::Inner>>> inner(std::uint32_t level,
                                                                 std::uint64_t index);
  base::Task<Result<std::shared_ptr<const format::Leaf>>> leaf(std::uint64_t index);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::store
