// Restore of a volume: map -> frames, each fetched once -> sink.
#pragma once

#include <snapvault/restorer.hpp>

#include "engine/job.hpp"
#include "store/sources.hpp"

namespace snapvault::engine {

// Calls sink.flush() and sink.finish() on every path that called sink.resize().
base::Task<Result<RestoreReport>> restore(Job& job, const store::Snapshot& snapshot,
                                          BlockSink& sink, const RestoreOptions& options);

}  // namespace snapvault::engine
