#include "store/sources.hpp"

#include <algorithm>

#include "snapshot_world.hpp"

TEST_SUITE_BEGIN("store/sources");

namespace snapvault::store {
namespace {

Result<AllSnapshots> all(SnapshotWorld& world, std::optional<std::string> source = {}) {
  auto task = list_snapshots(world.client, world.repository, std::move(source));
  return world.attempt(std::move(task));
}
std::vector<SnapshotName> names(const AllSnapshots& list) {
  std::vector<SnapshotName> out;
  for (const auto& snapshot : list.snapshots) out.push_back(snapshot.name);
  return out;
}
std::optional<Snapshot> latest(SnapshotWorld& world, const std::string& source) {
  const auto listing = world.listing(source);
  auto task = latest_snapshot(world.client, world.repository, listing);
  return world.run(std::move(task));
}
Result<format::Refs> refs_of(SnapshotWorld& world, const SnapshotName& name) {
  const auto snapshot = world.read(name);
  auto task = read_refs(world.client, world.repository, snapshot);
  return world.attempt(std::move(task));
}

}  // namespace

TEST_CASE("a source that never was is empty") {
  SnapshotWorld world;
  const auto listing = world.listing("vol");
  CHECK(listing.greatest_order == 0);
  CHECK(listing.committed.empty());
  CHECK(listing.unfinished.empty());
  CHECK(!latest(world, "vol"));
  CHECK(reason_of(world.find("vol@latest")) == reason::no_snapshot);
}

TEST_CASE("snapshots are listed newest first, sources apart") {
  SnapshotWorld world;
  const auto a1 = world.snapshot("a");
  const auto b1 = world.snapshot("b");
  const auto a2 = world.snapshot("a");
  const auto a3 = world.snapshot("a");
  CHECK(a1.order < a2.order);
  CHECK(a2.order < a3.order);
  CHECK(world.listing("a").committed == std::vector{a3, a2, a1});
  CHECK(world.listing("a").greatest_order == a3.order);
  CHECK(latest(world, "a")->name == a3);
  CHECK(names(*all(world, "a")) == std::vector{a3, a2, a1});
  const std::vector<SnapshotName> as{a3, a2, a1};
  auto expected = as;
  expected.insert(a1.tag < b1.tag ? expected.end() : expected.begin(), b1);
  CHECK(names(*all(world)) == expected);
  CHECK(all(world)->snapshots[0].commit.manifest.mode == "scan");
  auto task = list_sources(world.client);
  CHECK(world.run(std::move(task)).size() == 2);
}

TEST_CASE("of equal orders the greater session is the latest") {
  SnapshotWorld world;
  const auto listing = world.listing("a");
  std::vector<SnapshotName> siblings;
  for (int i = 0; i < 8; ++i) {
    auto begin = Session::begin(world.client, world.repository, "a", listing, std::nullopt);
    const auto session = world.run(std::move(begin));
    REQUIRE(world.try_commit(*session));
    siblings.push_back(session->name());
    CHECK(session->name().order == siblings[0].order);
  }
  std::ranges::sort(siblings, std::greater());
  CHECK(world.listing("a").committed == siblings);
  CHECK(latest(world, "a")->name == siblings[0]);
}

TEST_CASE("a tomb hides a snapshot, and its order still counts") {
  SnapshotWorld world;
  const auto first = world.snapshot("a");
  const auto second = world.snapshot("a");
  world.bury_it(second);
  world.bury_it(second);
  const auto listing = world.listing("a");
  CHECK(listing.committed == std::vector{first});
  CHECK(listing.greatest_order == second.order);
  CHECK(latest(world, "a")->name == first);
  CHECK(reason_of(world.find(second.session.hex())) == reason::no_snapshot);
  for (const auto& key : {second.begin(), second.commit()}) world.erase(key);
  CHECK(world.listing("a").greatest_order == second.order);
  CHECK(world.snapshot("a").order > second.order);
}

TEST_CASE("sessions without an end are unfinished, until they are buried") {
  SnapshotWorld world;
  const auto one = world.begun("a")->name();
  const auto two = world.begun("a")->name();
  CHECK(world.listing("a").unfinished == std::vector{two, one});
  CHECK(world.listing("a").committed.empty());
  world.bury_it(one);
  CHECK(world.listing("a").unfinished == std::vector{two});
}

TEST_CASE("an ABORT in the register is no snapshot") {
  SnapshotWorld world;
  const auto good = world.snapshot("a");
  const auto dead = world.begun("a")->name();
  world.abort(dead);
  CHECK(world.listing("a").committed == std::vector{dead, good});
  const auto read = world.try_read(dead);
  REQUIRE(read);
  CHECK(!*read);
  CHECK(latest(world, "a")->name == good);
  CHECK(names(*all(world)) == std::vector{good});
  CHECK(all(world)->damaged.empty());
  CHECK(world.find("a@latest")->name == good);
  CHECK(reason_of(world.find("a@latest~1")) == reason::no_snapshot);
  CHECK(reason_of(world.find(dead.session.hex())) == reason::no_snapshot);
  world.flip(dead.commit(), 100);
  CHECK(!world.try_read(dead));
}

TEST_CASE("foreign and hostile names in a listing are not there") {
  SnapshotWorld world;
  const auto good = world.snapshot("a");
  const auto prefix = format::source_prefix(good.tag);
  const auto session = good.session.hex();
  auto no_hex = session;
  no_hex[0] = 'g';
  const std::vector<std::string> hostile{
      prefix + "0000000000000000-" + session + ".commit",  // order 2^64 - 1
      prefix + "0000000000000001-" + session + ".begin",
      prefix + base::hex16(~kOrderEnd) + "-" + session + ".commit",
      prefix + "x",
      prefix + "fffffffffffffffe-" + no_hex + ".commit",
      prefix + "ffffffffffffffff-" + session,
      prefix + "ffffffffffffffff-" + session + ".other",
      prefix + "ffffffffffffffff-" + session.substr(1) + ".commit",
      prefix + "ffffffffffffffff-" + session + ".commit.commit",
      prefix + "fffffffffffffff-" + session + ".commit",
      prefix + "ffffffffffffffff-" + session + ".hb-00000001",
      prefix + "sub/ffffffffffffffff-" + session + ".commit",
      "src/zz/ffffffffffffffff-" + session + ".commit",
      "src/readme",
  };
  for (const auto& key : hostile) world.overwrite(key, base::Bytes(3));
  const auto listing = world.listing("a");
  CHECK(listing.committed == std::vector{good});
  CHECK(listing.unfinished.empty());
  CHECK(listing.greatest_order == good.order);
  CHECK(names(*all(world)) == std::vector{good});
  CHECK(world.snapshot("a").order == good.order + 1);
}

TEST_CASE("an order at the very end is refused instead of wrapping around") {
  SnapshotWorld world;
  SnapshotName last{
      .tag = world.repository.keys.source_tag("a"), .order = kOrderEnd - 1, .session = {}};
  world.overwrite(last.begin(), base::Bytes(3));
  const auto session = world.try_begin("a");
  REQUIRE(!session);
  CHECK(session.error().code() == Errc::data_loss);
}

TEST_CASE("snapshots are found by each kind of name") {
  SnapshotWorld world;
  const auto one = world.snapshot("cluster/vol-7");
  const auto two = world.snapshot("cluster/vol-7");
  const auto other = world.snapshot("abcdef");
  const auto found = [&](const std::string& name) {
    const auto snapshot = world.find(name);
    REQUIRE(snapshot);
    return snapshot->name;
  };
  CHECK(found("cluster/vol-7@latest") == two);
  CHECK(found("cluster/vol-7@latest~0") == two);
  CHECK(found("cluster/vol-7@latest~1") == one);
  CHECK(found("abcdef@latest") == other);
  for (const auto& name : {one, two, other}) {
    const auto id = name.session.hex();
    CHECK(found(id) == name);
    CHECK(found(id.substr(0, 6)) == name);
  }
  CHECK(found("cluster/vol-7-" + one.session.hex()) == one);
  CHECK(found("cluster/vol-7-" + one.session.hex().substr(0, 8)) == one);
  CHECK(found("abcdef-" + other.session.hex()) == other);

  for (const auto& name :
       {"cluster/vol-7@latest~2", "cluster/vol-7@latest~18446744073709551615", "nobody@latest",
        "nobody-123456", "0123456789abcdef0123456789abcdef", "abcdef"}) {
    CAPTURE(std::string(name));
    const auto none = world.find(name);
    CHECK(reason_of(none) == reason::no_snapshot);
    CHECK(none.error().code() == Errc::not_found);
  }
  CHECK(reason_of(world.find("abcdef-" + one.session.hex())) == reason::no_snapshot);
  for (const auto& name :
       {"", "vol", "abcde", "@latest", "vol@", "vol@first", "vol@latest~", "vol@latest~-1",
        "vol@latest~1x", "vol@latest~18446744073709551616", "vol@latest@latest", "vol-12345",
        "vol-ABCDEF12", "-123456", "vol-0123456789abcdef0123456789abcdef0", "a/b/c@latest",
        "a\nb@latest"}) {
    CAPTURE(std::string(name));
    const auto bad = world.find(name);
    CHECK(reason_of(bad) == reason::bad_name);
    CHECK(bad.error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("a prefix that fits two snapshots is ambiguous, unless one is none") {
  SnapshotWorld world;
  const auto make = [&](const char* hex, bool is_abort) {
    SnapshotName name{.tag = world.repository.keys.source_tag("a"), .order = 5, .session = {}};
    name.session = *format::parse_session(hex);
    if (is_abort) return world.abort(name), name;
    const auto salt = fresh_salt(*world.env);
    format::Commit commit;
    commit.manifest = empty_manifest();
    commit.manifest.source = "a";
    commit.nodes = empty_nodes();
    commit.refs.emplace();
    world.overwrite(name.commit(),
                    format::build_commit(world.repository.keys, name.commit(), salt, commit));
    return name;
  };
  const auto one = make("abcdef00000000000000000000000001", false);
  make("abcdef00000000000000000000000002", true);
  CHECK(world.find("abcdef")->name == one);
  CHECK(world.find("a-abcdef")->name == one);
  make("abcdef00000000000000000000000003", false);
  for (const auto& name : {"abcdef", "a-abcdef"}) {
    const auto found = world.find(name);
    CHECK(reason_of(found) == reason::ambiguous_name);
    CHECK(found.error().code() == Errc::invalid_argument);
  }
  CHECK(world.find(one.session.hex())->name == one);
}

TEST_CASE("a damaged commit does not hide the others, but is never taken for the latest") {
  SnapshotWorld world;
  const auto one = world.snapshot("a");
  const auto two = world.snapshot("a");
  const auto three = world.snapshot("a");
  world.flip(two.commit(), 120);
  auto list = all(world);
  REQUIRE(list);
  CHECK(names(*list) == std::vector{three, one});
  REQUIRE(list->damaged.size() == 1);
  CHECK(list->damaged[0].name == two);
  CHECK(list->damaged[0].error.code() == Errc::data_loss);
  CHECK(latest(world, "a")->name == three);
  CHECK(world.find("a@latest~1").error().code() == Errc::data_loss);

  world.overwrite(three.commit(), world.bytes(one.commit()));  // replayed under another name
  const auto listing = world.listing("a");
  auto task = latest_snapshot(world.client, world.repository, listing);
  CHECK(world.attempt(std::move(task)).error().code() == Errc::data_loss);
  CHECK(all(world)->damaged.size() == 2);
}

TEST_CASE("a commit that is listed but gone is data loss; one never listed is no snapshot") {
  SnapshotWorld world;
  const auto name = world.snapshot("a");
  const auto listing = world.listing("a");
  world.erase(name.commit());
  CHECK(reason_of(world.try_read(name)) == reason::no_snapshot);
  auto task = latest_snapshot(world.client, world.repository, listing);
  CHECK(reason_of(world.attempt(std::move(task))) == reason::object_missing);
}

TEST_CASE("a list that cannot be read is an error, not a shorter list") {
  SnapshotWorld world;
  for (int i = 0; i < 5; ++i) world.snapshot("a");
  for (std::uint64_t call = 1; call <= 6; ++call) {
    world.store->arm(provider::Fault::unavailable, call, false);
    const auto list = all(world);
    CHECK(world.store->fired() == 1);
    CHECK(!list);
  }
  world.store->disarm();
  CHECK(reason_of(all(world, "a@b")) == reason::bad_name);
}

TEST_CASE("many snapshots are listed with one request each and one for the listing") {
  SnapshotWorld world;
  for (int i = 0; i < 40; ++i) world.snapshot(i % 2 ? "a" : "b");
  provider::Client client(*world.env, world.memory);
  auto task = list_snapshots(client, world.repository, std::nullopt);
  CHECK(world.run(std::move(task)).snapshots.size() == 40);
  CHECK(client.traffic().requests() == 41);
}

TEST_CASE("finding one of many snapshots reads that one only, and names those that came after") {
  SnapshotWorld world;
  std::vector<SnapshotName> names;
  for (int i = 0; i < 20; ++i) names.push_back(world.snapshot("db"));
  auto before = world.client.traffic();
  auto finding = find_among(world.client, world.repository, "db@latest");
  auto found = world.run(std::move(finding));
  CHECK(found.snapshot.name == names.back());
  CHECK(found.newer.empty());
  CHECK(world.client.traffic().gets - before.gets == 1);
  CHECK(world.client.traffic().lists - before.lists == 1);
  auto middle = find_among(world.client, world.repository, "db-" + names[15].session.hex());
  found = world.run(std::move(middle));
  CHECK(found.snapshot.name == names[15]);
  CHECK(found.newer == std::vector<SnapshotName>{names[19], names[18], names[17], names[16]});
}

TEST_CASE("a list keeps what describes a snapshot, and not its map") {
  SnapshotWorld world;
  const auto name = world.snapshot("a");
  const auto whole = world.read(name);
  CHECK(!whole.commit.nodes.nodes.empty());
  const auto list = all(world);
  REQUIRE(list);
  REQUIRE(list->snapshots.size() == 1);
  const auto& listed = list->snapshots.front();
  CHECK(listed.name == name);
  CHECK(listed.record_bytes == world.bytes(name.commit()).size());
  CHECK(listed.commit.manifest.size == whole.commit.manifest.size);
  CHECK(listed.commit.manifest.tags == whole.commit.manifest.tags);
  CHECK(listed.commit.nodes.nodes.capacity() == 0);
  CHECK(!listed.commit.refs);
  CHECK(listed.commit.manifest.samples.capacity() == 0);
  CHECK(listed.commit.manifest.base_token.capacity() == 0);
}

TEST_CASE("refs are resolved over their base, inline or not, buried or not") {
  SnapshotWorld world;
  for (const bool foreign : {false, true}) {
    CAPTURE(foreign);
    const auto session = world.begun("a");
    if (foreign) session->reuses(pack_of(session->id()));
    format::Refs full;
    full.entries = {{pack_of(session->id(), 1), 10}, {pack_of(session->id(), 2), 20}};
    REQUIRE(world.try_commit(*session, full));
    const auto first = session->name();
    CHECK(world.read(first).commit.refs.has_value() != foreign);
    const auto direct = refs_of(world, first);
    REQUIRE(direct);
    CHECK(direct->entries.size() == 2);

    format::Refs delta;
    delta.base.emplace();
    delta.base->order = first.order;
    delta.base->session = first.session;
    delta.base->n = foreign ? 0 : format::RefsBase::kInline;
    delta.base->entries = 2;
    delta.entries = {{pack_of(first.session, 1), -10}, {pack_of(first.session, 3), 5}};
    const auto second = world.snapshot("a", delta);
    world.bury_it(first);
    const auto resolved = refs_of(world, second);
    REQUIRE(resolved);
    REQUIRE(resolved->entries.size() == 2);
    CHECK(resolved->entries[0].pack == pack_of(first.session, 2));
    CHECK(resolved->entries[1].live == 5);

    auto deeper = delta;
    deeper.base->session = second.session;
    deeper.base->order = second.order;
    deeper.base->n = format::RefsBase::kInline;
    CHECK(refs_of(world, world.snapshot("a", deeper)).error().code() == Errc::data_loss);
    auto wrong = delta;
    wrong.base->entries = 3;
    CHECK(refs_of(world, world.snapshot("a", wrong)).error().code() == Errc::data_loss);
    auto below = delta;
    below.entries[0].live = -11;
    CHECK(refs_of(world, world.snapshot("a", below)).error().code() == Errc::data_loss);

    const auto base = foreign ? format::refs_name(first.session, 0) : first.commit();
    world.flip(base, 8);  // it claims another suite, as a later format would
    CHECK(refs_of(world, second).error().code() == Errc::data_loss);
    CHECK(refs_of(world, second).error().subject() == base);
    world.erase(base);
    CHECK(reason_of(refs_of(world, second)) == reason::object_missing);
  }
}

TEST_CASE("burying needs a repository that may be written") {
  SnapshotWorld world;
  const auto name = world.snapshot("a");
  world.repository.log.read_only = true;
  auto task = bury(world.client, world.repository, name);
  CHECK(reason_of(world.attempt(std::move(task))) == reason::access);
  CHECK(world.listing("a").committed.size() == 1);
}

}  // namespace snapvault::store
