// From a stored manifest to the public description of a snapshot.
#pragma once

#include <snapvault/snapshot.hpp>

#include "store/sources.hpp"

namespace snapvault::engine {

SnapshotInfo describe(const store::Snapshot& snapshot);
// SOURCE-ID with the first 12 digits of the id.
std::string snapshot_name(const std::string& source, const format::SessionId& id);

}  // namespace snapvault::engine
