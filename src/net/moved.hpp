// What one try to read or write, which never waits, brought.
#pragma once

#include <cstddef>
#include <cstdint>

namespace snapvault::net {

// What has to come before more bytes can move.
enum class Need : std::uint8_t { nothing, input, room };
// Why no more bytes will ever move.
enum class Fault : std::uint8_t {
  none,
  end,     // the peer ended the connection in due form
  cut,     // the peer ended it without TLS's own end: somebody else may have done that
  system,  // as `number` says
  tls,     // the peer breaks TLS, or refuses us
};

struct Moved {
  std::size_t bytes = 0;
  Need need = Need::nothing;
  Fault fault = Fault::none;
  int number = 0;  // errno
};

}  // namespace snapvault::net
