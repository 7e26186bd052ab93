#include "source/partial.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "source/in_use.hpp"

namespace snapvault::source {
namespace {

constexpr int kFlags = O_RDWR | O_NOFOLLOW | O_NONBLOCK;

Error busy(const std::string& path) {
  return Error(Errc::precondition_failed, reason::target_busy,
               "another restore is writing this target")
      .with_subject(path);
}

// Opens what is at `partial` and locks it, if it is a file that nobody writes.
Result<File> claim(const std::string& partial, struct stat& about) {
  if (::lstat(partial.c_str(), &about) != 0) {
    return failure(errno, reason::target_failed, "opening the target", partial);
  }
  File file;
  if (S_ISREG(about.st_mode)) {
    if (const int error = open(partial, kFlags, file)) {
      return failure(error, reason::target_failed, "opening the target", partial);
    }
    if (::fstat(file.get(), &about) != 0) {
      return failure(errno, reason::target_failed, "opening the target", partial);
    }
  }
  if (!S_ISREG(about.st_mode)) {
    return Error(Errc::already_exists, reason::target_exists,
                 "the name of the unfinished target is taken by something that is no file")
        .with_subject(partial);
  }
  if (!lock(file)) return busy(partial);
  // It may have got its name, or lost it, between the two calls.
  struct stat now {};
  if (::lstat(partial.c_str(), &now) != 0 || !same_file(now, about)) return busy(partial);
  return file;
}

// As far as the system lets us; a group that did not move gets no rights.
void take_over(const File& file, const struct stat& from) {
  const bool same_owner = ::fchown(file.get(), from.st_uid, from.st_gid) == 0;
  if (::fchmod(file.get(), from.st_mode & (same_owner ? 0777 : 0700)) != 0) return;
}

}  // namespace

Result<Partial> Partial::create(const std::string& path,
                                const std::optional<struct stat>& replaced) {
  Partial made(path);
  const auto& partial = made.partial_;
  int error = open(partial, kFlags | O_CREAT | O_EXCL, made.file_, 0600);
  if (error == EEXIST) {
    struct stat stale {};
    SV_TRY(const auto old, claim(partial, stale));
    // Unlinked, not emptied: it may have another name, or an owner who still has it open.
    if (::unlink(partial.c_str()) != 0) {
      return failure(errno, reason::target_failed, "removing an unfinished target", partial);
    }
    error = open(partial, kFlags | O_CREAT | O_EXCL, made.file_, 0600);
    if (error == EEXIST) return busy(partial);
  }
  if (error != 0) return failure(error, reason::target_failed, "making the target", path);
  // Another process may have claimed it, or even replaced it, before our lock.
  if (!lock(made.file_) || !made.is_ours()) return busy(partial);
  if (replaced) take_over(made.file_, *replaced);
  made.replaces_ = replaced.has_value();
  return made;
}

Result<Partial> Partial::resume(const std::string& path) {
  Partial found(path);
  struct stat about {};
  SV_TRY(found.file_, claim(found.partial_, about));
  // Somebody else's file could be changed, or read, behind our back.
  if (about.st_uid != ::geteuid() || about.st_nlink != 1) {
    return Error(Errc::permission_denied, reason::permission,
                 "the unfinished target belongs to somebody else or has a second name")
        .with_subject(found.partial_);
  }
  found.resumed_ = true;
  return found;
}

bool Partial::is_ours() const noexcept {
  struct stat ours {};
  struct stat named {};
  return ::fstat(file_.get(), &ours) == 0 && ::lstat(partial_.c_str(), &named) == 0 &&
         same_file(ours, named);
}

// Returns 0 or an errno; EEXIST if the name is taken.
int Partial::rename() const noexcept {
  const char* from = partial_.c_str();
  const char* to = path_.c_str();
  if (replaces_) return ::rename(from, to) == 0 ? 0 : errno;
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  // NFS and others cannot rename that way; a link never replaces either.
  if (::link(from, to) == 0) return ::unlink(from) == 0 ? 0 : errno;
  if (errno == EEXIST) return errno;
  struct stat taken {};
  if (::lstat(to, &taken) == 0) return EEXIST;
  return ::rename(from, to) == 0 ? 0 : errno;
}

Result<void> Partial::publish() {
  if (const int error = sync(file_)) {
    return failure(error, reason::target_failed, "syncing the target", path_);
  }
  if (!is_ours()) {
    return Error(Errc::aborted, reason::target_failed,
                 "the unfinished target was moved or removed while it was written")
        .with_subject(path_);
  }
  if (const int error = rename(); error == EEXIST) {
    return Error(Errc::already_exists, reason::target_exists,
                 "a file with the name of the target appeared during the restore")
        .with_hint("the whole restored volume is in " + partial_)
        .with_subject(path_);
  } else if (error != 0) {
    return failure(error, reason::target_failed, "renaming the target", path_);
  }
  if (const int error = sync_parent(path_)) {
    return failure(error, reason::target_failed, "syncing the target's directory", path_);
  }
  return {};
}

void Partial::remove() noexcept {
  if (is_ours()) ::unlink(partial_.c_str());
}

}  // namespace snapvault::source
