// System calls of sources and targets: descriptors that close, calls that finish, errors in words.
#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"

namespace snapvault::source {

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
  ~File() { close(); }
  void close() noexcept;
  int get() const noexcept { return descriptor_; }
  explicit operator bool() const noexcept { return descriptor_ >= 0; }

 private:
  int descriptor_ = -1;
};

// Repeats `call` while a signal interrupts it.
template <class Call>
auto again(Call call) noexcept {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

// All return 0 or an errno.
int open(const std::string& path, int flags, File& into, mode_t mode = 0) noexcept;
// Reads until `into` is full or the file ends; `got` says how far.
int read_at(const File& file, std::uint64_t offset, base::MutableBytes into,
            std::size_t& got) noexcept;
int write_at(const File& file, std::uint64_t offset, base::ByteView data) noexcept;
int write_zeros_at(const File& file, std::uint64_t offset, std::uint64_t length) noexcept;
int sync(const File& file) noexcept;
// Opens and syncs the directory that holds `path`.
int sync_parent(const std::string& path) noexcept;

// The Error for errno `number` after "`doing`", such as "reading the volume". `otherwise` is the
// reason of whatever may go away by itself (Errc::unavailable).
Error failure(int number, const char* otherwise, std::string_view doing, const std::string& path);

// Errors: range. [offset, offset + length) must lie in a volume of `size` bytes.
Result<void> check_range(std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                         const std::string& path);
// Errors: bad_argument. A path is not empty and has no NUL.
Result<void> check_path(const std::string& path);

inline bool same_file(const struct stat& a, const struct stat& b) noexcept {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Bytes of a block device. Errors: not_a_volume, for one without a medium.
Result<std::uint64_t> device_size(const File& file, const std::string& path);

}  // namespace snapvault::source
