// Runs one job of a repository to its end: waits for a place, gives it its own client and copy of
// the repository's state, and measures its time.
#pragma once

#include <stop_token>

#include "api/state.hpp"

namespace snapvault {

template <class Report, class Work>
base::Task<Result<Report>> job_on_loop(Repository::State& state, std::stop_token stop, Work& work) {
  const auto started = state.env().monotonic();
  auto place = co_await state.runtime->jobs.acquire(1);
  auto client = state.client(stop);
  auto repository = state.repository;
  engine::Job job{state.env(),          client, repository, state.runtime->memory_max,
                  &state.runtime->read, stop};
  auto working = work(job);
  auto report = co_await std::move(working);
  // What the job learnt of the log (policies, damage) is the handle's too.
  if (repository.log.next > state.repository.log.next) state.repository.log = repository.log;
  if (report) report->seconds = static_cast<double>(state.env().monotonic() - started) / 1e9;
  co_return report;
}

// `work(job)` returns Task<Result<Report>>. Blocks. Not from a callback.
template <class Report, class Work>
Result<Report> run_job(Repository::State& state, std::stop_token stop, Work& work) {
  try {
    return base::run_sync(state.env(), job_on_loop<Report>(state, std::move(stop), work));
  } catch (...) {
    return base::error_from(std::current_exception());
  }
}

}  // namespace snapvault
