// Unit: at least 4 MiB of a volume and at least one leaf of its map, taken from the source to the
// store: read, compare, hash, look up, compress, encrypt. Many run side by side.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <snapvault/repository.hpp>
#include <snapvault/source.hpp>

#include "engine/audit.hpp"
#include "engine/claims.hpp"
#include "engine/job.hpp"
#include "engine/workspace.hpp"
#include "format/manifest.hpp"
#include "format/map.hpp"
#include "store/index.hpp"
#include "store/pack_writer.hpp"

namespace snapvault::engine {

// The least a unit holds, and the buffer of one.
inline constexpr std::uint64_t kWindow = 4u << 20;
// What was written together is compressed together.
inline constexpr std::uint64_t kFrameWindow = 1u << 20;

// A block on its way into a leaf: its pack is still by name.
struct BlockRecord {
  format::BlockState state = format::BlockState::hole;
  bool kept = false;  // the parent's block, with its place
  format::BlockId id;
  codec::Fingerprint fingerprint;
  store::BlockPlace place;
};

struct Unit {
  std::uint64_t first_block = 0;
  std::vector<Claim> claims;                             // one a block
  std::vector<std::shared_ptr<const format::Leaf>> old;  // one a leaf; empty without a parent
  std::vector<format::BlockState> old_fill;              // where old[i] is null: hole or zero
  std::vector<BlockRecord> blocks;                       // the outcome
  std::vector<format::BadExtent> bad;
};

// What all units of one backup share. Loop only, but for the constants.
struct UnitContext {
  Job& job;
  BlockSource& source;
  store::Index& index;
  store::PackWriter& data;
  Sampler& sampler;
  format::Manifest::Counts& counts;
  const store::Repository& repository;
  std::uint64_t size;  // of the volume
  std::uint32_t block_size;
  std::uint32_t io_bytes;           // of one read
  std::uint64_t piece_bytes;        // read and looked at together; whole frame windows
  std::uint64_t old_size = 0;       // of the parent; 0 without one
  bool trust_fingerprints = false;  // an equal fingerprint means unchanged
  bool mark_unreadable = false;
  bool verify_data = true;  // decompress and compare before upload
  bool compress = true;
};

// Fills unit.blocks. Errors: unavailable (source_failed), those of the store, cancelled.
base::Task<Result<void>> process(UnitContext& context, Unit& unit, Workspace& workspace);

}  // namespace snapvault::engine
