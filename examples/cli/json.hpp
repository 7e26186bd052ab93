// JSON of what the commands print. Fields are only ever added.
#pragma once

#include <string>
#include <vector>

#include <snapvault/snapvault.hpp>

namespace cli {

std::string to_json(const std::string& what, const snapvault::Error& error);
std::string to_json(const snapvault::BackupReport& report);
std::string to_json(const snapvault::RestoreReport& report, const snapvault::SnapshotInfo& from);
std::string to_json(const snapvault::VerifyReport& report);
std::string to_json(const snapvault::SnapshotInfo& snapshot);
std::string to_json(const std::vector<snapvault::SnapshotInfo>& snapshots);
std::string to_json(const snapvault::RepositoryInfo& info);
std::string to_json(const std::vector<snapvault::Finding>& findings);
std::string to_json(const std::vector<snapvault::ByteRange>& ranges);
std::string to_json(const std::vector<snapvault::Extent>& extents);
std::string to_json(const snapvault::Progress& progress, const char* job);

// One line of --changed: {"offset":N,"length":N,"zero":false}. Wrong usage if it is not that.
snapvault::Extent parse_extent(const std::string& line, std::size_t number);

}  // namespace cli
