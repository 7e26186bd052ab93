#include <snapvault/restorer.hpp>

#include "api/run_job.hpp"
#include "engine/restore.hpp"

namespace snapvault {

Restorer::Restorer(const Repository& repository) noexcept : repository_(&repository) {}

Result<RestoreReport> Restorer::restore(const Snapshot& snapshot, BlockSink& sink,
                                        const RestoreOptions& options) const {
  auto& state = *repository_->state();
  SV_CHECK(state.check(Access::read));
  auto work = [&](engine::Job& job) {
    return engine::restore(job, snapshot.state()->stored, sink, options);
  };
  return run_job<RestoreReport>(state, options, work);
}

}  // namespace snapvault
