// Fails chosen system calls of this test program: functions of the C library are replaced by ones
// that count, fail or pass on. For tests that use one thread.
#pragma once

namespace snapvault::source {

enum class Call {
  open,
  fstat,
  lstat,
  fsync,
  pread,
  pwrite,
  pwritev,
  lseek,
  ftruncate,
  renameat2,
  rename,
  link,
  unlink,
  ioctl,
  poll,
  eventfd
};
inline constexpr int kCalls = 16;

// What happens to the calls of one function.
struct CallPlan {
  int error = 0;
  int skip = 0;   // good calls first
  int times = 0;  // then so many that fail
  bool hit = false;
};

// While it lives, `call` fails with `error` after `skip` good ones, `times` times. One at a time
// for each function.
class Fault {
 public:
  explicit Fault(Call call, int error, int skip = 0, int times = 1 << 30) noexcept;
  ~Fault();
  Fault(const Fault&) = delete;
  Fault& operator=(const Fault&) = delete;
  bool hit() const noexcept { return plan_.hit; }

 private:
  CallPlan& plan_;
};

}  // namespace snapvault::source
