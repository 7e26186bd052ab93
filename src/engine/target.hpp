// Target: a sink called by its rules: never more at once than it allows, on threads that may block,
// and with exceptions as failures.
#pragma once

#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include <snapvault/snapshot.hpp>
#include <snapvault/source.hpp>

#include "engine/job.hpp"

namespace snapvault::engine {

// Loop only, but for the functions whose names end in _now: these are for a thread of env.io() and
// whoever holds a slot.
class Target {
 public:
  Target(Job& job, BlockSink& sink);

  // Asks for info and sets the size: that of the volume, or for a `range` of it no less than holds
  // the range already. `opened()` is true once resize() was called.
  base::Task<Result<void>> open(std::uint64_t volume_size, const std::optional<ByteRange>& range);
  bool opened() const noexcept { return opened_; }

  // One call at a time: then data comes in rising order, as a stream needs it.
  bool ordered() const noexcept { return info_.max_concurrency == 1; }
  bool starts_zero() const noexcept { return starts_zero_; }
  std::uint64_t size() const noexcept { return size_; }
  // Of one read or write.
  std::uint64_t io_bytes() const noexcept { return info_.io_optimal; }

  base::Semaphore& slots() noexcept { return *slots_; }  // after open()
  Result<void> write_now(std::uint64_t offset, base::ByteView data);
  Result<void> read_now(std::uint64_t offset, base::MutableBytes into);

  // Makes a range zero, unless it certainly is a hole already: then the answer is false.
  base::Task<Result<bool>> zero(ByteRange range);
  // Takes out the ranges that certainly are holes; answers how many bytes that was.
  base::Task<Result<std::uint64_t>> skip_holes(std::vector<ByteRange>& ranges);

  base::Task<Result<void>> flush();
  base::Task<Result<void>> finish(bool complete);

 private:
  Job& job_;
  BlockSink& sink_;
  BlockInfo info_;
  std::uint64_t size_ = 0;
  bool opened_ = false;
  bool starts_zero_ = false;
  std::optional<base::Semaphore> slots_;
  base::Semaphore alone_;  // of the functions that are called one at a time
};

}  // namespace snapvault::engine
