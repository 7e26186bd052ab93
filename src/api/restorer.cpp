#include <snapvault/restorer.hpp>

#include "api/run_job.hpp"
#include "engine/restore.hpp"

namespace snapvault {
namespace {

base::Task<Result<RestoreReport>> restore_job(engine::Job& job, const store::Snapshot& snapshot,
                                              BlockSink& sink, const RestoreOptions& options) {
  auto working = engine::restore(job, snapshot, sink, options);
  auto reporting = engine::with_progress(job, options.on_progress, options.progress_period_ms,
                                         std::move(working));
  auto report = co_await std::move(reporting);
  co_return report;
}

}  // namespace

Restorer::Restorer(const Repository& repository) noexcept : repository_(&repository) {}

Result<RestoreReport> Restorer::restore(const Snapshot& snapshot, BlockSink& sink,
                                        const RestoreOptions& options) const {
  auto& state = *repository_->state();
  SV_CHECK(state.check(Access::read));
  auto work = [&](engine::Job& job) {
    return restore_job(job, snapshot.state()->stored, sink, options);
  };
  return run_job<RestoreReport>(state, options.stop, work);
}

}  // namespace snapvault
