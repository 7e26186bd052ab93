// Ledger: what the file provider put but has not made durable yet.
#pragma once

#include <list>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "provider/posix.hpp"

namespace snapvault::provider {

// Thread safety: every function, any thread.
class Ledger {
 public:
  // A put object. Its file stays open until it is synced, because only a descriptor that was open
  // when a write-back failed is sure to hear of it. No file: its bytes are durable already.
  struct Entry {
    std::string key;
    posix::File file;
  };
  using Entries = std::list<Entry>;

  explicit Ledger(std::string root) : root_(std::move(root)) {}

  // The file system below the root has no fsync for directories.
  void without_directory_sync() noexcept;

  // Keeping one more descriptor would be too many: the caller syncs its file itself.
  bool full() const noexcept;
  // Takes over `one`, made before the object was published, so that nothing can fail afterwards.
  void add(Entries& one) noexcept;

  // Makes the name of `key` durable: its directory, and the names of all directories above it.
  Result<void> sync_names(const std::string& key);
  // Makes everything added so far durable: all files, then each directory once. A file that fails
  // is unlinked, and every later sync fails too: what was put before cannot be made durable by it.
  Result<void> sync_all(const RequestLimits& limits);

  // `directory`, relative to the root, was made or removed: its name is not durable.
  void forget(const std::string& directory) noexcept;

 private:
  Result<void> sync_directory(const std::string& directory, const std::string& key);
  Result<void> sync_file(Entry& entry);
  Result<void> sync_entries(Entries& waiting, Entries& synced, const RequestLimits& limits);
  void fail(Error error);
  std::string path(const std::string& relative) const;

  const std::string root_;
  std::mutex syncing_;  // one sync_all at a time; guards broken_
  std::optional<Error> broken_;
  mutable std::mutex mutex_;  // guards what follows
  Entries entries_;
  std::size_t files_open_ = 0;
  std::set<std::string> durable_;  // directories whose own name is durable
  bool directory_sync_ = true;
};

}  // namespace snapvault::provider
