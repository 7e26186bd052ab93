// Plan: what a backup will be, decided before anything is written: full or incremental, against
// which parent, with which block size.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <snapvault/repository.hpp>

#include "engine/job.hpp"
#include "store/sources.hpp"

namespace snapvault::engine {

struct Plan {
  BlockInfo info;  // of the source
  std::uint32_t block_size = 65536;
  std::optional<store::Snapshot> parent;  // nothing: a full backup
  store::SourceListing listing;
  std::string full_reason;  // why it is full: first, asked, full_every, block_size, …
  std::vector<std::string> warnings;
};

// Errors: invalid_argument (bad_name, bad_block_size, bad_argument), precondition_failed
// (source_busy, no_parent), those of source and store.
base::Task<Result<Plan>> make_plan(Job& job, BlockSource& source, const BackupOptions& options);

}  // namespace snapvault::engine
