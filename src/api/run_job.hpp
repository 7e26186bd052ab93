// Runs one job of a repository to its end: waits for a place, gives it its own client and copy of
// the repository's state, reports its progress and measures its time.
#pragma once

#include <stop_token>

#include "api/state.hpp"

namespace snapvault {

// Waits for a place among the jobs, which a stop ends within 50 ms, and runs `work(job)`.
template <class Report, class Work>
base::Task<Result<Report>> in_turn(Repository::State& state, engine::Job& job, Work& work) {
  const auto stopped = [&job] { return job.stopped(); };
  auto entering = state.runtime->jobs.enter(job.env, stopped);
  const auto place = co_await std::move(entering);
  SV_CO_CHECK_NOW(job.check());  // and so there is a place
  job.meter.waiting = false;
  job.repository = state.repository;
  auto working = work(job);
  auto report = co_await std::move(working);
  // What the job learnt of the log (policies, damage) is the handle's too.
  if (job.repository.log.next > state.repository.log.next) {
    state.repository.log = job.repository.log;
  }
  co_return report;
}

template <class Report, class Options, class Work>
base::Task<Result<Report>> job_on_loop(Repository::State& state, const Options& options,
                                       Work& work) {
  const auto started = state.env().monotonic();
  auto* own = options.rates ? options.rates->state().get() : nullptr;
  auto client = state.client(options.stop, own);
  auto repository = state.repository;
  engine::Job job{state.env(), client, repository, state.runtime->memory_max};
  job.read_rates = {&state.runtime->read, own ? &own->read : nullptr};
  job.stop = options.stop;
  job.meter.waiting = true;
  auto working = in_turn<Report>(state, job, work);
  auto reporting = engine::with_progress(job, options.on_progress, options.progress_period_ms,
                                         std::move(working));
  auto report = co_await std::move(reporting);
  if (report) report->seconds = static_cast<double>(state.env().monotonic() - started) / 1e9;
  co_return report;
}

// `work(job)` returns Task<Result<Report>>. Blocks. Not from a callback.
template <class Report, class Options, class Work>
Result<Report> run_job(Repository::State& state, const Options& options, Work& work) {
  auto run = [&] { return base::run_sync(state.env(), job_on_loop<Report>(state, options, work)); };
  return base::answer(run);
}

}  // namespace snapvault
