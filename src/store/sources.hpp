// The snapshots of a source, and of all sources, from listings alone.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/manifest.hpp"
#include "store/repository.hpp"

namespace snapvault::store {

struct SnapshotName {
  format::SourceTag tag;
  std::uint64_t order = 0;
  format::SessionId session;
  auto operator<=>(const SnapshotName&) const = default;
  std::string commit() const;  // names of its objects
  std::string tomb() const;
  std::string begin() const;
};

// What one LIST of src/<tag>/ shows.
struct SourceListing {
  std::uint64_t greatest_order = 0;  // of all names; 0 if there are none
  // Sessions with a `.commit` and no `.tomb`, newest first: greatest (order, session) first. One
  // may hold ABORT: read_snapshot tells.
  std::vector<SnapshotName> committed;
  std::vector<SnapshotName> unfinished;  // a begin without commit or tomb, newest first
};
base::Task<Result<SourceListing>> list_source(provider::Client& client, format::SourceTag tag);
// The same for all sources that ever had a session.
using AllSources = std::map<format::SourceTag, SourceListing>;
base::Task<Result<AllSources>> list_sources(provider::Client& client);

// No honest order reaches this: 2^20 for each of 2^32 log records, and one a session.
inline constexpr std::uint64_t kOrderEnd = std::uint64_t{1} << 56;

struct Snapshot {
  SnapshotName name;
  format::Commit commit;
  std::uint64_t record_bytes = 0;  // of the commit object
};
// Nothing: the register holds ABORT. Errors: not_found (no_snapshot), data_loss, unsupported.
base::Task<Result<std::optional<Snapshot>>> read_snapshot(provider::Client& client,
                                                          const Repository& repository,
                                                          SnapshotName name);
// The newest snapshot of a source, or nothing. Commits that cannot be read are an error.
base::Task<Result<std::optional<Snapshot>>> latest_snapshot(provider::Client& client,
                                                            const Repository& repository,
                                                            const SourceListing& listing);

// Every live snapshot of the repository, or of one source; newest first within a source, sources by
// tag. Damaged commits go to `damaged` with their error instead of failing the list. Of each record
// only the description is kept, a few hundred bytes: not its nodes, refs, samples and base token,
// for which read_snapshot reads it again.
struct DamagedCommit {
  SnapshotName name;
  Error error;
};
struct AllSnapshots {
  std::vector<Snapshot> snapshots;
  std::vector<DamagedCommit> damaged;
};
base::Task<Result<AllSnapshots>> list_snapshots(provider::Client& client,
                                                const Repository& repository,
                                                std::optional<std::string> source);
// The same of these.
base::Task<Result<AllSnapshots>> read_snapshots(provider::Client& client,
                                                const Repository& repository,
                                                std::vector<SnapshotName> names);

// Resolves SOURCE@latest, SOURCE@latest~N, SOURCE-ID (split at the last '-') or a hex id prefix of
// at least 6 digits. Errors: not_found (no_snapshot), invalid_argument (ambiguous_name, bad_name).
base::Task<Result<Snapshot>> find_snapshot(provider::Client& client, const Repository& repository,
                                           std::string name);
// And which sessions of its source came after it: only they can depend on it.
struct FoundSnapshot {
  Snapshot snapshot;
  std::vector<SnapshotName> newer;
};
base::Task<Result<FoundSnapshot>> find_among(provider::Client& client, const Repository& repository,
                                             std::string name);

// Puts the tomb. Idempotent.
base::Task<Result<void>> bury(provider::Client& client, const Repository& repository,
                              SnapshotName name);

// The full refs of a snapshot: inline or object, base applied. For deletion, collection and verify.
base::Task<Result<format::Refs>> read_refs(provider::Client& client, const Repository& repository,
                                           const Snapshot& snapshot);
// The full table of `refs`, which belong to a snapshot of the source `tag`.
base::Task<Result<format::Refs>> full_refs(provider::Client& client, const Repository& repository,
                                           format::SourceTag tag, format::Refs refs);
// The object refs/<session>-<n>, as it is stored: a base it names is not applied.
base::Task<Result<format::Refs>> read_refs_object(provider::Client& client,
                                                  const Repository& repository,
                                                  format::SessionId session, std::uint32_t n);
// The object refs/<session>-<n>.
base::Bytes build_refs(const format::KeyRing& keys, std::string_view name, format::Salt salt,
                       const format::Refs& refs);

}  // namespace snapvault::store
