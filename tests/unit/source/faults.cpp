#include "faults.hpp"

#include <dlfcn.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>

namespace snapvault::source {
namespace {

std::array<CallPlan, kCalls> plans;

CallPlan& plan_of(Call call) noexcept { return plans[static_cast<std::size_t>(call)]; }

// true if this call is to fail; errno is set then.
bool fails(Call call) noexcept {
  auto& plan = plan_of(call);
  if (plan.times == 0) return false;
  if (plan.skip > 0) return --plan.skip, false;
  --plan.times;
  plan.hit = true;
  errno = plan.error;
  return true;
}

template <class Function>
Function* next(const char* name) noexcept {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

Fault::Fault(Call call, int error, int skip, int times) noexcept : plan_(plan_of(call)) {
  plan_ = {error, skip, times, false};
}
Fault::~Fault() { plan_ = {}; }

}  // namespace snapvault::source

using snapvault::source::Call;
using snapvault::source::fails;
using snapvault::source::next;

// NOLINTBEGIN: the names and types are those of the C library.
#define SV_REPLACE(result, name, parameters, arguments)                      \
  extern "C" __attribute__((visibility("default"))) result name parameters { \
    static auto* const real = next<result parameters>(#name);                \
    if (fails(Call::name)) return -1;                                        \
    return real arguments;                                                   \
  }
SV_REPLACE(int, fstat, (int fd, struct stat* about), (fd, about))
SV_REPLACE(int, lstat, (const char* path, struct stat* about), (path, about))
SV_REPLACE(int, fsync, (int fd), (fd))
SV_REPLACE(ssize_t, pread, (int fd, void* into, size_t size, off_t at), (fd, into, size, at))
SV_REPLACE(ssize_t, pwrite, (int fd, const void* from, size_t size, off_t at), (fd, from, size, at))
SV_REPLACE(ssize_t, pwritev, (int fd, const iovec* from, int count, off_t at),
           (fd, from, count, at))
SV_REPLACE(off_t, lseek, (int fd, off_t at, int whence), (fd, at, whence))
SV_REPLACE(int, ftruncate, (int fd, off_t size), (fd, size))
SV_REPLACE(int, renameat2, (int from, const char* a, int to, const char* b, unsigned flags),
           (from, a, to, b, flags))
SV_REPLACE(int, rename, (const char* from, const char* to), (from, to))
SV_REPLACE(int, link, (const char* from, const char* to), (from, to))
SV_REPLACE(int, unlink, (const char* path), (path))
SV_REPLACE(int, poll, (pollfd * polls, nfds_t count, int timeout), (polls, count, timeout))
SV_REPLACE(int, eventfd, (unsigned count, int flags), (count, flags))

extern "C" __attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
  static auto* const real = next<int(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  if (fails(Call::open)) return -1;
  return real(path, flags, mode);
}

extern "C" __attribute__((visibility("default"))) int ioctl(int fd, unsigned long request, ...) {
  static auto* const real = next<int(int, unsigned long, ...)>("ioctl");
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (fails(Call::ioctl)) return -1;
  return real(fd, request, argument);
}
// NOLINTEND
