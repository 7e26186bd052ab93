// A stop that comes while a snapshot is committed: there is one, or for certain none.
#include <functional>
#include <stop_token>

#include "snapshot_world.hpp"

TEST_SUITE_BEGIN("store/stop");

namespace snapvault::store {
namespace {

// Requests a stop while the first `.commit` is put, whose answer is lost.
class StoppingStore final : public provider::BlockingProvider {
 public:
  explicit StoppingStore(std::shared_ptr<provider::BlockingProvider> inner)
      : inner_(std::move(inner)) {}
  Capabilities capabilities() const override { return inner_->capabilities(); }

  std::stop_source stop;
  bool arrives = false;    // the put took effect
  bool goes_away = false;  // and nothing is answered any more
  std::function<void(const std::string& key)> meanwhile;

 private:
  Result<base::Bytes> do_get(const GetRequest& r) override {
    if (gone_) return gone();
    return inner_->get_now(r);
  }
  Result<void> do_put(const PutRequest& r) override {
    if (gone_) return gone();
    if (!r.key.ends_with(".commit") || stop.stop_requested()) return inner_->put_now(r);
    if (arrives) SV_CHECK(inner_->put_now(r));
    stop.request_stop();
    if (meanwhile) meanwhile(r.key);
    gone_ = goes_away;
    return Error(Errc::outcome_unknown, reason::lost_answer, "the answer was lost");
  }
  Result<ListPage> do_list(const ListRequest& r) override { return inner_->list_now(r); }
  Result<void> do_remove(const RemoveRequest& r) override { return inner_->remove_now(r); }
  Result<ObjectInfo> do_stat(const StatRequest& r) override {
    if (gone_) return gone();
    return inner_->stat_now(r);
  }
  Result<void> do_sync(const RequestLimits& r) override { return inner_->sync_now(r); }
  static Error gone() { return Error(Errc::permission_denied, reason::permission, "gone"); }

  std::shared_ptr<provider::BlockingProvider> inner_;
  bool gone_ = false;
};

struct Stopped {
  Stopped() : store(std::make_shared<StoppingStore>(world.memory)) {}
  Result<void> commit() {
    provider::Client client(*world.env, store, store->stop.get_token());
    const auto session = world.begun("a");
    name = session->name();
    auto task = session->commit(client, world.repository, empty_manifest(), empty_nodes(), {});
    return world.attempt(std::move(task));
  }
  SnapshotWorld world;
  std::shared_ptr<StoppingStore> store;
  SnapshotName name;
};

}  // namespace

TEST_CASE("a commit that never arrived is cancelled, and cannot arrive any more") {
  Stopped stopped;
  const auto committed = stopped.commit();
  REQUIRE_FALSE(committed);
  CHECK(committed.error().code() == Errc::cancelled);
  const auto register_held = stopped.world.try_read(stopped.name);
  REQUIRE(register_held);
  CHECK_FALSE(*register_held);  // ABORT
}

TEST_CASE("a commit that arrived is a snapshot, and success") {
  Stopped stopped;
  stopped.store->arrives = true;
  REQUIRE(stopped.commit());
  CHECK(stopped.world.find("a@latest")->name == stopped.name);
}

TEST_CASE("a register that a collection took meanwhile is its, not ours") {
  Stopped stopped;
  stopped.store->meanwhile = [&](const std::string&) { stopped.world.abort(stopped.name); };
  CHECK(reason_of(stopped.commit()) == reason::session_aborted);
}

TEST_CASE("where the store says nothing more the outcome is unknown, with a hint") {
  for (const bool arrives : {false, true}) {
    Stopped stopped;
    stopped.store->arrives = arrives;
    stopped.store->goes_away = true;
    const auto committed = stopped.commit();
    REQUIRE_FALSE(committed);
    CHECK(committed.error().code() == Errc::outcome_unknown);
    CHECK_FALSE(committed.error().hint().empty());
  }
}

TEST_CASE("a stop before the commit is put leaves none") {
  Stopped stopped;
  stopped.store->stop.request_stop();
  CHECK(reason_of(stopped.commit()) == reason::cancelled);
  CHECK(stopped.world.listing("a").committed.empty());
}

TEST_CASE("a parent that cannot be looked at while packs are condemned is the store's error") {
  SnapshotWorld world;
  format::Refs refs;
  const auto session = world.begun("a");
  session->reuses(pack_of({}, 1));
  refs.entries = {{pack_of({}, 1), 1}};
  REQUIRE(world.try_commit(*session, refs));
  const auto parent = world.read(session->name());
  world.condemn(pack_of({}, 2));
  std::uint64_t failed = 0;
  for (std::uint64_t call = 1;; ++call) {
    CAPTURE(call);
    auto fresh = world.opened();
    const auto shown = world.listing("a");
    world.store->arm(provider::Fault::permission, call, false);
    auto task = Session::begin(world.client, fresh, "a", shown, parent);
    const auto begun = world.attempt(std::move(task));
    const bool hit = world.store->fired() > 0;
    world.store->disarm();
    CHECK(begun.has_value() == !hit);
    if (!hit) break;
    ++failed;
    CHECK(begun.error().code() == Errc::permission_denied);
  }
  CHECK(failed == 3);  // begin, the log, the parent's refs
}

}  // namespace snapvault::store

TEST_SUITE_END();
