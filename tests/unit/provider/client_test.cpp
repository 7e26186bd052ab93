#include "provider/client.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <thread>

#include "base/reasons.hpp"
#include "provider/memory.hpp"
#include "scratch.hpp"

TEST_SUITE_BEGIN("provider/client");

namespace snapvault::provider {
namespace {

template <class T>
Result<T> run(base::Env& env, base::Task<Result<T>> task) {
  return base::run_sync(env, std::move(task));
}

// Completions answered by the test: each request takes the next scripted answer of its kind, or
// asks the memory store behind it.
class Scripted : public Provider {
 public:
  Capabilities capabilities() const override { return behind->capabilities(); }
  void get(GetRequest request, Completion<base::Bytes> done) override {
    answer(
        gets, [&] { behind->get(request, done); }, done);
  }
  void put(PutRequest request, Completion<void> done) override {
    answer(
        puts, [&] { behind->put(request, done); }, done);
  }
  void list(ListRequest request, Completion<ListPage> done) override {
    answer(
        lists, [&] { behind->list(request, done); }, done);
  }
  void remove(RemoveRequest request, Completion<void> done) override {
    removed.push_back(request.keys.size());
    behind->remove(std::move(request), std::move(done));
  }
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    answer(
        stats, [&] { behind->stat(request, done); }, done);
  }
  void sync(RequestLimits limits, Completion<void> done) override {
    ++syncs;
    answer(
        sync_answers, [&] { behind->sync(limits, done); }, done);
  }

  std::shared_ptr<Provider> behind = make_memory();
  std::deque<Result<base::Bytes>> gets;
  std::deque<Result<void>> puts, sync_answers;
  std::deque<Result<ListPage>> lists;
  std::deque<Result<ObjectInfo>> stats;
  std::vector<std::size_t> removed;
  int syncs = 0;

 private:
  template <class T, class Ask>
  static void answer(std::deque<Result<T>>& script, Ask ask, Completion<T>& done) {
    if (script.empty()) return ask();
    auto next = std::move(script.front());
    script.pop_front();
    done(std::move(next));
  }
};

Error lost() { return Error(Errc::outcome_unknown, reason::lost_answer, "the answer was lost"); }

Error busy() { return Error(Errc::unavailable, reason::store_failed, "busy"); }

struct Fixture {
  std::shared_ptr<base::Env> env = base::make_virtual_env(7);
  std::shared_ptr<Scripted> store = std::make_shared<Scripted>();
  Client client{*env, store};

  Result<void> create(const std::string& key, std::string_view text, bool durable = true) {
    return run(*env, client.create(key, PutBody(bytes_of(text)), durable));
  }
  void put_behind(const std::string& key, std::string_view text) {
    auto done = [](Result<void> result) { REQUIRE(result); };
    store->behind->put(put_of(key, text), done);
  }
  Result<std::vector<ObjectInfo>> list(std::uint64_t keys_max = 1u << 24) {
    return run(*env, client.list("", {}, keys_max));
  }
};

ListPage page_of(std::vector<std::string> keys, bool truncated) {
  ListPage page;
  for (auto& key : keys) page.objects.push_back({.key = std::move(key)});
  page.truncated = truncated;
  return page;
}

}  // namespace

TEST_CASE("requests of a blocking provider run on the threads for input and output") {
  const Scratch scratch;
  for (const bool real : {false, true}) {
    for (const bool memory : {true, false}) {
      CAPTURE(memory);
      const auto env = real ? base::make_thread_env({}) : base::make_virtual_env(1);
      Client client(*env, memory ? open_memory("client") : *open_file(scratch / "repository"));
      const std::string key = real ? "a/real" : "a/virtual";
      REQUIRE(run(*env, client.create(key, PutBody(bytes_of("hello")))));
      CHECK(run(*env, client.create(key, PutBody(bytes_of("hello")))).error().code() ==
            Errc::already_exists);
      CHECK(base::as_text(*run(*env, client.get(key))) == "hello");
      CHECK(base::as_text(*run(*env, client.get(key, 1, 3))) == "ell");
      CHECK(run(*env, client.stat(key))->size == 5);
      CHECK(run(*env, client.list("a/"))->size() >= 1);
      REQUIRE(run(*env, client.sync()));
      REQUIRE(run(*env, client.remove({key})));
      CHECK(run(*env, client.get(key)).error().reason() == reason::no_object);
    }
  }
}

TEST_CASE("a completion may come from another thread, before or after the request returned") {
  class Elsewhere final : public Scripted {
   public:
    ~Elsewhere() override {
      for (auto& thread : threads) thread.join();
    }
    void stat(StatRequest request, Completion<ObjectInfo> done) override {
      threads.emplace_back([request, done] { done(ObjectInfo{.key = request.key, .size = 3}); });
    }
    std::vector<std::thread> threads;
  };
  const auto env = base::make_thread_env({});
  Client client(*env, std::make_shared<Elsewhere>());
  for (int i = 0; i < 50; ++i) CHECK(run(*env, client.stat("key"))->size == 3);
}

TEST_CASE("a provider that throws has failed the request") {
  class Throws final : public Scripted {
   public:
    void stat(StatRequest, Completion<ObjectInfo>) override { throw std::bad_alloc(); }
  };
  const auto env = base::make_virtual_env(1);
  Client client(*env, std::make_shared<Throws>());
  CHECK(run(*env, client.stat("key")).error().code() == Errc::resource_exhausted);
}

TEST_CASE("what a provider throws after it completed is too late") {
  class Throws final : public Scripted {
   public:
    void stat(StatRequest request, Completion<ObjectInfo> done) override {
      done(ObjectInfo{.key = request.key, .size = 4});
      throw std::bad_alloc();
    }
  };
  const auto env = base::make_virtual_env(1);
  Client client(*env, std::make_shared<Throws>());
  CHECK(run(*env, client.stat("key"))->size == 4);
}

TEST_CASE("traffic is counted by kind") {
  Fixture f;
  REQUIRE(f.create("one", "12345"));
  REQUIRE(run(*f.env, f.client.get("one")));
  REQUIRE(run(*f.env, f.client.stat("one")));
  REQUIRE(f.list());
  REQUIRE(run(*f.env, f.client.sync()));
  REQUIRE(run(*f.env, f.client.remove({"one"})));
  const auto& traffic = f.client.traffic();
  CHECK(traffic.puts == 1);
  CHECK(traffic.gets == 1);
  CHECK(traffic.stats == 1);
  CHECK(traffic.lists == 1);
  CHECK(traffic.syncs == 1);
  CHECK(traffic.removes == 1);
  CHECK(traffic.bytes_up == 5);
  CHECK(traffic.bytes_down == 5);
  CHECK(traffic.requests() == 5);
}

TEST_CASE("nothing is asked of the store after a stop, or with a bad request") {
  const auto env = base::make_virtual_env(1);
  std::stop_source stop;
  const auto store = std::make_shared<Scripted>();
  Client client(*env, store, stop.get_token());
  CHECK(run(*env, client.get("Bad Key")).error().reason() == reason::bad_name);
  CHECK(run(*env, client.stat("")).error().reason() == reason::bad_name);
  CHECK(run(*env, client.create("/", PutBody())).error().reason() == reason::bad_name);
  CHECK(run(*env, client.remove({"a", ".."})).error().reason() == reason::bad_name);
  CHECK(run(*env, client.list("/x")).error().reason() == reason::bad_name);
  CHECK(run(*env, client.list_page("", "", 0)).error().code() == Errc::invalid_argument);
  stop.request_stop();
  CHECK(run(*env, client.get("key")).error().code() == Errc::cancelled);
  CHECK(run(*env, client.create("key", PutBody())).error().code() == Errc::cancelled);
  CHECK(run(*env, client.list("")).error().code() == Errc::cancelled);
  CHECK(run(*env, client.remove({"key"})).error().code() == Errc::cancelled);
  CHECK(run(*env, client.stat("key")).error().code() == Errc::cancelled);
  CHECK(run(*env, client.sync()).error().code() == Errc::cancelled);
  CHECK(client.traffic().requests() == 0);
  CHECK(client.stop().stop_requested());
}

TEST_CASE("a lost answer is settled by reading the object back") {
  Fixture f;
  SUBCASE("ours is success, and made durable") {
    f.put_behind("key", "body");
    f.store->puts.push_back(lost());
    CHECK(f.create("key", "body"));
    CHECK(f.store->syncs == 1);
  }
  SUBCASE("a deadline says as little as a lost answer; a later sync makes it durable") {
    f.put_behind("key", "body");
    f.store->puts.push_back(Error(Errc::deadline_exceeded, reason::deadline, "too late"));
    CHECK(f.create("key", "body", false));
    CHECK(f.store->syncs == 0);
  }
  SUBCASE("an empty object needs no bytes to compare") {
    f.put_behind("key", "");
    f.store->puts.push_back(lost());
    CHECK(f.create("key", ""));
  }
  SUBCASE("another's of the same size is a conflict") {
    f.put_behind("key", "ydob");
    f.store->puts.push_back(lost());
    CHECK(f.create("key", "body").error().code() == Errc::already_exists);
  }
  SUBCASE("another's of another size is a conflict") {
    f.put_behind("key", "longer body");
    f.store->puts.push_back(lost());
    CHECK(f.create("key", "body").error().code() == Errc::already_exists);
  }
  SUBCASE("nothing there leaves the outcome unknown: the put may still arrive") {
    f.store->puts.push_back(lost());
    CHECK(f.create("key", "body").error().code() == Errc::outcome_unknown);
  }
  SUBCASE("an object that cannot be read leaves the outcome unknown") {
    f.put_behind("key", "body");
    f.store->puts.push_back(lost());
    for (int i = 0; i < 3; ++i) f.store->gets.push_back(busy());
    CHECK(f.create("key", "body").error().code() == Errc::outcome_unknown);
  }
  SUBCASE("a look that fails for a moment is tried again") {
    f.put_behind("key", "body");
    f.store->puts.push_back(lost());
    for (int i = 0; i < 2; ++i) f.store->stats.push_back(busy());
    for (int i = 0; i < 2; ++i) f.store->gets.push_back(busy());
    CHECK(f.create("key", "body"));
  }
  SUBCASE("a body of several parts is compared part by part") {
    f.put_behind("key", "12345678");
    f.store->puts.push_back(lost());
    const auto part = [](std::string_view text) {
      return std::make_shared<const base::Bytes>(bytes_of(text));
    };
    PutBody body({part("123"), part(""), part("45678")}, 0);
    CHECK(run(*f.env, f.client.create("key", body)));
  }
}

TEST_CASE("an object that only we can have written is ours if it is there already") {
  Fixture f;
  const auto create_own = [&](std::string_view text) {
    return run(*f.env, f.client.create_own("key", PutBody(bytes_of(text))));
  };
  f.put_behind("key", "body");
  SUBCASE("its bytes are compared, and it is made durable") {
    CHECK(create_own("body"));
    CHECK(f.store->syncs == 1);
  }
  SUBCASE("other bytes are a conflict") {
    CHECK(create_own("ydob").error().code() == Errc::already_exists);
    CHECK(create_own("another").error().code() == Errc::already_exists);
  }
  SUBCASE("if it cannot be read, or made durable, the outcome is unknown") {
    for (int i = 0; i < 3; ++i) f.store->stats.push_back(busy());
    const auto answer = create_own("body");
    REQUIRE(!answer);
    CHECK(answer.error().code() == Errc::outcome_unknown);
    CHECK(answer.error().message() == "the object exists already: busy");
    for (int i = 0; i < 3; ++i) f.store->sync_answers.push_back(busy());
    CHECK(create_own("body").error().code() == Errc::outcome_unknown);
  }
}

TEST_CASE("an answer of another length than asked for is refused") {
  Fixture f;
  f.store->gets.push_back(bytes_of("abc"));
  CHECK(run(*f.env, f.client.get("key", 0, 4)).error().code() == Errc::data_loss);
  f.store->gets.push_back(bytes_of("abcde"));
  CHECK(run(*f.env, f.client.get("key", 0, 4)).error().code() == Errc::data_loss);
}

TEST_CASE("list reads all pages") {
  Fixture f;
  for (int i = 0; i < 2500; ++i) f.put_behind("n/" + base::hex8(i), "");
  f.put_behind("m", "");
  f.put_behind("o", "");
  const auto listed = run(*f.env, f.client.list("n/"));
  REQUIRE(listed);
  REQUIRE(listed->size() == 2500);
  CHECK(listed->back().key == "n/" + base::hex8(2499));
  CHECK(f.client.traffic().lists == 3);
  const auto rest = run(*f.env, f.client.list("n/", "n/" + base::hex8(2490)));
  REQUIRE(rest);
  CHECK(rest->size() == 9);
}

TEST_CASE("list refuses pages that cannot be right") {
  Fixture f;
  SUBCASE("a key twice") { f.store->lists.push_back(page_of({"a", "a"}, false)); }
  SUBCASE("out of order") { f.store->lists.push_back(page_of({"b", "a"}, false)); }
  SUBCASE("more to come, but nothing here") { f.store->lists.push_back(page_of({}, true)); }
  SUBCASE("a page that begins where the last one ended") {
    f.store->lists.push_back(page_of({"a", "b"}, true));
    f.store->lists.push_back(page_of({"b", "c"}, false));
  }
  SUBCASE("more keys than asked for") {
    std::vector<std::string> keys;
    for (int i = 0; i < 1001; ++i) keys.push_back(base::hex8(i));
    f.store->lists.push_back(page_of(keys, false));
  }
  const auto listed = f.list();
  REQUIRE_FALSE(listed);
  CHECK(listed.error().code() == Errc::data_loss);
  CHECK(listed.error().reason() == reason::list_incomplete);
}

TEST_CASE("list refuses keys outside of the prefix") {
  Fixture f;
  f.store->lists.push_back(page_of({"q/a"}, false));
  CHECK(run(*f.env, f.client.list("p/")).error().reason() == reason::list_incomplete);
}

TEST_CASE("list is bounded, and passes errors on") {
  Fixture f;
  for (int i = 0; i < 3; ++i) f.put_behind("k" + std::to_string(i), "");
  CHECK(f.list(3));
  CHECK(f.list(2).error().code() == Errc::resource_exhausted);
  f.store->lists.push_back(Error(Errc::unavailable, reason::store_failed, "busy"));
  CHECK(f.list().error().code() == Errc::unavailable);
}

TEST_CASE("remove goes in batches of a thousand, and none for nothing") {
  Fixture f;
  std::vector<std::string> keys;
  for (int i = 0; i < 2001; ++i) keys.push_back(base::hex8(i));
  REQUIRE(run(*f.env, f.client.remove(keys)));
  CHECK(f.store->removed == std::vector<std::size_t>{1000, 1000, 1});
  REQUIRE(run(*f.env, f.client.remove({})));
  CHECK(f.store->removed.size() == 3);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
