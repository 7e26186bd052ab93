#include "engine/in_place.hpp"

#include <algorithm>
#include <optional>

#include "engine/damage.hpp"

namespace snapvault::engine {
namespace {

constexpr std::uint64_t kWindow = 4u << 20;  // compared by one task
constexpr std::uint64_t kGrain = 64u << 10;  // of what should be zero

}  // namespace

struct InPlace::Segment {
  ByteRange range;
  const Need* need = nullptr;    // nothing: it should be zero
  std::uint8_t* same = nullptr;  // of the need: the answer
};

// A part of the volume, in segments that are compared as wholes.
struct InPlace::Window {
  std::vector<Segment> segments;  // rising
  std::vector<ByteRange> dirty;   // should be zero, and is not
  std::uint64_t unchanged = 0;
};

// Needs and empty ranges of a batch in order of place.
class InPlace::Segments {
 public:
  Segments(const Planner& planner, const Batch& batch, std::vector<std::uint8_t>& same)
      : planner_(planner), batch_(batch), same_(same) {}

  std::optional<Segment> next() {
    const bool needs_left = need_ < batch_.needs.size();
    if (empty_ < batch_.empty.size()) {
      const auto& run = batch_.empty[empty_];
      const auto begin = std::max(run.offset, empty_at_);
      if (!needs_left || begin < offset_of(batch_.needs[need_])) return cut(run, begin);
    }
    if (!needs_left) return std::nullopt;
    const auto& need = batch_.needs[need_];
    auto* same = &same_[need_++];
    return Segment{{offset_of(need), planner_.length_of(need.block)}, &need, same};
  }

 private:
  std::uint64_t offset_of(const Need& need) const noexcept {
    return need.block * planner_.block_size();
  }
  Segment cut(const ByteRange& run, std::uint64_t begin) {
    const auto end = run.offset + run.length;
    empty_at_ = std::min(end, (begin / kGrain + 1) * kGrain);
    if (empty_at_ == end) ++empty_;
    return {{begin, empty_at_ - begin}, nullptr, nullptr};
  }

  const Planner& planner_;
  const Batch& batch_;
  std::vector<std::uint8_t>& same_;
  std::size_t need_ = 0, empty_ = 0;
  std::uint64_t empty_at_ = 0;  // empty ranges before this are given out
};

base::Task<Result<void>> InPlace::settle(Batch& batch) {
  SV_CO_TRY(const auto holes, target_.skip_holes(batch.empty));
  report_.unchanged_bytes += holes;
  job_.meter.unchanged += holes;
  job_.meter.done += holes;
  std::vector<std::uint8_t> same(batch.needs.size(), 0);
  auto body = [&](base::TaskGroup& group) { return walk(group, batch, same); };
  auto walking = base::with_group(job_.env.loop(), job_.env.cpu_threads() + 2, body);
  SV_CO_CHECK(std::move(walking));
  std::size_t kept = 0;
  for (std::size_t i = 0; i < same.size(); ++i) {
    if (!same[i]) batch.needs[kept++] = batch.needs[i];
  }
  batch.needs.resize(kept);
  batch.empty.clear();
  co_return Result<void>();
}

base::Task<Result<void>> InPlace::walk(base::TaskGroup& group, Batch& batch,
                                       std::vector<std::uint8_t>& same) {
  Segments segments(planner_, batch, same);
  auto segment = segments.next();
  while (segment && !group.failed()) {
    SV_CO_CHECK_NOW(job_.check());
    Window window;
    const auto number = segment->range.offset / kWindow;
    for (; segment && segment->range.offset / kWindow == number; segment = segments.next()) {
      const auto& range = segment->range;
      // Of a block that is wanted in part only, nothing is known without fetching it.
      if (planner_.clip(range.offset, range.offset + range.length) == range) {
        window.segments.push_back(*segment);
      }
    }
    auto comparing = compare(std::move(window));
    auto spawning = group.spawn(std::move(comparing));
    co_await std::move(spawning);
  }
  co_return Result<void>();
}

base::Task<Result<void>> InPlace::compare(Window window) {
  base::Bytes buffer;
  if (!buffers_.empty()) {
    buffer = std::move(buffers_.back());
    buffers_.pop_back();
  }
  {
    const auto slot = co_await target_.slots().acquire(1);
    auto work = [&] {
      buffer.resize(std::max<std::uint64_t>(target_.io_bytes(), planner_.block_size()));
      return compare_now(window, buffer);
    };
    auto comparing = base::run_on(job_.env, job_.env.io(), work);
    SV_CO_CHECK(std::move(comparing));
  }
  buffers_.push_back(std::move(buffer));
  report_.unchanged_bytes += window.unchanged;
  job_.meter.unchanged += window.unchanged;
  job_.meter.done += window.unchanged;
  for (const auto& range : window.dirty) {
    auto zeroing = target_.zero(range);
    auto zeroed = co_await std::move(zeroing);
    if (!zeroed) co_return std::move(zeroed).error();
    report_.zeroed_bytes += range.length;
    job_.meter.changed += range.length;
    job_.meter.done += range.length;
  }
  co_return Result<void>();
}

// Piece by piece, so that what was read is compared while the processor still has it at hand.
Result<void> InPlace::compare_now(Window& window, base::MutableBytes buffer) {
  const auto& segments = window.segments;
  for (std::size_t first = 0; first < segments.size();) {
    SV_CHECK(job_.check());
    auto last = first + 1;
    const auto begin = segments[first].range.offset;
    auto end = begin + segments[first].range.length;
    while (last < segments.size() && segments[last].range.offset == end &&
           end + segments[last].range.length - begin <= buffer.size()) {
      end += segments[last++].range.length;
    }
    SV_CHECK(compare_piece(window, first, last, buffer.first(end - begin)));
    first = last;
  }
  return {};
}

Result<void> InPlace::compare_piece(Window& window, std::size_t first, std::size_t last,
                                    base::MutableBytes buffer) {
  const auto begin = window.segments[first].range.offset;
  const auto read = target_.read_now(begin, buffer);
  if (!read && read.error().code() == Errc::unsupported) return read.error();
  if (!read) SV_CHECK(job_.check());
  const auto secret = job_.repository.keys.fingerprint_secret();
  for (auto i = first; i < last; ++i) {
    const auto& segment = window.segments[i];
    const base::ByteView bytes = buffer.subspan(segment.range.offset - begin, segment.range.length);
    const bool same =
        read && (segment.need ? codec::fingerprint(secret, bytes) == segment.need->fingerprint
                              : base::is_zero(bytes));
    if (same) window.unchanged += segment.range.length;
    if (segment.need) *segment.same = same;
    if (!segment.need && !same) add_range(window.dirty, segment.range.offset, segment.range.length);
  }
  return {};
}

}  // namespace snapvault::engine
