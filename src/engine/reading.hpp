// Random reads of one snapshot, and its extents, from map and frames.
#pragma once

#include <memory>

#include <snapvault/snapshot.hpp>

#include "engine/job.hpp"
#include "store/map_reader.hpp"
#include "store/sources.hpp"

namespace snapvault::engine {

// Loop only; calls may overlap (they queue for the map, not for frames). Keeps decompressed frames
// up to `cache_bytes_max` and reads ahead after sequential access.
class SnapshotReader {
 public:
  SnapshotReader(base::Env& env, std::shared_ptr<Provider> provider,
                 const store::Repository& repository, store::Snapshot snapshot,
                 std::uint64_t cache_bytes_max);
  ~SnapshotReader();
  base::Task<Result<void>> read(std::uint64_t offset, base::MutableBytes into);
  base::Task<Result<ExtentPage>> extents(std::uint64_t offset, std::uint64_t length);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Ranges whose content differs, from maps alone: equal subtrees are skipped unread. What one volume
// has beyond the other's end differs, and so does what was unreadable in either. Blocks of
// different sizes cannot be compared by their ids: then all that is data in either differs.
base::Task<Result<std::vector<ByteRange>>> diff(Job& job, const store::Snapshot& a,
                                                const store::Snapshot& b);

}  // namespace snapvault::engine
