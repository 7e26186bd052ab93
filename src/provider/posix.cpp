#include "provider/posix.hpp"

#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/request.hpp"

namespace snapvault::provider::posix {
namespace {

// Between two looks at the limits of a request.
constexpr std::size_t kSlice = 8u << 20;

template <class Call>
auto again(Call call) noexcept {
  for (;;) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

struct Meaning {
  Errc code;
  const char* reason;
};

Meaning meaning(int number) noexcept {
  switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return {Errc::resource_exhausted, reason::no_space};
    case EROFS:
      return {Errc::permission_denied, reason::read_only};
    case EACCES:
    case EPERM:
      return {Errc::permission_denied, reason::permission};
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return {Errc::precondition_failed, reason::no_path};
    case ENAMETOOLONG:
      return {Errc::invalid_argument, reason::bad_argument};
    case ENOMEM:
      return {Errc::resource_exhausted, reason::no_memory};
    case EMFILE:
    case ENFILE:
      return {Errc::resource_exhausted, reason::system};
    default:  // EIO, ESTALE, ETIMEDOUT and what a network file system may add
      return {Errc::unavailable, reason::store_failed};
  }
}

}  // namespace

Error failure(int number, std::string_view doing, const std::string& subject) {
  const auto [code, reason] = meaning(number);
  const char* text = ::strerrordesc_np(number);
  std::string message(doing);
  message += " failed: ";
  message += text != nullptr ? text : "unknown error";
  return Error(code, reason, message).with_subject(subject).with_native(number);
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int open(const std::string& path, int flags, File& into) noexcept {
  const int descriptor = again([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (descriptor < 0) return errno;
  into = File(descriptor);
  return 0;
}

int sync(const File& file) noexcept {
  return again([&] { return ::fsync(file.get()); }) == 0 ? 0 : errno;
}

void start_sync(const File& file) noexcept {
  ::sync_file_range(file.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

int flush(const File& file) noexcept {
  return again([&] {
           const int copy = ::fcntl(file.get(), F_DUPFD_CLOEXEC, 0);
           return copy < 0 ? copy : ::close(copy);
         }) == 0
             ? 0
             : errno;
}

int close(File& file) noexcept {
  // After EINTR the descriptor is gone on Linux; whoever needs certainty has flushed before.
  return ::close(file.release()) == 0 || errno == EINTR ? 0 : errno;
}

int sync_directory(const std::string& path) noexcept {
  File directory;
  if (const int error = open(path, O_RDONLY | O_DIRECTORY, directory)) return error;
  return sync(directory);
}

Result<void> write_all(const File& file, const PutRequest& request) {
  const auto& parts = request.body.parts();
  std::size_t part = 0;
  std::size_t at = 0;  // in that part
  while (part < parts.size()) {
    SV_CHECK(check(request.limits));
    std::array<iovec, 64> pieces;
    std::size_t count = 0;
    std::size_t bytes = 0;
    for (auto i = part; i < parts.size() && count < pieces.size() && bytes < kSlice; ++i) {
      const auto skip = i == part ? at : 0;
      const auto take = std::min(parts[i]->size() - skip, kSlice - bytes);
      if (take == 0) continue;
      // writev does not write through the pointer.
      pieces[count++] = {const_cast<std::byte*>(parts[i]->data()) + skip, take};
      bytes += take;
    }
    if (count == 0) break;  // only empty parts were left
    const auto written =
        again([&] { return ::writev(file.get(), pieces.data(), static_cast<int>(count)); });
    if (written < 0) return failure(errno, "writing the object", request.key);
    if (written == 0) return failure(EIO, "writing the object", request.key);
    for (auto left = static_cast<std::size_t>(written); left > 0;) {
      const auto take = std::min(parts[part]->size() - at, left);
      left -= take;
      at += take;
      if (at == parts[part]->size() && left > 0) ++part, at = 0;
    }
    while (part < parts.size() && at == parts[part]->size()) ++part, at = 0;
  }
  return {};
}

Result<void> read_all(const File& file, std::uint64_t offset, base::MutableBytes into,
                      const GetRequest& request) {
  while (!into.empty()) {
    SV_CHECK(check(request.limits));
    const auto want = std::min(into.size(), kSlice);
    const auto got =
        again([&] { return ::pread(file.get(), into.data(), want, static_cast<off_t>(offset)); });
    if (got < 0 && errno == EIO) {
      return Error(Errc::data_loss, reason::store_failed,
                   "the object cannot be read: its medium failed")
          .with_subject(request.key)
          .with_native(EIO);
    }
    if (got < 0) return failure(errno, "reading the object", request.key);
    if (got == 0) {
      return Error(Errc::data_loss, reason::store_failed,
                   "the object became shorter while it was read")
          .with_subject(request.key);
    }
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

std::string parent(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

}  // namespace snapvault::provider::posix
