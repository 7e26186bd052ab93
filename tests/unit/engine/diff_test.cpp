#include <algorithm>

#include "engine/reading.hpp"
#include "vault.hpp"

namespace snapvault::engine {
namespace {

using test::noise;

constexpr std::uint64_t kMiB = 1u << 20;

// What differs, block by block, compared byte for byte.
std::vector<ByteRange> truth(const base::Bytes& a, const base::Bytes& b, std::uint64_t block_size) {
  std::vector<ByteRange> out;
  const auto longer = std::max(a.size(), b.size());
  const auto common = std::min(a.size(), b.size());
  const auto add = [&](std::uint64_t begin, std::uint64_t end) {
    if (begin >= end) return;
    const bool joins = !out.empty() && out.back().offset + out.back().length == begin;
    if (joins) out.back().length += end - begin;
    if (!joins) out.push_back({begin, end - begin});
  };
  for (std::uint64_t at = 0; at < common; at += block_size) {
    const auto block_of = [&](const base::Bytes& of) {
      return base::ByteView(of).subspan(at, std::min<std::uint64_t>(block_size, of.size() - at));
    };
    const auto in_a = block_of(a), in_b = block_of(b);
    const bool empty = base::is_zero(in_a) && base::is_zero(in_b);
    if (!empty && !std::equal(in_a.begin(), in_a.end(), in_b.begin(), in_b.end())) {
      add(at, std::min(common, at + block_size));
    }
  }
  add(common, longer);
  return out;
}

TEST_CASE("two snapshots differ exactly where their content does") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Vault vault(seed);
    std::mt19937_64 draw(seed);
    const auto block_size = 4096u << draw() % 5;
    MemoryVolume volume(noise(1 + draw() % (5 * kMiB), seed));
    volume.clear(0, volume.bytes.size() / 3);
    BackupOptions options;
    options.block_size = block_size;
    const auto first = vault.taken(volume, options);
    const auto before = volume.bytes;
    for (int i = 0; i < 5; ++i) {
      const auto at = draw() % volume.bytes.size();
      const auto length = std::min<std::uint64_t>(draw() % 200000, volume.bytes.size() - at);
      if (length > 0 && draw() % 3) volume.fill(at, noise(length, draw()));
      if (length > 0 && draw() % 3 == 0) volume.clear(at, length);
    }
    if (draw() % 2) volume.bytes.resize(1 + draw() % (6 * kMiB));
    const auto second = vault.taken(volume, options);
    const auto expected = truth(before, volume.bytes, block_size);
    CHECK(vault.diff(first, second) == expected);
    CHECK(vault.diff(second, first) == expected);
    CHECK(vault.diff(first, first).empty());
  }
}

TEST_CASE("content that was stored twice is equal all the same") {
  Vault vault;
  MemoryVolume volume(noise(5 * kMiB, 1));
  const auto first = vault.taken(volume);
  BackupOptions options;
  options.mode = BackupMode::full_physical;
  const auto second = vault.taken(volume, options);
  CHECK(vault.diff(first, second).empty());
}

TEST_CASE("equal subtrees are not read") {
  Vault vault;
  MemoryVolume volume(noise(20 * kMiB, 1));
  volume.reports = MemoryVolume::Reports::truth;
  BackupOptions options;
  options.block_size = 4096;
  const auto first = vault.taken(volume, options);
  volume.bytes[12 * kMiB] ^= std::byte{1};
  const auto second = vault.taken(volume, options);
  vault.store->arm(provider::Fault::unavailable, provider::FaultProvider::kNever, false);
  const std::vector<ByteRange> expected{{12 * kMiB, 4096}};
  CHECK(vault.diff(first, second) == expected);
  CHECK(vault.store->calls() <= 8);
}

TEST_CASE("with other block sizes all that is data differs, and empty space does not") {
  Vault vault;
  MemoryVolume volume(2 * kMiB);
  volume.fill(0, noise(65536, 1));
  BackupOptions options;
  options.block_size = 65536;
  const auto first = vault.taken(volume, options);
  volume.fill(kMiB, noise(4096, 2));
  volume.bytes.resize(3 * kMiB);
  options.block_size = 4096;
  const auto second = vault.taken(volume, options);
  const std::vector<ByteRange> expected{{0, 65536}, {kMiB, 4096}, {2 * kMiB, kMiB}};
  CHECK(vault.diff(first, second) == expected);
}

TEST_CASE("blocks that were unreadable differ from anything") {
  Vault vault;
  MemoryVolume volume(noise(kMiB, 1));
  volume.unreadable = {{65536, 1}};
  BackupOptions options;
  options.mark_unreadable = true;
  const auto first = vault.taken(volume, options);
  volume.unreadable.clear();
  const auto second = vault.taken(volume, options);
  const std::vector<ByteRange> expected{{65536, 65536}};
  CHECK(vault.diff(first, second) == expected);
  CHECK(vault.diff(first, first) == expected);
}

}  // namespace
}  // namespace snapvault::engine
