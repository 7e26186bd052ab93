#include "engine/job.hpp"

#include <algorithm>

#include "base/reasons.hpp"

namespace snapvault::engine {

Result<void> Job::check() const {
  if (stopped()) return Error(Errc::cancelled, reason::cancelled, "it was cancelled");
  return {};
}

Reporter::Reporter(Job& job, ProgressFunction report, std::uint32_t period_ms)
    : job_(job),
      report_(std::move(report)),
      period_(std::max<base::Nanoseconds>(period_ms, 20) * base::kMillisecond),
      started_(job.env.monotonic()),
      alarm_(job.env) {}

// Wakes often, so that neither an end nor a cancel waits for the period.
base::Task<Result<void>> Reporter::run() {
  call(phase());
  while (!ended_) {
    const auto tick = std::min<base::Nanoseconds>(period_, 50 * base::kMillisecond);
    co_await alarm_.until(job_.env.monotonic() + tick);
    if (ended_) break;
    if (job_.stopped() && !announced_cancel_) {
      announced_cancel_ = true;
      call(Progress::Phase::cancelling);
    } else if (job_.env.monotonic() - last_ >= period_) {
      call(phase());
    }
  }
  call(Progress::Phase::done);
  co_return Result<void>();
}

void Reporter::end(bool failed) noexcept {
  ended_ = true;
  alarm_.ring();
  if (!failed) job_.meter.done = job_.meter.total.load();
}

Progress::Phase Reporter::phase() const noexcept {
  if (job_.stopped()) return Progress::Phase::cancelling;
  if (job_.meter.waiting) return Progress::Phase::opening;
  return job_.meter.finishing ? Progress::Phase::finishing : Progress::Phase::running;
}

// Nothing that it throws may end the reports: the last of them is promised.
void Reporter::call(Progress::Phase phase) noexcept {
  last_ = job_.env.monotonic();
  Progress now;
  now.phase = phase;
  now.bytes_total = job_.meter.total;
  now.bytes_done = std::min(job_.meter.done.load(), now.bytes_total);
  now.new_bytes = job_.meter.fresh;
  now.changed_bytes = job_.meter.changed;
  now.unchanged_bytes = job_.meter.unchanged;
  now.stored_bytes = job_.meter.stored;
  now.seconds = static_cast<double>(last_ - started_) / 1e9;
  try {
    report_(now);
  } catch (...) {
  }
}

}  // namespace snapvault::engine
