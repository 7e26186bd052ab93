// Defects of put, remove and sync, and of completing.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include "broken.hpp"
#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

Bytes bytes_of_body(const PutBody& body) {
  Bytes out;
  for (const auto& part : body.parts()) out.insert(out.end(), part->begin(), part->end());
  return out;
}

struct IgnoresThePrecondition : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    request.if_absent = false;
    good_->put(std::move(request), std::move(done));
  }
};

struct AlwaysUsesThePrecondition : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    request.if_absent = true;
    good_->put(std::move(request), std::move(done));
  }
};

// Says that the second create succeeded, but keeps the first object.
struct SwallowsTheConflict : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    good_->put(std::move(request), [done](Result<void> result) {
      if (!result && result.error().code() == Errc::already_exists) return done({});
      done(std::move(result));
    });
  }
};

struct WrongConflictCode : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    good_->put(std::move(request), [done](Result<void> result) {
      if (result || result.error().code() != Errc::already_exists) return done(std::move(result));
      done(Error(Errc::precondition_failed, "object_exists", "412"));
    });
  }
};

// Looks, then puts: between the two, others may have put as well.
struct RacingCreatesHaveTwoWinners : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (!request.if_absent) return good_->put(std::move(request), std::move(done));
    good_->stat({.key = request.key}, [this, request, done](Result<ObjectInfo> info) mutable {
      if (info) return done(Error(Errc::already_exists, "object_exists", "it exists"));
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      request.if_absent = false;
      good_->put(std::move(request), done);
    });
  }
};

struct VisibleBeforeComplete : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    auto bytes = bytes_of_body(request.body);
    if (bytes.size() < 1000) return good_->put(std::move(request), std::move(done));
    bytes.resize(bytes.size() / 2);
    auto half = request;
    half.body = PutBody(std::move(bytes));
    good_->put(half, [this, request, done](Result<void> result) mutable {
      if (!result) return done(std::move(result));
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      request.if_absent = false;
      good_->put(std::move(request), done);
    });
  }
};

struct TruncatesLargeBodies : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.body.size() > 4u << 20) {
      auto bytes = bytes_of_body(request.body);
      bytes.resize(4u << 20);
      request.body = PutBody(std::move(bytes));
    }
    good_->put(std::move(request), std::move(done));
  }
};

struct DropsAnEmptyObject : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.body.size() == 0) return done({});
    good_->put(std::move(request), std::move(done));
  }
};

struct DropsTheLastPart : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    auto parts = request.body.parts();
    if (parts.size() > 1) {
      parts.pop_back();
      request.body = PutBody(parts, request.body.crc64_nvme());
    }
    good_->put(std::move(request), std::move(done));
  }
};

struct SwapsParts : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    auto parts = request.body.parts();
    if (parts.size() > 1) std::swap(parts.front(), parts.back());
    request.body = PutBody(parts, request.body.crc64_nvme());
    good_->put(std::move(request), std::move(done));
  }
};

struct DropsZerosAtTheEnd : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    auto bytes = bytes_of_body(request.body);
    while (!bytes.empty() && bytes.back() == std::byte{0}) bytes.pop_back();
    request.body = PutBody(std::move(bytes));
    good_->put(std::move(request), std::move(done));
  }
};

struct TurnsLineEnds : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    auto bytes = bytes_of_body(request.body);
    std::erase(bytes, std::byte{'\r'});
    request.body = PutBody(std::move(bytes));
    good_->put(std::move(request), std::move(done));
  }
};

// Answers first; the object appears with the next put.
struct AnswersBeforeTheEffect : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    std::optional<PutRequest> before;
    {
      const std::lock_guard lock(mutex);
      before.swap(late);
      late = std::move(request);
    }
    if (before) good_->put(std::move(*before), [](const Result<void>&) {});
    done({});
  }
  std::mutex mutex;
  std::optional<PutRequest> late;
};

struct KeyIsCut : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.key.size() > 200) request.key.resize(200);
    if (request.key.ends_with('/')) request.key.back() = 'x';
    good_->put(std::move(request), std::move(done));
  }
  void get(GetRequest request, Completion<Bytes> done) override {
    if (request.key.size() > 200) request.key.resize(200);
    if (request.key.ends_with('/')) request.key.back() = 'x';
    good_->get(std::move(request), std::move(done));
  }
};

// As a file system that folds names.
struct FoldsKeys : Wrapper {
  using Wrapper::Wrapper;
  static std::string fold(std::string key) {
    for (auto& c : key) c = c == '.' ? '-' : c;
    return key;
  }
  void put(PutRequest request, Completion<void> done) override {
    request.key = fold(std::move(request.key));
    good_->put(std::move(request), std::move(done));
  }
  void get(GetRequest request, Completion<Bytes> done) override {
    request.key = fold(std::move(request.key));
    good_->get(std::move(request), std::move(done));
  }
};

struct LosesPutsInNewFolders : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (busy.exchange(true)) return done(Error(Errc::unavailable, "store_failed", "busy"));
    good_->put(std::move(request), [](const Result<void>&) {});
    std::this_thread::sleep_for(std::chrono::microseconds(50));
    busy = false;
    done({});
  }
  std::atomic<bool> busy{false};
};

struct RemovesANeighbour : Wrapper {
  using Wrapper::Wrapper;
  void remove(RemoveRequest request, Completion<void> done) override {
    if (!request.keys.empty() && request.keys.size() < 1000) {
      auto neighbour = request.keys.back();
      if (!neighbour.empty()) neighbour.back() = static_cast<char>(neighbour.back() + 1);
      if (neighbour.size() > 1 && neighbour.back() != '/') request.keys.push_back(neighbour);
    }
    good_->remove(std::move(request), std::move(done));
  }
};

struct RemoveFailsOnMissing : Wrapper {
  using Wrapper::Wrapper;
  void remove(RemoveRequest request, Completion<void> done) override {
    good_->stat({.key = request.keys.empty() ? "" : request.keys[0]},
                [this, request, done](Result<ObjectInfo> info) {
                  if (!info) return done(std::move(info).error());
                  good_->remove(request, done);
                });
  }
};

struct RemovesOnlyTheFirst : Wrapper {
  using Wrapper::Wrapper;
  void remove(RemoveRequest request, Completion<void> done) override {
    if (request.keys.size() > 1 && request.keys.size() <= 1000) request.keys.resize(1);
    good_->remove(std::move(request), std::move(done));
  }
};

struct RemovesWholeFolders : Wrapper {
  using Wrapper::Wrapper;
  void remove(RemoveRequest request, Completion<void> done) override {
    if (request.keys.size() != 1) return good_->remove(std::move(request), std::move(done));
    good_->list({.prefix = request.keys[0] + "/"}, [&](Result<ListPage> page) {
      if (!page) return;
      for (const auto& object : page->objects) request.keys.push_back(object.key);
    });
    good_->remove(std::move(request), std::move(done));
  }
};

struct RemoveDoesNothing : Wrapper {
  using Wrapper::Wrapper;
  void remove(RemoveRequest request, Completion<void> done) override {
    good_->stat({.key = request.keys.empty() ? "" : request.keys[0], .limits = request.limits},
                [done](Result<ObjectInfo> info) {
                  if (info || info.error().code() == Errc::not_found) return done({});
                  done(std::move(info).error());
                });
  }
};

struct SyncFails : Wrapper {
  using Wrapper::Wrapper;
  void sync(RequestLimits, Completion<void> done) override {
    done(Error(Errc::unsupported, "store_failed", "no sync here"));
  }
};

struct CompletesTwice : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(std::move(request), [done](const Result<ObjectInfo>& info) {
      done(info);
      done(info);
    });
  }
};

struct CompletesTwiceMuchLater : Wrapper {
  using Wrapper::Wrapper;
  ~CompletesTwiceMuchLater() override {
    for (auto& thread : threads) thread.join();
  }
  void sync(RequestLimits limits, Completion<void> done) override {
    const std::lock_guard lock(mutex);
    threads.emplace_back([done] { done({}); });
    good_->sync(std::move(limits), done);
  }
  std::mutex mutex;
  std::vector<std::thread> threads;
};

struct NeverCompletesAfterStop : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (!request.limits.stop.stop_requested()) good_->put(std::move(request), std::move(done));
  }
};

struct IgnoresCancel : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    request.limits.stop = {};
    good_->get(std::move(request), std::move(done));
  }
};

struct IgnoresDeadlines : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    request.limits.deadline.reset();
    good_->list(std::move(request), std::move(done));
  }
};

struct FailsOnEveryDeadline : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.limits.deadline) return done(Error(Errc::deadline_exceeded, "deadline", "late"));
    good_->put(std::move(request), std::move(done));
  }
};

struct BreaksAfterCancel : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.limits.stop.stop_requested()) broken = true;
    if (broken && !request.limits.stop.stop_requested()) {
      return done(Error(Errc::unavailable, "store_failed", "the connection is gone"));
    }
    good_->put(std::move(request), std::move(done));
  }
  std::atomic<bool> broken{false};
};

// Stores what it refuses.
struct CancelledPutIsTorn : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.limits.stop.stop_requested() && request.body.size() > 0) {
      good_->put({.key = request.key, .body = PutBody(Bytes(1))}, [](const Result<void>&) {});
    }
    good_->put(std::move(request), std::move(done));
  }
};

struct AcceptsBadKeys : Wrapper {
  using Wrapper::Wrapper;
  void put(PutRequest request, Completion<void> done) override {
    if (request.key.starts_with('/')) request.key.erase(0, 1);
    good_->put(std::move(request), std::move(done));
  }
};

struct DropsManyInFlight : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    if (++count % 50 == 0) return;
    good_->stat(std::move(request), std::move(done));
  }
  std::atomic<int> count{0};
};

constexpr Broken kBroken[] = {
    {"ignores the precondition", wrap_in<IgnoresThePrecondition>},
    {"never overwrites", wrap_in<AlwaysUsesThePrecondition>},
    {"swallows the conflict", wrap_in<SwallowsTheConflict>},
    {"conflict has the wrong code", wrap_in<WrongConflictCode>},
    {"racing creates have two winners", wrap_in<RacingCreatesHaveTwoWinners>},
    {"put is visible before it is complete", wrap_in<VisibleBeforeComplete>},
    {"truncates large bodies", wrap_in<TruncatesLargeBodies>},
    {"drops an empty object", wrap_in<DropsAnEmptyObject>},
    {"drops the last part", wrap_in<DropsTheLastPart>},
    {"swaps parts", wrap_in<SwapsParts>},
    {"drops zeros at the end", wrap_in<DropsZerosAtTheEnd>},
    {"turns line ends", wrap_in<TurnsLineEnds>},
    {"answers before the effect", wrap_in<AnswersBeforeTheEffect>},
    {"cuts long keys", wrap_in<KeyIsCut>},
    {"folds keys", wrap_in<FoldsKeys>},
    {"refuses puts at once", wrap_in<LosesPutsInNewFolders>},
    {"remove takes a neighbour", wrap_in<RemovesANeighbour>},
    {"remove fails on a missing object", wrap_in<RemoveFailsOnMissing>},
    {"remove takes only the first", wrap_in<RemovesOnlyTheFirst>},
    {"remove takes whole folders", wrap_in<RemovesWholeFolders>},
    {"remove does nothing", wrap_in<RemoveDoesNothing>},
    {"sync fails", wrap_in<SyncFails>},
    {"completes twice", wrap_in<CompletesTwice>},
    {"completes twice, from a thread", wrap_in<CompletesTwiceMuchLater>},
    {"never completes after a stop", wrap_in<NeverCompletesAfterStop>},
    {"ignores cancel", wrap_in<IgnoresCancel>},
    {"ignores deadlines", wrap_in<IgnoresDeadlines>},
    {"fails on every deadline", wrap_in<FailsOnEveryDeadline>},
    {"breaks after a cancel", wrap_in<BreaksAfterCancel>},
    {"a cancelled put is torn", wrap_in<CancelledPutIsTorn>},
    {"accepts bad keys", wrap_in<AcceptsBadKeys>},
    {"drops a request in fifty", wrap_in<DropsManyInFlight>},
};

}  // namespace

std::span<const Broken> broken_writers() { return kBroken; }

}  // namespace snapvault::conformance
