// converse: one request and its answer on one connection.
#pragma once

#include "net/stream.hpp"
#include "net/transport.hpp"
#include "net/watch.hpp"

namespace snapvault::net {

// How far it came, also when it ends by an exception.
struct Conversation {
  bool sent = false;        // a byte left
  bool body_begun = false;  // a byte of the body left, or may have with the head
  bool answered = false;    // a byte came
  bool reusable = false;    // the connection may carry another request
};

// `head` as build_head gives it. Errors: unavailable (unreachable: nothing was sent),
// outcome_unknown (lost_answer), data_loss (bad_answer), precondition_failed (tls).
Awaitable<Result<wire::Response>> converse(Stream& stream, Watch& watch, const Exchange& exchange,
                                           const std::string& head, std::chrono::milliseconds step,
                                           Conversation& so_far);

}  // namespace snapvault::net
