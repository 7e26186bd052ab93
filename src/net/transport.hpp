// Transport: sends one HTTP/1.1 request and hands over its answer. The real one stands in
// client.hpp and is the only part that knows Beast; tests give one of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <snapvault/provider.hpp>

#include "wire/http.hpp"

namespace snapvault::net {

struct Exchange {
  wire::Request request;
  // The most bytes of a body that answers with 2xx; more is bad_answer. Of other answers 64 KiB are
  // kept and the rest is dropped.
  std::uint64_t answer_max = 1u << 20;
  // Send the headers, and the body only when the server says 100 or nothing for a second: saves an
  // upload that is refused.
  bool expect_continue = false;
  // Not by a proxy, whatever the environment says: metadata services of the machine itself.
  bool direct = false;
  RequestLimits limits = {};
};

// Thread safety: any thread.
class Transport {
 public:
  virtual ~Transport() = default;
  // Completes exactly once, from any thread, possibly before it returns. No redirect is followed.
  // Any whole answer is a success, whatever its status. Errors:
  //   unavailable (unreachable)      nothing of the request reached a server: it may be sent again
  //   outcome_unknown (lost_answer)  at least a part was sent, and no whole answer came
  //   deadline_exceeded (deadline)   the same, and limits.deadline or a bound of our own passed;
  //                                  reason unreachable if that was before anything was sent
  //   data_loss (bad_answer)         an answer came that is no HTTP, or larger than allowed
  //   precondition_failed (tls)      the server's certificate is not trusted, or TLS is refused
  //   cancelled
  virtual void send(Exchange exchange, Completion<wire::Response> done) = 0;
};

}  // namespace snapvault::net
