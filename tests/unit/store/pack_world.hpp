// A repository in memory, in which tests write blocks to packs and read them again. A block's bytes
// follow from its id, so whatever is read can be checked.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "store/index.hpp"
#include "store/pack_reader.hpp"
#include "store/pack_writer.hpp"
#include "store/session.hpp"

namespace snapvault::store {

inline constexpr std::size_t kBlockBytes = 48;

// splitmix64 (Steele, Lea, Flood 2014)
inline std::uint64_t scramble(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}
inline format::BlockId block_id(std::uint64_t n) noexcept {
  format::BlockId id;
  for (std::uint64_t i = 0; i < 3; ++i) base::store(id.bytes.data() + 8 * i, scramble(n * 3 + i));
  return id;
}
inline base::Bytes block_bytes(const format::BlockId& id) {
  base::Bytes out;
  for (std::size_t i = 0; i < kBlockBytes / id.bytes.size(); ++i) base::append(out, id.view());
  return out;
}

// A frame of some blocks, with what its views show.
struct TestFrame {
  explicit TestFrame(std::vector<format::BlockId> blocks, std::size_t padding = 0)
      : ids(std::move(blocks)) {
    for (const auto& id : ids) {
      prefixes.push_back(format::prefix_of(id));
      base::append(payload, block_bytes(id));
    }
    payload.resize(payload.size() + padding);
  }
  Frame view() const {
    Frame frame;
    frame.plain_size = static_cast<std::uint32_t>(payload.size());
    frame.payload = payload;
    frame.prefixes = prefixes;
    return frame;
  }
  std::vector<format::BlockId> ids;
  std::vector<format::BlockPrefix> prefixes;
  base::Bytes payload;
};

class PackWorld {
 public:
  explicit PackWorld(std::uint64_t seed = 7) : PackWorld(base::make_virtual_env(seed)) {}
  explicit PackWorld(std::shared_ptr<base::Env> in) : env(std::move(in)) {
    Lock lock;
    lock.kind = Lock::Kind::raw;
    lock.raw_key.emplace();
    auto task = init(client, std::move(lock), Policy());
    repository.emplace(run(std::move(task)));
  }

  template <class T>
  T run(base::Task<Result<T>> task) {
    auto result = base::run_sync(*env, std::move(task));
    INFO((result ? std::string() : std::string(result.error().message())));
    REQUIRE(result);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }
  template <class T>
  Result<T> attempt(base::Task<Result<T>> task) {
    return base::run_sync(*env, std::move(task));
  }

  std::unique_ptr<Session> session() {
    const SourceListing listing;
    return run(Session::begin(client, *repository, "volume", listing, std::nullopt));
  }

  // Damages the object: `edit` changes its bytes.
  template <class Edit>
  void rewrite(const std::string& key, Edit edit) {
    auto bytes = run(client.get(key));
    edit(bytes);
    run(client.remove({key}));
    run(client.create(key, PutBody(std::move(bytes))));
  }
  void flip(const std::string& key, std::uint64_t at) {
    rewrite(key, [&](base::Bytes& bytes) { bytes.at(at) ^= std::byte{1}; });
  }
  std::vector<std::string> keys(const std::string& prefix) {
    std::vector<std::string> out;
    for (const auto& object : run(client.list(prefix))) out.push_back(object.key);
    return out;
  }

  std::shared_ptr<base::Env> env;
  std::shared_ptr<provider::FaultProvider> store =
      *provider::FaultProvider::wrap(provider::make_memory());
  provider::Client client{*env, store};
  std::optional<Repository> repository;
};

}  // namespace snapvault::store
