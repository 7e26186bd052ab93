// A repository of at most 24 KiB with an object of each kind in it, that tests damage and mend.
#pragma once

#include <doctest/doctest.h>
#include <snapvault/snapvault.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/state.hpp"
#include "provider/blocking.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::test {

// A store in memory that notes which objects are read.
class Noting final : public provider::BlockingProvider {
 public:
  Capabilities capabilities() const override { return inner_->capabilities(); }

  std::set<std::string> read;

 private:
  Result<base::Bytes> do_get(const GetRequest& r) override {
    read.insert(r.key);
    return inner_->get_now(r);
  }
  Result<void> do_put(const PutRequest& r) override { return inner_->put_now(r); }
  Result<ListPage> do_list(const ListRequest& r) override { return inner_->list_now(r); }
  Result<void> do_remove(const RemoveRequest& r) override { return inner_->remove_now(r); }
  Result<ObjectInfo> do_stat(const StatRequest& r) override { return inner_->stat_now(r); }
  Result<void> do_sync(const RequestLimits& r) override { return inner_->sync_now(r); }

  std::shared_ptr<provider::BlockingProvider> inner_ =
      std::dynamic_pointer_cast<provider::BlockingProvider>(provider::make_memory());
};

// What a file is, from its name alone.
inline std::string kind_of(const std::string& key) {
  if (key == "repo") return "repo";
  const auto name = key.substr(key.rfind('/') + 1);
  if (key.starts_with("ctl/")) {
    return name.starts_with("log-") ? "log" : name.starts_with("k-s-") ? "slot" : "epoch";
  }
  if (key.starts_with("src/")) return name.substr(name.rfind('.') + 1);
  if (key.starts_with("packs/")) return name[0] == 'd' ? "data pack" : "map pack";
  return key.starts_with("refs/") ? "refs" : "segment";
}

// A full backup, one of another source that was deleted, and an incremental that shares a block
// with the deleted one; two keys, two records in the log.
class Small {
 public:
  struct Taken {
    std::string id;
    base::Bytes bytes;
  };

  Small() : repository_(must(Repository::init(store_, init_options()))) {
    MemoryVolume volume(std::uint64_t{66} * kBlock + 700);
    volume.reports = MemoryVolume::Reports::truth;
    volume.grain = 2 * kBlock;  // so that some zeros are read and not known to be holes
    write(volume, 0, 1);
    write(volume, 5, 2);
    write(volume, 65, 3);
    volume.fill(volume.bytes.size() - 700, line(700, 4));
    backup(volume);
    must(repository_.set_policy({.full_every = 9}));
    must(repository_.add_key(key(2), "spare"));

    MemoryVolume other(kBlock);
    write(other, 0, 5);
    must(back_up(repository_, other, "other"));
    write(volume, 1, 5);
    write(volume, 64, 6);
    backup(volume);
    must(repository_.remove({"other@latest"}));
    for (const auto& name : keys()) objects.emplace(name, *store_->get_now({.key = name}));
  }

  static constexpr std::uint64_t kBlock = 4096;

  std::map<std::string, base::Bytes> objects;  // as they were written
  std::vector<Taken> taken;                    // live snapshots, older first

  Result<Repository> open() { return open(store_, Access::read); }
  // Names of the objects that were read, from now on.
  std::set<std::string>& reads() { return store_->read; }
  // The next incremental backup into a copy of the repository as it is, and what that restores to.
  Result<base::Bytes> next_backup(const base::Bytes& changed) {
    const auto copy = std::make_shared<Noting>();
    for (const auto& name : keys()) {
      auto object = must(store_->get_now({.key = name}));
      must(copy->put_now({.key = name, .body = PutBody(std::move(object))}));
    }
    SV_TRY(auto repository, open(copy, Access::append));
    MemoryVolume from(changed);
    SV_CHECK(back_up(repository, from, "volume"));
    SV_TRY(const auto snapshot, repository.snapshot("volume@latest"));
    MemoryVolume to;
    SV_CHECK(Restorer(repository).restore(snapshot, to));
    return std::move(to.bytes);
  }
  // The volume after the latest snapshot: one block is new, one is as another was before.
  base::Bytes changed() const {
    MemoryVolume volume(taken.back().bytes);
    write(volume, 2, 7);
    write(volume, 3, 2);
    return std::move(volume.bytes);
  }

  void put(const std::string& name, base::Bytes bytes) {
    auto& to = *store_;
    must(to.put_now({.key = name, .body = PutBody(std::move(bytes)), .if_absent = false}));
  }
  void erase(const std::string& name) { must(store_->remove_now({.keys = {name}})); }
  void mend(const std::string& name) { put(name, objects.at(name)); }

  template <class T>
  static T must(Result<T> result) {
    INFO((result ? std::string() : std::string(result.error().message())));
    REQUIRE(result);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }

 private:
  static RawKey key(int fill) {
    RawKey out;
    out.fill(static_cast<std::byte>(fill));
    return out;
  }
  // Words that compress, so that a block is stored in few bytes.
  static base::Bytes line(std::uint64_t size, std::uint64_t seed) {
    const auto once = noise(40, seed);
    base::Bytes out;
    while (out.size() < size) base::append(out, base::ByteView(once));
    out.resize(size);
    return out;
  }
  static void write(MemoryVolume& volume, std::uint64_t block, std::uint64_t seed) {
    volume.fill(block * kBlock, line(kBlock, seed));
  }
  InitOptions init_options() const {
    InitOptions options;
    options.raw_key = key(1);
    options.runtime = runtime_;
    options.pack_size = 1u << 20;
    return options;
  }
  Result<Repository> open(std::shared_ptr<Provider> store, Access access) {
    OpenOptions options;
    options.raw_key = key(1);
    options.runtime = runtime_;
    options.access = access;
    return Repository::open(std::move(store), options);
  }
  static Result<BackupReport> back_up(Repository& to, MemoryVolume& volume,
                                      const std::string& source) {
    BackupOptions options;
    options.source = source;
    options.block_size = kBlock;
    return to.backup(volume, options);
  }
  void backup(MemoryVolume& volume) {
    const auto report = must(back_up(repository_, volume, "volume"));
    taken.push_back({report.snapshot.id, volume.bytes});
  }
  std::vector<std::string> keys() {
    std::vector<std::string> out;
    for (const auto& object : must(store_->list_now({})).objects) out.push_back(object.key);
    return out;
  }

  Runtime runtime_ = make_runtime(base::make_virtual_env(1), 32u << 20);
  std::shared_ptr<Noting> store_ = std::make_shared<Noting>();
  Repository repository_;
};

}  // namespace snapvault::test
