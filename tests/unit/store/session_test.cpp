#include "store/session.hpp"

#include <algorithm>
#include <set>

#include "snapshot_world.hpp"

TEST_SUITE_BEGIN("store/session");

namespace snapvault::store {
namespace {

format::Refs refs_to(std::vector<format::PackId> packs) {
  format::Refs refs;
  std::ranges::sort(packs);
  for (const auto& pack : packs) refs.entries.push_back({pack, 1});
  return refs;
}

}  // namespace

TEST_CASE("a session announces itself, names its parent, and commits once") {
  SnapshotWorld world;
  const auto parent = world.read(world.snapshot("a"));
  const auto session = world.begun("a", parent);
  CHECK(session->source() == "a");
  CHECK(session->parent());
  const auto begin = format::read_begin(world.repository.keys, session->name().begin(),
                                        world.bytes(session->name().begin()));
  REQUIRE(begin);
  CHECK(begin->source == "a");
  CHECK(begin->parent == parent.name.session);
  CHECK(begin->parent_order == parent.name.order);
  CHECK(begin->time == world.env->wall_seconds());
  REQUIRE(world.try_commit(*session));
  const auto snapshot = world.read(session->name());
  CHECK(snapshot.commit.manifest.source == "a");
  CHECK(world.find("a@latest")->name == session->name());
}

TEST_CASE("beginning takes two requests, and committing two") {
  SnapshotWorld world;
  const auto listing = world.listing("a");
  provider::Client client(*world.env, world.memory);
  auto begin = Session::begin(client, world.repository, "a", listing, std::nullopt);
  const auto session = world.run(std::move(begin));
  CHECK(client.traffic().requests() == 2);
  auto commit = session->commit(client, world.repository, empty_manifest(), empty_nodes(), {});
  world.run(std::move(commit));
  CHECK(client.traffic().requests() == 4);
}

TEST_CASE("orders stand above the source's names, the log and the watermark") {
  SnapshotWorld world;
  CHECK(world.begun("a")->name().order == 1);
  CHECK(world.begun("a")->name().order == 2);
  for (int i = 0; i < 4; ++i) {
    format::PolicyRecord policy;
    policy.full_every = 3;
    const format::LogRecord record = policy;
    auto task = append_log(world.client, world.repository, record);
    world.run(std::move(task));
  }
  CHECK(world.begun("a")->name().order == 3u << 20);
  CHECK(world.begun("a")->name().order == (3u << 20) + 1);
  CHECK(world.begun("b")->name().order == 3u << 20);

  // A collection that announced itself after this handle last looked: the session starts again.
  world.condemn(pack_of({}), 4u << 20);
  const auto session = world.begun("a");
  CHECK(session->name().order == 4u << 20);
  CHECK(world.listing("a").unfinished.size() == 5 + 1);
}

TEST_CASE("names of sources are checked, and a read-only repository is not written") {
  SnapshotWorld world;
  const SourceListing nothing;
  auto bad = Session::begin(world.client, world.repository, "a@b", nothing, std::nullopt);
  CHECK(reason_of(world.attempt(std::move(bad))) == reason::bad_name);
  const auto session = world.begun("a");
  const auto puts = world.client.traffic().puts;

  auto newer = world.opened();
  format::FeaturesRecord features;
  features.write_required = {"time-travel"};
  const format::LogRecord record = features;
  auto append = append_log(world.client, newer, record);
  world.run(std::move(append));
  // Both learn of it only by their own reading of the log.
  CHECK(reason_of(world.try_commit(*session)) == reason::access);
  CHECK(reason_of(world.try_begin("a")) == reason::access);
  CHECK(world.listing("a").committed.empty());
  CHECK(world.client.traffic().puts == puts + 1);
}

TEST_CASE("a parent whose packs are condemned, or unknown, is dropped") {
  SnapshotWorld world;
  const auto pack = pack_of(world.begun("x")->id(), 7);
  const auto parent = world.read(world.snapshot("a", refs_to({pack})));
  const auto other = world.read(world.snapshot("a", refs_to({pack_of(pack.session, 8)})));
  world.condemn(pack);
  CHECK(!world.begun("a", parent)->parent());
  CHECK(world.begun("a", other)->parent());

  const auto session = world.begun("a");
  session->reuses(pack_of(pack.session, 9));
  REQUIRE(world.try_commit(*session, refs_to({pack_of(pack.session, 9)})));
  const auto with_object = world.read(session->name());
  CHECK(world.begun("a", with_object)->parent());
  world.erase(format::refs_name(session->id(), 0));
  CHECK(!world.begun("a", with_object)->parent());
}

TEST_CASE("packs that are condemned before the commit abort it, also through the base of a delta") {
  SnapshotWorld world;
  const auto pack = pack_of(world.begun("x")->id(), 7);
  const auto base = world.snapshot("a", refs_to({pack}));
  format::Refs delta;
  delta.base.emplace();
  delta.base->order = base.order;
  delta.base->session = base.session;
  delta.base->entries = 1;
  const auto direct = world.begun("a");
  const auto through_base = world.begun("a");
  const auto without = world.begun("a");
  const auto unrelated = world.begun("a");
  world.condemn(pack);
  for (const auto& [session, refs] :
       {std::pair{direct.get(), refs_to({pack})}, std::pair{through_base.get(), delta}}) {
    const auto committed = world.try_commit(*session, refs);
    CHECK(reason_of(committed) == reason::session_aborted);
    CHECK(committed.error().code() == Errc::aborted);
  }
  delta.entries = {{pack, -1}};
  CHECK(world.try_commit(*without, delta));
  CHECK(world.try_commit(*unrelated, refs_to({pack_of(pack.session, 8)})));
  CHECK(world.listing("a").committed.size() == 3);
}

TEST_CASE("refs stand inline if they are small and name nothing foreign") {
  SnapshotWorld world;
  const auto small = world.snapshot("a", refs_to({pack_of({}, 1)}));
  CHECK(world.read(small).commit.refs);
  CHECK(world.keys("refs/").empty());

  const auto session = world.begun("a");
  format::Refs large;
  for (std::uint32_t n = 0; n < 30'000; ++n)
    large.entries.push_back({pack_of(session->id(), n), 1});
  REQUIRE(world.try_commit(*session, large));
  const auto snapshot = world.read(session->name());
  CHECK(!snapshot.commit.refs);
  REQUIRE(snapshot.commit.refs_object);
  CHECK(snapshot.commit.refs_object->session == session->id());
  CHECK(snapshot.commit.refs_object->entries == 30'000);
  CHECK(world.keys("refs/") == std::vector{format::refs_name(session->id(), 0)});
  auto task = read_refs(world.client, world.repository, snapshot);
  CHECK(world.run(std::move(task)).entries.size() == 30'000);
}

TEST_CASE("an ABORT that won the register ends the session") {
  SnapshotWorld world;
  const auto session = world.begun("a");
  world.abort(session->name());
  const auto committed = world.try_commit(*session);
  CHECK(reason_of(committed) == reason::session_aborted);
  CHECK(committed.error().code() == Errc::aborted);

  const auto other = world.begun("a");
  world.overwrite(other->name().commit(), base::Bytes(200));
  CHECK(world.try_commit(*other).error().code() == Errc::data_loss);
}

TEST_CASE("whatever fails, a session is committed if and only if it says so or does not know") {
  for (const auto fault : provider::kFaults) {
    for (const bool for_ever : {false, true}) {
      for (std::uint64_t call = 1;; ++call) {
        SnapshotWorld world(call);
        const SourceListing nothing;
        world.store->arm(fault, call, for_ever);
        auto begin = Session::begin(world.client, world.repository, "a", nothing, std::nullopt);
        auto session = world.attempt(std::move(begin));
        std::optional<Result<void>> committed;
        if (session) {
          (*session)->reuses(pack_of({}, 1));
          committed = world.try_commit(**session, refs_to({pack_of({}, 1)}));
        }
        const bool hit = world.store->fired() > 0;
        world.store->disarm();
        CAPTURE(std::string(to_string(fault)));
        CAPTURE(call);
        auto again = world.opened();
        auto list = list_snapshots(world.client, again, "a");
        const auto all = world.run(std::move(list));
        CHECK(all.damaged.empty());
        const bool is_there = !all.snapshots.empty();
        if (committed && *committed) REQUIRE(is_there);
        if (is_there) {
          auto task = read_refs(world.client, again, all.snapshots[0]);
          CHECK(world.run(std::move(task)).entries.size() == 1);
          REQUIRE(committed);
          if (!*committed) {
            const auto code = committed->error().code();
            CHECK((code == Errc::outcome_unknown || code == Errc::deadline_exceeded));
          }
        }
        if (!hit) break;
      }
    }
  }
}

TEST_CASE("a put that the store repeats by itself is still ours, from init to commit") {
  World world;
  provider::Client client(*world.env, std::make_shared<RepeatingStore>(world.memory));
  auto making = init(client, raw_lock(), Policy{.full_every = 3});
  auto repository = world.run(std::move(making));
  CHECK(repository.log.next == 1);
  auto adding = add_slot(client, repository, raw_lock(2));
  world.run(std::move(adding));
  const format::LogRecord record = format::PolicyRecord{
      .full_every = 5, .protect_parents = {}, .compression = {}, .pack_size = {}};
  auto appending = append_log(client, repository, record);
  world.run(std::move(appending));
  const SourceListing nothing;
  auto begin = Session::begin(client, repository, "a", nothing, std::nullopt);
  const auto session = world.run(std::move(begin));
  session->reuses(pack_of({}, 1));
  auto commit = session->commit(client, repository, empty_manifest(), empty_nodes(),
                                refs_to({pack_of({}, 1)}));
  world.run(std::move(commit));
  auto burying = bury(client, repository, session->name());
  world.run(std::move(burying));
  const auto opened = world.opened(raw_unlock(2));
  CHECK(opened.slots.size() == 2);
  CHECK(opened.log.next == 2);
  CHECK(opened.log.policy.full_every == 5);
  CHECK(world.keys("src/").size() == 3);
}

TEST_CASE("two sessions of one source at once both commit, as siblings") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SnapshotWorld world(seed);
    const auto one = [&]() -> base::Task<Result<void>> {
      auto list = list_source(world.client, world.repository.keys.source_tag("a"));
      SV_CO_TRY(const auto listing, std::move(list));
      auto begin = Session::begin(world.client, world.repository, "a", listing, std::nullopt);
      SV_CO_TRY(const auto session, std::move(begin));
      auto commit = session->commit(world.client, world.repository, empty_manifest(), empty_nodes(),
                                    format::Refs());
      auto committed = co_await std::move(commit);
      co_return committed;
    };
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (int i = 0; i < 2; ++i) {
        auto task = one();
        auto start = group.spawn(std::move(task));
        co_await std::move(start);
      }
      co_return Result<void>();
    };
    auto both = base::with_group(world.env->loop(), 2, body);
    REQUIRE(world.attempt(std::move(both)));
    CHECK(world.listing("a").committed.size() == 2);
  }
}

TEST_CASE("the salts of a session all differ") {
  SnapshotWorld world;
  const auto session = world.begun("a");
  std::set<std::array<std::byte, 24>> salts;
  for (int i = 0; i < 100; ++i) salts.insert(session->salt());
  CHECK(salts.size() == 100);
}

}  // namespace snapvault::store
