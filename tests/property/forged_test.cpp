// Snapshots whose map says something false and is signed all the same, as a writer with a defect
// would leave them: nothing is believed because a map points at it.
#include <doctest/doctest.h>
#include <snapvault/snapvault.hpp>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "property/repository.hpp"
#include "provider/blocking.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::test {
namespace {

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kForged = 1;  // the block whose record is false

// One snapshot of six blocks in one frame, the last one short.
struct Forged {
  explicit Forged(const std::function<void(format::Leaf&)>& forge)
      : repository(make_repository(store)) {
    MemoryVolume source(volume);
    BackupOptions options;
    options.source = "volume";
    options.block_size = kBlock;
    REQUIRE(repository.backup(source, options));
    const auto name = snapshot().state()->stored.name.commit();
    const auto& keys = repository.state()->repository.keys;
    const auto object = store->get_now({.key = name});
    REQUIRE(object);
    auto commit = format::read_commit(keys, name, *object);
    REQUIRE(commit);
    auto leaf = format::decode_leaf(commit->nodes.nodes.front());
    REQUIRE(leaf);
    forge(*leaf);
    commit->nodes.nodes.front() = format::encode_leaf(*leaf);
    const std::array<std::byte, 24> salt{};
    PutBody body(format::build_commit(keys, name, salt, *commit));
    REQUIRE(store->put_now({.key = name, .body = std::move(body), .if_absent = false}));
  }

  Snapshot snapshot() {
    auto found = repository.snapshot("volume@latest");
    REQUIRE(found);
    return *std::move(found);
  }

  Result<RestoreReport> restore(MemoryVolume& to, bool check_ids, bool keep_going = false) {
    RestoreOptions options;
    options.check_ids = check_ids;
    options.keep_going = keep_going;
    return Restorer(repository).restore(snapshot(), to, options);
  }
  // The forged block is refused or left out, whatever it is restored to; all else is right.
  void check_refused(bool check_ids) {
    for (const bool ordered : {false, true}) {
      MemoryVolume strict, to(noise(volume.size(), 9));
      for (auto* target : {&strict, &to}) target->max_concurrency = ordered ? 1 : 16;
      const auto refused = restore(strict, check_ids);
      REQUIRE(!refused);
      CHECK(refused.error().code() == Errc::data_loss);
      auto expected = volume;
      std::copy_n(to.bytes.begin() + kForged * kBlock, kBlock, expected.begin() + kForged * kBlock);
      const auto report = restore(to, check_ids, true);
      REQUIRE(report);
      CHECK(report->bad == std::vector{ByteRange{kForged * kBlock, kBlock}});
      CHECK(to.bytes == expected);
    }
  }
  void check_verify() {
    VerifyOptions options;
    options.depth = VerifyDepth::data;
    const auto report = repository.verify(options);
    REQUIRE(report);
    REQUIRE(report->affected.size() == 1);
    CHECK(!report->objects.empty());
  }

  std::shared_ptr<provider::BlockingProvider> store =
      std::dynamic_pointer_cast<provider::BlockingProvider>(provider::make_memory());
  base::Bytes volume = noise(5 * kBlock + 100, 1);
  Repository repository;
};

TEST_CASE("a block whose content has another id is refused where ids are checked") {
  Forged forged([](format::Leaf& leaf) { leaf.blocks[kForged].id.bytes[0] ^= std::byte{1}; });
  forged.check_refused(true);
  forged.check_verify();
}

TEST_CASE("a block whose content has another fingerprint is refused, and never read") {
  Forged forged([](format::Leaf& leaf) { leaf.blocks[kForged].fingerprint.low ^= 1; });
  for (const bool check_ids : {false, true}) forged.check_refused(check_ids);
  base::Bytes block(kBlock);
  const auto read = forged.snapshot().read(kForged * kBlock, block);
  REQUIRE(!read);
  CHECK(read.error().code() == Errc::data_loss);
  forged.check_verify();
}

TEST_CASE("a block that is said to stand in another's slot is refused, and never read") {
  Forged forged([](format::Leaf& leaf) { leaf.blocks[kForged].place.slot = 2; });
  for (const bool check_ids : {false, true}) forged.check_refused(check_ids);
  base::Bytes block(kBlock);
  CHECK(!forged.snapshot().read(kForged * kBlock, block));
  forged.check_verify();
}

}  // namespace
}  // namespace snapvault::test
