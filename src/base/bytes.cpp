#include "base/bytes.hpp"

#include <algorithm>

namespace snapvault::base {
namespace {

constexpr char kDigits[] = "0123456789abcdef";

// The value of a lower-case hex digit, or -1.
constexpr int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string digits_of(std::uint64_t value, std::size_t count) {
  std::string out(count, '0');
  for (std::size_t i = count; i > 0; value >>= 4) out[--i] = kDigits[value & 15];
  return out;
}

}  // namespace

std::string hex(ByteView bytes) {
  std::string out;
  out.reserve(2 * bytes.size());
  for (const auto byte : bytes) {
    out += kDigits[std::to_integer<unsigned>(byte) >> 4];
    out += kDigits[std::to_integer<unsigned>(byte) & 15];
  }
  return out;
}

std::string hex8(std::uint32_t value) { return digits_of(value, 8); }

std::string hex16(std::uint64_t value) { return digits_of(value, 16); }

bool unhex(std::string_view text, MutableBytes into) noexcept {
  if (text.size() / 2 != into.size() || text.size() % 2 != 0) return false;
  for (std::size_t i = 0; i < into.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    into[i] = static_cast<std::byte>(high << 4 | low);
  }
  return true;
}

std::optional<std::uint64_t> parse_hex(std::string_view text) noexcept {
  if (text.empty() || text.size() > 16) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    const int next = digit(c);
    if (next < 0) return std::nullopt;
    value = value << 4 | static_cast<std::uint64_t>(next);
  }
  return value;
}

bool is_zero(ByteView bytes) noexcept {
  // Data mostly differs in its first bytes. All others equal those 64 bytes before them if the
  // whole is zero, and the C library compares at the width of the machine.
  constexpr std::size_t kHead = 64;
  std::byte any{0};
  for (const auto byte : bytes.first(std::min(kHead, bytes.size()))) any |= byte;
  if (any != std::byte{0}) return false;
  if (bytes.size() <= kHead) return true;
  return std::memcmp(bytes.data(), bytes.data() + kHead, bytes.size() - kHead) == 0;
}

}  // namespace snapvault::base
