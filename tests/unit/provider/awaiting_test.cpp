#include "provider/awaiting.hpp"

#include <doctest/doctest.h>

#include <new>
#include <stdexcept>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "provider/client.hpp"
#include "scratch.hpp"

TEST_SUITE_BEGIN("provider/awaiting");

namespace snapvault::provider {
namespace {

// A store that answers each request after a while, or fails in the way it is told to.
class Store final : public AwaitingProvider {
 public:
  enum class Way { good, throws, cannot_begin };

  explicit Store(std::shared_ptr<base::Env> in, bool* gone = nullptr)
      : AwaitingProvider(std::move(in)), gone_(gone) {}
  ~Store() override {
    if (gone_) *gone_ = true;
  }
  Capabilities capabilities() const override { return {}; }

  Way way = Way::good;
  int begun = 0;

 private:
  template <class T>
  base::Task<Result<T>> answer(T value) {
    if (way == Way::cannot_begin) throw std::bad_alloc();
    return answer_later(*this, std::move(value));
  }
  template <class T>
  static base::Task<Result<T>> answer_later(Store& self, T value) {
    ++self.begun;
    const auto until = self.env().monotonic() + base::kMillisecond;
    co_await base::sleep_until(self.env(), until);
    if (self.way == Way::throws) throw std::runtime_error("a defect");
    co_return value;
  }
  static base::Task<Result<void>> nothing(base::Task<Result<int>> task) {
    auto done = co_await std::move(task);
    if (!done) co_return done.error();
    co_return Result<void>();
  }

  static base::Task<Result<void>> hold(PutRequest request, base::Task<Result<void>> task) {
    auto done = co_await std::move(task);
    CHECK_FALSE(request.key.empty());
    co_return done;
  }

  base::Task<Result<base::Bytes>> do_get(GetRequest request) override {
    return answer(bytes_of(request.key));
  }
  base::Task<Result<void>> do_put(PutRequest request) override {
    auto answering = nothing(answer(1));
    return hold(std::move(request), std::move(answering));
  }
  base::Task<Result<ListPage>> do_list(ListRequest) override { return answer(ListPage{}); }
  base::Task<Result<void>> do_remove(RemoveRequest) override { return nothing(answer(1)); }
  base::Task<Result<ObjectInfo>> do_stat(StatRequest request) override {
    return answer(ObjectInfo{.key = request.key, .size = 5});
  }
  base::Task<Result<void>> do_prepare(RequestLimits) override { return nothing(answer(1)); }
  base::Task<Result<void>> do_create_root(RequestLimits) override { return nothing(answer(1)); }
  base::Task<Result<std::vector<Finding>>> do_examine(RequestLimits) override {
    return answer(std::vector<Finding>(2));
  }

  bool* const gone_;
};

// All requests of a client in turn; the codes that are no success.
base::Task<Result<std::vector<Errc>>> ask_all(Client& client) {
  std::vector<Errc> out;
  const auto note = [&out](const auto& result) {
    if (!result) out.push_back(result.error().code());
  };
  auto get = client.get("key");
  note(co_await std::move(get));
  auto put = client.create("key", PutBody(bytes_of("x")));
  note(co_await std::move(put));
  auto list = client.list_page("k", "");
  note(co_await std::move(list));
  auto remove = client.remove({"key"});
  note(co_await std::move(remove));
  auto stat = client.stat("key");
  note(co_await std::move(stat));
  auto prepare = client.prepare();
  note(co_await std::move(prepare));
  auto create_root = client.create_root();
  note(co_await std::move(create_root));
  auto examine = client.examine();
  note(co_await std::move(examine));
  co_return out;
}

// Counts the completions of requests that nobody awaits.
template <class T>
Completion<T> count(int& completed, Errc expected) {
  return [&completed, expected](const Result<T>& result) {
    ++completed;
    REQUIRE_FALSE(result);
    CHECK(result.error().code() == expected);
  };
}

}  // namespace

TEST_CASE("every request is a coroutine on the store's own loop, real or virtual") {
  for (const bool real : {false, true}) {
    const auto env = real ? base::make_thread_env({}) : base::make_virtual_env(3);
    const auto store = std::make_shared<Store>(real ? base::make_thread_env({}) : env);
    Client client(*env, store);
    const auto failed = base::run_sync(*env, ask_all(client));
    REQUIRE(failed);
    CHECK(failed->empty());
    CHECK(store->begun == 8);
    REQUIRE(base::run_sync(*env, client.sync()));  // there is nothing to do
  }
}

TEST_CASE("what a request throws, while it begins or later, is its error") {
  for (const auto& [way, code] : {std::pair{Store::Way::throws, Errc::internal},
                                  std::pair{Store::Way::cannot_begin, Errc::resource_exhausted}}) {
    const auto env = base::make_virtual_env(3);
    const auto store = std::make_shared<Store>(env);
    store->way = way;
    Client client(*env, store);
    const auto failed = base::run_sync(*env, ask_all(client));
    REQUIRE(failed);
    CHECK(*failed == std::vector<Errc>(8, code));
  }
}

TEST_CASE("a request that cannot be right, or has no time left, completes at once") {
  const auto env = base::make_virtual_env(3);
  Store store(env);
  int completed = 0;
  const auto wrong = Errc::invalid_argument;
  store.get({.key = "A"}, count<base::Bytes>(completed, wrong));
  store.put(put_of("/a", ""), count<void>(completed, wrong));
  store.list({.prefix = "//"}, count<ListPage>(completed, wrong));
  store.remove({.keys = {}}, count<void>(completed, wrong));
  store.stat({.key = ""}, count<ObjectInfo>(completed, wrong));
  CHECK(completed == 5);
  std::stop_source stop;
  stop.request_stop();
  const RequestLimits stopped{{}, stop.get_token()};
  store.get({.key = "a", .limits = stopped}, count<base::Bytes>(completed, Errc::cancelled));
  store.sync(stopped, count<void>(completed, Errc::cancelled));
  store.prepare(stopped, count<void>(completed, Errc::cancelled));
  store.create_root(stopped, count<void>(completed, Errc::cancelled));
  store.examine(stopped, count<std::vector<Finding>>(completed, Errc::cancelled));
  CHECK(completed == 10);
  CHECK(store.begun == 0);
}

TEST_CASE("what a request held is gone when it completes") {
  const auto env = base::make_virtual_env(3);
  const auto part = std::make_shared<const base::Bytes>(bytes_of("x"));
  struct Seen {
    const std::shared_ptr<const base::Bytes>& part;
    base::Env& env;
    long holders = 0;
    bool done = false;
  } seen{part, *env};
  Store store(env);
  PutRequest request = put_of("a", "");
  request.body = PutBody({part}, 0);
  store.put(std::move(request), [&seen](const Result<void>& result) {
    CHECK(result);
    seen.holders = seen.part.use_count();
    seen.env.signal(seen.done);
  });
  base::Work nothing;
  nothing.run = [](base::Work&) noexcept {};
  env->drive(nothing, seen.done);
  CHECK(seen.holders == 1);
}

TEST_CASE("a store may go as soon as its last completion ran, or in it") {
  for (int i = 0; i < 50; ++i) {
    const auto env = base::make_thread_env({});
    bool gone = false, gone_before = false;
    auto wait = [](base::Env& in, const bool& over) -> base::Task<Result<void>> {
      while (!over) co_await base::sleep_until(in, in.monotonic() + base::kMillisecond);
      co_return Result<void>();
    };
    {
      auto store = std::make_shared<Store>(env, &gone);
      auto& raw = *store;
      // The completion holds the last reference.
      raw.get({.key = "a"}, [store = std::move(store), &gone, &gone_before](auto result) mutable {
        CHECK(result);
        gone_before = gone;
        store.reset();
      });
    }
    REQUIRE(base::run_sync(*env, wait(*env, gone)));
    CHECK_FALSE(gone_before);
  }
}

}  // namespace snapvault::provider

TEST_SUITE_END();
