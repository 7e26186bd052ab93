// The first MiB of a device under restore: zeros on the device from before the first change until
// all else is durable, so that an unfinished one does not mount. Meanwhile its content is here.
//
// Thread safety: every function from any thread, but load and finish.
#pragma once

#include <atomic>
#include <mutex>

#include "source/file.hpp"

namespace snapvault::source {

class DeviceHead {
 public:
  explicit DeviceHead(const File& device) noexcept : device_(device) {}
  // Takes over what is there. Returns 0 or an errno, as all that follow.
  int load(std::uint64_t device_size);

  std::uint64_t size() const noexcept { return content_.size(); }

  // Called before anything on the device changes: zeros the head there, durably, once.
  int begin() noexcept;
  // The range lies inside the head.
  void read(std::uint64_t offset, base::MutableBytes into) noexcept;
  void write(std::uint64_t offset, base::ByteView data) noexcept;
  void zero(std::uint64_t offset, std::uint64_t length) noexcept;
  // Writes the head after all else became durable.
  int finish() noexcept;

 private:
  const File& device_;
  std::mutex mutex_;
  std::atomic<bool> begun_ = false;
  base::Bytes content_;
};

}  // namespace snapvault::source
