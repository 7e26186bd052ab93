#include "provider/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/blocking.hpp"
#include "provider/ledger.hpp"
#include "provider/publish.hpp"
#include "provider/request.hpp"
#include "provider/temporary.hpp"
#include "provider/walk.hpp"

namespace snapvault::provider {
namespace {

// How often directories that somebody else removes meanwhile are made again.
constexpr int kAttempts = 16;

class FileProvider final : public BlockingProvider {
 public:
  explicit FileProvider(std::string root) : root_(std::move(root)), ledger_(root_) {}
  Capabilities capabilities() const override;

 private:
  Result<base::Bytes> do_get(const GetRequest& request) override;
  Result<void> do_put(const PutRequest& request) override;
  Result<ListPage> do_list(const ListRequest& request) override;
  Result<void> do_remove(const RemoveRequest& request) override;
  Result<ObjectInfo> do_stat(const StatRequest& request) override;
  Result<void> do_sync(const RequestLimits& limits) override;

  std::string path(const std::string& key) const { return root_ + "/" + key; }
  Result<void> check_root(const std::string& key) const;
  Error absent(int error, const std::string& doing, const std::string& key) const;
  Result<posix::File> open_object(const std::string& key, struct stat& about) const;
  Result<Abilities> abilities() const;
  Result<void> make_root();
  Result<void> make_directories(const std::string& key);
  Result<Temporary> new_file(const std::string& key);
  Result<void> publish_new(const PutRequest& request, Temporary& file);

  const std::string root_;
  mutable std::mutex mutex_;
  mutable std::optional<Abilities> abilities_;  // guarded by mutex_; found out at first use
  bool swept_ = false;                          // guarded by mutex_
  mutable Ledger ledger_;
};

Capabilities FileProvider::capabilities() const {
  Capabilities out;
  out.kind = "file";
  out.local = true;
  out.exclusive_create = true;
  out.durable_put = true;
  // Whoever cannot write here cannot race either; a root that is not there yet is asked again.
  const auto found = abilities();
  if (!found) return out;
  out.durable_put = found->directory_sync;
  out.exclusive_create = found->exclusive != Exclusive::none;
  if (!out.exclusive_create) {
    out.weak_because = "the file system has neither hard links nor renames that replace nothing";
  }
  return out;
}

// What the file system can do; tried out once, when the root exists.
Result<Abilities> FileProvider::abilities() const {
  const std::lock_guard lock(mutex_);
  if (abilities_) return *abilities_;
  SV_TRY(abilities_, probe(root_));
  if (!abilities_->directory_sync) ledger_.without_directory_sync();
  return *abilities_;
}

// Errors: precondition_failed (reason not_a_repository) if the root is there but no directory.
Result<void> FileProvider::check_root(const std::string& key) const {
  struct stat about {};
  if (::stat(root_.c_str(), &about) != 0 || S_ISDIR(about.st_mode)) return {};
  return Error(Errc::precondition_failed, reason::not_a_repository,
               "the repository's path is not a directory")
      .with_subject(key)
      .with_native(ENOTDIR);
}

// What it means that `key` cannot be opened or looked at.
Error FileProvider::absent(int error, const std::string& doing, const std::string& key) const {
  if (error != ENOENT && error != ENOTDIR) return posix::failure(error, doing, key);
  if (auto root = check_root(key); !root) return std::move(root).error();
  return no_object(key);
}

Result<posix::File> FileProvider::open_object(const std::string& key, struct stat& about) const {
  posix::File file;
  // O_NONBLOCK: a named pipe must not make the caller wait.
  const int error = posix::open(path(key), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, file);
  if (error != 0) return absent(error, "opening the object", key);
  if (::fstat(file.get(), &about) != 0) return posix::failure(errno, "opening the object", key);
  if (!S_ISREG(about.st_mode)) return no_object(key);
  return file;
}

Result<base::Bytes> FileProvider::do_get(const GetRequest& request) {
  struct stat about {};
  SV_TRY(const auto file, open_object(request.key, about));
  SV_TRY(const auto length, range_length(request, static_cast<std::uint64_t>(about.st_size)));
  if (length > Capabilities().object_size_max) {
    return Error(Errc::data_loss, reason::bad_format,
                 "the object is larger than any that is written")
        .with_subject(request.key);
  }
  base::Bytes out(length);
  SV_CHECK(posix::read_all(file, request.offset, out, request));
  return out;
}

Result<ObjectInfo> FileProvider::do_stat(const StatRequest& request) {
  struct stat about {};
  if (::lstat(path(request.key).c_str(), &about) != 0) {
    return absent(errno, "looking for the object", request.key);
  }
  if (!S_ISREG(about.st_mode)) {
    // A link is refused as get() refuses it; a directory is no object.
    if (S_ISLNK(about.st_mode)) return posix::failure(ELOOP, "looking for the object", request.key);
    return no_object(request.key);
  }
  return ObjectInfo{.key = request.key,
                    .size = static_cast<std::uint64_t>(about.st_size),
                    .modified = about.st_mtim.tv_sec};
}

Result<ListPage> FileProvider::do_list(const ListRequest& request) {
  SV_CHECK(check_root(request.prefix));
  return walk(root_, request);
}

Result<void> FileProvider::do_remove(const RemoveRequest& request) {
  std::set<std::string> directories;
  std::optional<Error> failed;
  for (const auto& key : request.keys) {
    SV_CHECK(check(request.limits));
    if (::unlink(path(key).c_str()) == 0 || errno == ENOENT) {
      directories.insert(posix::parent(key));
    } else if (errno != ENOTDIR && errno != EISDIR && !failed) {
      failed.emplace(posix::failure(errno, "removing the object", key));
    }
  }
  SV_CHECK(check_root(request.keys.front()));
  // Empty directories go too. A put that meets one makes it again (new_file).
  for (auto directory : directories) {
    while (!directory.empty() && ::rmdir(path(directory).c_str()) == 0) {
      ledger_.forget(directory);
      directory = posix::parent(directory);
    }
  }
  if (failed) return *std::move(failed);
  return {};
}

Result<void> FileProvider::do_sync(const RequestLimits& limits) { return ledger_.sync_all(limits); }

Result<void> FileProvider::make_root() {
  if (::mkdir(root_.c_str(), 0700) != 0) {
    const int error = errno;
    SV_CHECK(check_root(""));
    if (error == EEXIST) return {};
    struct stat about {};
    if (::stat(root_.c_str(), &about) == 0) return {};  // EROFS and others, although it is there
    if (error != ENOENT) return posix::failure(error, "making the repository's directory", "");
    return Error(Errc::precondition_failed, reason::no_path,
                 "the directory that is to hold the repository does not exist")
        .with_native(ENOENT);
  }
  const auto above = posix::parent(root_);
  const bool top = above.empty() && root_.starts_with('/');
  const int error = posix::sync_directory(above.empty() ? (top ? "/" : ".") : above);
  // Without the right to read the directory above it cannot be opened for fsync.
  if (error == 0 || error == EACCES || error == EINVAL || error == EOPNOTSUPP) return {};
  return posix::failure(error, "fsync of the directory above the repository", "");
}

Result<void> FileProvider::make_directories(const std::string& key) {
  SV_CHECK(make_root());
  for (auto slash = key.find('/'); slash != std::string::npos; slash = key.find('/', slash + 1)) {
    const auto directory = key.substr(0, slash);
    if (::mkdir(path(directory).c_str(), 0700) == 0) {
      ledger_.forget(directory);
    } else if (errno != EEXIST && errno != ENOENT) {
      return posix::failure(errno, "making a directory", key);
    }
  }
  return {};
}

// A temporary file beside the place of `key`.
Result<Temporary> FileProvider::new_file(const std::string& key) {
  const auto directory = path(posix::parent(key));
  for (int attempt = 0;; ++attempt) {
    auto made = Temporary::create(directory, key);
    if (made) return made;
    if (made.error().native() == ENOTDIR) SV_CHECK(check_root(key));
    if (made.error().native() != ENOENT || attempt == kAttempts) return made;
    SV_CHECK(make_directories(key));
  }
}

Result<void> FileProvider::publish_new(const PutRequest& request, Temporary& file) {
  struct stat about {};
  if (::fstat(file.file().get(), &about) != 0) {
    return posix::failure(errno, "writing the object", request.key);
  }
  const auto file_id = posix::identity(about);
  SV_TRY(const auto able, abilities());
  if (!request.if_absent) return replace(file, file_id, path(request.key), request.key);
  return publish(able.exclusive, file, file_id, path(request.key), request.key);
}

Result<void> FileProvider::do_put(const PutRequest& request) {
  const auto& key = request.key;
  if (request.body.size() > Capabilities().object_size_max) {
    return Error(Errc::invalid_argument, reason::bad_argument, "the object is too large")
        .with_subject(key);
  }
  SV_TRY(auto file, new_file(key));
  SV_TRY(const auto able, abilities());
  if (std::unique_lock lock(mutex_); !std::exchange(swept_, true)) {
    lock.unlock();
    sweep_temporaries(root_, able.now);
  }
  SV_CHECK(posix::write_all(file.file(), request));
  const bool sync_now = request.durable || ledger_.full();
  int error = sync_now ? posix::sync(file.file()) : 0;
  // Before it gets its name: on a network file system others would see a part of it.
  if (error == 0) error = posix::flush(file.file());
  if (error != 0) return posix::failure(error, "writing the object", key);

  // Made now, so that nothing can fail between the name and the note about it.
  Ledger::Entries note;
  note.push_back({.key = key, .file = {}});
  const auto published = publish_new(request, file);
  if (!published && published.error().code() != Errc::outcome_unknown) return published;
  file.remove();
  if (!sync_now) {
    posix::start_sync(file.file());  // while the next object is made
    note.front().file = std::move(file.file());
  }
  if (!request.durable || !published) {
    ledger_.add(note);
    return published;
  }
  // The name is there: short memory from here on leaves open whether it lasts.
  auto synced = base::answer([&] { return ledger_.sync_names(key); });
  if (synced || synced.error().reason() != reason::no_memory) return synced;
  return Error(Errc::outcome_unknown, reason::lost_answer, synced.error().message())
      .with_subject(key);
}

}  // namespace

Result<std::shared_ptr<Provider>> open_file(const std::string& root) {
  auto path = root;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.empty()) {
    return Error(Errc::invalid_argument, reason::bad_url, "the repository's path is empty");
  }
  return std::make_shared<FileProvider>(std::move(path));
}

}  // namespace snapvault::provider
