// Bytes for the tests of the codec.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string_view>

#include "base/bytes.hpp"

namespace snapvault::codec {

inline base::Bytes from_hex(std::string_view text) {
  base::Bytes bytes(text.size() / 2);
  REQUIRE(base::unhex(text, bytes));
  return bytes;
}

template <std::size_t N>
std::array<std::byte, N> array_from_hex(std::string_view text) {
  std::array<std::byte, N> bytes{};
  REQUIRE(base::unhex(text, bytes));
  return bytes;
}

inline base::Bytes repeat(unsigned value, std::size_t count) {
  return base::Bytes(count, static_cast<std::byte>(value));
}

// first, first + 1, ... `count` of them.
inline base::Bytes rising(unsigned first, std::size_t count) {
  base::Bytes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(first++);
  return bytes;
}

inline base::Bytes random_bytes(std::size_t count, unsigned seed) {
  std::mt19937_64 generator(seed);
  base::Bytes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>(generator());
  return bytes;
}

// Compresses to about a quarter.
inline base::Bytes text_like(std::size_t count, unsigned seed) {
  std::mt19937_64 generator(seed);
  base::Bytes bytes(count);
  for (auto& byte : bytes) byte = static_cast<std::byte>('a' + generator() % 4);
  return bytes;
}

}  // namespace snapvault::codec
