#include "net/stream.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace snapvault::net {
namespace {

constexpr auto use_tuple = asio::as_tuple(asio::use_awaitable);

tcp::socket::wait_type wait_type(Need need) noexcept {
  return need == Need::room ? tcp::socket::wait_write : tcp::socket::wait_read;
}

Moved settled(ssize_t moved, Need need) noexcept {
  Moved out;
  if (moved >= 0) {
    out.bytes = static_cast<std::size_t>(moved);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
    out.need = need;
  } else {
    out.fault = Fault::system;
    out.number = errno;
  }
  return out;
}

}  // namespace

Stream::Stream(asio::any_io_executor executor) : socket_(std::move(executor)) {}
Stream::~Stream() { close(); }

// Asio's own sockets would be open in the programs that the host starts.
error_code Stream::open(const tcp::endpoint& to) {
  close();
  const auto protocol = to.protocol();
  const int descriptor =
      ::socket(protocol.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
  if (descriptor < 0) return {errno, boost::system::system_category()};
  error_code failure;
  socket_.assign(protocol, descriptor, failure);
  if (failure) {
    ::close(descriptor);
    return failure;
  }
  socket_.non_blocking(true, failure);
  return failure;
}

Awaitable<error_code> Stream::connect(std::vector<tcp::endpoint> addresses,
                                      std::chrono::milliseconds patience) {
  error_code failure = asio::error::host_not_found;
  // The timer's handler may run after this frame is gone: it looks here first.
  const auto waiting = std::make_shared<Stream*>(nullptr);
  struct Forget {
    const std::shared_ptr<Stream*>& waiting;
    ~Forget() { *waiting = nullptr; }
  } forgetting{waiting};
  const auto strand = co_await asio::this_coro::executor;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    failure = open(addresses[i]);
    if (failure) continue;
    asio::steady_timer timer(strand);
    if (i + 1 < addresses.size()) {
      *waiting = this;
      timer.expires_after(patience);
      timer.async_wait([waiting](error_code cancelled) {
        if (!cancelled && *waiting) (*waiting)->close();
      });
    }
    auto connecting = socket_.async_connect(addresses[i], use_tuple);
    std::tie(failure) = co_await std::move(connecting);
    const bool closed = !socket_.is_open();  // in the moment in which it was connected
    *waiting = nullptr;
    timer.cancel();
    if (!failure && closed) failure = asio::error::timed_out;
    if (failure == asio::error::operation_aborted) failure = asio::error::timed_out;
    if (failure) continue;
    error_code ignored;
    socket_.set_option(tcp::no_delay(true), ignored);
    acknowledge_at_once();
    co_return error_code();
  }
  co_return failure;
}

Awaitable<Moved> Stream::handshake(std::shared_ptr<TlsContext> context, std::string host,
                                   std::string key) {
  tls_ = std::make_unique<TlsChannel>(std::move(context), socket_.native_handle(), host,
                                      std::move(key));
  for (;;) {
    const auto moved = tls_->handshake();
    if (moved.need == Need::nothing) co_return moved;
    auto waiting = wait(moved.need);
    co_await std::move(waiting);
  }
}

Moved Stream::read(base::MutableBytes into) noexcept {
  if (tls_) return tls_->read(into);
  auto out =
      settled(::recv(socket_.native_handle(), into.data(), into.size(), MSG_DONTWAIT), Need::input);
  if (out.bytes == 0 && out.need == Need::nothing && out.fault == Fault::none) {
    out.fault = Fault::end;
  }
  return out;
}

Moved Stream::write(std::span<const base::ByteView> from) noexcept {
  constexpr std::size_t kTlsTurn = 1 << 20;  // what OpenSSL encrypts before others have their turn
  if (tls_) return tls_->write(from.front().first(std::min(from.front().size(), kTlsTurn)));
  constexpr std::size_t kPartsMax = 64;
  std::array<iovec, kPartsMax> parts;
  std::size_t count = 0;
  for (const auto& part : from) {
    if (count == parts.size()) break;
    parts[count++] = {const_cast<std::byte*>(part.data()), part.size()};
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  return settled(::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT),
                 Need::room);
}

Awaitable<void> Stream::wait(Need need) {
  if (need == Need::nothing) co_return;
  if (need == Need::input) acknowledge_at_once();
  auto waiting = socket_.async_wait(wait_type(need), use_tuple);
  co_await std::move(waiting);
}

Awaitable<void> Stream::wait_long(Need one, Need other,
                                  std::optional<std::chrono::milliseconds> patience) {
  const auto strand = co_await asio::this_coro::executor;
  const auto over = std::make_shared<asio::steady_timer>(strand);
  if (patience) {
    over->expires_after(*patience);
  } else {
    over->expires_at(asio::steady_timer::time_point::max());
  }
  for (const auto need : {one, other}) {
    if (need == Need::nothing) continue;
    if (need == Need::input) acknowledge_at_once();
    socket_.async_wait(wait_type(need),
                       asio::bind_executor(strand, [over](error_code) { over->cancel(); }));
    if (one == other) break;
  }
  auto waiting = over->async_wait(use_tuple);
  co_await std::move(waiting);
  error_code ignored;
  socket_.cancel(ignored);
}

bool Stream::is_quiet() noexcept {
  if (!socket_.is_open()) return false;
  if (tls_) return tls_->is_quiet();
  char byte = 0;
  return settled(::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT), Need::input)
             .need == Need::input;
}

// Servers that keep Nagle's algorithm on (radosgw) hold back the end of an answer until the kernel
// acknowledges its beginning, which it would do 40 ms later.
void Stream::acknowledge_at_once() noexcept {
  const int on = 1;
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

void Stream::close() noexcept {
  error_code ignored;
  socket_.close(ignored);
}

}  // namespace snapvault::net
