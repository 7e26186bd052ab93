// Stream: one TCP connection, with or without TLS, read and written without waiting; and what a
// coroutine waits for between the tries.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/bytes.hpp"
#include "net/moved.hpp"
#include "net/tls.hpp"

namespace snapvault::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
template <class T>
using Awaitable = asio::awaitable<T>;

// Used by one coroutine at a time, on its strand; every wait ends by an exception when the
// coroutine is cancelled.
class Stream {
 public:
  explicit Stream(asio::any_io_executor executor);
  ~Stream();

  // Tries the addresses in order, each for `patience` while others are left.
  Awaitable<error_code> connect(std::vector<tcp::endpoint> addresses,
                                std::chrono::milliseconds patience);
  // Throws std::bad_alloc.
  Awaitable<Moved> handshake(std::shared_ptr<TlsContext> context, std::string host,
                             std::string key);
  const TlsChannel* tls() const noexcept { return tls_.get(); }

  // What moves at once; nothing is a reason to wait, or a fault.
  Moved read(base::MutableBytes into) noexcept;
  Moved write(std::span<const base::ByteView> from) noexcept;  // `from` has a byte

  Awaitable<void> wait(Need need);
  // For either, or until `patience` is over.
  Awaitable<void> wait_long(Need one, Need other,
                            std::optional<std::chrono::milliseconds> patience);

  // Nothing came, so that a request may be sent on it again.
  bool is_quiet() noexcept;
  void close() noexcept;

 private:
  error_code open(const tcp::endpoint& to);
  void acknowledge_at_once() noexcept;

  tcp::socket socket_;
  std::unique_ptr<TlsChannel> tls_;
};

}  // namespace snapvault::net
