// System calls of the file provider: descriptors that close, calls that finish, errors in words.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"

namespace snapvault::provider::posix {

// The Error for errno `number` after "`doing`", such as "writing the object". `subject` is a key.
Error failure(int number, std::string_view doing, const std::string& subject);

// Owns a descriptor.
class File {
 public:
  File() noexcept = default;
  explicit File(int descriptor) noexcept : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File();
  int get() const noexcept { return descriptor_; }
  explicit operator bool() const noexcept { return descriptor_ >= 0; }
  int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

// All return 0 or an errno, and try again after EINTR.
int open(const std::string& path, int flags, File& into) noexcept;
int sync(const File& file) noexcept;
// Starts to write a file back, so that a later sync finds little left to do. Promises nothing.
void start_sync(const File& file) noexcept;
// A close whose errors count, but which keeps the descriptor: network file systems send what is
// left on every close of a file, and only then see it (no space, quota).
int flush(const File& file) noexcept;
int close(File& file) noexcept;
// Opens and syncs a directory.
int sync_directory(const std::string& path) noexcept;

// Writes every part. Looks at `limits` every few MiB. Errors: as failure() and check().
Result<void> write_all(const File& file, const PutRequest& request);
// Reads all of `into` from `offset`. An end of the file before that is data_loss.
Result<void> read_all(const File& file, std::uint64_t offset, base::MutableBytes into,
                      const GetRequest& request);

// What tells two files apart.
struct Identity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  bool operator==(const Identity&) const = default;
};
inline Identity identity(const struct stat& about) noexcept { return {about.st_dev, about.st_ino}; }

// The part before the last '/', or "" if there is none.
std::string parent(const std::string& path);

}  // namespace snapvault::provider::posix
