// Cases that must hold for certain, beside the random ones.
#include <doctest/doctest.h>
#include <snapvault/snapvault.hpp>

#include <random>
#include <string>

#include "api/state.hpp"
#include "property/repository.hpp"
#include "property/teller.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::test {
namespace {

constexpr std::uint64_t kBlock = 4096;

struct World {
  explicit World(std::uint64_t seed = 1, InitOptions options = {}, std::uint64_t memory = 64u << 20)
      : repository(make_repository(provider::make_memory(), seed, std::move(options), memory)) {}

  BackupReport backup(BlockSource& from, BackupOptions options = {}) {
    options.source = "volume";
    if (options.block_size == 0) options.block_size = kBlock;
    auto report = repository.backup(from, options);
    INFO((report ? std::string() : std::string(report.error().message())));
    REQUIRE(report);
    return *std::move(report);
  }
  base::Bytes restored_to(MemoryVolume& to, const RestoreOptions& options = {}) {
    const auto snapshot = repository.snapshot("volume@latest");
    REQUIRE(snapshot);
    const auto report = Restorer(repository).restore(*snapshot, to, options);
    INFO((report ? std::string() : std::string(report.error().message())));
    REQUIRE(report);
    return to.bytes;
  }
  base::Bytes restored_new() {
    MemoryVolume to;
    to.starts_zero = true;
    return restored_to(to);
  }
  base::Bytes restored_dirty(std::uint64_t size) {
    MemoryVolume to(noise(size, 99));
    return restored_to(to);
  }

  Repository repository;
};

// Changes 5 % of the blocks and hides it.
void change_in_hiding(Teller& source, std::uint64_t seed) {
  std::mt19937_64 draw(seed);
  const auto blocks = source.bytes.size() / kBlock;
  for (std::uint64_t block = 0; block < blocks; ++block) {
    if (draw() % 20 != 0) continue;
    source.bytes[block * kBlock + draw() % kBlock] ^= std::byte{1};
    source.hidden.push_back({block * kBlock, kBlock});
  }
}

TEST_CASE("an increment that zeroes a range restores as zeros, also over other data") {
  for (const auto gaps : {Gaps::unknown, Gaps::zero, Gaps::unchanged}) {
    for (const bool tells_zeros : {true, false}) {
      World world;
      Teller source(noise(1'000'000, 1));
      source.style.gaps = gaps;
      source.style.zeros = tells_zeros;
      world.backup(source);
      std::fill_n(source.bytes.begin() + 100'000, 500'000, std::byte{});
      std::fill_n(source.bytes.begin() + 999'000, 1'000, std::byte{});
      const auto report = world.backup(source);
      CHECK(report.snapshot.mode == "changed");
      CHECK(report.snapshot.is_incremental);
      CHECK(report.snapshot.new_bytes <= 3 * kBlock);
      CHECK(world.restored_new() == source.bytes);
      CHECK(world.restored_dirty(source.bytes.size()) == source.bytes);
    }
  }
}

TEST_CASE("a source that hides changes in 5 % of its data is found out by the audit") {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    InitOptions options;
    options.compression = "none";
    World world(seed, options);
    Teller source(noise(3u << 20, seed));
    source.style.grain = kBlock;
    world.backup(source);
    // A second one in between, so that samples come down from parent to parent.
    source.begin();
    std::fill_n(source.bytes.begin(), 64 * kBlock, static_cast<std::byte>(seed));
    world.backup(source);
    source.begin();
    change_in_hiding(source, seed);
    const auto report = world.backup(source);
    if (!report.audit_failed) continue;
    ++found;
    CHECK(report.snapshot.mode == "scan");
    CHECK(report.snapshot.mode_reason == "audit");
    CHECK(world.restored_new() == source.bytes);
  }
  MESSAGE("found in ", found, " of 100 runs");
  CHECK(found >= 95);
}

TEST_CASE("change information against a parent that is not the caller's is not used") {
  World world;
  Teller source(noise(1'000'000, 1));
  world.backup(source);
  Teller other(source.bytes);  // knows nothing of that state
  other.bytes[500'000] ^= std::byte{1};
  other.hidden.push_back({0, other.bytes.size()});
  const auto report = world.backup(other);
  CHECK(report.snapshot.mode_reason == "base_lost");
  CHECK(report.snapshot.mode != "changed");
  CHECK(report.snapshot.is_incremental);
  CHECK(report.snapshot.read_bytes == other.bytes.size());
  CHECK(other.opened_base == 0);
  CHECK(world.restored_new() == other.bytes);
}

TEST_CASE("a parent that was named is the one whose token the source gets") {
  World world;
  Teller source(noise(1'000'000, 1));
  const auto first = world.backup(source);
  const auto before = source.bytes;
  source.begin();
  std::fill_n(source.bytes.begin(), 300'000, std::byte{5});
  world.backup(source);
  source.begin();
  source.bytes = before;
  source.bytes[700'000] ^= std::byte{1};
  BackupOptions options;
  options.parent = first.snapshot.name;
  const auto report = world.backup(source, options);
  CHECK(report.snapshot.mode == "changed");
  CHECK(report.snapshot.parent == first.snapshot.id);
  CHECK(report.snapshot.blocks.fresh == 1);
  CHECK(world.restored_new() == source.bytes);
}

TEST_CASE("the smallest packs hold the largest frames, compressed or not") {
  for (const auto* compression : {"none", "zstd:1"}) {
    for (const std::uint32_t block : {4096u, 4u << 20}) {
      InitOptions options;
      options.compression = compression;
      options.pack_size = 1u << 20;
      World world(1, options, 32u << 20);
      base::Bytes random(9'000'000);
      std::mt19937_64 draw(1);
      for (auto& byte : random) byte = static_cast<std::byte>(draw());
      Teller source(random);
      BackupOptions backup;
      backup.block_size = block;
      world.backup(source, backup);
      CHECK(world.restored_new() == source.bytes);
    }
  }
}

TEST_CASE(
    "a block may be stored as the short end of a volume with larger blocks, and the reverse") {
  for (const bool large_first : {true, false}) {
    World world;
    Teller large(noise(2 * 65536 + kBlock, 1));
    Teller small(noise(5 * kBlock, 2));
    std::copy_n(large.bytes.end() - kBlock, kBlock, small.bytes.begin() + 3 * kBlock);
    const auto backup_of = [&](Teller& source, const char* name, std::uint32_t block_size) {
      BackupOptions options;
      options.source = name;
      options.block_size = block_size;
      REQUIRE(world.repository.backup(source, options));
    };
    if (large_first) backup_of(large, "large", 65536);
    backup_of(small, "small", kBlock);
    if (!large_first) backup_of(large, "large", 65536);
    const std::pair<const char*, Teller*> volumes[] = {{"large@latest", &large},
                                                       {"small@latest", &small}};
    for (const auto& [name, source] : volumes) {
      const auto snapshot = world.repository.snapshot(name);
      REQUIRE(snapshot);
      MemoryVolume to;
      REQUIRE(Restorer(world.repository).restore(*snapshot, to));
      CHECK(to.bytes == source->bytes);
      base::Bytes read(kBlock);
      REQUIRE(snapshot->read(source->bytes.size() - kBlock, read));
      CHECK(std::equal(read.begin(), read.end(), source->bytes.end() - kBlock));
    }
    VerifyOptions options;
    options.depth = VerifyDepth::data;
    const auto report = world.repository.verify(options);
    REQUIRE(report);
    CHECK(report->clean());
  }
}

TEST_CASE("the audit asks only about the blocks that it reads") {
  World world;
  MemoryVolume source(noise(4u << 20, 1), MemoryVolume::Reports::truth);
  world.backup(source);
  std::uint64_t asked = 0;
  source.before = [&](Call call, std::uint64_t, std::uint64_t length) -> Result<void> {
    if (call == Call::extents) asked += length;
    return {};
  };
  world.backup(source);
  CHECK(asked <= 2 * source.bytes.size());
}

}  // namespace
}  // namespace snapvault::test
