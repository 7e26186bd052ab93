#include "provider/publish.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <cerrno>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

int link_to(const std::string& from, const std::string& to) noexcept {
  return ::link(from.c_str(), to.c_str()) == 0 ? 0 : errno;
}
int rename_to(const std::string& from, const std::string& to, unsigned flags) noexcept {
  return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), flags) == 0 ? 0 : errno;
}
int look(const std::string& path, struct stat& about) noexcept {
  return ::lstat(path.c_str(), &about) == 0 ? 0 : errno;
}

// What file systems answer to an operation that they do not have.
bool means_unable(int error) noexcept {
  return error == EPERM || error == EOPNOTSUPP || error == ENOSYS || error == EINVAL ||
         error == EMLINK;
}

// One exclusive operation: refused on a name that is taken, done on one that is free.
template <class Operation>
Result<bool> works(const Temporary& from, const Temporary& taken, const std::string& root,
                   Operation operation) {
  const auto unable = [](int error) -> Result<bool> {
    if (means_unable(error)) return false;
    return posix::failure(error, "trying out how to create objects", "");
  };
  const int on_taken = operation(from.path(), taken.path());
  if (on_taken == 0) return false;  // it replaced a file: it is not exclusive
  if (on_taken != EEXIST) return unable(on_taken);
  const auto free = root + "/" + temporary_name();
  const int on_free = operation(from.path(), free);
  struct stat about {};
  const bool done = look(free, about) == 0;  // whatever the answer was: NFS may lose it
  ::unlink(free.c_str());
  if (done) return true;
  return unable(on_free);
}

Error unknown(int error, const std::string& key) {
  return Error(Errc::outcome_unknown, reason::lost_answer,
               "the file system does not tell whether the object was created")
      .with_subject(key)
      .with_native(error);
}

enum class Outcome { done, taken, nothing, unknown };

// Did the name appear although the call failed? It did if `to` is our file. It did not if our file
// still has exactly its one temporary name. Anything else proves neither.
Outcome settle(const Temporary& from, const posix::Identity& file, const std::string& to) {
  struct stat there {};
  const int at_to = look(to, there);
  if (at_to == 0 && posix::identity(there) == file) return Outcome::done;
  struct stat ours {};
  if (look(from.path(), ours) != 0 || ours.st_nlink != 1) return Outcome::unknown;
  if (at_to == 0) return Outcome::taken;
  return at_to == ENOENT || at_to == ENAMETOOLONG ? Outcome::nothing : Outcome::unknown;
}

Result<void> publish_weakly(Temporary& from, const posix::Identity& file, const std::string& to,
                            const std::string& key) {
  struct stat there {};
  const int at_to = look(to, there);
  if (at_to == 0) return object_exists(key);
  if (at_to != ENOENT) return posix::failure(at_to, "looking for the object", key);
  return replace(from, file, to, key);
}

}  // namespace

Result<Abilities> probe(const std::string& root) {
  Abilities out;
  SV_TRY(auto first, Temporary::create(root, ""));
  SV_TRY(auto taken, Temporary::create(root, ""));
  struct stat about {};
  if (::fstat(first.file().get(), &about) == 0) out.now = about.st_mtim.tv_sec;
  const int synced = posix::sync_directory(root);
  out.directory_sync = synced != EINVAL && synced != EOPNOTSUPP;
  if (synced != 0 && out.directory_sync) return posix::failure(synced, "fsync of the root", "");

  SV_TRY(const bool can_link, works(first, taken, root, link_to));
  if (can_link) return out;
  const auto exclusively = [](const std::string& from, const std::string& to) {
    return rename_to(from, to, RENAME_NOREPLACE);
  };
  SV_TRY(const bool can_rename, works(first, taken, root, exclusively));
  out.exclusive = can_rename ? Exclusive::rename : Exclusive::none;
  return out;
}

Result<void> publish(Exclusive how, Temporary& from, const posix::Identity& file,
                     const std::string& to, const std::string& key) {
  if (how == Exclusive::none) return publish_weakly(from, file, to, key);
  const int error = how == Exclusive::link ? link_to(from.path(), to)
                                           : rename_to(from.path(), to, RENAME_NOREPLACE);
  if (error == 0) return {};
  switch (settle(from, file, to)) {
    case Outcome::done:
      return {};
    case Outcome::taken:
      return object_exists(key);
    case Outcome::nothing:
      return posix::failure(error, "naming the object", key);
    case Outcome::unknown:
      break;
  }
  return unknown(error, key);
}

Result<void> replace(Temporary& from, const posix::Identity& file, const std::string& to,
                     const std::string& key) {
  const int error = rename_to(from.path(), to, 0);
  if (error == 0) return {};
  switch (settle(from, file, to)) {
    case Outcome::done:
      return {};
    case Outcome::taken:
    case Outcome::nothing:
      return posix::failure(error, "naming the object", key);
    case Outcome::unknown:
      break;
  }
  return unknown(error, key);
}

}  // namespace snapvault::provider
