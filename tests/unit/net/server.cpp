#include "server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>

namespace snapvault::net::test {

Connection::~Connection() { close(); }

long Connection::receive(char* into, std::size_t size) {
  if (tls_) {
    std::size_t moved = 0;
    return SSL_read_ex(tls_, into, size, &moved) == 1 ? static_cast<long>(moved) : 0;
  }
  return ::recv(socket_, into, size, 0);
}

std::string Connection::read_head() {
  for (;;) {
    if (const auto end = ahead_.find("\r\n\r\n"); end != std::string::npos) {
      auto out = ahead_.substr(0, end + 4);
      ahead_.erase(0, end + 4);
      return out;
    }
    char bytes[4096];
    const auto moved = receive(bytes, sizeof bytes);
    if (moved <= 0) return {};
    ahead_.append(bytes, static_cast<std::size_t>(moved));
  }
}

std::string Connection::read(std::size_t size) {
  while (ahead_.size() < size) {
    char bytes[65536];
    const auto moved = receive(bytes, std::min(sizeof bytes, size - ahead_.size()));
    if (moved <= 0) break;
    ahead_.append(bytes, static_cast<std::size_t>(moved));
  }
  auto out = ahead_.substr(0, size);
  ahead_.erase(0, size);
  return out;
}

std::size_t Connection::drain(std::size_t size) {
  auto done = std::min(size, ahead_.size());
  ahead_.erase(0, done);
  std::vector<char> bytes(256 << 10);
  while (done < size) {
    const auto moved = receive(bytes.data(), std::min(bytes.size(), size - done));
    if (moved <= 0) break;
    done += static_cast<std::size_t>(moved);
  }
  return done;
}

bool Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t moved = 0;
    if (tls_) {
      if (SSL_write_ex(tls_, bytes.data(), bytes.size(), &moved) != 1) return false;
    } else {
      const auto sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      moved = static_cast<std::size_t>(sent);
    }
    bytes.remove_prefix(moved);
  }
  return true;
}

void Connection::wait_closed() { drain(SIZE_MAX); }
void Connection::end_writing() { ::shutdown(socket_, SHUT_WR); }

void Connection::reset() {
  const linger now{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Connection::close() {
  if (tls_) SSL_free(tls_);
  tls_ = nullptr;
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

bool Connection::start_tls(ssl_ctx_st* context) {
  tls_ = SSL_new(context);
  SSL_set_fd(tls_, socket_);
  return SSL_accept(tls_) == 1;
}

Server::Server(Serve serve, const char* address, std::uint16_t port) : serve_(std::move(serve)) {
  listen(address, port);
}
Server::Server(Serve serve, std::shared_ptr<ssl_ctx_st> tls)
    : serve_(std::move(serve)), tls_(std::move(tls)) {
  listen("127.0.0.1", 0);
}

void Server::listen(const char* address, std::uint16_t port) {
  const bool v6 = std::strchr(address, ':') != nullptr;
  sockaddr_storage place{};
  socklen_t size = 0;
  if (v6) {
    auto& to = reinterpret_cast<sockaddr_in6&>(place);
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    ::inet_pton(AF_INET6, address, &to.sin6_addr);
    size = sizeof to;
  } else {
    auto& to = reinterpret_cast<sockaddr_in&>(place);
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &to.sin_addr);
    size = sizeof to;
  }
  listener_ = ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&place), size) != 0 ||
      ::listen(listener_, 128) != 0) {
    throw std::runtime_error(std::string("no listener at ") + address);
  }
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&place), &size);
  port_ = ntohs(v6 ? reinterpret_cast<sockaddr_in6&>(place).sin6_port
                   : reinterpret_cast<sockaddr_in&>(place).sin_port);
  acceptor_ = std::thread([this] { run(); });
}

void Server::run() {
  // OpenSSL's own sockets raise it; the threads that are started here inherit this.
  sigset_t broken;
  sigemptyset(&broken);
  sigaddset(&broken, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken, nullptr);
  for (;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    const std::lock_guard lock(mutex_);
    if (ending_) {
      ::close(socket);
      return;
    }
    const auto number = accepted_++;
    const int watched = ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
    open_.push_back(watched);
    threads_.emplace_back([this, socket, number, watched] {
      {
        Connection connection(socket, number);
        if (!tls_ || connection.start_tls(tls_.get())) serve_(connection);
      }
      const std::lock_guard inner(mutex_);
      std::erase(open_, watched);
      ::close(watched);
    });
  }
}

Server::~Server() {
  ending_ = true;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
  }
  for (auto& thread : threads_) thread.join();
}

void Gate::open() {
  const std::lock_guard lock(mutex_);
  open_ = true;
  changed_.notify_all();
}

bool Gate::wait_open() {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(5), [this] { return open_; });
}

std::string ok(std::string_view body, std::string_view more_fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more_fields) + "\r\n" + std::string(body);
}

}  // namespace snapvault::net::test
