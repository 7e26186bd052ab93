// Progress of a job, as it is reported while the job runs.
#pragma once

#include <cstdint>
#include <functional>

namespace snapvault {

struct Progress {
  enum class Phase : std::uint32_t {
    opening = 0,  // waits for its turn among the jobs of its Runtime
    running = 1,
    finishing = 2,
    cancelling = 3,
    done = 4
  };
  Phase phase = Phase::opening;
  std::uint64_t bytes_total = 0;    // to be looked at
  std::uint64_t bytes_done = 0;     // never falls, never above bytes_total
  std::uint64_t new_bytes = 0;      // to be stored, before compression (backup)
  std::uint64_t changed_bytes = 0;  // found to differ (backup), written (restore)
  std::uint64_t unchanged_bytes = 0;
  std::uint64_t stored_bytes = 0;  // uploaded (backup), fetched (restore, verify)
  double seconds = 0;              // since the job began
};

// What a job asked of the store: calls of the provider, by kind, and bytes of objects. Repeats of a
// request that failed and the parts of a large object count as the one call they belong to.
struct Traffic {
  std::uint64_t gets = 0, puts = 0, lists = 0, removes = 0, stats = 0, syncs = 0;
  std::uint64_t bytes_up = 0, bytes_down = 0;
  std::uint64_t requests() const noexcept { return gets + puts + lists + removes + stats; }
};

// Called on a library thread, one call at a time, at least every `progress_period_ms` while the job
// runs and once with Phase::done at its end. It must not block for long; what it throws is dropped.
using ProgressFunction = std::function<void(const Progress&)>;

}  // namespace snapvault
