// Verify: finds damage and says what it hits; DAMAGE records let the next incremental heal it.
#pragma once

#include <snapvault/repository.hpp>

#include "engine/job.hpp"
#include "store/sources.hpp"

namespace snapvault::engine {

base::Task<Result<VerifyReport>> verify(Job& job, const VerifyOptions& options);

}  // namespace snapvault::engine
