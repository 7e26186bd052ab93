// Bytes: views, little-endian fields, hex, and a reader that cannot run past the end.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace snapvault::base {

using Bytes = std::vector<std::byte>;
using ByteView = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

static_assert(std::endian::native == std::endian::little, "fields are copied as they are");

template <class T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store(std::byte* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}
template <class T>
requires std::is_integral_v<T>
void append(Bytes& to, T value) {
  const auto at = to.size();
  to.resize(at + sizeof value);
  store(to.data() + at, value);
}
inline void append(Bytes& to, ByteView bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

inline ByteView as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t step) noexcept {
  return (value + step - 1) / step * step;
}
// a + b, or nothing if it does not fit.
inline std::optional<std::uint64_t> add(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// Lower-case hex.
std::string hex(ByteView bytes);
std::string hex8(std::uint32_t value);   // 8 digits
std::string hex16(std::uint64_t value);  // 16 digits
// Exactly 2 * N lower-case digits, else nothing.
bool unhex(std::string_view text, MutableBytes into) noexcept;
std::optional<std::uint64_t> parse_hex(std::string_view text) noexcept;  // 1 to 16 digits

// true if all bytes are zero.
bool is_zero(ByteView bytes) noexcept;

// Reads fields in order. A read past the end gives zeros and makes ok() false for good.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) noexcept : rest_(bytes) {}
  template <class T>
  T read() noexcept {
    T value{};
    if (const auto field = take(sizeof(T)); ok_) std::memcpy(&value, field.data(), sizeof value);
    return value;
  }
  ByteView take(std::uint64_t count) noexcept {
    if (!ok_ || count > rest_.size()) {
      ok_ = false;
      return {};
    }
    const auto out = rest_.first(static_cast<std::size_t>(count));
    rest_ = rest_.subspan(out.size());
    return out;
  }
  bool ok() const noexcept { return ok_; }
  ByteView rest() const noexcept { return rest_; }
  // Read to the last byte, and never past it.
  bool finished() const noexcept { return ok_ && rest_.empty(); }

 private:
  ByteView rest_;
  bool ok_ = true;
};

}  // namespace snapvault::base
