// Restorer: writes a snapshot to a sink.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

#include <snapvault/progress.hpp>
#include <snapvault/runtime.hpp>
#include <snapvault/snapshot.hpp>
#include <snapvault/source.hpp>

namespace snapvault {

class Repository;

struct RestoreOptions {
  // Only this range of the volume, written at the same offsets. Default: all of it.
  std::optional<ByteRange> range = {};
  // Compare with what the sink holds and write only blocks that differ. The sink must be readable.
  // Also how an interrupted restore goes on.
  bool in_place = false;
  // Recompute block ids as well as tags and fingerprints. Costs about half as much again.
  bool check_ids = false;
  // Go on past damage: good data is restored, bad ranges are left untouched and listed in the
  // report, and the result is data_loss (reason bad_extents) only if this is false.
  bool keep_going = false;
  std::optional<JobRates> rates = {};  // default: only those of the Runtime
  std::stop_token stop = {};
  ProgressFunction on_progress = {};
  std::uint32_t progress_period_ms = 500;
};

struct RestoreReport {
  std::uint64_t bytes_total = 0;      // of the volume or range
  std::uint64_t written_bytes = 0;    // data written
  std::uint64_t zeroed_bytes = 0;     // punched, zeroed or known to be zero
  std::uint64_t unchanged_bytes = 0;  // in place: already right
  std::uint64_t fetched_bytes = 0;    // from the store
  std::uint64_t frames = 0;           // fetched, each once
  std::uint64_t gap_bytes = 0;        // fetched between frames and not used
  std::uint64_t requests = 0;
  Traffic traffic = {};
  std::vector<ByteRange> bad;  // not restored: damaged, or unreadable when backed up
  double seconds = 0;
};

// Restores snapshots of one repository. Thread safety: const members from any threads at once.
class SNAPVAULT_EXPORT Restorer {
 public:
  explicit Restorer(const Repository& repository) noexcept;

  // Writes `snapshot` to `sink` and returns after sink.flush() and sink.finish(true) succeeded: the
  // bytes are then as durable as the sink makes them. Each stored frame is fetched once. On a sink
  // that held other data every hole and zero is certain afterwards. Blocks.
  //
  // Errors: data_loss           a frame is missing or fails its checks (see keep_going); nothing
  //                             wrong is written
  //         precondition_failed target_too_small, target_busy
  //         cancelled           options.stop was requested; run again with in_place to go on
  Result<RestoreReport> restore(const Snapshot& snapshot, BlockSink& sink,
                                const RestoreOptions& options = {}) const;

 private:
  const Repository* repository_;
};

}  // namespace snapvault
