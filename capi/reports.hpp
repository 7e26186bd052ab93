// What the C ABI gives out: structs of C and the C++ objects that they point into.
#pragma once

#include <string>
#include <vector>

#include <snapvault/snapvault.hpp>

#include "snapvault.h"

namespace snapvault::capi {

// A SnapshotInfo and its view for C, which points into it: neither moves.
struct KeptSnapshot {
  explicit KeptSnapshot(SnapshotInfo given);
  KeptSnapshot(const KeptSnapshot&) = delete;
  KeptSnapshot& operator=(const KeptSnapshot&) = delete;

  SnapshotInfo info;
  std::vector<sv_range> marked;
  sv_snapshot_info view = {};
};

// Reports that own what they point to.
struct OwnedBackupReport : sv_backup_report {
  explicit OwnedBackupReport(BackupReport&& from);
  KeptSnapshot kept;
  std::vector<std::string> texts;
  std::vector<const char*> pointers;
};
struct OwnedRestoreReport : sv_restore_report {
  explicit OwnedRestoreReport(const RestoreReport& from);
  std::vector<sv_range> ranges;
};

}  // namespace snapvault::capi
