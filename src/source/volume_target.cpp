// VolumeTarget: an image file or a block device as a target.
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include <snapvault/source.hpp>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "source/device_head.hpp"
#include "source/in_use.hpp"
#include "source/partial.hpp"

namespace snapvault {
namespace {

using namespace source;

// Between two starts of writing back: the disk works while the restore goes on, and the flush at
// the end has little left to do.
constexpr std::uint64_t kWriteBack = 64u << 20;

// Makes [offset, offset + length) read as zeros. Returns 0 or an errno. The fast ways either do
// that for certain or fail; after any failure plain zeros are written, and their failure counts.
int zero_file(const File& file, std::uint64_t offset, std::uint64_t length, bool may_trim) {
  const int mode = may_trim ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
  const auto done = again([&] {
    return ::fallocate(file.get(), mode | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                       static_cast<off_t>(length));
  });
  return done == 0 ? 0 : write_zeros_at(file, offset, length);
}

int zero_device(const File& file, std::uint64_t offset, std::uint64_t length, bool may_trim,
                std::uint64_t sector) {
  const auto from = base::round_up(offset, sector);
  const auto to = (offset + length) / sector * sector;
  if (from >= to) return write_zeros_at(file, offset, length);
  if (const int error = write_zeros_at(file, offset, from - offset)) return error;
  if (const int error = write_zeros_at(file, to, offset + length - to)) return error;
  // A plain discard (BLKDISCARD) promises nothing of what is read later; these two do.
  if (may_trim && ::fallocate(file.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                              static_cast<off_t>(from), static_cast<off_t>(to - from)) == 0) {
    return 0;
  }
  const std::uint64_t range[2] = {from, to - from};
  if (::ioctl(file.get(), BLKZEROOUT, range) == 0) return 0;
  return write_zeros_at(file, from, to - from);
}

}  // namespace

struct VolumeTarget::State {
  std::string path;
  // One of the two holds the open target.
  std::optional<Partial> partial;
  File direct;
  std::optional<DeviceHead> head;  // of a device
  std::uint64_t device_size = 0;
  std::uint64_t sector = 4096;  // unit of zeroing a device
  std::uint64_t size = 0;       // of the volume

  std::atomic<bool> touched = false;
  std::atomic<bool> out_of_space = false;
  std::atomic<std::uint64_t> written = 0;
  std::mutex mutex;
  std::optional<Error> broken;  // a flush failed: what was written may be lost
  bool finished = false;

  const File& file() const noexcept { return partial ? partial->file() : direct; }
  Error failed(int number, std::string_view doing);
  Result<void> check(std::uint64_t offset, std::uint64_t length) const;
  Result<std::uint64_t> begin(std::uint64_t offset, std::uint64_t length);
  void write_back(std::uint64_t length) noexcept;
  Result<void> flush();
  Result<void> complete();

  Result<void> open_file(TargetMode mode);
  Result<void> open_device();
  Result<void> open_new(TargetMode mode);
  Result<void> open(TargetMode mode);
};

Error VolumeTarget::State::failed(int number, std::string_view doing) {
  auto error = failure(number, reason::target_failed, doing, path);
  if (error.reason() == reason::no_space) out_of_space = true;
  return error;
}

Result<void> VolumeTarget::State::check(std::uint64_t offset, std::uint64_t length) const {
  if (!finished) return check_range(offset, length, size, path);
  return Error(Errc::invalid_argument, reason::bad_argument, "the target was finished before")
      .with_subject(path);
}

// Before a change of a range: how much of it, from its start, lies in the head of the device.
Result<std::uint64_t> VolumeTarget::State::begin(std::uint64_t offset, std::uint64_t length) {
  SV_CHECK(check(offset, length));
  touched.store(true, std::memory_order_relaxed);
  if (!head) return std::uint64_t{0};
  if (const int error = head->begin()) return failed(error, "invalidating the target");
  return std::min(length, head->size() - std::min(offset, head->size()));
}

void VolumeTarget::State::write_back(std::uint64_t length) noexcept {
  const auto before = written.fetch_add(length, std::memory_order_relaxed);
  if (before / kWriteBack == (before + length) / kWriteBack) return;
  // Only starts writing; what fails is told by the flush.
  ::sync_file_range(file().get(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

Result<void> VolumeTarget::State::flush() {
  const std::lock_guard guard(mutex);
  // The kernel tells a lost page once; the next fsync would succeed.
  if (!broken) {
    if (const int error = sync(file())) broken = failed(error, "syncing the target");
  }
  if (broken) return *broken;
  return {};
}

Result<void> VolumeTarget::State::complete() {
  SV_CHECK(flush());
  if (partial) return partial->publish();
  if (!head) return {};
  if (const int error = head->finish()) return failed(error, "writing the start of the target");
  return {};
}

Result<void> VolumeTarget::State::open_file(TargetMode mode) {
  File existing;
  if (const int error = source::open(path, O_RDWR | O_NONBLOCK, existing)) {
    return failed(error, "opening the target");
  }
  struct stat about {};
  if (::fstat(existing.get(), &about) != 0) return failed(errno, "opening the target");
  auto user = user_of(existing, about, path);
  if (user.empty() && !lock(existing)) user = "locked by another program";
  if (!user.empty()) {
    return Error(Errc::precondition_failed, reason::target_busy, "the target is in use: " + user)
        .with_subject(path);
  }
  if (mode == TargetMode::in_place) {
    size = static_cast<std::uint64_t>(about.st_size);
    direct = std::move(existing);
    return {};
  }
  // The name may be a link: what it leads to is replaced, not the link.
  const std::unique_ptr<char, decltype(&::free)> real(::realpath(path.c_str(), nullptr), &::free);
  if (!real) return failed(errno, "opening the target");
  SV_TRY(partial, Partial::create(real.get(), about));
  return {};
}

Result<void> VolumeTarget::State::open_device() {
  const int error = source::open(path, O_RDWR | O_EXCL | O_NONBLOCK, direct);
  if (error != 0 && error != EBUSY) return failed(error, "opening the target");
  struct stat about {};
  if (error == EBUSY || ::fstat(direct.get(), &about) != 0 || !S_ISBLK(about.st_mode)) {
    std::string user;
    if (::stat(path.c_str(), &about) == 0) user = user_of(direct, about, path);
    return Error(Errc::precondition_failed, reason::target_busy,
                 "the target is in use" + (user.empty() ? user : ": " + user))
        .with_subject(path);
  }
  // To open a read-only device for writing succeeds; only the writes would fail.
  int read_only = 0;
  if (::ioctl(direct.get(), BLKROGET, &read_only) == 0 && read_only != 0) {
    return failed(EROFS, "opening the target");
  }
  SV_TRY(device_size, source::device_size(direct, path));
  size = device_size;
  int logical = 0;
  if (::ioctl(direct.get(), BLKSSZGET, &logical) == 0 && logical > 4096) {
    sector = static_cast<std::uint64_t>(logical);
  }
  head.emplace(direct);
  if (const int unreadable = head->load(device_size)) {
    return failed(unreadable, "reading the start of the target");
  }
  return {};
}

// Where nothing is yet.
Result<void> VolumeTarget::State::open_new(TargetMode mode) {
  struct stat about {};
  if (::lstat(path.c_str(), &about) == 0) {
    return Error(Errc::already_exists, reason::target_exists,
                 "the target is a symbolic link that leads nowhere")
        .with_subject(path);
  }
  if (mode != TargetMode::in_place) {
    SV_TRY(partial, Partial::create(path, std::nullopt));
    return {};
  }
  SV_TRY(partial, Partial::resume(path));
  if (::fstat(file().get(), &about) != 0) return failed(errno, "opening the target");
  size = static_cast<std::uint64_t>(about.st_size);
  return {};
}

Result<void> VolumeTarget::State::open(TargetMode mode) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) {
    if (errno != ENOENT) return failed(errno, "opening the target");
    return open_new(mode);
  }
  if (mode == TargetMode::create) {
    return Error(Errc::already_exists, reason::target_exists, "the target exists")
        .with_hint("overwrite replaces it, in place writes only what differs")
        .with_subject(path);
  }
  if (S_ISBLK(about.st_mode)) return open_device();
  if (!S_ISREG(about.st_mode)) {
    return Error(Errc::invalid_argument, reason::not_a_volume,
                 "only a file or a block device can be restored to")
        .with_subject(path);
  }
  return open_file(mode);
}

VolumeTarget::VolumeTarget(std::unique_ptr<State> state) : state_(std::move(state)) {}

VolumeTarget::~VolumeTarget() {
  if (state_->finished) return;
  const auto done = base::answer([&] { return finish(false); });
  base::permit_unchecked(done, "the caller gave up");
}

Result<std::unique_ptr<VolumeTarget>> VolumeTarget::open(const std::string& path, TargetMode mode) {
  return base::answer([&]() -> Result<std::unique_ptr<VolumeTarget>> {
    SV_CHECK(check_path(path));
    // Made before anything on the disk is, so that it can undo that.
    std::unique_ptr<VolumeTarget> target(new VolumeTarget(std::make_unique<State>()));
    target->state_->path = path;
    SV_CHECK(target->state_->open(mode));
    return target;
  });
}

Result<BlockInfo> VolumeTarget::info() {
  BlockInfo info;
  info.size = state_->size;
  return info;
}

Result<void> VolumeTarget::resize(std::uint64_t bytes) {
  auto& state = *state_;
  SV_CHECK(state.check(0, 0));
  if (state.head) {
    if (bytes <= state.device_size) {
      state.size = bytes;
      return {};
    }
    return Error(Errc::precondition_failed, reason::target_too_small,
                 "the device has " + std::to_string(state.device_size) + " bytes, and the volume " +
                     std::to_string(bytes))
        .with_subject(state.path);
  }
  if (bytes == state.size) return {};
  if (bytes > INT64_MAX) return state.failed(EFBIG, "sizing the target");
  const auto length = static_cast<off_t>(bytes);
  if (again([&] { return ::ftruncate(state.file().get(), length); }) != 0) {
    return state.failed(errno, "sizing the target");
  }
  state.size = bytes;
  return {};
}

Result<void> VolumeTarget::write(std::uint64_t offset, std::span<const std::byte> data) {
  auto& state = *state_;
  SV_TRY(const auto in_head, state.begin(offset, data.size()));
  if (in_head > 0) {
    state.head->write(offset, data.first(static_cast<std::size_t>(in_head)));
    data = data.subspan(static_cast<std::size_t>(in_head));
  }
  if (const int error = write_at(state.file(), offset + in_head, data)) {
    return state.failed(error, "writing the target");
  }
  state.write_back(data.size());
  return {};
}

Result<void> VolumeTarget::zero(std::uint64_t offset, std::uint64_t length, bool may_trim) {
  auto& state = *state_;
  SV_TRY(const auto in_head, state.begin(offset, length));
  if (in_head > 0) state.head->zero(offset, in_head);
  if (in_head == length) return {};
  offset += in_head;
  length -= in_head;
  const int error = state.head ? zero_device(state.file(), offset, length, may_trim, state.sector)
                               : zero_file(state.file(), offset, length, may_trim);
  if (error != 0) return state.failed(error, "zeroing the target");
  return {};
}

bool VolumeTarget::reads_zero_initially() const {
  return state_->partial && !state_->partial->resumed();
}

Result<void> VolumeTarget::read(std::uint64_t offset, std::span<std::byte> into) {
  auto& state = *state_;
  SV_CHECK(state.check(offset, into.size()));
  if (state.head && offset < state.head->size()) {
    const auto in_head = std::min<std::uint64_t>(into.size(), state.head->size() - offset);
    state.head->read(offset, into.first(static_cast<std::size_t>(in_head)));
    into = into.subspan(static_cast<std::size_t>(in_head));
    offset += in_head;
  }
  std::size_t got = 0;
  if (const int error = read_at(state.file(), offset, into, got)) {
    return state.failed(error, "reading the target");
  }
  if (got == into.size()) return {};
  return Error(Errc::data_loss, reason::target_failed, "the target became shorter")
      .with_subject(state.path);
}

bool VolumeTarget::is_hole(std::uint64_t offset, std::uint64_t length) {
  auto& state = *state_;
  if (state.head || length == 0 || !state.check(offset, length)) return false;
  const auto data = ::lseek(state.file().get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0) return errno == ENXIO;  // none up to the end
  return static_cast<std::uint64_t>(data) >= offset + length;
}

Result<void> VolumeTarget::flush() {
  SV_CHECK(state_->check(0, 0));
  return state_->flush();
}

Result<void> VolumeTarget::finish(bool complete) {
  auto& state = *state_;
  SV_CHECK(state.check(0, 0));
  Result<void> result;
  if (complete) result = state.complete();
  state.finished = true;
  const bool failed_now = !complete || !result;
  // What could be resumed stays. A disk that is full is given its space back, and a target that
  // never got a byte leaves nothing.
  if (failed_now && state.partial && !state.partial->resumed() &&
      (!state.touched || state.out_of_space)) {
    state.partial->remove();
  }
  state.partial.reset();
  state.direct.close();
  return result;
}

}  // namespace snapvault
