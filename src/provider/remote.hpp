// RemoteStore: what the stores on the network have in common: how the answer to a range is read,
// how objects are removed, how it is found out what a store can do and what is wrong with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "provider/awaiting.hpp"
#include "provider/exchanger.hpp"

namespace snapvault::provider {

// An answer that cannot be believed, with what finds it in the store's logs.
Error bad_answer(const wire::Response& answer, std::string_view message, std::string_view subject);
// For where objects are expected in order, and all of them.
Error list_incomplete(std::string_view message, std::string_view root);

// The bytes of `request` out of the answer to it: 206, or all of the object. Errors: data_loss
// (bad_answer), invalid_argument (range).
Result<base::Bytes> cut_out(const GetRequest& request, wire::Response answer);
// A range as the fields Range and x-ms-range say it; empty for all of the object. Errors:
// invalid_argument (range).
Result<std::string> range_field(const GetRequest& request);
// The most that may be taken in of the answer: a server that ignores ranges sends all.
std::uint64_t answer_max(const GetRequest& request, std::uint64_t object_size_max) noexcept;

// true: the object is missing, and not the bucket.
bool is_absent(const Error& error) noexcept;

class RemoteStore : public AwaitingProvider {
 protected:
  template <class T>
  using Answering = base::Task<Result<T>>;

  explicit RemoteStore(std::shared_ptr<base::Env> env) noexcept : AwaitingProvider(env) {}

  // Those of a store of `kind` whose racing creates were settled as winners_ says.
  Capabilities shared_capabilities(std::string kind) const;
  // Races creates until one is told that it won. Errors: unavailable (lost_answer) if none was, and
  // what the requests met.
  Answering<unsigned> count_winners(std::string root, RequestLimits limits);

  // For a store that settles no races: what is there already is at least not overwritten. Errors:
  // already_exists.
  Answering<void> check_absent(std::string key, RequestLimits limits);

  // Removes `keys`, `most` in each request as long as the store takes that.
  Answering<void> remove_in_batches(std::vector<std::string> keys, std::size_t most,
                                    RequestLimits limits);
  Answering<void> remove_singly(std::vector<std::string> keys, RequestLimits limits);
  virtual Answering<void> remove_one(std::string key, RequestLimits limits) = 0;
  // Adds to `left` what is not gone: a request of its own for each waits, or says why not.
  // `refused`: the store takes no such requests.
  virtual Answering<void> remove_batch(std::vector<std::string> keys, RequestLimits limits,
                                       std::vector<std::string>& left, bool& refused) = 0;
  // The answer to such a request where it has a part for each key (wire/batch.hpp).
  struct BatchTerms {
    bool (*is_gone)(const wire::Response& part);
    bool (*is_not_offered)(const Error& error);
  };
  static Result<void> take_batch(const Result<wire::Response>& answer,
                                 std::vector<std::string> keys, const BatchTerms& terms,
                                 std::vector<std::string>& left, bool& refused);

  // The first look at the store: a list.
  virtual Answering<void> look_at_root(RequestLimits limits) = 0;
  struct Examined {
    Result<std::string> source;  // who we are, or why nobody
    const Exchanger& exchanger;
    const char* root;  // "bucket" or "container"
    bool tls;
    // What there is to say besides once everything was tried.
    std::function<std::vector<Finding>()> more;
  };
  Answering<std::vector<Finding>> examine_all(Examined what, RequestLimits limits);

  bool batch_removes_ = true;         // until the store refuses batches
  std::atomic<unsigned> winners_{1};  // of racing creates
};

}  // namespace snapvault::provider
