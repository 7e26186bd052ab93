// Bloom: says "certainly not" or "perhaps" of a block prefix. Blocked: all bits of an entry stand
// in one cache line (Putze, Sanders, Singler 2007), so a question costs one miss.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "format/names.hpp"

namespace snapvault::store {

class Bloom {
 public:
  // 16 bits an entry give about 1 wrong "perhaps" in 500; fewer bits give more of them.
  static constexpr std::uint64_t kBytesPerEntry = 2;

  Bloom(std::uint64_t entries, std::uint64_t bytes_max)
      : capacity_(entries),
        lines_(std::max<std::uint64_t>(
            1, std::min(entries * kBytesPerEntry + sizeof(Line) - 1, bytes_max) / sizeof(Line))) {}

  void add(const format::BlockPrefix& prefix) noexcept {
    const auto [high, low] = halves(prefix);
    auto& line = lines_[line_of(low)];
    for (unsigned i = 0; i < kBits; ++i) {
      const auto bit = bit_of(high, i);
      line[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
    ++entries_;
  }
  bool may_contain(const format::BlockPrefix& prefix) const noexcept {
    const auto [high, low] = halves(prefix);
    const auto& line = lines_[line_of(low)];
    for (unsigned i = 0; i < kBits; ++i) {
      const auto bit = bit_of(high, i);
      if (!(line[bit / 64] >> (bit % 64) & 1)) return false;
    }
    return true;
  }

  // No room for more at the bits an entry it was made for.
  bool full() const noexcept { return entries_ >= capacity_; }
  std::uint64_t capacity() const noexcept { return capacity_; }
  std::uint64_t bytes() const noexcept { return lines_.size() * sizeof(Line); }

 private:
  using Line = std::array<std::uint64_t, 8>;
  static constexpr unsigned kBits = 7;  // of an entry, 9 bits of its prefix each

  // A prefix is cut from an HMAC: its bits are as good as random, no hash is needed.
  struct Halves {
    std::uint64_t high, low;
  };
  static Halves halves(const format::BlockPrefix& prefix) noexcept {
    return {base::load<std::uint64_t>(prefix.bytes.data()),
            base::load<std::uint64_t>(prefix.bytes.data() + 8)};
  }
  std::size_t line_of(std::uint64_t low) const noexcept {
    return static_cast<std::size_t>((low >> 32) * lines_.size() >> 32);
  }
  static unsigned bit_of(std::uint64_t high, unsigned i) noexcept {
    return static_cast<unsigned>(high >> (9 * i)) & 511;
  }

  std::uint64_t capacity_;
  std::uint64_t entries_ = 0;
  std::vector<Line> lines_;
};

}  // namespace snapvault::store
