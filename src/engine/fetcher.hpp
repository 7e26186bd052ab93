// Fetcher: from planned requests to checked blocks in their place.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <snapvault/restorer.hpp>

#include "engine/rescue.hpp"
#include "engine/restore_plan.hpp"
#include "engine/target.hpp"

namespace snapvault::engine {

// Where blocks go: to the target at once, or into a buffer for a target that is written in order.
struct Destination {
  base::MutableBytes buffer;    // empty: the target
  std::uint64_t offset = 0;     // of the buffer, in the volume
  std::vector<ByteRange>& bad;  // gets what cannot be restored
};

// Loop only. A request is decrypted, decompressed, checked and written by one thread, frame after
// frame, so that the bytes stay in the processor's cache; many requests run side by side.
class Fetcher {
 public:
  Fetcher(Job& job, const Planner& planner, Target& target, const RestoreOptions& options);
  ~Fetcher();

  // Errors: data_loss (bad_extents) unless options.keep_going, those of store and target.
  base::Task<Result<void>> run(const Batch& batch, const Fetch& fetch, Destination to);

  // Writes a part of the volume and counts it. For a thread of env.io() that holds a slot.
  Result<void> write_now(std::uint64_t offset, base::ByteView bytes);

  std::uint64_t frames_read() const noexcept { return packs_.frames_read(); }
  std::uint64_t gap_bytes() const noexcept { return packs_.gap_bytes(); }
  std::uint64_t written_bytes() const noexcept { return written_; }

 private:
  struct Opener;
  struct Outcome;

  base::Task<Result<void>> run_each(const Batch& batch, const Fetch& fetch, Destination to);
  base::Task<Result<void>> use(const Batch& batch, const Fetch& fetch,
                               const store::PackReader::Fetched* fetched, Destination to);
  Result<void> open_now(const Fetch& fetch, const store::PackReader::Fetched* fetched,
                        const Destination& to, Outcome& outcome, Opener& opener);
  Result<void> put_blocks_now(base::ByteView plain, std::span<const Need> needs,
                              const Destination& to, Outcome& outcome, Opener& opener);
  Result<void> put_now(std::uint64_t offset, base::ByteView bytes, const Destination& to);
  base::Task<Result<void>> settle(const Batch& batch, Outcome& outcome, Destination to);
  base::Task<Result<void>> lose(const Batch& batch, const Need& need, Error why, Destination to);
  bool is_shared(std::span<const Need> needs) const noexcept;

  Job& job_;
  const Planner& planner_;
  Target& target_;
  const RestoreOptions& options_;
  store::PackReader packs_;
  Rescue rescue_;
  FrameCache shared_frames_;
  base::Semaphore workers_;
  std::vector<std::unique_ptr<Opener>> idle_;
  std::atomic<std::uint64_t> written_{0};
};

}  // namespace snapvault::engine
