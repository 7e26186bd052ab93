#include <doctest/doctest.h>

#include <functional>

#include "api/state.hpp"
#include "provider/blocking.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

TEST_SUITE_BEGIN("api/stop");

namespace snapvault {
namespace {

// A store in which the put of a commit meets what the test says.
class Meeting final : public provider::BlockingProvider {
 public:
  using Put = std::function<Result<void>(BlockingProvider& store, const PutRequest& request)>;
  Put commit;                                     // empty: nothing special
  std::function<Result<void>(const char*)> look;  // asked before gets and stats of commits

  Capabilities capabilities() const override { return store_->capabilities(); }

 private:
  static bool is_commit(const std::string& key) { return key.ends_with(".commit"); }
  Result<base::Bytes> do_get(const GetRequest& r) override {
    if (look && is_commit(r.key)) SV_CHECK(look("get"));
    return store_->get_now(r);
  }
  Result<void> do_put(const PutRequest& r) override {
    if (!commit || !is_commit(r.key)) return store_->put_now(r);
    const auto once = std::exchange(commit, {});
    return once(*store_, r);
  }
  Result<ListPage> do_list(const ListRequest& r) override { return store_->list_now(r); }
  Result<void> do_remove(const RemoveRequest& r) override { return store_->remove_now(r); }
  Result<ObjectInfo> do_stat(const StatRequest& r) override {
    if (look && is_commit(r.key)) SV_CHECK(look("stat"));
    return store_->stat_now(r);
  }
  Result<void> do_sync(const RequestLimits& r) override { return store_->sync_now(r); }

  std::shared_ptr<BlockingProvider> store_ =
      std::dynamic_pointer_cast<BlockingProvider>(provider::make_memory());
};

Error stopped() { return Error(Errc::cancelled, reason::cancelled, "the request was cancelled"); }
Error lost() { return Error(Errc::outcome_unknown, reason::lost_answer, "the answer was lost"); }

// A put that ignores its stop.
Result<void> put_anyway(provider::BlockingProvider& store, PutRequest request) {
  request.limits = {};
  return store.put_now(request);
}

struct Fixture {
  std::shared_ptr<Meeting> store = std::make_shared<Meeting>();
  Repository repository = make();
  std::stop_source stop;
  test::MemoryVolume volume{test::noise(100'000, 1)};

  Repository make() const {
    InitOptions options;
    options.no_passphrase = true;
    options.runtime = make_runtime(base::make_virtual_env(3), 32u << 20);
    auto made = Repository::init(store, options);
    REQUIRE(made);
    return *std::move(made);
  }
  Result<BackupReport> backup() {
    BackupOptions options;
    options.source = "volume";
    options.stop = stop.get_token();
    return repository.backup(volume, options);
  }
  std::size_t listed() const {
    const auto all = repository.snapshots();
    REQUIRE(all);
    return all->size();
  }
};

TEST_CASE_FIXTURE(Fixture, "a commit that was put before its stop was seen is a success") {
  for (const bool answers_lost : {false, true}) {
    store->commit = [&](auto& inner, const PutRequest& request) -> Result<void> {
      stop.request_stop();
      REQUIRE(put_anyway(inner, request));
      return answers_lost ? lost() : stopped();
    };
    const auto report = backup();
    REQUIRE(report);
    const auto all = repository.snapshots();
    REQUIRE(all);
    CHECK(all->front().id == report->snapshot.id);
    stop = std::stop_source();
  }
  CHECK(listed() == 2);
}

TEST_CASE_FIXTURE(Fixture, "a stop while the commit was put and took no effect is cancelled") {
  store->commit = [&](auto&, const PutRequest&) -> Result<void> {
    stop.request_stop();
    return stopped();
  };
  CHECK(backup().error().code() == Errc::cancelled);
  CHECK(listed() == 0);
  stop = std::stop_source();
  CHECK(backup());
  CHECK(listed() == 1);
}

TEST_CASE_FIXTURE(Fixture, "a put that arrives after the job was cancelled makes no snapshot") {
  std::optional<PutRequest> late;
  provider::BlockingProvider* inner = nullptr;
  store->commit = [&](auto& to, const PutRequest& request) -> Result<void> {
    stop.request_stop();
    late = request;
    inner = &to;
    return stopped();
  };
  CHECK(backup().error().code() == Errc::cancelled);
  REQUIRE(late);
  CHECK(put_anyway(*inner, *late).error().code() == Errc::already_exists);
  CHECK(listed() == 0);
}

TEST_CASE_FIXTURE(Fixture, "a store that can no longer tell leaves the outcome unknown") {
  store->commit = [&](auto& inner, const PutRequest& request) -> Result<void> {
    stop.request_stop();
    REQUIRE(put_anyway(inner, request));
    return stopped();
  };
  store->look = [](const char*) -> Result<void> {
    return Error(Errc::unavailable, reason::store_failed, "the store is gone");
  };
  const auto report = backup();
  REQUIRE(!report);
  CHECK(report.error().code() == Errc::outcome_unknown);
  CHECK(report.error().hint() == "list the snapshots");
}

TEST_CASE_FIXTURE(Fixture, "a look that fails for a moment is tried again") {
  store->commit = [&](auto& inner, const PutRequest& request) -> Result<void> {
    REQUIRE(put_anyway(inner, request));
    return lost();
  };
  int looks = 0;
  store->look = [&](const char*) -> Result<void> {
    if (++looks % 3 == 0) return {};
    return Error(Errc::unavailable, reason::store_failed, "busy");
  };
  CHECK(backup());
  CHECK(looks == 6);
}

}  // namespace
}  // namespace snapvault

TEST_SUITE_END();
