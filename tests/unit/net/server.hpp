// A server on the loopback for the client's tests, on plain sockets: each connection is served by a
// function of the test, which says every byte itself.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_st;
struct ssl_ctx_st;

namespace snapvault::net::test {

// One accepted connection. Every call answers false or less when the client is gone.
class Connection {
 public:
  Connection(int socket, std::size_t number) : socket_(socket), number_(number) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  std::size_t number() const { return number_; }  // of the connections of this server, from 0
  // Up to and with the empty line; empty when the client closed.
  std::string read_head();
  // A body of `size` bytes, or fewer.
  std::string read(std::size_t size);
  // Reads and forgets; the bytes that came.
  std::size_t drain(std::size_t size);
  bool write(std::string_view bytes);
  // Waits until the client closes, and forgets what comes.
  void wait_closed();
  void end_writing();  // half of the connection
  void reset();        // RST
  void close();
  bool start_tls(ssl_ctx_st* context);
  ssl_st* tls() const { return tls_; }
  int socket() const { return socket_; }

 private:
  long receive(char* into, std::size_t size);
  int socket_;
  const std::size_t number_;
  ssl_st* tls_ = nullptr;
  std::string ahead_;  // read and not asked for yet
};

class Server {
 public:
  using Serve = std::function<void(Connection&)>;
  explicit Server(Serve serve, const char* address = "127.0.0.1", std::uint16_t port = 0);
  // TLS before `serve`; a connection whose handshake fails is not served.
  Server(Serve serve, std::shared_ptr<ssl_ctx_st> tls);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  std::uint16_t port() const { return port_; }
  std::size_t accepted() const { return accepted_; }

 private:
  void listen(const char* address, std::uint16_t port);
  void run();

  Serve serve_;
  std::shared_ptr<ssl_ctx_st> tls_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> accepted_ = 0;
  std::atomic<bool> ending_ = false;
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

// A gate that a test and its server meet at.
class Gate {
 public:
  void open();
  bool wait_open();  // false after 5 s

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

std::string ok(std::string_view body, std::string_view more_fields = "");

}  // namespace snapvault::net::test
