// Refs of a new snapshot, from its map's books and its parent's refs.
#pragma once

#include <optional>

#include "format/refs.hpp"
#include "provider/client.hpp"
#include "store/map_writer.hpp"
#include "store/sources.hpp"

namespace snapvault::engine {

// A delta against the parent's base (or the parent itself), or a full table where there is no
// parent or the delta would exceed a quarter of the base.
base::Task<Result<format::Refs>> build_refs(provider::Client& client,
                                            const store::Repository& repository,
                                            const std::optional<store::Snapshot>& parent,
                                            const store::RefsBook& book);

}  // namespace snapvault::engine
