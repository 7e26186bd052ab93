// A small repository whose store can be made to fail, with one backup in it and a volume that has
// changed since.
#pragma once

#include <doctest/doctest.h>
#include <snapvault/snapvault.hpp>

#include <memory>
#include <string>
#include <utility>

#include "api/state.hpp"
#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::test {

class World {
 public:
  World()
      : runtime_(make_runtime(base::make_virtual_env(1), 32u << 20)),
        store(must(provider::FaultProvider::wrap(provider::make_memory()))),
        volume(noise(300'000, 1), MemoryVolume::Reports::truth),
        repository_(must(Repository::init(store, init_options()))) {
    volume.clear(100'000, 40'000);
    must(try_backup());
    first = volume.bytes;
    volume.fill(20'000, noise(30'000, 2));
    volume.clear(200'000, 50'000);
  }

  Result<BackupReport> try_backup() {
    BackupOptions options;
    options.source = "volume";
    options.block_size = 4096;
    return repository_.backup(volume, options);
  }
  Result<RestoreReport> try_restore(MemoryVolume& to) {
    SV_TRY(const auto snapshot, repository_.snapshot("volume@latest"));
    return Restorer(repository_).restore(snapshot, to);
  }
  Result<VerifyReport> try_verify() {
    VerifyOptions options;
    options.depth = VerifyDepth::data;
    return repository_.verify(options);
  }
  Result<void> try_open() {
    OpenOptions options;
    options.raw_key = RawKey{};
    options.runtime = runtime_;
    options.access = Access::manage;
    SV_TRY(repository_, Repository::open(store, options));
    return {};
  }
  Result<std::vector<SnapshotInfo>> try_remove() { return repository_.remove({"volume@latest"}); }
  Repository& repository() noexcept { return repository_; }
  std::size_t listed() { return must(repository_.snapshots()).size(); }

  // What the latest snapshot holds.
  base::Bytes latest() {
    MemoryVolume to(noise(volume.bytes.size(), 9));
    must(try_restore(to));
    return to.bytes;
  }

  template <class T>
  static T must(Result<T> result) {
    INFO((result ? std::string() : describe(result.error())));
    REQUIRE(result);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }
  static std::string describe(const Error& error) {
    return std::string(to_string(error.code())) + "/" + std::string(error.reason()) + ": " +
           std::string(error.message());
  }

 private:
  InitOptions init_options() const {
    InitOptions options;
    options.raw_key = RawKey{};
    options.runtime = runtime_;
    options.pack_size = 1u << 20;
    return options;
  }

  Runtime runtime_;

 public:
  std::shared_ptr<provider::FaultProvider> store;
  MemoryVolume volume;
  base::Bytes first;  // what the first snapshot holds

 private:
  Repository repository_;
};

}  // namespace snapvault::test
