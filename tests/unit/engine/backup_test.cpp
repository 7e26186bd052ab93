#include "engine/describe.hpp"
#include "vault.hpp"

TEST_SUITE_BEGIN("engine/backup");

namespace snapvault::engine {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kLeaf = 256 * kBlock;

BackupOptions small_blocks() {
  BackupOptions options;
  options.block_size = kBlock;
  return options;
}

TEST_CASE("changed bytes count whole runs that became empty, however they are told") {
  for (const auto how : {MemoryVolume::Reports::nothing, MemoryVolume::Reports::truth}) {
    for (const bool holes : {false, true}) {
      CAPTURE(static_cast<int>(how));
      CAPTURE(holes);
      Vault vault;
      MemoryVolume volume(test::noise(16 * kLeaf, 1), how);
      volume.zeros_are_holes = holes;
      volume.clear(2 * kLeaf, kLeaf + 10 * kBlock);
      CHECK(vault.backup(volume, small_blocks()).snapshot.changed_bytes ==
            15 * kLeaf - 10 * kBlock);
      volume.clear(kLeaf, 6 * kLeaf);
      const auto report = vault.backup(volume);
      CHECK(report.snapshot.changed_bytes == 5 * kLeaf - 10 * kBlock);
      CHECK(vault.backup(volume).snapshot.changed_bytes == 0);
    }
  }
}

TEST_CASE("what lies behind the parent's end has changed, empty or not") {
  for (const auto how : {MemoryVolume::Reports::nothing, MemoryVolume::Reports::truth}) {
    CAPTURE(static_cast<int>(how));
    Vault vault;
    MemoryVolume volume(test::noise(4 * kLeaf + 100, 1), how);
    vault.backup(volume, small_blocks());
    volume.bytes.resize(12 * kLeaf);
    CHECK(vault.backup(volume).snapshot.changed_bytes == 8 * kLeaf);
    volume.bytes.resize(4 * kLeaf);
    CHECK(vault.backup(volume).snapshot.changed_bytes == 0);
  }
}

TEST_CASE("stored bytes are what the store got, and the same in a report and in a list") {
  Vault vault;
  MemoryVolume volume(test::noise(3'000'000, 1));
  const auto size = [&] {
    std::uint64_t sum = 0;
    for (const auto& key : vault.keys("")) sum += vault.bytes(key).size();
    return sum;
  };
  for (int i = 0; i < 3; ++i) {
    const auto before = size();
    const auto report = vault.backup(volume);
    CHECK(report.snapshot.stored_bytes == size() - before);
    CHECK(describe(vault.snapshot()).stored_bytes == report.snapshot.stored_bytes);
    volume.fill(100'000 * i, test::noise(50'000, 7 + i));
  }
}

TEST_CASE("a parent whose refs are lost is no parent; the snapshot after it is whole") {
  Vault vault;
  MemoryVolume volume(test::noise(2 * kLeaf, 1));
  vault.backup(volume, small_blocks());
  volume.fill(kLeaf, base::ByteView(volume.bytes).first(kBlock));  // found in the first's pack
  vault.backup(volume, small_blocks());
  const auto refs = vault.keys("refs/");
  REQUIRE(!refs.empty());
  for (const auto& key : refs) vault.erase(key);
  const auto report = vault.backup(volume, small_blocks());
  CHECK(report.warnings == std::vector<std::string>{"parent_damaged"});
  CHECK(report.snapshot.blocks.fresh == 0);
  CHECK(vault.meter_unchanged == 0);  // what the walk with the parent had counted is forgotten
  MemoryVolume out;
  vault.restore(vault.snapshot(), out);
  CHECK((out.bytes == volume.bytes));
  CHECK(vault.backup(volume, small_blocks()).warnings.empty());
  CHECK(vault.meter_unchanged == volume.bytes.size());
}

TEST_CASE("who uses a source says that it is in use; force backs it up and says so") {
  class Used final : public BlockSource {
   public:
    Result<BlockInfo> info() override {
      BlockInfo info;
      info.size = 65536;
      info.in_use_by = "mounted at /srv";
      return info;
    }
    Result<void> read(std::uint64_t, std::span<std::byte> into) override {
      std::fill(into.begin(), into.end(), std::byte{7});
      return {};
    }
  };
  Vault vault;
  Used used;
  provider::Client client(*vault.env, vault.store);
  Job job{*vault.env, client, vault.repository, vault.memory_max};
  BackupOptions options;
  options.source = "volume";
  const auto refused = vault.attempt(backup(job, used, options));
  REQUIRE(!refused);
  CHECK(refused.error().reason() == reason::source_busy);
  CHECK(refused.error().message().find("mounted at /srv") != std::string_view::npos);
  options.force = true;
  const auto report = vault.backup(used, options);
  CHECK(report.snapshot.crash_consistent);
  CHECK(report.warnings == std::vector<std::string>{"source_busy"});
  CHECK(describe(vault.snapshot()).crash_consistent);
}

TEST_CASE("tags and attributes that a record cannot hold are refused before anything is done") {
  Vault vault;
  MemoryVolume volume(test::noise(100'000, 1));
  provider::Client client(*vault.env, vault.store);
  Job job{*vault.env, client, vault.repository, vault.memory_max};
  const std::pair<std::string, std::string> bad[] = {
      {"key", "no UTF-8: \xff"}, {"\xc3", "value"}, {"key", std::string(256 << 10, 'x')}};
  for (const auto& [key, value] : bad) {
    for (const bool tag : {false, true}) {
      BackupOptions options;
      options.source = "volume";
      (tag ? options.tags : options.attributes).emplace(key, value);
      const auto refused = vault.attempt(backup(job, volume, options));
      REQUIRE(!refused);
      CHECK(refused.error().reason() == reason::bad_argument);
    }
  }
  BackupOptions options;
  options.tags = {{"key", std::string((256 << 10) - 3, '\x01')}};  // written as six characters
  vault.backup(volume, options);
  CHECK(describe(vault.snapshot()).tags == options.tags);
}

TEST_CASE("more unreadable ranges than a record can hold fail the backup") {
  constexpr std::uint64_t kPair = 8192;
  class Rotten final : public BlockSource {
   public:
    Result<BlockInfo> info() override {
      BlockInfo info;
      info.size = 100'001 * kPair;
      info.io_optimal = 65536;
      return info;
    }
    Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
      if (offset % kPair == 0) return Error(Errc::unavailable, reason::source_failed, "rotten");
      std::fill(into.begin(), into.end(), std::byte{});
      return {};
    }
  };
  Vault vault;
  Rotten rotten;
  provider::Client client(*vault.env, vault.store);
  Job job{*vault.env, client, vault.repository, vault.memory_max};
  auto options = small_blocks();
  options.source = "volume";
  options.mark_unreadable = true;
  const auto failed = vault.attempt(backup(job, rotten, options));
  REQUIRE(!failed);
  CHECK(failed.error().reason() == reason::source_failed);
  CHECK(failed.error().message().find("100,000") != std::string_view::npos);
}

}  // namespace
}  // namespace snapvault::engine

TEST_SUITE_END();
