// What every Provider must do, as named cases that run on any of them: our own, an embedder's, and
// broken ones, each of which must make at least one case fail (broken.hpp).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/provider.hpp>

namespace snapvault::conformance {

using Bytes = std::vector<std::byte>;
// Why a case failed; nothing if it passed.
using Failure = std::optional<std::string>;

// What a case needs of a store; without it the case says nothing about that store.
enum class Needs { nothing, exclusive_create, consistent_list };

class Store;
struct Case {
  const char* name;
  Needs needs;
  Failure (*run)(Store&);
};

// All cases, in a fixed order.
std::vector<Case> all_cases();
bool applies(const Case& what, const Capabilities& to);
// Runs one case, in a folder of its own. A request without an answer after `patience` is a failure.
Failure run(const Case& what, Provider& on, std::chrono::milliseconds patience);

// A request in flight. Its state outlives it, because a broken provider may complete late or twice.
template <class T>
class Pending {
 public:
  struct State {
    std::mutex mutex;
    std::condition_variable arrived;
    std::optional<Result<T>> result;
    int completions = 0;
  };

  Completion<T> completion() const {
    return [state = state_](Result<T> result) {
      const std::lock_guard lock(state->mutex);
      ++state->completions;
      if (!state->result) state->result.emplace(std::move(result));
      state->arrived.notify_all();
    };
  }
  // The answer; Errc::internal with reason "no_answer" if there is none in time.
  Result<T> wait(std::chrono::milliseconds patience) const {
    std::unique_lock lock(state_->mutex);
    if (!state_->arrived.wait_for(lock, patience, [&] { return state_->result.has_value(); })) {
      return Error(Errc::internal, "no_answer", "the request was never completed");
    }
    return *state_->result;
  }
  int completions() const {
    const std::lock_guard lock(state_->mutex);
    return state_->completions;
  }

 private:
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

// A provider as a case sees it: waits for each answer, and keeps to a folder of its own.
class Store {
 public:
  Store(Provider& provider, std::chrono::milliseconds patience);

  // `name` in this case's folder.
  std::string key(std::string_view name) const { return folder_ + std::string(name); }
  const std::string& folder() const { return folder_; }
  // The part behind the folder of each key.
  std::vector<std::string> names(const ListPage& page) const;

  Result<Bytes> get(std::string_view name, std::uint64_t offset = 0, std::uint64_t length = 0);
  Result<void> put(std::string_view name, std::string_view text, bool durable = false);
  Result<void> put(PutRequest request);
  Result<ListPage> list(std::string_view prefix = "", std::string_view start_after = "",
                        std::uint32_t max_keys = 1000);
  Result<void> remove(std::vector<std::string> names);
  Result<ObjectInfo> stat(std::string_view name);
  Result<void> sync();
  Result<void> prepare(RequestLimits limits = {});
  Result<void> create_root(RequestLimits limits = {});
  Result<std::vector<Finding>> examine(RequestLimits limits = {});
  // All keys of the store below `prefix`, whole, whoever made them.
  Result<std::vector<std::string>> all_below(std::string_view prefix);

  // These take whole keys and do not wait.
  Pending<Bytes> start(GetRequest request);
  Pending<void> start(PutRequest request);
  Pending<ListPage> start(ListRequest request);
  Pending<void> start(RemoveRequest request);
  Pending<ObjectInfo> start(StatRequest request);
  Pending<void> start(RequestLimits limits);

  template <class T>
  Result<T> wait(const Pending<T>& pending) const {
    return pending.wait(patience_);
  }
  Capabilities capabilities() const { return provider_.capabilities(); }
  Provider& provider() const { return provider_; }
  std::chrono::milliseconds patience() const { return patience_; }

  // A failure if a request was completed more than once, or never.
  Failure completions() const;

 private:
  template <class T>
  Pending<T> note(Pending<T> pending);

  Provider& provider_;
  const std::chrono::milliseconds patience_;
  std::string folder_;
  mutable std::mutex mutex_;  // guards counts_
  std::vector<std::function<int()>> counts_;
};

Bytes bytes_of(std::string_view text);
std::string text_of(const Bytes& bytes);
// `size` bytes that look random and depend on `seed`.
Bytes noise(std::size_t size, std::uint64_t seed);
PutBody body_of(std::string_view text);
// The code of a failure; nothing for success.
template <class T>
std::optional<Errc> code(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code());
}
template <class T>
bool failed(const Result<T>& result, Errc code, std::string_view reason) {
  return !result && result.error().code() == code && result.error().reason() == reason;
}

std::span<const Case> object_cases();
std::span<const Case> range_cases();
std::span<const Case> list_cases();
std::span<const Case> remove_cases();
std::span<const Case> race_cases();
std::span<const Case> limit_cases();
std::span<const Case> content_cases();
std::span<const Case> service_cases();

}  // namespace snapvault::conformance

// Ends a case with what was expected, unless it holds.
#define SV_EXPECT(...)                                                          \
  do {                                                                          \
    if (!(__VA_ARGS__)) return ::snapvault::conformance::Failure(#__VA_ARGS__); \
  } while (false)
