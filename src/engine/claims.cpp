#include "engine/claims.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "engine/callback.hpp"

namespace snapvault::engine {
namespace {

Result<void> check_page(const ExtentPage& page, std::uint64_t offset, std::uint64_t size) {
  const auto bad = [](const char* what) {
    return Error(Errc::invalid_argument, reason::bad_extent_page, what)
        .with_hint("the source's extents() breaks its contract: see source.hpp");
  };
  if (page.covered_to <= offset || page.covered_to > size) {
    return bad("the source's page of extents covers nothing, or more than the volume");
  }
  std::uint64_t behind = offset;
  for (const auto& extent : page.extents) {
    if (extent.length == 0 || extent.offset < behind || extent.offset >= page.covered_to ||
        extent.length > size - extent.offset) {
      return bad("the source's extents are empty, unsorted, overlapping or out of range");
    }
    behind = extent.offset + extent.length;
  }
  return {};
}

}  // namespace

base::Task<Result<ClaimRun>> ClaimCursor::at(std::uint64_t offset) {
  if (offset < page_begin_ || offset >= page_.covered_to) {
    auto fetching = fetch(offset);
    auto fetched = co_await std::move(fetching);
    if (!fetched) co_return std::move(fetched).error();
  }
  co_return run_in_page(offset);
}

base::Task<Result<void>> ClaimCursor::fetch(std::uint64_t offset) {
  auto call = [&] { return source_.extents(offset, size_ - offset); };
  auto calling = call_on_io(env_, reason::source_failed, call);
  auto page = co_await std::move(calling);
  if (!page) co_return std::move(page).error().with_context("the source's extents");
  SV_CO_CHECK_NOW(check_page(*page, offset, size_));
  page_ = *std::move(page);
  page_begin_ = offset;
  hint_ = 0;
  const auto tells = [](const Extent& extent) {
    return has(extent.flags, ExtentFlags::zero) || has(extent.flags, ExtentFlags::hole);
  };
  knows_allocation_ = knows_allocation_ || page_.gaps == Gaps::zero ||
                      std::any_of(page_.extents.begin(), page_.extents.end(), tells);
  co_return Result<void>();
}

ClaimRun ClaimCursor::run_in_page(std::uint64_t offset) const noexcept {
  const auto& extents = page_.extents;
  const auto ends_before = [](const Extent& extent, std::uint64_t at) {
    return extent.offset + extent.length <= at;
  };
  if (hint_ >= extents.size() || extents[hint_].offset > offset) hint_ = 0;
  const auto found = std::lower_bound(extents.begin() + static_cast<std::ptrdiff_t>(hint_),
                                      extents.end(), offset, ends_before);
  hint_ = static_cast<std::size_t>(found - extents.begin());
  if (found != extents.end() && found->offset <= offset) {
    return judge(found->flags, offset, std::min(found->offset + found->length, page_.covered_to));
  }
  const auto end =
      found == extents.end() ? page_.covered_to : std::min(found->offset, page_.covered_to);
  switch (page_.gaps) {
    case Gaps::zero:
      return judge(ExtentFlags::hole | ExtentFlags::zero, offset, end);
    case Gaps::unchanged:
      return judge(ExtentFlags::unchanged, offset, end);
    case Gaps::unknown:
      break;
  }
  return judge(ExtentFlags::none, offset, end);
}

// A contradiction is no claim. Zero wins over unchanged: it needs no trust in an earlier state.
ClaimRun ClaimCursor::judge(ExtentFlags flags, std::uint64_t offset,
                            std::uint64_t end) const noexcept {
  ClaimRun run;
  run.unchanged = has(flags, ExtentFlags::unchanged) && !has(flags, ExtentFlags::changed) &&
                  offset < unchanged_end_;
  run.end = run.unchanged ? std::min(end, unchanged_end_) : end;
  if (has(flags, ExtentFlags::hole)) {
    run.claim = Claim::hole;
  } else if (has(flags, ExtentFlags::zero)) {
    run.claim = Claim::zero;
  } else if (run.unchanged) {
    run.claim = Claim::unchanged;
  }
  return run;
}

}  // namespace snapvault::engine
