#include "provider/ledger.hpp"

#include <unistd.h>

#include <cerrno>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

constexpr std::size_t kFilesOpenMax = 64;
// Forgetting one costs an fsync, no more.
constexpr std::size_t kDurableMax = 4096;

}  // namespace

std::string Ledger::path(const std::string& relative) const {
  return relative.empty() ? root_ : root_ + "/" + relative;
}

void Ledger::without_directory_sync() noexcept {
  const std::lock_guard lock(mutex_);
  directory_sync_ = false;
}

bool Ledger::full() const noexcept {
  const std::lock_guard lock(mutex_);
  return files_open_ >= kFilesOpenMax;
}

void Ledger::add(Entries& one) noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& entry : one) files_open_ += entry.file ? 1 : 0;
  entries_.splice(entries_.end(), one);
}

void Ledger::forget(const std::string& directory) noexcept {
  const std::lock_guard lock(mutex_);
  durable_.erase(directory);
}

Result<void> Ledger::sync_directory(const std::string& directory, const std::string& key) {
  const int error = posix::sync_directory(path(directory));
  // A directory that is gone was empty: the objects in it were removed since.
  if (error == 0 || error == ENOENT) return {};
  // Never outcome_unknown, which is settled by reading back: that would not prove durability.
  return posix::failure(error, "fsync of the directory", key);
}

Result<void> Ledger::sync_names(const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    if (!directory_sync_) return {};
  }
  auto directory = posix::parent(key);
  SV_CHECK(sync_directory(directory, key));
  for (; !directory.empty(); directory = posix::parent(directory)) {
    {
      const std::lock_guard lock(mutex_);
      if (durable_.contains(directory)) continue;
    }
    SV_CHECK(sync_directory(posix::parent(directory), key));
    const std::lock_guard lock(mutex_);
    if (durable_.size() >= kDurableMax) durable_.clear();
    durable_.insert(directory);
  }
  return {};
}

Result<void> Ledger::sync_file(Entry& entry) {
  if (!entry.file) return {};
  int error = posix::sync(entry.file);
  const int closed = posix::close(entry.file);
  if (error == 0) error = closed;
  if (error == 0) return {};
  // The page cache may show bytes that the medium does not have: nobody shall build on them.
  ::unlink(path(entry.key).c_str());
  return posix::failure(error, "fsync of the object", entry.key);
}

void Ledger::fail(Error error) {
  if (broken_) return;
  if (error.code() == Errc::resource_exhausted) {
    broken_.emplace(std::move(error));
    return;
  }
  broken_.emplace(Errc::data_loss, reason::store_failed, error.message());
  broken_ = std::move(*broken_).with_subject(error.subject()).with_native(error.native());
}

Result<void> Ledger::sync_entries(Entries& waiting, Entries& synced, const RequestLimits& limits) {
  while (!waiting.empty()) {
    SV_CHECK(check(limits));
    if (auto done = sync_file(waiting.front()); !done) {
      fail(std::move(done).error());
      waiting.pop_front();
    } else {
      synced.splice(synced.end(), waiting, waiting.begin());
    }
  }
  std::set<std::string> directories;
  for (const auto& entry : synced) {
    SV_CHECK(check(limits));
    if (!directories.insert(posix::parent(entry.key)).second) continue;
    if (auto done = sync_names(entry.key); !done) fail(std::move(done).error());
  }
  synced.clear();
  return {};
}

Result<void> Ledger::sync_all(const RequestLimits& limits) {
  const std::lock_guard one_at_a_time(syncing_);
  Entries waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(entries_);
    files_open_ = 0;
  }
  // Whatever ends this early, a request's limits or an exception, the rest stays to be done.
  struct GiveBack {
    Ledger& ledger;
    Entries& waiting;
    Entries synced = {};
    ~GiveBack() {
      ledger.add(synced);
      ledger.add(waiting);
    }
  } rest{*this, waiting};
  SV_CHECK(sync_entries(waiting, rest.synced, limits));
  if (broken_) {
    auto error = *broken_;
    return std::move(error).with_hint("open the repository again before the next backup");
  }
  return {};
}

}  // namespace snapvault::provider
