// Index: which blocks the repository holds already. Bounded in memory; exact where that can be had.
//
// In memory: this session's blocks of packs that no segment names yet (a quarter of the budget), a
// Bloom filter over all segments (at most half), and the decrypted segment records and the pack
// directories used last (an eighth each). A block the filter knows is looked up in its segment, so
// answers are exact. On a store that is not local, or when the filter has no room for more, hooks
// take its place: exact while each block has one, else a sample, whose hits bring
// in the packs around them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "store/pack_reader.hpp"
#include "store/pack_writer.hpp"
#include "store/repository.hpp"

namespace snapvault::store {

struct BlockPlace {
  FramePlace frame;
  std::uint8_t slot = 0;
};

struct IndexOptions {
  std::uint64_t memory_bytes_max = 64u << 20;
  bool own_only = false;  // --full=physical: only what this session wrote counts
};

// Loop only.
class Index {
 public:
  Index(provider::Client& client, const Repository& repository, Session& session,
        PackReader& reader, IndexOptions options);
  ~Index();

  // An answer for one block.
  struct Answer {
    enum class Kind : std::uint8_t {
      found,    // stored: `place`
      claimed,  // new: the caller stores it and calls stored() or dropped()
      pending,  // another caller (or this one, earlier in the batch) has claimed it: wait_for()
    } kind = Kind::claimed;
    BlockPlace place;
  };
  // One answer a block, in order. Loads the segments at the first call. Blocks in damaged frames or
  // condemned packs count as absent.
  base::Task<Result<std::vector<Answer>>> find(std::vector<format::BlockId> blocks);

  // Settles a claim; wakes those who wait for it. Every claim must be settled on every path, also
  // when memory is short: the others would wait for ever.
  void stored(const format::BlockId& block, const BlockPlace& place);
  void dropped(const format::BlockId& block);
  // After pending: the place, wherever the block stands by now; or nothing if its claim was dropped
  // or the store failed (then ask again with find). Settle own claims first: two callers that wait
  // for each other would wait for ever.
  base::Task<std::optional<BlockPlace>> wait_for(format::BlockId block);

  // A pack of this session is up: its blocks go into the next segment, written every 64 packs or
  // 60 s. Returns once that segment, if one was due, is durable.
  base::Task<Result<void>> add_pack(FinishedPack pack);
  // Writes what is left.
  base::Task<Result<void>> flush();

  // Takes in the packs of a session that died: every pack of it that no segment names is read
  // whole, checked by its CRC and offered for reuse (and indexed with ours).
  base::Task<Result<void>> adopt(const format::SessionId& dead);

  // So far every block that the repository holds was found; else some were stored once more.
  bool is_exact() const noexcept;
  std::uint64_t entries() const noexcept;       // in all segments loaded
  std::uint64_t stored_bytes() const noexcept;  // of segments written
  // Segments, records of them and packs that could not be read: their blocks count as absent.
  std::uint64_t damaged() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::store
