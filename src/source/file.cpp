#include "source/file.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/reasons.hpp"

namespace snapvault::source {
namespace {

struct Meaning {
  Errc code;
  const char* reason;
};

Meaning meaning(int number, const char* otherwise) noexcept {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {Errc::resource_exhausted, reason::no_space};
    case ENOMEM:
      return {Errc::resource_exhausted, reason::no_memory};
    case EMFILE:
    case ENFILE:
      return {Errc::resource_exhausted, reason::system};
    case EROFS:
      return {Errc::permission_denied, reason::read_only};
    case EACCES:
    case EPERM:
      return {Errc::permission_denied, reason::permission};
    case ENOENT:
    case ENOTDIR:
      return {Errc::not_found, reason::no_path};
    case ENAMETOOLONG:
    case ELOOP:
      return {Errc::invalid_argument, reason::bad_argument};
    case EISDIR:
    case ENXIO:
    case ENODEV:
    case ENOMEDIUM:
      return {Errc::invalid_argument, reason::not_a_volume};
    case EBUSY:
    case ETXTBSY:
      return {Errc::precondition_failed, reason::target_busy};
    default:  // EIO, ESTALE, ETIMEDOUT and what a network file system may add
      return {Errc::unavailable, otherwise};
  }
}

}  // namespace

void File::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

int open(const std::string& path, int flags, File& into, mode_t mode) noexcept {
  File opened(again([&] { return ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY, mode); }));
  if (!opened) return errno;
  into = std::move(opened);
  return 0;
}

int read_at(const File& file, std::uint64_t offset, base::MutableBytes into,
            std::size_t& got) noexcept {
  got = 0;
  while (got < into.size()) {
    const auto count = again([&] {
      return ::pread(file.get(), into.data() + got, into.size() - got,
                     static_cast<off_t>(offset + got));
    });
    if (count < 0) return errno;
    if (count == 0) return 0;
    got += static_cast<std::size_t>(count);
  }
  return 0;
}

int write_at(const File& file, std::uint64_t offset, base::ByteView data) noexcept {
  while (!data.empty()) {
    const auto count = again(
        [&] { return ::pwrite(file.get(), data.data(), data.size(), static_cast<off_t>(offset)); });
    if (count < 0) return errno;
    if (count == 0) return EIO;
    data = data.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return 0;
}

int write_zeros_at(const File& file, std::uint64_t offset, std::uint64_t length) noexcept {
  static constexpr std::array<std::byte, 65536> kZeros{};
  std::array<iovec, 16> pieces;
  while (length > 0) {
    std::size_t count = 0;
    for (auto left = length; left > 0 && count < pieces.size(); ++count) {
      const auto take = std::min<std::uint64_t>(left, kZeros.size());
      // pwritev does not write through the pointer.
      pieces[count] = {const_cast<std::byte*>(kZeros.data()), static_cast<std::size_t>(take)};
      left -= take;
    }
    const auto written = again([&] {
      return ::pwritev(file.get(), pieces.data(), static_cast<int>(count),
                       static_cast<off_t>(offset));
    });
    if (written < 0) return errno;
    if (written == 0) return EIO;
    offset += static_cast<std::uint64_t>(written);
    length -= static_cast<std::uint64_t>(written);
  }
  return 0;
}

int sync(const File& file) noexcept {
  return again([&] { return ::fsync(file.get()); }) == 0 ? 0 : errno;
}

int sync_parent(const std::string& path) noexcept {
  const auto slash = path.rfind('/');
  const auto parent = slash == std::string::npos ? std::string(".") : path.substr(0, slash + 1);
  File directory;
  if (const int error = open(parent, O_RDONLY | O_DIRECTORY, directory)) return error;
  return sync(directory);
}

Error failure(int number, const char* otherwise, std::string_view doing, const std::string& path) {
  const auto [code, reason] = meaning(number, otherwise);
  const char* text = ::strerrordesc_np(number);
  std::string message(doing);
  message += " failed: ";
  message += text != nullptr ? text : "unknown error";
  return Error(code, reason, message).with_subject(path).with_native(number);
}

Result<void> check_range(std::uint64_t offset, std::uint64_t length, std::uint64_t size,
                         const std::string& path) {
  if (offset <= size && length <= size - offset) return {};
  return Error(Errc::invalid_argument, reason::range, "the range ends behind the volume")
      .with_subject(path);
}

Result<void> check_path(const std::string& path) {
  if (!path.empty() && path.find('\0') == std::string::npos) return {};
  return Error(Errc::invalid_argument, reason::bad_argument,
               "the path is empty or has a zero byte in it");
}

Result<std::uint64_t> device_size(const File& file, const std::string& path) {
  std::uint64_t size = 0;
  if (::ioctl(file.get(), BLKGETSIZE64, &size) != 0) {
    return failure(errno, reason::source_failed, "asking for the size of the device", path);
  }
  if (size > 0) return size;
  return Error(Errc::invalid_argument, reason::not_a_volume, "the device has no medium")
      .with_subject(path);
}

}  // namespace snapvault::source
