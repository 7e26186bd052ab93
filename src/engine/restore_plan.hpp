// The plan of a restore: from the map to the frames to fetch, part after part of the volume, each
// bounded in memory.
#pragma once

#include <algorithm>
#include <span>
#include <unordered_map>
#include <vector>

#include <snapvault/snapshot.hpp>

#include "engine/block_bytes.hpp"
#include "engine/job.hpp"
#include "store/map_reader.hpp"

namespace snapvault::engine {

// A block with data that is wanted, and where it is.
struct Need {
  std::uint64_t block = 0;  // of the volume
  format::BlockId id;
  codec::Fingerprint fingerprint;
  std::uint32_t pack = 0;  // index into Batch::packs
  std::uint32_t start16 = 0;
  std::uint32_t stored = 0;
  std::uint8_t slot = 0;
};

// A part of the volume: what is neither needed nor bad is empty. All ranges in bytes.
struct Batch {
  std::uint64_t begin = 0, end = 0;
  std::vector<Need> needs;       // rising by block, until plan_fetches() sorts them
  std::vector<ByteRange> empty;  // holes and zeros, rising, merged
  std::vector<ByteRange> bad;    // unreadable when it was backed up, or under a lost node
  std::vector<format::PackId> packs;
};

// A frame and the blocks of it that are wanted.
struct FrameNeeds {
  store::FrameRequest frame;
  std::span<const Need> needs;
};
// Frames of one pack near each other, for one request.
struct Fetch {
  std::uint32_t pack = 0;
  std::uint64_t bytes = 0;  // from the first byte to the last
  std::vector<FrameNeeds> frames;
};
// Sorts `needs` by place and cuts them into requests of at most `bytes_max` (or one frame). Gaps
// between frames are fetched too where they cost less than another request, at most 5 %.
std::vector<Fetch> plan_fetches(std::span<Need> needs, std::uint64_t bytes_max);

// Walks the map of a snapshot within a range.
class Planner {
 public:
  // `keep_going`: a node that cannot be read makes its part of the volume bad, and is no error.
  Planner(Job& job, const format::Manifest& manifest, store::MapReader& map, ByteRange range,
          bool keep_going);

  bool done() const noexcept { return at_ >= end_; }
  // The next part of the volume. Errors: data_loss (bad_extents), those of the store, cancelled.
  base::Task<Result<Batch>> next();

  std::uint64_t block_size() const noexcept { return block_size_; }
  std::uint64_t length_of(std::uint64_t block) const noexcept {
    return std::min(block_size_, size_ - block * block_size_);
  }
  BlockCheck check_of(const Need& need) const noexcept {
    return {need.id, need.fingerprint, length_of(need.block),
            static_cast<std::uint32_t>(block_size_), need.slot};
  }
  // The part of [begin, end) that is inside the range wanted.
  ByteRange clip(std::uint64_t begin, std::uint64_t end) const noexcept;

 private:
  base::Task<Result<void>> step_over(std::uint64_t leaf, Error error, Batch& batch);
  void add(const store::MapReader::Item& item, Batch& batch);
  void add_leaf(std::uint64_t index, const format::Leaf& leaf, Batch& batch);
  bool full(const Batch& batch, std::uint64_t leaves) const noexcept;

  Job& job_;
  store::MapReader& map_;
  std::uint64_t size_, block_size_, leaf_span_;
  std::uint64_t begin_, end_;  // of the range
  std::uint64_t at_;           // all before is planned
  bool keep_going_;
  std::unordered_map<format::PackId, std::uint32_t, format::PackIdHash> ordinals_;  // in the batch
};

// "bytes 0 to 4095 cannot be restored: …"
Error lost_range(ByteRange range, const Error& why);

}  // namespace snapvault::engine
