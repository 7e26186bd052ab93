#include "source/in_use.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

#include <charconv>
#include <filesystem>
#include <optional>
#include <vector>

namespace snapvault::source {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTextMax = 8u << 20;  // of a file in /proc or /sys

// A small file whole, or nothing.
std::string read_text(const std::string& path) {
  std::string text;
  File file;
  if (open(path, O_RDONLY, file) != 0) return text;
  std::size_t got = 0;
  do {
    const auto before = text.size();
    text.resize(before + 65536);
    const auto rest = std::as_writable_bytes(std::span(text)).subspan(before);
    if (read_at(file, before, rest, got) != 0) got = 0;
    text.resize(before + got);
  } while (got == 65536 && text.size() < kTextMax);
  return text;
}

std::string_view next_field(std::string_view& text, char end) {
  const auto at = text.find(end);
  const auto field = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return field;
}

std::optional<dev_t> parse_device(std::string_view text) {
  unsigned major_number = 0;
  unsigned minor_number = 0;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, major_number);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return std::nullopt;
  if (std::from_chars(first.ptr + 1, end, minor_number).ec != std::errc()) return std::nullopt;
  return makedev(major_number, minor_number);
}

std::string device_folder(dev_t device) {
  return "/sys/dev/block/" + std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

// Names in a directory; none if it cannot be read.
std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  std::error_code failed;
  for (fs::directory_iterator at(path, failed), end; !failed && at != end; at.increment(failed)) {
    names.push_back(at->path().filename().string());
  }
  return names;
}

// A device and, if it is a whole disk, its partitions.
std::vector<dev_t> with_partitions(dev_t device) {
  std::vector<dev_t> devices{device};
  const auto folder = device_folder(device);
  for (const auto& name : names_in(folder)) {
    if (read_text(folder + "/" + name + "/partition").empty()) continue;
    if (const auto partition = parse_device(read_text(folder + "/" + name + "/dev"))) {
      devices.push_back(*partition);
    }
  }
  return devices;
}

// true if `path` is the device `about`, or the very same file.
bool leads_to(const std::string& path, const struct stat& about) {
  struct stat found {};
  if (::stat(path.c_str(), &found) != 0) return false;
  if (S_ISBLK(about.st_mode)) return S_ISBLK(found.st_mode) && found.st_rdev == about.st_rdev;
  return same_file(found, about);
}

bool is_swap(const struct stat& about) {
  const auto text = read_text("/proc/swaps");
  std::string_view rest = text;
  next_field(rest, '\n');  // the heading
  while (!rest.empty()) {
    auto line = next_field(rest, '\n');
    if (leads_to(std::string(next_field(line, ' ')), about)) return true;
  }
  return false;
}

std::string holder_of(dev_t device) {
  const auto holders = names_in(device_folder(device) + "/holders");
  if (holders.empty()) return {};
  auto mapped = read_text("/sys/block/" + holders.front() + "/dm/name");
  while (!mapped.empty() && mapped.back() == '\n') mapped.pop_back();
  return "held by " + holders.front() + (mapped.empty() ? "" : " (" + mapped + ")");
}

std::string user_of_device(const struct stat& about, const std::string& path) {
  const auto mounts = read_text("/proc/self/mountinfo");
  for (const auto device : with_partitions(about.st_rdev)) {
    struct stat part = about;
    part.st_rdev = device;
    if (auto point = mount_point(mounts, device); !point.empty()) return "mounted at " + point;
    if (is_swap(part)) return "used as swap";
    if (auto holder = holder_of(device); !holder.empty()) return holder;
  }
  // Mounts of other namespaces and holders without a name show only here.
  File claim;
  if (open(path, O_RDONLY | O_EXCL | O_NONBLOCK, claim) == EBUSY) {
    return "mounted or held by another program";
  }
  return {};
}

// The loop device that may write to the file, or empty.
std::string loop_on(const struct stat& about) {
  for (const auto& name : names_in("/sys/block")) {
    if (!name.starts_with("loop")) continue;
    auto backing = read_text("/sys/block/" + name + "/loop/backing_file");
    if (backing.empty()) continue;
    while (!backing.empty() && backing.back() == '\n') backing.pop_back();
    File loop;
    loop_info64 status{};
    if (open("/dev/" + name, O_RDONLY | O_NONBLOCK, loop) == 0 &&
        ::ioctl(loop.get(), LOOP_GET_STATUS64, &status) == 0) {
      const bool same = status.lo_device == about.st_dev && status.lo_inode == about.st_ino;
      if (same && (status.lo_flags & LO_FLAGS_READ_ONLY) == 0) return "/dev/" + name;
    } else if (leads_to(backing, about)) {  // no right to ask the device
      return "/dev/" + name;
    }
  }
  return {};
}

// true if a lock of somebody else keeps `type` off `length` bytes at `start` (0: all).
bool is_locked(const File& file, short type, off_t start, off_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = start;
  lock.l_len = length;
  return ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

std::string user_of_file(const File& file, const struct stat& about) {
  if (auto loop = loop_on(about); !loop.empty()) return "attached to " + loop;
  if (is_swap(about)) return "used as swap";
  if (is_locked(file, F_RDLCK, 0, 0)) return "locked for writing by another program";
  // qemu locks bytes 100 + P for reading, for each permission P it uses: 1 is to write, 3 to
  // resize.
  if (is_locked(file, F_WRLCK, 101, 1) || is_locked(file, F_WRLCK, 103, 1)) {
    return "opened for writing by a virtual machine";
  }
  return {};
}

}  // namespace

std::string mount_point(std::string_view mountinfo, dev_t device) {
  while (!mountinfo.empty()) {
    auto line = next_field(mountinfo, '\n');
    next_field(line, ' ');  // mount
    next_field(line, ' ');  // parent
    const auto number = parse_device(next_field(line, ' '));
    next_field(line, ' ');  // root
    const auto point = next_field(line, ' ');
    if (number == device) return std::string(point);
    // btrfs and others have a number of their own, and name the device after " - TYPE ".
    if (number && major(*number) == 0) {
      const auto dash = line.find(" - ");
      if (dash == std::string_view::npos) continue;
      line.remove_prefix(dash + 3);
      next_field(line, ' ');
      const std::string from(next_field(line, ' '));
      struct stat about {};
      if (from.starts_with('/') && ::stat(from.c_str(), &about) == 0 && S_ISBLK(about.st_mode) &&
          about.st_rdev == device) {
        return std::string(point);
      }
    }
  }
  return {};
}

std::string user_of(const File& file, const struct stat& about, const std::string& path) {
  return S_ISBLK(about.st_mode) ? user_of_device(about, path) : user_of_file(file, about);
}

bool lock(const File& file) noexcept {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(file.get(), F_OFD_SETLK, &lock) == 0) return true;
  return errno != EAGAIN && errno != EACCES;
}

}  // namespace snapvault::source
