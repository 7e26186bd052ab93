#include "engine/target.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "engine/callback.hpp"

namespace snapvault::engine {
namespace {

constexpr std::uint32_t kIoMin = 64u << 10;
constexpr std::uint32_t kIoMax = 4u << 20;
// A longer call would keep progress and cancel waiting.
constexpr std::uint64_t kZeroMax = 1u << 30;

}  // namespace

Target::Target(Job& job, BlockSink& sink) : job_(job), sink_(sink), alone_(job.env.loop(), 1) {}

base::Task<Result<void>> Target::open(std::uint64_t volume_size,
                                      const std::optional<ByteRange>& range) {
  auto ask = [&] { return sink_.info(); };
  auto asking = call_on_io(job_.env, reason::target_failed, ask);
  auto info = co_await std::move(asking);
  if (!info) co_return std::move(info).error().with_context("the target");
  info_ = *std::move(info);
  info_.max_concurrency = std::max(info_.max_concurrency, 1u);
  info_.io_optimal = std::clamp(info_.io_optimal, kIoMin, kIoMax);
  slots_.emplace(job_.env.loop(), info_.max_concurrency);
  size_ = volume_size;
  if (range && info_.size >= range->offset + range->length) size_ = info_.size;
  opened_ = true;
  auto resize = [&]() -> Result<bool> {
    SV_CHECK(sink_.resize(size_));
    return sink_.reads_zero_initially();
  };
  auto resizing = call_on_io(job_.env, reason::target_failed, resize);
  auto starts_zero = co_await std::move(resizing);
  if (!starts_zero) co_return std::move(starts_zero).error();
  starts_zero_ = *starts_zero;
  co_return Result<void>();
}

Result<void> Target::write_now(std::uint64_t offset, base::ByteView data) {
  auto call = [&] { return sink_.write(offset, data); };
  return guarded(reason::target_failed, call);
}

Result<void> Target::read_now(std::uint64_t offset, base::MutableBytes into) {
  auto call = [&] { return sink_.read(offset, into); };
  return guarded(reason::target_failed, call);
}

base::Task<Result<std::uint64_t>> Target::skip_holes(std::vector<ByteRange>& ranges) {
  const auto turn = co_await alone_.acquire(1);
  const auto slot = co_await slots_->acquire(1);
  auto call = [&]() -> Result<std::uint64_t> {
    std::uint64_t skipped = 0;
    for (auto& range : ranges) {
      SV_CHECK(job_.check());
      if (!sink_.is_hole(range.offset, range.length)) continue;
      skipped += std::exchange(range.length, 0);
    }
    std::erase_if(ranges, [](const ByteRange& range) { return range.length == 0; });
    return skipped;
  };
  auto calling = call_on_io(job_.env, reason::target_failed, call);
  auto answer = co_await std::move(calling);
  co_return answer;
}

base::Task<Result<bool>> Target::zero(ByteRange range) {
  const auto turn = co_await alone_.acquire(1);
  const auto slot = co_await slots_->acquire(1);
  auto call = [&]() -> Result<bool> {
    if (sink_.is_hole(range.offset, range.length)) return false;
    for (auto rest = range; rest.length > 0;) {
      SV_CHECK(job_.check());
      const auto step = std::min(rest.length, kZeroMax);
      SV_CHECK(sink_.zero(rest.offset, step, true));
      rest = {rest.offset + step, rest.length - step};
    }
    return true;
  };
  auto calling = call_on_io(job_.env, reason::target_failed, call);
  auto answer = co_await std::move(calling);
  co_return answer;
}

base::Task<Result<void>> Target::flush() {
  auto call = [&] { return sink_.flush(); };
  auto calling = call_on_io(job_.env, reason::target_failed, call);
  auto done = co_await std::move(calling);
  co_return done;
}

base::Task<Result<void>> Target::finish(bool complete) {
  auto call = [&] { return sink_.finish(complete); };
  auto calling = call_on_io(job_.env, reason::target_failed, call);
  auto done = co_await std::move(calling);
  co_return done;
}

}  // namespace snapvault::engine
