// Sessions and snapshots of empty volumes, for tests that do not look at maps.
#pragma once

#include "store/session.hpp"
#include "store_world.hpp"

namespace snapvault::store {

inline format::Manifest empty_manifest() {
  format::Manifest manifest;
  manifest.height = format::map_height(0, manifest.block_size);
  manifest.mode = "scan";
  return manifest;
}
inline format::InlineNodes empty_nodes() {
  format::InlineNodes nodes;
  nodes.nodes.push_back(format::encode_leaf(format::Leaf()));
  return nodes;
}
inline format::PackId pack_of(const format::SessionId& session, std::uint32_t n = 0) {
  return {.session = session, .pack_class = format::PackClass::data, .n = n};
}

class SnapshotWorld : public World {
 public:
  explicit SnapshotWorld(std::uint64_t seed = 1) : World(seed), repository(made()) {}

  SourceListing listing(const std::string& source) {
    auto task = list_source(client, repository.keys.source_tag(source));
    return run(std::move(task));
  }
  Result<std::unique_ptr<Session>> try_begin(const std::string& source,
                                             std::optional<Snapshot> parent = {}) {
    const auto shown = listing(source);
    auto task = Session::begin(client, repository, source, shown, std::move(parent));
    return attempt(std::move(task));
  }
  std::unique_ptr<Session> begun(const std::string& source, std::optional<Snapshot> parent = {}) {
    auto session = try_begin(source, std::move(parent));
    REQUIRE(session);
    return *std::move(session);
  }
  Result<void> try_commit(Session& session, format::Refs refs = {}) {
    auto task =
        session.commit(client, repository, empty_manifest(), empty_nodes(), std::move(refs));
    return attempt(std::move(task));
  }
  SnapshotName snapshot(const std::string& source, format::Refs refs = {}) {
    const auto session = begun(source);
    const auto committed = try_commit(*session, std::move(refs));
    REQUIRE(committed);
    return session->name();
  }
  Result<std::optional<Snapshot>> try_read(const SnapshotName& name) {
    auto task = read_snapshot(client, repository, name);
    return attempt(std::move(task));
  }
  Snapshot read(const SnapshotName& name) {
    auto snapshot = try_read(name);
    REQUIRE(snapshot);
    REQUIRE(*snapshot);
    return **std::move(snapshot);
  }
  Result<Snapshot> find(const std::string& name) {
    auto task = find_snapshot(client, repository, name);
    return attempt(std::move(task));
  }
  void bury_it(const SnapshotName& name) {
    auto task = bury(client, repository, name);
    run(std::move(task));
  }
  // As a collector does to a session that seems dead.
  void abort(const SnapshotName& name) {
    const auto key = name.commit();
    const auto salt = fresh_salt(*env);
    overwrite(key, format::build_abort(repository.keys, key, salt, format::Abort{1, "test"}));
  }
  void condemn(const format::PackId& pack, std::uint64_t watermark = 0) {
    auto collector = opened();
    format::CondemnRecord record;
    record.packs.push_back(pack);
    record.watermark = watermark;
    const format::LogRecord condemned = record;
    auto task = append_log(client, collector, condemned);
    run(std::move(task));
  }

  Repository repository;
};

}  // namespace snapvault::store
