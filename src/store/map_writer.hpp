// MapWriter: builds the map of a new snapshot from its parent's and the leaves that changed, and
// keeps the books of refs while it does.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>

#include "format/refs.hpp"
#include "store/map_reader.hpp"
#include "store/pack_writer.hpp"

namespace snapvault::store {

// Counts of live blocks and nodes by pack: a full table, or changes against the parent's.
class RefsBook {
 public:
  void add(const format::PackId& pack, std::int64_t change);
  // As format::Refs wants it. `parent`: the parent's refs as stored in its commit (a full table or
  // a delta), and how to name it as a base; nothing: a full table. Adds the parent's delta to ours.
  format::Refs table() const;  // all counts, zero ones left out
  format::Refs delta(const format::Refs& parent_delta, const format::RefsBase& base) const;

 private:
  std::unordered_map<format::PackId, std::int64_t, format::PackIdHash> counts_;
};

// Loop only. The calls describe the volume from start to end without gap: leaf i is either put,
// kept as in the parent (keep), or has no data (hole, zero).
class MapWriter {
 public:
  // `parent`: nothing for a full backup. It may have another size and height, not another block
  // size.
  MapWriter(std::uint64_t size, std::uint32_t block_size, MapReader* parent, PackWriter& packs,
            const format::KeyRing& keys, base::Env& env);
  ~MapWriter();

  // The next leaf. `old`: the parent's leaf at this place if it is known to the caller, so that it
  // is not read again; else nothing. A leaf without data becomes a hole or zero entry by itself,
  // one equal to the parent's is kept.
  base::Task<Result<void>> put(format::Leaf leaf, std::shared_ptr<const format::Leaf> old);
  // The next `count` leaves are those of the parent, which has that many. Where the volume grew or
  // shrank inside a leaf, its blocks are cut or joined by holes; a last block whose length changed
  // must be put by the caller.
  base::Task<Result<void>> keep(std::uint64_t count);
  // The next `count` leaves hold no data.
  base::Task<Result<void>> fill(format::ChildState state, std::uint64_t count);

  std::uint64_t next() const noexcept;  // index of the next leaf

  struct Finished {
    std::uint32_t height = 1;
    format::InlineNodes nodes;
  };
  // After the last leaf. The map pack writer is finished by its owner.
  base::Task<Result<Finished>> finish();
  const RefsBook& book() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::store
