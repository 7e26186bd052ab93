// A repository in memory whose store can be made to fail, with backups of volumes in memory.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/backup.hpp"
#include "engine/reading.hpp"
#include "engine/restore.hpp"
#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::engine {

using test::Call;
using test::MemoryVolume;

class Vault {
 public:
  explicit Vault(std::uint64_t seed = 1, std::shared_ptr<base::Env> in = nullptr)
      : env(in ? std::move(in) : base::make_virtual_env(seed)), repository(make()) {}

  template <class T>
  Result<T> attempt(base::Task<Result<T>> task) {
    return base::run_sync(*env, std::move(task));
  }
  template <class T>
  T run(base::Task<Result<T>> task) {
    auto result = attempt(std::move(task));
    INFO((result ? std::string() : std::string(result.error().message())));
    REQUIRE(result);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }

  BackupReport backup(BlockSource& volume, BackupOptions options = {}) {
    if (options.source.empty()) options.source = "volume";
    provider::Client client(*env, store);
    Job job{*env, client, repository, memory_max};
    auto report = run(engine::backup(job, volume, options));
    meter_unchanged = job.meter.unchanged;
    return report;
  }
  store::Snapshot snapshot(const std::string& name = "volume@latest") {
    provider::Client client(*env, store);
    return run(store::find_snapshot(client, repository, name));
  }
  // Backs up and gives the snapshot.
  store::Snapshot taken(BlockSource& volume, BackupOptions options = {}) {
    const auto source = options.source.empty() ? std::string("volume") : options.source;
    backup(volume, std::move(options));
    return snapshot(source + "@latest");
  }

  Result<RestoreReport> try_restore(const store::Snapshot& from, BlockSink& sink,
                                    const RestoreOptions& options = {}) {
    provider::Client client(*env, store, options.stop);
    Job job{*env, client, repository, memory_max, {}, options.stop};
    auto report = attempt(engine::restore(job, from, sink, options));
    meter_done = job.meter.done;
    meter_total = job.meter.total;
    return report;
  }
  RestoreReport restore(const store::Snapshot& from, BlockSink& sink,
                        const RestoreOptions& options = {}) {
    auto report = try_restore(from, sink, options);
    INFO((report ? std::string() : std::string(report.error().message())));
    REQUIRE(report);
    return *std::move(report);
  }

  std::vector<ByteRange> diff(const store::Snapshot& a, const store::Snapshot& b) {
    provider::Client client(*env, store);
    Job job{*env, client, repository, memory_max};
    return run(engine::diff(job, a, b));
  }
  std::unique_ptr<SnapshotReader> reader(store::Snapshot of, std::uint64_t cache = 16u << 20) {
    return std::make_unique<SnapshotReader>(*env, store, repository, std::move(of), cache);
  }

  // The store behind everybody's back.
  std::vector<std::string> keys(const std::string& prefix) {
    std::vector<std::string> out;
    const auto page = memory->list_now({.prefix = prefix});
    REQUIRE(page);
    for (const auto& object : page->objects) out.push_back(object.key);
    return out;
  }
  std::vector<std::string> packs(char pack_class) {
    std::vector<std::string> out;
    for (auto& key : keys("packs/")) {
      if (key[key.rfind('/') + 1] == pack_class) out.push_back(std::move(key));
    }
    return out;
  }
  base::Bytes bytes(const std::string& key) {
    auto object = memory->get_now({.key = key});
    REQUIRE(object);
    return *std::move(object);
  }
  void overwrite(const std::string& key, base::Bytes object) {
    REQUIRE(memory->put_now({.key = key, .body = PutBody(std::move(object)), .if_absent = false}));
  }
  void flip(const std::string& key, std::size_t at) {
    auto object = bytes(key);
    object.at(at) ^= std::byte{1};
    overwrite(key, std::move(object));
  }
  void erase(const std::string& key) { REQUIRE(memory->remove_now({.keys = {key}})); }

  std::shared_ptr<base::Env> env;
  std::shared_ptr<provider::BlockingProvider> memory =
      std::dynamic_pointer_cast<provider::BlockingProvider>(provider::make_memory());
  std::shared_ptr<provider::FaultProvider> store = *provider::FaultProvider::wrap(memory);
  std::uint64_t memory_max = 64u << 20;
  store::Repository repository;
  std::uint64_t meter_done = 0, meter_total = 0;  // of the last restore
  std::uint64_t meter_unchanged = 0;              // of the last backup

 private:
  store::Repository make() {
    provider::Client client(*env, store);
    store::Lock lock;
    lock.kind = store::Lock::Kind::none;
    auto task = store::init(client, std::move(lock), store::Policy());
    return run(std::move(task));
  }
};

}  // namespace snapvault::engine
