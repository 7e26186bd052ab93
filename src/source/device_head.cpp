#include "source/device_head.hpp"

#include <algorithm>

namespace snapvault::source {

int DeviceHead::load(std::uint64_t device_size) {
  constexpr std::uint64_t kHead = 1u << 20;
  content_.resize(static_cast<std::size_t>(std::min(kHead, device_size)));
  std::size_t got = 0;
  if (const int error = read_at(device_, 0, content_, got)) return error;
  return got == content_.size() ? 0 : EIO;
}

int DeviceHead::begin() noexcept {
  if (begun_.load(std::memory_order_acquire)) return 0;
  const std::lock_guard guard(mutex_);
  if (begun_.load(std::memory_order_relaxed)) return 0;
  if (const int error = write_zeros_at(device_, 0, content_.size())) return error;
  if (const int error = sync(device_)) return error;
  begun_.store(true, std::memory_order_release);
  return 0;
}

void DeviceHead::read(std::uint64_t offset, base::MutableBytes into) noexcept {
  const std::lock_guard guard(mutex_);
  std::copy_n(content_.data() + offset, into.size(), into.data());
}

void DeviceHead::write(std::uint64_t offset, base::ByteView data) noexcept {
  const std::lock_guard guard(mutex_);
  std::copy_n(data.data(), data.size(), content_.data() + offset);
}

void DeviceHead::zero(std::uint64_t offset, std::uint64_t length) noexcept {
  const std::lock_guard guard(mutex_);
  std::fill_n(content_.data() + offset, length, std::byte{0});
}

int DeviceHead::finish() noexcept {
  if (!begun_.load(std::memory_order_acquire)) return 0;
  if (const int error = sync(device_)) return error;
  if (const int error = write_at(device_, 0, content_)) return error;
  return sync(device_);
}

}  // namespace snapvault::source
