// What tests of sources and targets stand on: a directory, loop devices and mounts, all taken down
// at the end. Loop devices and mounts are real and need root.
#pragma once

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "source/file.hpp"

namespace snapvault::source {

class Place {
 public:
  Place() {
    std::string name = (std::filesystem::temp_directory_path() / "snapvault-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  // Names in it.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      out.push_back(entry.path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  std::string path_;
};

// Bytes that differ everywhere, from `seed`.
inline base::Bytes noise(std::size_t size, std::uint64_t seed = 1) {
  base::Bytes out(size);
  for (auto& byte : out) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<std::byte>((seed >> 33) | 1);  // never zero
  }
  return out;
}

inline void put(const std::string& path, base::ByteView bytes, std::uint64_t offset = 0) {
  File file;
  REQUIRE(open(path, O_WRONLY | O_CREAT, file, 0600) == 0);
  REQUIRE(write_at(file, offset, bytes) == 0);
}
inline void put(const std::string& path, std::string_view text) { put(path, base::as_bytes(text)); }

inline base::Bytes slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const auto bytes = base::as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

// A new file of holes.
inline std::string sparse(const std::string& path, std::uint64_t size) {
  File file;
  REQUIRE(open(path, O_WRONLY | O_CREAT | O_TRUNC, file, 0600) == 0);
  REQUIRE(::ftruncate(file.get(), static_cast<off_t>(size)) == 0);
  return path;
}

inline void run(const std::string& command) {
  CAPTURE(command);
  REQUIRE(::system((command + " >/dev/null 2>&1").c_str()) == 0);
}

// A loop device with a number of its own, so that tests running beside this one do not take it.
class Loop {
 public:
  explicit Loop(const std::string& image = {}, std::uint32_t flags = 0) {
    const File control = opened("/dev/loop-control", O_RDWR);
    for (int number = 1000 + ::getpid() % 10000; number_ < 0; ++number) {
      number_ = ::ioctl(control.get(), LOOP_CTL_ADD, number);
      REQUIRE((number_ >= 0 || errno == EEXIST));
    }
    if (image.empty()) return;
    const bool read_only = (flags & LO_FLAGS_READ_ONLY) != 0;
    const File device = opened(path(), read_only ? O_RDONLY : O_RDWR);
    const File backing = opened(image, read_only ? O_RDONLY : O_RDWR);
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(backing.get());
    config.info.lo_flags = flags;
    REQUIRE(::ioctl(device.get(), LOOP_CONFIGURE, &config) == 0);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop() {
    File device;
    if (open(path(), O_RDONLY, device) == 0) ::ioctl(device.get(), LOOP_CLR_FD);
    device.close();
    File control;
    if (open("/dev/loop-control", O_RDWR, control) != 0) return;
    // Whoever looks at new devices may have it open for a moment.
    for (int i = 0; i < 100 && ::ioctl(control.get(), LOOP_CTL_REMOVE, number_) != 0; ++i) {
      ::sched_yield();
    }
  }
  std::string path() const { return "/dev/loop" + std::to_string(number_); }

 private:
  static File opened(const std::string& path, int flags) {
    File file;
    CAPTURE(path);
    REQUIRE(open(path, flags, file) == 0);
    return file;
  }
  int number_ = -1;
};

class Mount {
 public:
  Mount(const std::string& from, const std::string& at, const char* type, const char* data = "")
      : at_(at) {
    std::filesystem::create_directory(at);
    REQUIRE(::mount(from.c_str(), at.c_str(), type, 0, data) == 0);
  }
  Mount(const Mount&) = delete;
  Mount& operator=(const Mount&) = delete;
  ~Mount() { ::umount2(at_.c_str(), MNT_DETACH); }
  std::string operator/(std::string_view name) const { return at_ + "/" + std::string(name); }
  const std::string& path() const { return at_; }

 private:
  std::string at_;
};

// Checks that a call failed with just that.
template <class T>
void check_error(const Result<T>& result, Errc code, std::string_view reason) {
  REQUIRE_FALSE(result.has_value());
  CAPTURE(result.error().message());
  CHECK(to_string(result.error().code()) == to_string(code));
  CHECK(result.error().reason() == reason);
  CHECK_FALSE(result.error().message().empty());
}

}  // namespace snapvault::source
