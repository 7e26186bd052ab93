// Refs that a hostile or damaged store gives.
#include "snapshot_world.hpp"

TEST_SUITE_BEGIN("store/refs");

namespace snapvault::store {
namespace {

// A snapshot whose refs stand in an object, and the name of that.
struct Foreign {
  explicit Foreign(SnapshotWorld& world) {
    const auto session = world.begun("a");
    session->reuses(pack_of({}, 1));
    format::Refs refs;
    refs.entries = {{pack_of({}, 1), 3}};
    REQUIRE(world.try_commit(*session, refs));
    snapshot = world.read(session->name());
    object = format::refs_name(session->id(), 0);
  }
  Snapshot snapshot;
  std::string object;
};

Result<format::Refs> refs_of(SnapshotWorld& world, const Snapshot& snapshot) {
  auto task = read_refs(world.client, world.repository, snapshot);
  return world.attempt(std::move(task));
}

// A refs object with this in it.
void replace(SnapshotWorld& world, const std::string& name, format::RecordKind kind,
             base::ByteView plain) {
  const auto salt = fresh_salt(*world.env);
  format::ObjectBuilder builder(world.repository.keys, format::ObjectType::refs, name, salt);
  builder.add(kind, plain);
  world.overwrite(name, std::move(builder).finish());
}

}  // namespace

TEST_CASE("an object of refs that holds something else is data loss") {
  SnapshotWorld world;
  const Foreign foreign(world);
  CHECK(refs_of(world, foreign.snapshot)->entries.size() == 1);
  replace(world, foreign.object, format::RecordKind::json, base::as_bytes("{}"));
  CHECK(reason_of(refs_of(world, foreign.snapshot)) == reason::bad_format);
  replace(world, foreign.object, format::RecordKind::refs, base::Bytes(7));
  CHECK(refs_of(world, foreign.snapshot).error().code() == Errc::data_loss);
  CHECK(refs_of(world, foreign.snapshot).error().subject() == foreign.object);
  world.erase(foreign.object);
  CHECK(reason_of(refs_of(world, foreign.snapshot)) == reason::object_missing);
}

TEST_CASE("refs that the store does not give are its error, not data loss") {
  SnapshotWorld world;
  const Foreign foreign(world);
  world.store->arm(provider::Fault::permission, 1, true);
  CHECK(refs_of(world, foreign.snapshot).error().code() == Errc::permission_denied);
}

TEST_CASE("a snapshot without refs, or over a base without any, is data loss") {
  SnapshotWorld world;
  const Foreign foreign(world);
  auto silent = foreign.snapshot;
  silent.commit.refs_object.reset();
  CHECK(reason_of(refs_of(world, silent)) == reason::bad_format);

  format::Refs delta;
  delta.base.emplace();
  delta.base->order = foreign.snapshot.name.order;
  delta.base->session = foreign.snapshot.name.session;
  delta.base->n = format::RefsBase::kInline;
  delta.base->entries = 1;
  delta.entries = {{pack_of({}, 1), 1}};
  const auto over = world.read(world.snapshot("a", delta));
  CHECK(reason_of(refs_of(world, over)) == reason::bad_format);  // the base's are not inline
  world.abort(foreign.snapshot.name);
  CHECK(reason_of(refs_of(world, over)) == reason::bad_format);  // the base is no snapshot
}

}  // namespace snapvault::store

TEST_SUITE_END();
