// Walks of a whole map for verify: what is broken where, and how many nodes each pack holds.
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

}  // namespace snapvault::engine
