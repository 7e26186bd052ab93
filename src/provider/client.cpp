#include "provider/client.hpp"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <exception>
#include <iterator>
#include <optional>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/answer.hpp"
#include "provider/blocking.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

// One name for the six requests, as a call that blocks and as one that completes.
Result<base::Bytes> now(BlockingProvider& to, const GetRequest& r) { return to.get_now(r); }
Result<void> now(BlockingProvider& to, const PutRequest& r) { return to.put_now(r); }
Result<ListPage> now(BlockingProvider& to, const ListRequest& r) { return to.list_now(r); }
Result<void> now(BlockingProvider& to, const RemoveRequest& r) { return to.remove_now(r); }
Result<ObjectInfo> now(BlockingProvider& to, const StatRequest& r) { return to.stat_now(r); }
Result<void> now(BlockingProvider& to, const RequestLimits& r) { return to.sync_now(r); }

void start(Provider& to, GetRequest r, Completion<base::Bytes> done) {
  to.get(std::move(r), std::move(done));
}
void start(Provider& to, PutRequest r, Completion<void> done) {
  to.put(std::move(r), std::move(done));
}
void start(Provider& to, ListRequest r, Completion<ListPage> done) {
  to.list(std::move(r), std::move(done));
}
void start(Provider& to, RemoveRequest r, Completion<void> done) {
  to.remove(std::move(r), std::move(done));
}
void start(Provider& to, StatRequest r, Completion<ObjectInfo> done) {
  to.stat(std::move(r), std::move(done));
}
void start(Provider& to, RequestLimits r, Completion<void> done) {
  to.sync(std::move(r), std::move(done));
}

// The three calls that are no requests for objects.
struct Prepare {
  RequestLimits limits;
};
struct CreateRoot {
  RequestLimits limits;
};
struct Examine {
  RequestLimits limits;
};
void start(Provider& to, Prepare r, Completion<void> done) {
  to.prepare(std::move(r.limits), std::move(done));
}
void start(Provider& to, CreateRoot r, Completion<void> done) {
  to.create_root(std::move(r.limits), std::move(done));
}
void start(Provider& to, Examine r, Completion<std::vector<Finding>> done) {
  to.examine(std::move(r.limits), std::move(done));
}

// A request on its way to a provider.
template <class T, class Request>
struct Begin {
  Provider& provider;
  Request request;
  void operator()(Completion<T> done) { start(provider, std::move(request), std::move(done)); }
};

// A call that no provider answers by blocking for long.
template <class T, class Request>
base::Task<Result<T>> ask_once(const Client& client, Request request) {
  Begin<T, Request> begin{client.provider(), std::move(request)};
  Answer<T, Begin<T, Request>> answer(client.env().loop(), std::move(begin));
  auto result = co_await answer;
  co_return result;
}

template <class T, class Request>
base::Task<Result<T>> ask(const Client& client, Request request) {
  if (auto* blocking = dynamic_cast<BlockingProvider*>(&client.provider())) {
    auto work = [&] { return now(*blocking, request); };
    auto task = base::run_on(client.env(), client.env().io(), work);
    auto result = co_await std::move(task);
    co_return result;
  }
  auto asking = ask_once<T>(client, std::move(request));
  auto result = co_await std::move(asking);
  co_return result;
}

Error incomplete(const std::string& prefix, std::string_view message) {
  return Error(Errc::data_loss, reason::list_incomplete, message).with_subject(prefix);
}

// What the engine relies on must not rest on the store's word.
Result<void> check_page(const ListPage& page, const ListRequest& request) {
  if (page.objects.size() > request.max_keys) {
    return incomplete(request.prefix, "the store listed more keys than were asked for");
  }
  if (page.truncated && page.objects.empty()) {
    return incomplete(request.prefix, "the store says that more keys follow, but lists none");
  }
  const std::string* before = &request.start_after;
  for (const auto& object : page.objects) {
    if (!object.key.starts_with(request.prefix)) {
      return incomplete(request.prefix, "the store listed a key outside of the prefix");
    }
    if (object.key <= *before) {
      return incomplete(request.prefix, "the store listed keys twice or out of order");
    }
    before = &object.key;
  }
  return {};
}

bool equal(const PutBody& body, base::ByteView bytes) {
  if (bytes.size() != body.size()) return false;
  for (const auto& part : body.parts()) {
    if (!std::equal(part->begin(), part->end(), bytes.begin())) return false;
    bytes = bytes.subspan(part->size());
  }
  return true;
}

// It may be there, or may not: no other code says so, whatever the reason. `look` says why that
// could not be found out.
Error unknown(const Error& lost, const Error& look) {
  Error out(Errc::outcome_unknown, reason::lost_answer, look.message());
  return std::move(out).with_context(lost.message()).with_subject(lost.subject());
}

// What `ask()`, a request that changes nothing, answers; tried again while the store is only busy.
template <class T, class Ask>
base::Task<Result<T>> persist(base::Env& env, Ask& ask) {
  constexpr int kTries = 3;
  auto pause = 100 * base::kMillisecond;
  for (int tried = 1;; ++tried, pause *= 4) {
    auto asking = ask();
    auto answer = co_await std::move(asking);
    if (answer || tried == kTries) co_return answer;
    const auto code = answer.error().code();
    if (code != Errc::unavailable && code != Errc::deadline_exceeded) co_return answer;
    co_await base::sleep_until(env, env.monotonic() + pause);
  }
}

// Whether the put whose answer was `lost` created the object, by reading it back.
base::Task<Result<void>> settle(Client& client, const PutRequest& put, Error lost) {
  auto stat = [&] { return client.stat(put.key); };
  auto look = persist<ObjectInfo>(client.env(), stat);
  auto found = co_await std::move(look);
  if (!found) co_return unknown(lost, found.error());
  if (found->size != put.body.size()) co_return object_exists(put.key);
  if (found->size > 0) {
    auto get = [&] { return client.get(put.key, 0, put.body.size()); };
    auto read = persist<base::Bytes>(client.env(), get);
    auto bytes = co_await std::move(read);
    if (!bytes) co_return unknown(lost, bytes.error());
    if (!equal(put.body, *bytes)) co_return object_exists(put.key);
  }
  if (!put.durable) co_return Result<void>();
  // It is there, but its put did not say that it is durable.
  auto sync = [&] { return client.sync(); };
  auto syncing = persist<void>(client.env(), sync);
  auto durable = co_await std::move(syncing);
  if (!durable) co_return unknown(lost, durable.error());
  co_return durable;
}

// Whether to stop waiting for a rate.
struct Stopped {
  const std::stop_token& stop;
  bool operator()() const noexcept { return stop.stop_requested(); }
};

}  // namespace

Client::Client(base::Env& env, std::shared_ptr<Provider> provider, std::stop_token stop)
    : env_(&env), provider_(std::move(provider)), stop_(std::move(stop)) {}

RequestLimits Client::limits() const { return {.deadline = {}, .stop = stop_}; }

base::Task<void> Client::wait(base::TokenBucket StoreRates::*rate, std::uint64_t amount) {
  for (auto* rates : rates_) {
    if (!rates || (rates->*rate).rate() == 0) continue;
    const Stopped stopped{stop_};
    co_await (rates->*rate).take(*env_, amount, stopped);
  }
}

base::Task<Result<base::Bytes>> Client::get(std::string key, std::uint64_t offset,
                                            std::uint64_t length) {
  GetRequest request{.key = key, .offset = offset, .length = length, .limits = limits()};
  SV_CO_CHECK_NOW(check(request));
  ++traffic_.gets;
  co_await wait(&StoreRates::requests, 1);
  auto task = ask<base::Bytes>(*this, std::move(request));
  auto result = co_await std::move(task);
  if (!result) co_return result;
  traffic_.bytes_down += result->size();
  co_await wait(&StoreRates::download, result->size());
  if (length != 0 && result->size() != length) {
    co_return Error(Errc::data_loss, reason::store_failed,
                    "the store answered another number of bytes than asked for")
        .with_subject(key);
  }
  co_return result;
}

base::Task<Result<void>> Client::create(std::string key, PutBody body, bool durable) {
  return put(std::move(key), std::move(body), durable, false);
}

base::Task<Result<void>> Client::create_own(std::string key, PutBody body) {
  return put(std::move(key), std::move(body), true, true);
}

base::Task<Result<void>> Client::put(std::string key, PutBody body, bool durable, bool own) {
  PutRequest request{.key = std::move(key),
                     .body = std::move(body),
                     .if_absent = true,
                     .durable = durable,
                     .limits = limits()};
  SV_CO_CHECK_NOW(check(request));
  ++traffic_.puts;
  traffic_.bytes_up += request.body.size();
  co_await wait(&StoreRates::requests, 1);
  co_await wait(&StoreRates::upload, request.body.size());
  auto task = ask<void>(*this, request);
  auto result = co_await std::move(task);
  if (result) co_return result;
  const auto code = result.error().code();
  const bool lost = code == Errc::outcome_unknown || code == Errc::deadline_exceeded;
  if (!lost && !(own && code == Errc::already_exists)) co_return result;
  auto settling = settle(*this, request, std::move(result).error());
  auto settled = co_await std::move(settling);
  co_return settled;
}

base::Task<Result<ListPage>> Client::list_page(std::string prefix, std::string start_after,
                                               std::uint32_t max_keys) {
  ListRequest request{.prefix = std::move(prefix),
                      .start_after = std::move(start_after),
                      .max_keys = max_keys,
                      .limits = limits()};
  SV_CO_CHECK_NOW(check(request));
  ++traffic_.lists;
  co_await wait(&StoreRates::requests, 1);
  auto task = ask<ListPage>(*this, request);
  auto page = co_await std::move(task);
  if (!page) co_return page;
  SV_CO_CHECK_NOW(check_page(*page, request));
  co_return page;
}

base::Task<Result<std::vector<ObjectInfo>>> Client::list(std::string prefix,
                                                         std::string start_after,
                                                         std::uint64_t keys_max) {
  std::vector<ObjectInfo> all;
  for (;;) {
    auto task = list_page(prefix, start_after, kKeysMax);
    auto page = co_await std::move(task);
    if (!page) co_return std::move(page).error();
    if (page->objects.size() > keys_max - all.size()) {
      co_return Error(Errc::resource_exhausted, reason::list_incomplete,
                      "the store lists more keys than a repository can have")
          .with_subject(prefix);
    }
    std::move(page->objects.begin(), page->objects.end(), std::back_inserter(all));
    if (!page->truncated) co_return all;
    start_after = all.back().key;
  }
}

base::Task<Result<void>> Client::remove(std::vector<std::string> keys) {
  for (std::size_t at = 0; at < keys.size(); at += kKeysMax) {
    const auto end = std::min(keys.size(), at + kKeysMax);
    RemoveRequest request{.keys = {keys.begin() + at, keys.begin() + end}, .limits = limits()};
    SV_CO_CHECK_NOW(check(request));
    ++traffic_.removes;
    co_await wait(&StoreRates::requests, 1);
    auto task = ask<void>(*this, std::move(request));
    auto result = co_await std::move(task);
    if (!result) co_return result;
  }
  co_return Result<void>();
}

base::Task<Result<ObjectInfo>> Client::stat(std::string key) {
  StatRequest request{.key = key, .limits = limits()};
  SV_CO_CHECK_NOW(check(request));
  ++traffic_.stats;
  co_await wait(&StoreRates::requests, 1);
  auto task = ask<ObjectInfo>(*this, std::move(request));
  auto result = co_await std::move(task);
  if (result) result->key = std::move(key);
  co_return result;
}

base::Task<Result<void>> Client::sync() {
  auto request = limits();
  SV_CO_CHECK_NOW(check(request));
  ++traffic_.syncs;
  auto task = ask<void>(*this, std::move(request));
  auto result = co_await std::move(task);
  co_return result;
}

base::Task<Result<void>> Client::prepare() { return ask_once<void>(*this, Prepare{limits()}); }

base::Task<Result<void>> Client::create_root() {
  return ask_once<void>(*this, CreateRoot{limits()});
}

base::Task<Result<std::vector<Finding>>> Client::examine() {
  return ask_once<std::vector<Finding>>(*this, Examine{limits()});
}

}  // namespace snapvault::provider
