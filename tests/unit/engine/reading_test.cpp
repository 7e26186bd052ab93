#include "engine/reading.hpp"

#include <algorithm>

#include "vault.hpp"

namespace snapvault::engine {
namespace {

using test::noise;

constexpr std::uint64_t kMiB = 1u << 20;

base::Bytes sample_content() {
  MemoryVolume volume(noise(9 * kMiB + 5000, 7));
  volume.clear(kMiB, kMiB / 2);
  volume.clear(3 * kMiB + 4096, 2 * kMiB);
  return std::move(volume.bytes);
}

Result<base::Bytes> read(Vault& vault, SnapshotReader& reader, std::uint64_t offset,
                         std::uint64_t length) {
  base::Bytes out(length, std::byte{0xee});
  auto done = vault.attempt(reader.read(offset, out));
  if (!done) return std::move(done).error();
  return out;
}

base::Bytes part(const base::Bytes& of, std::uint64_t offset, std::uint64_t length) {
  const auto from = of.begin() + static_cast<std::ptrdiff_t>(offset);
  return base::Bytes(from, from + static_cast<std::ptrdiff_t>(length));
}

TEST_CASE("random reads give what was backed up") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto reader = vault.reader(vault.taken(volume));
  std::mt19937_64 draw(1);
  for (int i = 0; i < 300; ++i) {
    const auto offset = draw() % volume.bytes.size();
    const auto length =
        std::min<std::uint64_t>(draw() % (i % 10 ? 9000 : 2 * kMiB), volume.bytes.size() - offset);
    const auto bytes = read(vault, *reader, offset, length);
    REQUIRE(bytes);
    CHECK(*bytes == part(volume.bytes, offset, length));
  }
  const auto all = read(vault, *reader, 0, volume.bytes.size());
  REQUIRE(all);
  CHECK(*all == volume.bytes);
}

TEST_CASE("a sequential reader asks the store for each frame once, and ahead of need") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto reader = vault.reader(vault.taken(volume), 64u << 20);
  vault.store->arm(provider::Fault::unavailable, provider::FaultProvider::kNever, false);
  for (std::uint64_t at = 0; at < volume.bytes.size(); at += 4096) {
    const auto length = std::min<std::uint64_t>(4096, volume.bytes.size() - at);
    const auto bytes = read(vault, *reader, at, length);
    REQUIRE(bytes);
    CHECK(*bytes == part(volume.bytes, at, length));
  }
  CHECK(vault.store->calls() < 16);  // 10 frames, a pack's header and the map
}

TEST_CASE("readers at once share what they fetch") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto reader = vault.reader(vault.taken(volume));
  vault.store->arm(provider::Fault::unavailable, provider::FaultProvider::kNever, false);
  std::vector<base::Bytes> parts(16, base::Bytes(65536));
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      auto reading = reader->read(i * 65536, parts[i]);
      auto spawning = group.spawn(std::move(reading));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  vault.run(base::with_group(vault.env->loop(), 16, body));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i] == part(volume.bytes, i * 65536, 65536));
  }
  CHECK(vault.store->calls() <= 4);  // map node and frame, each with the header of its pack
}

TEST_CASE("ranges outside the volume are refused") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto reader = vault.reader(vault.taken(volume));
  const auto past = read(vault, *reader, volume.bytes.size(), 1);
  REQUIRE(!past);
  CHECK(past.error().reason() == reason::range);
  CHECK(read(vault, *reader, volume.bytes.size(), 0));
  CHECK(!vault.attempt(reader->extents(volume.bytes.size() + 1, 0)));
}

TEST_CASE("damage is an error that says which bytes, never wrong data") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  vault.flip(vault.packs('d').front(), 500);
  const auto reader = vault.reader(snapshot);
  const auto bad = read(vault, *reader, 70000, 10);
  REQUIRE(!bad);
  CHECK(bad.error().code() == Errc::data_loss);
  CHECK(bad.error().subject() == "65536+65536");
  const auto good = read(vault, *reader, 2 * kMiB, 100);
  REQUIRE(good);
  CHECK(*good == part(volume.bytes, 2 * kMiB, 100));
  // Stored again by a full backup, it can be read again.
  BackupOptions options;
  options.mode = BackupMode::full_physical;
  vault.backup(volume, options);
  const auto healed = read(vault, *vault.reader(snapshot), 70000, 10);
  REQUIRE(healed);
  CHECK(*healed == part(volume.bytes, 70000, 10));
}

TEST_CASE("a store that fails for a moment fails the read, and the next one works") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto reader = vault.reader(vault.taken(volume));
  vault.store->arm(provider::Fault::unavailable, 1, false);
  const auto failed = read(vault, *reader, 0, 4096);
  REQUIRE(!failed);
  CHECK(failed.error().code() == Errc::unavailable);
  const auto good = read(vault, *reader, 0, 4096);
  REQUIRE(good);
  CHECK(*good == part(volume.bytes, 0, 4096));
}

TEST_CASE("unreadable ranges of the source stay unreadable") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  volume.unreadable = {{2 * kMiB + 10, 5}};
  BackupOptions how;
  how.mark_unreadable = true;
  const auto reader = vault.reader(vault.taken(volume, how));
  const auto bad = read(vault, *reader, 2 * kMiB + 60000, 10);
  REQUIRE(!bad);
  CHECK(bad.error().code() == Errc::data_loss);
  CHECK(read(vault, *reader, 2 * kMiB + 65536, 10));
}

TEST_CASE("extents say where data, zeros and holes are, page by page") {
  Vault vault;
  MemoryVolume volume(noise(300 * 65536, 2));
  volume.reports = MemoryVolume::Reports::truth;
  for (std::uint64_t block = 0; block < 300; block += 3) volume.clear(block * 65536, 65536);
  volume.clear(100 * 65536, 50 * 65536);
  const auto reader = vault.reader(vault.taken(volume));
  for (const std::uint64_t length : {volume.bytes.size() - 100, std::size_t{65536}}) {
    const auto end = 100 + length;
    for (std::uint64_t at = 100; at < end;) {
      const auto page = vault.run(reader->extents(at, end - at));
      REQUIRE(page.covered_to > at);
      REQUIRE(page.covered_to <= end);
      for (const auto& extent : page.extents) {
        REQUIRE(extent.offset == at);
        REQUIRE(extent.length > 0);
        const auto content = base::ByteView(volume.bytes).subspan(extent.offset, extent.length);
        CHECK(has(extent.flags, ExtentFlags::zero) == base::is_zero(content));
        at += extent.length;
      }
      CHECK(at == page.covered_to);
    }
  }
}

}  // namespace
}  // namespace snapvault::engine
