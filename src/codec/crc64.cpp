#include "codec/crc64.hpp"

#include <array>

#if defined(__x86_64__)
#include <emmintrin.h>
#include <wmmintrin.h>
#endif

namespace snapvault::codec {
namespace {

// Bit i of a reflected polynomial of 64 bits is the coefficient of x^(63 - i).
constexpr std::uint64_t kPolynomial = 0x9A6C9329AC4BC9B5;

constexpr std::uint64_t times_x(std::uint64_t value) noexcept {
  return value >> 1 ^ ((value & 1) != 0 ? kPolynomial : 0);
}

// tables[k][b]: the byte b followed by k zero bytes.
using Tables = std::array<std::array<std::uint64_t, 256>, 8>;

constexpr Tables make_tables() noexcept {
  Tables tables{};
  for (std::uint64_t b = 0; b < 256; ++b) {
    std::uint64_t value = b;
    for (int bit = 0; bit < 8; ++bit) value = times_x(value);
    tables[0][b] = value;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t b = 0; b < 256; ++b) {
      const std::uint64_t before = tables[k - 1][b];
      tables[k][b] = before >> 8 ^ tables[0][before & 255];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

// Without the inversion before and after.
std::uint64_t by_table(base::ByteView bytes, std::uint64_t crc) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    const std::uint64_t word = crc ^ base::load<std::uint64_t>(at);
    crc = kTables[7][word & 255] ^ kTables[6][word >> 8 & 255] ^ kTables[5][word >> 16 & 255] ^
          kTables[4][word >> 24 & 255] ^ kTables[3][word >> 32 & 255] ^
          kTables[2][word >> 40 & 255] ^ kTables[1][word >> 48 & 255] ^ kTables[0][word >> 56];
  }
  for (; left > 0; ++at, --left) {
    crc = crc >> 8 ^ kTables[0][(crc ^ std::to_integer<std::uint64_t>(*at)) & 255];
  }
  return crc;
}

#if defined(__x86_64__)

// x^n modulo the polynomial.
constexpr std::uint64_t power_of_x(int n) noexcept {
  std::uint64_t value = std::uint64_t{1} << 63;
  for (; n > 0; --n) value = times_x(value);
  return value;
}

// Multiplies 16 bytes by x^kBits. The low word stands for the higher powers, 64 more; and a product
// of reflected words is too high by one power.
template <int kBits>
__attribute__((target("pclmul"))) inline __m128i shift(__m128i lane) noexcept {
  constexpr std::uint64_t kLow = power_of_x(kBits + 64 - 1);
  constexpr std::uint64_t kHigh = power_of_x(kBits - 1);
  const __m128i factors =
      _mm_set_epi64x(static_cast<long long>(kHigh), static_cast<long long>(kLow));
  return _mm_xor_si128(_mm_clmulepi64_si128(lane, factors, 0x00),
                       _mm_clmulepi64_si128(lane, factors, 0x11));
}

inline __m128i load_lane(const std::byte* from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

// For at least 64 bytes: four lanes side by side, each moved past the other three at every step.
// What they fold to has the same remainder as all they stand for, and goes through the table.
__attribute__((target("pclmul"))) std::uint64_t by_folding(base::ByteView bytes,
                                                           std::uint64_t crc) noexcept {
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  __m128i a = _mm_xor_si128(load_lane(at), _mm_cvtsi64_si128(static_cast<long long>(crc)));
  __m128i b = load_lane(at + 16);
  __m128i c = load_lane(at + 32);
  __m128i d = load_lane(at + 48);
  for (at += 64, left -= 64; left >= 64; at += 64, left -= 64) {
    a = _mm_xor_si128(shift<512>(a), load_lane(at));
    b = _mm_xor_si128(shift<512>(b), load_lane(at + 16));
    c = _mm_xor_si128(shift<512>(c), load_lane(at + 32));
    d = _mm_xor_si128(shift<512>(d), load_lane(at + 48));
  }
  b = _mm_xor_si128(shift<128>(a), b);
  c = _mm_xor_si128(shift<128>(b), c);
  d = _mm_xor_si128(shift<128>(c), d);
  for (; left >= 16; at += 16, left -= 16) d = _mm_xor_si128(shift<128>(d), load_lane(at));

  std::array<std::byte, 16> folded;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(folded.data()), d);
  return by_table({at, left}, by_table(folded, 0));
}

bool can_fold() noexcept {
  static const bool yes = __builtin_cpu_supports("pclmul") != 0;
  return yes;
}

#endif

}  // namespace

std::uint64_t crc64_by_table(base::ByteView bytes, std::uint64_t before) noexcept {
  return ~by_table(bytes, ~before);
}

std::uint64_t crc64(base::ByteView bytes, std::uint64_t before) noexcept {
#if defined(__x86_64__)
  if (bytes.size() >= 64 && can_fold()) return ~by_folding(bytes, ~before);
#endif
  return crc64_by_table(bytes, before);
}

}  // namespace snapvault::codec
