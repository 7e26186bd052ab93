// Job: what one running backup, restore or verify has: its environment, bounds, stop and progress.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <stop_token>

#include <snapvault/progress.hpp>

#include "base/rate.hpp"
#include "base/sync.hpp"
#include "provider/client.hpp"
#include "store/repository.hpp"

namespace snapvault::engine {

// Counters that worker threads raise while a job runs.
struct Meter {
  std::atomic<std::uint64_t> total{0}, done{0}, fresh{0}, changed{0}, unchanged{0}, stored{0};
  std::atomic<bool> waiting{false};  // for its place among the jobs
  std::atomic<bool> finishing{false};
};

struct Job {
  base::Env& env;
  provider::Client& client;
  store::Repository& repository;
  std::uint64_t memory_bytes_max;  // the runtime's; a job takes up to 9/16 of it, two run at once
  std::array<base::TokenBucket*, 2> read_rates = {};  // of sources; null: no bound
  std::stop_token stop = {};
  Meter meter = {};

  bool stopped() const noexcept { return stop.stop_requested(); }
  // Errc::cancelled once a stop was requested.
  Result<void> check() const;
};

// Runs `work` while calling `report` every `period_ms`, and once at the end with Phase::done. A
// stop request shows as Phase::cancelling within 100 ms.
template <class T>
base::Task<Result<T>> with_progress(Job& job, ProgressFunction report, std::uint32_t period_ms,
                                    base::Task<Result<T>> work);

// The untyped part of with_progress: reports until `ended` is set, then calls back `left`.
class Reporter {
 public:
  Reporter(Job& job, ProgressFunction report, std::uint32_t period_ms);
  base::Task<Result<void>> run();
  void end(bool failed) noexcept;

 private:
  Progress::Phase phase() const noexcept;
  void call(Progress::Phase phase) noexcept;
  Job& job_;
  ProgressFunction report_;
  base::Nanoseconds period_;
  base::Nanoseconds started_;
  base::Nanoseconds last_ = 0;
  base::Alarm alarm_;
  bool ended_ = false;
  bool announced_cancel_ = false;
};

template <class T>
base::Task<Result<T>> with_progress(Job& job, ProgressFunction report, std::uint32_t period_ms,
                                    base::Task<Result<T>> work) {
  if (!report) {
    auto plain = co_await std::move(work);
    co_return plain;
  }
  Reporter reporter(job, std::move(report), period_ms);
  std::optional<Result<T>> result;
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    auto running = reporter.run();
    auto spawned = group.spawn(std::move(running));
    co_await std::move(spawned);
    std::exception_ptr failure;
    try {
      result.emplace(co_await std::move(work));
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) result.emplace(base::error_from(failure));
    reporter.end(!result->has_value());
    co_return Result<void>();
  };
  auto group = base::with_group(job.env.loop(), 2, body);
  auto reported = co_await std::move(group);
  base::permit_unchecked(reported, "the work's own result counts");
  if (!result) co_return std::move(reported).error();
  co_return std::move(*result);
}

}  // namespace snapvault::engine
