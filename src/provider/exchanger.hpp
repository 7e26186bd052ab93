// Exchanger: the requests of one store: signed, bounded in number, repeated where that can help.
// The layers, from the outside: deadline, retry (jitter, Retry-After, clock, new credential),
// number in flight, endpoint in turn, signature, transport.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/env.hpp"
#include "base/task.hpp"
#include "net/transport.hpp"
#include "provider/concurrency.hpp"

namespace snapvault::provider {

// Puts the credential into a request just before each sending. Loop only. What it answers with
// unavailable, outcome_unknown, deadline_exceeded or bad_answer counts as a failed try.
class Signer {
 public:
  virtual ~Signer() = default;
  // `now`: seconds since 1970 by the store's clock, as far as it is known. May fetch a token first.
  // A request that was sent before comes here again as it was before it was signed.
  virtual base::Task<Result<void>> sign(wire::Request& request, std::int64_t now,
                                        RequestLimits limits) = 0;
  // The store refused the credential used last. true: the next sign() takes another one, or fetches
  // it anew. Of many requests that are refused at once the first asks; the others just sign again.
  virtual bool renew() noexcept = 0;
};

// What an answer means, as the store's own code reads it.
struct Verdict {
  enum class Action {
    accept,  // hand it to the caller
    refuse,  // fail with `error`
    repeat,  // busy or broken: wait, then send it again; `error` if that does not help
    renew,   // the credential is refused: once more with a new one
    clock,   // the signature's time is refused: once more by the clock of the answer's Date
  };
  Action action = Action::accept;
  std::optional<Error> error = {};  // always there but for accept
  // The request may have taken effect although this answer says no (500, 502, 504, a 200 with an
  // error inside).
  bool maybe_done = false;
  // The store says that it has too much to do (429, 503, SlowDown): fewer requests at once.
  bool busy = false;
};
using Judge = std::function<Verdict(const wire::Request&, const wire::Response&)>;

struct Call {
  wire::Request request;
  std::string subject;  // the key or name for messages
  std::uint64_t answer_max = 1u << 20;
  bool expect_continue = false;
  // Creates only if absent. When an earlier try may have succeeded, what a later one says ("exists
  // already", or that it failed) tells nothing: the answer is then outcome_unknown (lost_answer),
  // for the caller to settle.
  bool conditional = false;
  bool direct = false;  // no proxy
};

struct ExchangerOptions {
  std::vector<wire::Origin> origins;  // in turn; those that cannot be reached wait a while. A call
                                      // whose origin.host is set goes there instead
  unsigned tries_max = 8;             // of one call, the first included
  base::Nanoseconds pause_first = 100 * base::kMillisecond;  // full jitter up to it, then doubled
  base::Nanoseconds pause_max = 20 * base::kSecond;
  base::Nanoseconds total_max = 15 * 60 * base::kSecond;  // over all tries of one call
  unsigned parallel_max = 64;
  unsigned parallel_start = 24;
};

// Loop only, but for construction. Outlives its calls.
class Exchanger {
 public:
  // `signer` may be null: requests go as they are. All outlive the exchanger.
  Exchanger(base::Env& env, std::shared_ptr<net::Transport> transport, Signer* signer, Judge judge,
            ExchangerOptions options);

  // An accepted answer. Errors: those of the verdicts, of the signer and of the transport, with the
  // number of tries in the message; deadline_exceeded, cancelled (within 100 ms of the stop,
  // whatever it waits for). Between two tries it waits by chance, and Retry-After more, of which it
  // obeys a minute; not at all when the origin cannot be reached but another one can.
  base::Task<Result<wire::Response>> send(Call call, RequestLimits limits);

  // Ours, corrected by what the store's answers said.
  std::int64_t now() const noexcept;
  // Seconds by which the store's clock is ahead of ours, as of the last answer with a Date.
  std::optional<std::int64_t> clock_ahead() const noexcept { return seen_ahead_; }
  Concurrency& concurrency() noexcept { return concurrency_; }
  base::Env& env() const noexcept { return env_; }

 private:
  struct Progress;
  struct Judged {
    wire::Response answer;
    Verdict verdict;
  };
  struct Shunned {
    base::Nanoseconds until = 0, pause = 0;
  };
  base::Task<Result<Judged>> attempt(const Call& call, Progress& progress, RequestLimits limits);
  std::size_t next_origin() noexcept;
  void note_reach(std::size_t origin, const Result<wire::Response>& answer, Progress& progress,
                  const RequestLimits& limits);
  void note_load(const Result<Judged>& judged, std::uint64_t sent, base::Nanoseconds started,
                 const RequestLimits& limits);
  base::Nanoseconds pause(const Progress& progress, const wire::Response* answer);
  bool mend(Progress& progress, const Judged& judged);

  base::Env& env_;
  std::shared_ptr<net::Transport> transport_;
  Signer* signer_;
  Judge judge_;
  ExchangerOptions options_;
  Concurrency concurrency_;
  std::size_t turn_ = 0;
  std::vector<Shunned> shunned_;  // one an origin
  std::uint64_t renewals_ = 0;    // how often the signer took another credential
  std::int64_t ahead_ = 0;        // in use for signatures
  std::optional<std::int64_t> seen_ahead_;
};

// Sends one exchange by a transport and awaits it on the loop. Nothing is allocated when it ends.
base::Task<Result<wire::Response>> transfer(base::Env& env, net::Transport& transport,
                                            net::Exchange exchange);
// The id by which the store's operator finds the request (x-amz-request-id, x-ms-request-id,
// x-guploader-uploadid, x-trans-id, ...), or empty; printable and short.
std::string request_id(const wire::Response& response);
// Sleeps until `until`; cancelled or deadline_exceeded, within 100 ms, if `limits` say so first.
base::Task<Result<void>> sleep_within(base::Env& env, base::Nanoseconds until,
                                      RequestLimits limits);

}  // namespace snapvault::provider
