// Walks of maps: what is broken where, how many nodes each pack holds, how much is not empty.
#pragma once

#include "store/map_reader.hpp"
#include "store/map_writer.hpp"

namespace snapvault::engine {

// The topmost node above leaf `at` that cannot be read, and the leaves under it.
struct BrokenNode {
  store::NodeEntry entry;  // `inlined`: it stands in the manifest
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
base::Task<BrokenNode> locate_broken(store::MapReader& map, std::uint64_t at);

// Adds every node that stands in a pack to `book`. Errors: those of reading.
base::Task<Result<void>> count_nodes(store::MapReader& map, store::RefsBook& book);

// Bytes of the blocks in [begin, end) that are not empty; a leaf begins at `begin`.
base::Task<Result<std::uint64_t>> held_bytes(store::MapReader& map, std::uint64_t block_size,
                                             std::uint64_t begin, std::uint64_t end);

}  // namespace snapvault::engine
