// Backup of a volume: extents -> leaves -> frames -> packs -> map -> commit. DESIGN.md traces one.
#pragma once

#include <snapvault/repository.hpp>
#include <snapvault/source.hpp>

#include "engine/job.hpp"
#include "store/sources.hpp"

namespace snapvault::engine {

// The report lacks SnapshotInfo::has_dependents (false for a new one) and `seconds`.
base::Task<Result<BackupReport>> backup(Job& job, BlockSource& source,
                                        const BackupOptions& options);

// "none" or "zstd:1" to "zstd:19". Errors: invalid_argument (bad_argument).
Result<void> check_compression(const std::string& text);

}  // namespace snapvault::engine
