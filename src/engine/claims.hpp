// Claims: what a source says of its ranges, as one gapless run after another.
#pragma once

#include <cstdint>

#include <snapvault/source.hpp>

#include "base/sync.hpp"

namespace snapvault::engine {

enum class Claim : std::uint8_t { unknown, zero, hole, unchanged };

struct ClaimRun {
  Claim claim = Claim::unknown;
  bool unchanged = false;  // since the base; also of a zero or hole
  std::uint64_t end = 0;   // both hold from where it was asked up to here
};

// Loop only; the source's callbacks run on env.io(). Asked at rising offsets, each page is fetched
// once and only while it is needed.
class ClaimCursor {
 public:
  // `base_accepted`: changed/unchanged count. Ranges from `unchanged_end` on are never unchanged.
  ClaimCursor(base::Env& env, BlockSource& source, std::uint64_t size, bool base_accepted,
              std::uint64_t unchanged_end) noexcept
      : env_(env),
        source_(source),
        size_(size),
        unchanged_end_(base_accepted ? unchanged_end : 0) {}

  // The longest run of one claim that starts at `offset` and is known from the current page.
  // Errors: unavailable (source_failed), invalid_argument (bad_extent_page).
  base::Task<Result<ClaimRun>> at(std::uint64_t offset);

  // true once a page told anything about allocation.
  bool knows_allocation() const noexcept { return knows_allocation_; }

 private:
  base::Task<Result<void>> fetch(std::uint64_t offset);
  ClaimRun run_in_page(std::uint64_t offset) const noexcept;
  ClaimRun judge(ExtentFlags flags, std::uint64_t offset, std::uint64_t end) const noexcept;

  base::Env& env_;
  BlockSource& source_;
  std::uint64_t size_;
  std::uint64_t unchanged_end_;
  std::uint64_t page_begin_ = 0;
  ExtentPage page_;  // covered_to 0: none yet
  mutable std::size_t hint_ = 0;
  bool knows_allocation_ = false;
};

}  // namespace snapvault::engine
