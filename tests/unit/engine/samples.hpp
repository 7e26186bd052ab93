// Volumes to restore, and what a finished restore looks like.
#pragma once

#include <utility>

#include "vault.hpp"

namespace snapvault::engine {

using test::noise;

inline constexpr std::uint64_t kMiB = 1u << 20;

// Data, zeros, repeats and a short last block.
inline base::Bytes sample_content(std::uint64_t size = 9 * kMiB + 5000, std::uint64_t seed = 7) {
  MemoryVolume volume(noise(size, seed));
  volume.clear(kMiB, kMiB / 2);
  volume.clear(3 * kMiB + 4096, 2 * kMiB);
  volume.fill(6 * kMiB, base::ByteView(volume.bytes).first(kMiB));  // stored once
  volume.clear(8 * kMiB, 65536 * 3);
  return std::move(volume.bytes);
}

inline base::Bytes dirt(std::uint64_t size) { return noise(size, 99); }

inline void check_done(const MemoryVolume& sink, const base::Bytes& expected) {
  CHECK(sink.misuse() == "");
  CHECK(sink.flushed);
  CHECK(sink.finished == true);
  CHECK(sink.bytes == expected);
}

}  // namespace snapvault::engine
