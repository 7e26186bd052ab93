// What a backup leaves whose store went away: packs that nothing names yet.
#include <doctest/doctest.h>
#include <snapvault/snapvault.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "property/repository.hpp"
#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::test {
namespace {

struct BrokenOff {
  // The store goes away at its `nth` call.
  explicit BrokenOff(std::uint64_t nth) : repository(make_repository(store)) {
    store->arm(provider::Fault::unavailable, nth, true);
    CHECK(!backup());
    store->disarm();
  }

  Result<BackupReport> backup() {
    BackupOptions options;
    options.source = "volume";
    options.block_size = 4096;
    return repository.backup(source, options);
  }
  std::vector<ObjectInfo> below(const std::string& prefix) {
    auto page = objects->list_now({.prefix = prefix});
    REQUIRE(page);
    return std::move(page->objects);
  }

  std::shared_ptr<provider::BlockingProvider> objects =
      std::dynamic_pointer_cast<provider::BlockingProvider>(provider::make_memory());
  std::shared_ptr<provider::FaultProvider> store = *provider::FaultProvider::wrap(objects);
  MemoryVolume source{noise(200'000, 1)};
  Repository repository;
};

TEST_CASE("packs of a backup that broke off are used again if they are whole, and only then") {
  for (const bool damaged : {false, true}) {
    std::uint64_t nth = 1;
    while (BrokenOff(nth).below("packs/").empty()) REQUIRE(++nth < 100);
    BrokenOff world(nth);
    REQUIRE(world.below("index/").empty());
    const auto key = world.below("packs/").front().key;
    auto pack = world.objects->get_now({.key = key});
    REQUIRE(pack);
    if (damaged) pack->at(500) ^= std::byte{1};  // in the first frame
    PutRequest put{.key = key, .body = PutBody(*std::move(pack)), .if_absent = false};
    REQUIRE(world.objects->put_now(put));
    const auto report = world.backup();
    REQUIRE(report);
    CHECK((report->snapshot.blocks.fresh > 0) == damaged);
    MemoryVolume to;
    const auto snapshot = world.repository.snapshot("volume@latest");
    REQUIRE(snapshot);
    REQUIRE(Restorer(world.repository).restore(*snapshot, to));
    CHECK(to.bytes == world.source.bytes);
  }
}

}  // namespace
}  // namespace snapvault::test
