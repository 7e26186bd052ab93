// Repository: where snapshots live. Start here.
//
//   auto repository = snapvault::Repository::open("/backups", {.passphrase = "..."});
//   auto volume = snapvault::VolumeFile::open("/dev/vg/db");
//   auto report = repository->backup(**volume, {.source = "node7/db"});
//
// Threads of one Repository object          Processes on one repository
//   any function beside any other: safe       backup beside backup: safe, also of one source
//   backup beside backup: safe, parallel      backup, restore, verify, list beside delete: safe;
//   destruction: after all calls returned       a restore may fail with object_missing only after
//                                               a collection (not built yet)
//                                             weak stores (info().weak): one writer at a time
//
// event                            result                        what the user sees
//   process killed                 next backup re-uses its packs nothing of the dead run is listed
//   store unreachable              unavailable, nothing changed  the reason, and "try again"
//   answer to a commit lost        settled by reading it back    success, or the error it was
//   source unreadable half-way     the backup fails, or the      source_failed, or `marked`
//                                  range is marked (option)
//   stored bytes damaged           data_loss, never wrong bytes  what is hit; healed by the next
//                                                                incremental after verify
//   change information lost        full scan, same result        mode "scan" and its reason
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <snapvault/config.hpp>
#include <snapvault/progress.hpp>
#include <snapvault/provider.hpp>
#include <snapvault/result.hpp>
#include <snapvault/runtime.hpp>
#include <snapvault/snapshot.hpp>
#include <snapvault/source.hpp>

namespace snapvault {

// A passphrase, or a function that asks for one only when it is needed. Copies keep the text in
// memory until destroyed, when it is wiped.
class SNAPVAULT_EXPORT Passphrase {
 public:
  Passphrase() = default;
  Passphrase(const char* text);                          // NOLINT: reads well in braces
  Passphrase(std::string text);                          // NOLINT
  Passphrase(std::function<Result<std::string>()> ask);  // NOLINT
  explicit operator bool() const noexcept { return static_cast<bool>(ask_); }
  Result<std::string> get() const;

 private:
  std::function<Result<std::string>()> ask_;
};

// 32 random bytes of the embedder's.
using RawKey = std::array<std::byte, 32>;

// A key service: wrap() is called when a key is made, unwrap() when a repository is opened. Both
// may block; the answer is cached for the life of the handle.
struct KeyCallback {
  std::function<Result<std::vector<std::byte>>(std::span<const std::byte, 32> key)> wrap;
  std::function<Result<RawKey>(std::span<const std::byte> wrapped)> unwrap;  // wrapped <= 2,048
};

// What a handle may do. More than was asked for answers permission_denied (reason access).
enum class Access : std::uint32_t { read = 0, append = 1, manage = 2 };

struct OpenOptions {
  // One of the three; none for a repository made without.
  Passphrase passphrase = {};
  std::optional<RawKey> raw_key = {};
  KeyCallback key = {};
  Access access = Access::append;
  StoreOptions store = {};              // for open(url)
  std::optional<Runtime> runtime = {};  // default: Runtime::shared()
};

struct InitOptions {
  Passphrase passphrase = {};
  std::optional<RawKey> raw_key = {};
  KeyCallback key = {};
  // Keep the key in the repository: protects against damage and mix-ups, not against readers.
  bool no_passphrase = false;
  std::uint64_t pack_size = 32u << 20;  // 1 to 512 MiB
  std::string compression = "zstd:3";   // "none" or "zstd:1" to "zstd:19"
  std::uint32_t full_every = 7;         // every n-th backup of a source is full; 0 = never
  bool protect_parents = false;         // refuse to delete a snapshot that is a parent
  bool create_bucket = false;           // make the bucket or container if it is not there
  StoreOptions store = {};              // for init(url)
  std::optional<Runtime> runtime = {};
};

struct Policy {
  std::optional<std::uint32_t> full_every = {};
  std::optional<bool> protect_parents = {};
};

struct KeyInfo {
  std::uint32_t slot = 0;
  std::string kind;  // passphrase, raw, callback
  std::string label;
};

struct RepositoryInfo {
  std::string id;   // 32 hex digits
  std::string url;  // as given, without secrets
  std::uint32_t format = 1;
  bool weak = false;  // racing creates are not settled: one writer at a time
  std::string weak_because;
  bool no_passphrase = false;
  bool read_only = false;  // a newer program set a feature this one cannot write
  std::vector<KeyInfo> keys;
  std::uint64_t snapshots = 0, sources = 0, damaged_commits = 0, damaged_frames = 0;
  std::uint64_t logical_bytes = 0;  // sum of volume sizes
  std::uint64_t stored_bytes = 0;   // of all objects
  std::uint64_t objects = 0;
  std::uint64_t pack_size = 0;
  std::string compression;
  std::uint32_t full_every = 0;
  bool protect_parents = false;
};

enum class BackupMode : std::uint32_t {
  automatic = 0,      // incremental, every `full_every`-th full
  incremental = 1,    // fails without a parent (precondition_failed, no_parent)
  full = 2,           // reads everything, trusts no earlier fingerprint
  full_physical = 3,  // and shares no stored data with earlier snapshots
};

struct BackupOptions {
  std::string source = {};  // [cluster/]name; needed
  BackupMode mode = BackupMode::automatic;
  std::string parent = {};            // a snapshot's name; default: the latest of the source
  std::uint32_t block_size = 0;       // 4 KiB to 4 MiB, a power of two; 0: the parent's or 64 KiB
  bool force = false;                 // also if the source is in use (then crash_consistent)
  double audit = 0;                   // percent of unchanged blocks read and compared, besides
                                      // the samples that always are
  bool mark_unreadable = false;       // keep going past unreadable ranges and mark them
  bool verify_metadata_only = false;  // do not decompress and compare data before upload
  std::string compression = {};       // default: the repository's
  std::map<std::string, std::string> tags = {};
  std::map<std::string, std::string> attributes = {};
  std::optional<JobRates> rates = {};  // default: only those of the Runtime
  std::stop_token stop = {};
  ProgressFunction on_progress = {};
  std::uint32_t progress_period_ms = 500;
};

struct BackupReport {
  SnapshotInfo snapshot;
  std::uint64_t requests = 0;
  Traffic traffic = {};
  std::uint64_t pack_size = 0;        // in force; smaller than set if memory_max asks for it
  std::string dedup;                  // exact or sampled
  bool audit_failed = false;          // hidden changes were found: everything was read
  double audit_chance = 0;            // chance of finding changes hidden in 1 % of the data blocks
  std::vector<std::string> warnings;  // such as source_busy
  double seconds = 0;
};

struct SnapshotFilter {
  std::string source = {};                       // exact, or everything
  std::map<std::string, std::string> tags = {};  // all of these
  std::int64_t since = 0;                        // finished at or after
  std::uint64_t limit = 0;                       // newest first; 0 = all
};

enum class VerifyDepth : std::uint32_t { structure = 0, sample = 1, data = 2 };
struct VerifyOptions {
  std::string snapshot = {};  // only this one; default: all
  VerifyDepth depth = VerifyDepth::structure;
  double sample_percent = 5;  // of the frames, for VerifyDepth::sample
  bool record_damage = true;  // so that the next incremental heals it (needs Access::append)
  std::optional<JobRates> rates = {};  // default: only those of the Runtime
  std::stop_token stop = {};
  ProgressFunction on_progress = {};
  std::uint32_t progress_period_ms = 500;
};
struct DamagedObject {
  std::string key;     // in the store
  std::string reason;  // slug
  std::string message;
};
struct DamagedSnapshot {
  std::string name;                // SOURCE-ID, or the key of an unreadable commit
  bool unreadable = false;         // nothing of it can be restored
  std::vector<ByteRange> extents;  // that cannot be restored
};
struct VerifyReport {
  std::uint64_t snapshots = 0, packs = 0, nodes = 0, frames = 0, blocks = 0, bytes = 0;
  std::uint64_t requests = 0;
  Traffic traffic = {};
  std::vector<DamagedObject> objects;
  std::vector<DamagedSnapshot> affected;
  bool clean() const noexcept { return objects.empty() && affected.empty(); }
  double seconds = 0;
};

// What is right and wrong with the way to the store at `url`: credentials, clock, rights, what the
// store can do, how fast it is. Writes and removes a few objects. Blocks. Errors: those of
// Provider::open, cancelled; what is wrong with the store is in the findings.
SNAPVAULT_EXPORT Result<std::vector<Finding>> examine_store(const std::string& url,
                                                            const StoreOptions& options = {},
                                                            std::stop_token stop = {});

// An open repository. Movable; copies are not made, share it by reference.
class SNAPVAULT_EXPORT Repository {
 public:
  // Makes a repository and opens it for manage. Nothing is left behind on failure. Errors:
  // already_exists (repository_exists), invalid_argument, those of the provider.
  static Result<Repository> init(const std::string& url, const InitOptions& options);
  static Result<Repository> init(std::shared_ptr<Provider> provider, const InitOptions& options);

  // Errors: not_found (not_a_repository), unauthenticated (wrong_passphrase, wrong_key,
  // key_required), unsupported (newer_format), those of the provider.
  static Result<Repository> open(const std::string& url, const OpenOptions& options);
  static Result<Repository> open(std::shared_ptr<Provider> provider, const OpenOptions& options);

  Repository(Repository&&) noexcept;
  Repository& operator=(Repository&&) noexcept;
  ~Repository();

  // Reads every snapshot's record and lists every object.
  Result<RepositoryInfo> info() const;

  // Why the store cannot settle racing writers, so that only one may write at a time; or empty.
  std::string weak_because() const;

  // When this returns a report the snapshot is durable and listed; else there is none. Blocks.
  // Errors: precondition_failed (source_busy, no_parent), invalid_argument (bad_name,
  // bad_block_size), unavailable (source_failed, store), cancelled, aborted (session_aborted).
  Result<BackupReport> backup(BlockSource& source, const BackupOptions& options);

  // Newest first. Snapshots whose record is damaged are left out; verify names them.
  Result<std::vector<SnapshotInfo>> snapshots(const SnapshotFilter& filter = {}) const;

  // SOURCE@latest, SOURCE@latest~N, SOURCE-ID, or a unique prefix (at least 6 digits) of an id.
  // Errors: not_found (no_snapshot), invalid_argument (ambiguous_name, bad_name).
  Result<Snapshot> snapshot(const std::string& name) const;

  // Ranges that differ between two snapshots, from their maps alone: rising, merged. Blocks whose
  // stored copies differ but whose content is equal do not count.
  Result<std::vector<ByteRange>> diff(const std::string& a, const std::string& b) const;

  // Deletes by name; the space is given back by a collection. Other snapshots are not touched.
  // Resolves all names before it deletes any. Errors: not_found, precondition_failed
  // (has_dependents, with protect_parents).
  Result<std::vector<SnapshotInfo>> remove(const std::vector<std::string>& names,
                                           bool dry_run = false);

  Result<VerifyReport> verify(const VerifyOptions& options = {});

  // Changes what is given. Needs Access::manage.
  Result<void> set_policy(const Policy& policy);

  // Keys: each of them opens the repository. Needs Access::manage. The last cannot be removed.
  Result<std::uint32_t> add_key(const Passphrase& passphrase, const std::string& label = {});
  Result<std::uint32_t> add_key(const RawKey& key, const std::string& label = {});
  Result<void> remove_key(std::uint32_t slot);

  struct State;  // internal
  const std::shared_ptr<State>& state() const noexcept { return state_; }

 private:
  explicit Repository(std::shared_ptr<State> state) noexcept;
  std::shared_ptr<State> state_;
};

}  // namespace snapvault
