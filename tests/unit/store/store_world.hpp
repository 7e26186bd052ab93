// A store in memory and virtual time that can be made to fail, with repositories in it.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/reasons.hpp"
#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "store/repository.hpp"

namespace snapvault::store {

using RawKey = std::array<std::byte, 32>;

inline RawKey raw_key(int fill) {
  RawKey key;
  key.fill(static_cast<std::byte>(fill));
  return key;
}
inline Lock raw_lock(int fill = 1) {
  Lock lock;
  lock.kind = Lock::Kind::raw;
  lock.raw_key = raw_key(fill);
  return lock;
}
inline Unlock raw_unlock(int fill = 1) {
  Unlock unlock;
  unlock.raw_key = raw_key(fill);
  return unlock;
}
inline Lock passphrase_lock(std::string passphrase) {
  Lock lock;
  lock.passphrase = std::move(passphrase);
  lock.scrypt_n = 1u << 14;
  return lock;
}
inline Unlock passphrase_unlock(std::string passphrase) {
  Unlock unlock;
  unlock.passphrase = [passphrase]() -> Result<std::string> { return passphrase; };
  return unlock;
}
inline Lock no_lock() {
  Lock lock;
  lock.kind = Lock::Kind::none;
  return lock;
}

// A store that sends each put twice, as one does whose first answer was lost, and gives the second
// answer.
class RepeatingStore final : public provider::BlockingProvider {
 public:
  explicit RepeatingStore(std::shared_ptr<provider::BlockingProvider> inner)
      : inner_(std::move(inner)) {}
  Capabilities capabilities() const override { return inner_->capabilities(); }

 private:
  Result<base::Bytes> do_get(const GetRequest& r) override { return inner_->get_now(r); }
  Result<void> do_put(const PutRequest& r) override {
    auto first = inner_->put_now(r);
    return first ? inner_->put_now(r) : first;
  }
  Result<ListPage> do_list(const ListRequest& r) override { return inner_->list_now(r); }
  Result<void> do_remove(const RemoveRequest& r) override { return inner_->remove_now(r); }
  Result<ObjectInfo> do_stat(const StatRequest& r) override { return inner_->stat_now(r); }
  Result<void> do_sync(const RequestLimits& r) override { return inner_->sync_now(r); }

  std::shared_ptr<provider::BlockingProvider> inner_;
};

class World {
 public:
  explicit World(std::uint64_t seed = 1) : env(base::make_virtual_env(seed)) {}

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
  Repository made(Lock lock = raw_lock(), Policy policy = {}) {
    auto task = init(client, std::move(lock), std::move(policy));
    return run(std::move(task));
  }
  Result<Repository> tried(Unlock unlock = raw_unlock()) {
    auto task = open(client, std::move(unlock));
    return attempt(std::move(task));
  }
  Repository opened(Unlock unlock = raw_unlock()) {
    auto task = open(client, std::move(unlock));
    return run(std::move(task));
  }

  // The store as it is, behind everybody's back.
  std::vector<std::string> keys(const std::string& prefix = "") {
    std::vector<std::string> out;
    const auto page = memory->list_now({.prefix = prefix});
    REQUIRE(page);
    for (const auto& object : page->objects) out.push_back(object.key);
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
  void erase(const std::string& key) { REQUIRE(memory->remove_now({.keys = {key}})); }
  void flip(const std::string& key, std::size_t at) {
    auto object = bytes(key);
    object.at(at) ^= std::byte{1};
    overwrite(key, std::move(object));
  }

  std::shared_ptr<base::Env> env;
  std::shared_ptr<provider::BlockingProvider> memory =
      std::dynamic_pointer_cast<provider::BlockingProvider>(provider::make_memory());
  std::shared_ptr<provider::FaultProvider> store = *provider::FaultProvider::wrap(memory);
  provider::Client client{*env, store};
};

// The reason of a failure, or "" of a success.
template <class T>
std::string reason_of(const Result<T>& result) {
  return result ? std::string() : std::string(result.error().reason());
}

}  // namespace snapvault::store
