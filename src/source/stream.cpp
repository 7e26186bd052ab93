// VolumeTarget::stream: a pipe, socket, terminal or file that is written from start to end.
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>

#include <snapvault/source.hpp>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "source/file.hpp"

namespace snapvault {
namespace {

using namespace source;

// Keeps a SIGPIPE of this thread's writes from the process, without touching its handlers.
class NoSigpipe {
 public:
  NoSigpipe() noexcept {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    // Takes back the one that our write raised; an older one is not ours to take.
    const timespec now{};
    if (!was_pending_) again([&] { return ::sigtimedwait(&pipe_, nullptr, &now); });
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_ = false;
};

class Stream final : public BlockSink {
 public:
  Stream(int descriptor, bool is_file, File wake, std::uint64_t offset,
         std::uint64_t length) noexcept
      : descriptor_(descriptor),
        is_file_(is_file),
        wake_(std::move(wake)),
        length_(length),
        position_(offset) {}

  Result<BlockInfo> info() override {
    BlockInfo info;
    info.size = size_;
    info.max_concurrency = 1;
    return info;
  }

  Result<void> resize(std::uint64_t bytes) override {
    size_ = bytes;
    end_ = length_ == 0 ? bytes : position_ + length_;
    return {};
  }

  Result<void> write(std::uint64_t offset, std::span<const std::byte> data) override {
    SV_CHECK(check(offset, data.size()));
    const NoSigpipe quiet;
    return send(data);
  }

  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool /*may_trim*/) override {
    static constexpr std::array<std::byte, 65536> kZeros{};
    SV_CHECK(check(offset, length));
    const NoSigpipe quiet;
    while (length > 0) {
      const auto take = std::min<std::uint64_t>(length, kZeros.size());
      SV_CHECK(send(std::span(kZeros).first(static_cast<std::size_t>(take))));
      length -= take;
    }
    return {};
  }

  Result<void> flush() override {
    if (broken_) return *broken_;
    if (is_file_ && again([&] { return ::fsync(descriptor_); }) != 0) return fail(errno);
    return {};
  }

  Result<void> finish(bool complete) override {
    if (!complete || position_ == end_) return {};
    return Error(Errc::internal, reason::unexpected, "the stream ended before the volume did");
  }

  void interrupt() noexcept override { ::eventfd_write(wake_.get(), 1); }

 private:
  Result<void> check(std::uint64_t offset, std::uint64_t length) {
    if (broken_) return *broken_;
    SV_CHECK(check_range(offset, length, size_, "stream"));
    if (offset == position_) return {};
    return Error(Errc::invalid_argument, reason::range,
                 "a stream is written in rising order and without gaps");
  }

  // How much was sent of what failed is unknown to the caller, so that nothing may follow it.
  Error fail(int number) {
    broken_ = failure(number, reason::target_failed, "writing the stream", "stream");
    return *broken_;
  }

  // Waits until the stream takes data or interrupt() was called.
  Result<void> wait() {
    std::array<pollfd, 2> polls{{{descriptor_, POLLOUT, 0}, {wake_.get(), POLLIN, 0}}};
    if (again([&] { return ::poll(polls.data(), polls.size(), -1); }) < 0) return fail(errno);
    if (polls[1].revents == 0) return {};
    broken_ = Error(Errc::cancelled, reason::cancelled, "writing the stream was interrupted");
    return *broken_;
  }

  Result<void> send(std::span<const std::byte> data) {
    while (!data.empty()) {
      // What is ready takes PIPE_BUF bytes without blocking, so that interrupt() is heard.
      const auto take = is_file_ ? data.size() : std::min<std::size_t>(data.size(), PIPE_BUF);
      if (!is_file_) SV_CHECK(wait());
      const auto count = ::write(descriptor_, data.data(), take);
      if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (count <= 0) return fail(count < 0 ? errno : EIO);
      position_ += static_cast<std::uint64_t>(count);
      data = data.subspan(static_cast<std::size_t>(count));
    }
    return {};
  }

  const int descriptor_;
  const bool is_file_;
  const File wake_;
  const std::uint64_t length_;  // 0: to the end
  std::uint64_t size_ = 0;      // of the volume
  std::uint64_t end_ = 0;       // of what is sent, in the volume
  std::uint64_t position_;      // what is sent next, in the volume
  std::optional<Error> broken_;
};

}  // namespace

Result<std::unique_ptr<BlockSink>> VolumeTarget::stream(int fd, std::uint64_t offset,
                                                        std::uint64_t length) {
  return base::answer([&]() -> Result<std::unique_ptr<BlockSink>> {
    if (!base::add(offset, length)) {
      return Error(Errc::invalid_argument, reason::range, "the range has no end");
    }
    struct stat about {};
    if (::fstat(fd, &about) != 0 || (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY) {
      return Error(Errc::invalid_argument, reason::bad_argument,
                   "the stream is not open for writing");
    }
    File wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake) return failure(errno, reason::system, "making the stream", "stream");
    const bool is_file = S_ISREG(about.st_mode) || S_ISBLK(about.st_mode);
    return std::unique_ptr<BlockSink>(
        std::make_unique<Stream>(fd, is_file, std::move(wake), offset, length));
  });
}

}  // namespace snapvault
