// What becomes of connections: kept, found stale, bounded, refused, tried one after the other.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "caller.hpp"
#include "server.hpp"

TEST_SUITE_BEGIN("net/connection");

namespace snapvault::net::test {
namespace {

void answer_all(Connection& connection) {
  for (;;) {
    const auto head = connection.read_head();
    if (head.empty()) return;
    connection.write(ok(std::to_string(connection.number())));
  }
}

LookUp always(std::vector<std::string> addresses) {
  return [addresses](const std::string&) -> Result<std::vector<std::string>> { return addresses; };
}

Exchange named(std::uint16_t port, const char* host = "store.test") {
  auto out = get(port);
  out.request.origin.host = host;
  return out;
}

// A listener whose queue is full: who connects hears nothing.
class Deaf {
 public:
  explicit Deaf(const char* address, std::uint16_t port) {
    to_.sin_family = AF_INET;
    to_.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &to_.sin_addr);
    sockets_.push_back(::socket(AF_INET, SOCK_STREAM, 0));
    const int on = 1;
    ::setsockopt(sockets_[0], SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    REQUIRE(::bind(sockets_[0], reinterpret_cast<sockaddr*>(&to_), sizeof to_) == 0);
    REQUIRE(::listen(sockets_[0], 0) == 0);
    socklen_t size = sizeof to_;
    ::getsockname(sockets_[0], reinterpret_cast<sockaddr*>(&to_), &size);
    for (int i = 0; i < 4; ++i) {
      sockets_.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
      ::connect(sockets_.back(), reinterpret_cast<sockaddr*>(&to_), sizeof to_);
    }
  }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;
  ~Deaf() {
    for (const int socket : sockets_) ::close(socket);
  }
  std::uint16_t port() const { return ntohs(to_.sin_port); }

 private:
  sockaddr_in to_{};
  std::vector<int> sockets_;
};

TEST_CASE("a connection is kept and used again, after any answer that leaves it whole") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write(ok("a"));
    connection.read_head();
    connection.read(100'000);
    connection.write("HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nb");
    connection.read_head();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\nc");
    connection.wait_closed();
  });
  const auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "a");
  CHECK(text(send(transport, put(server.port(), 100'000))) == "b");
  CHECK(server.accepted() == 1);
  CHECK(text(send(transport, get(server.port()))) == "c");
  CHECK(text(send(transport, get(server.port()))) == "a");
  CHECK(server.accepted() == 2);
}

TEST_CASE("a waiting connection that the server ended, or wrote to, is not used again") {
  for (const bool writes : {false, true}) {
    Gate ended;
    Server server([&](Connection& connection) {
      connection.read_head();
      connection.write(ok("x"));
      if (writes) {
        connection.write("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
      } else {
        connection.end_writing();
      }
      ended.open();
      connection.wait_closed();
    });
    const auto transport = client();
    CHECK(text(send(transport, get(server.port()))) == "x");
    REQUIRE(ended.wait_open());
    // A POST is never sent twice: it succeeds only because the old connection was passed over.
    CHECK(text(send(transport, request("POST", server.port()))) == "x");
    CHECK(server.accepted() == 2);
  }
}

TEST_CASE("a request that dies with a waiting connection is repeated if it may be, once") {
  // The first connection dies when the second request is there.
  std::atomic<int> requests = 0;
  const auto serve = [&](Connection& connection) {
    connection.read_head();
    ++requests;
    connection.write(ok("x"));
    if (!connection.read_head().empty()) ++requests;
    connection.reset();
  };
  for (const char* method : {"GET", "HEAD", "DELETE"}) {
    requests = 0;
    Server server(serve);
    const auto transport = client();
    CHECK(kind(send(transport, get(server.port()))) == "200");
    CHECK(kind(send(transport, request(method, server.port()))) == "200");
    CHECK(requests == 3);
  }
  for (const char* method : {"POST", "PUT"}) {
    requests = 0;
    Server server(serve);
    const auto transport = client();
    CHECK(kind(send(transport, get(server.port()))) == "200");
    CHECK(kind(send(transport, request(method, server.port()))) == "outcome_unknown/lost_answer");
    CHECK(requests == 2);
  }
}

TEST_CASE("a body that was held back until leave is given may go by another connection") {
  Server server([](Connection& connection) {
    connection.read_head();
    if (connection.number() == 0) {
      connection.write(ok("x"));
      connection.read_head();
      connection.reset();
      return;
    }
    connection.write("HTTP/1.1 100 Continue\r\n\r\n");
    connection.read(5000);
    connection.write(ok("taken"));
  });
  const auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "x");
  auto exchange = put(server.port(), 5000);
  exchange.expect_continue = true;
  CHECK(text(send(transport, exchange)) == "taken");
}

TEST_CASE("a request on a new connection is never repeated by the client") {
  std::atomic<int> requests = 0;
  Server server([&](Connection& connection) {
    if (!connection.read_head().empty()) ++requests;
    connection.reset();
  });
  CHECK(kind(send(client(), get(server.port()))) == "outcome_unknown/lost_answer");
  CHECK(requests == 1);
}

TEST_CASE("an idle connection is closed when its time is over") {
  Gate closed;
  Server server([&](Connection& connection) {
    connection.read_head();
    connection.write(ok("x"));
    connection.wait_closed();
    closed.open();
  });
  ClientOptions options;
  options.idle_timeout = 60ms;
  const auto transport = client(options);
  CHECK(text(send(transport, get(server.port()))) == "x");
  CHECK(closed.wait_open());
}

TEST_CASE("no more connections than allowed, and those who wait are served in order") {
  std::atomic<int> at_once = 0, most = 0;
  std::mutex mutex;
  std::vector<std::string> order;
  Server server([&](Connection& connection) {
    for (;;) {
      const auto head = connection.read_head();
      if (head.empty()) return;
      most = std::max<int>(most, ++at_once);
      {
        const std::lock_guard lock(mutex);
        order.push_back(head.substr(5, 2));
      }
      std::this_thread::sleep_for(5ms);
      --at_once;
      connection.write(ok(""));
    }
  });
  SUBCASE("one") {
    ClientOptions options;
    options.connections_max = 1;
    const auto transport = client(options);
    std::vector<std::future<Answer>> answers;
    std::vector<std::string> want;
    for (int i = 10; i < 30; ++i) {
      want.push_back(std::to_string(i));
      answers.push_back(begin(*transport, request("GET", server.port(), "/" + want.back())));
      // Two threads of the client might begin two requests in either order.
      std::this_thread::sleep_for(1ms);
    }
    for (auto& answer : answers) CHECK(kind(answer.get()) == "200");
    CHECK(order == want);
    CHECK(server.accepted() == 1);
  }
  SUBCASE("three") {
    ClientOptions options;
    options.connections_max = 3;
    const auto transport = client(options);
    std::vector<std::future<Answer>> answers;
    for (int i = 10; i < 50; ++i) {
      answers.push_back(begin(*transport, request("GET", server.port(), "/" + std::to_string(i))));
    }
    for (auto& answer : answers) CHECK(kind(answer.get()) == "200");
    CHECK(most <= 3);
    CHECK(server.accepted() <= 3);
  }
}

TEST_CASE("who is stopped while waiting in line leaves it, and the others go on") {
  Gate gate;
  Server server([&](Connection& connection) {
    for (;;) {
      if (connection.read_head().empty()) return;
      gate.wait_open();
      connection.write(ok("x"));
    }
  });
  ClientOptions options;
  options.connections_max = 1;
  const auto transport = client(options);
  auto first = begin(*transport, get(server.port()));
  std::this_thread::sleep_for(20ms);
  std::stop_source stop;
  auto exchange = get(server.port());
  exchange.limits.stop = stop.get_token();
  auto second = begin(*transport, exchange);
  auto third_exchange = get(server.port());
  third_exchange.limits.deadline = std::chrono::steady_clock::now() + 60ms;
  auto third = begin(*transport, third_exchange);
  auto fourth = begin(*transport, get(server.port()));
  std::this_thread::sleep_for(20ms);
  stop.request_stop();
  CHECK(kind(second.get()) == "cancelled/cancelled");
  CHECK(kind(third.get()) == "deadline_exceeded/unreachable");
  gate.open();
  CHECK(text(first.get()) == "x");
  CHECK(text(fourth.get()) == "x");
}

TEST_CASE("IPv6 is spoken, by address and by name") {
  std::string head;
  std::unique_ptr<Server> server;
  try {
    server = std::make_unique<Server>(
        [&](Connection& connection) {
          head = connection.read_head();
          connection.write(ok("six"));
        },
        "::1");
  } catch (const std::exception&) {
    MESSAGE("no IPv6 here");
    return;
  }
  CHECK(text(send(client(), named(server->port(), "::1"))) == "six");
  CHECK(head.find("Host: [::1]:" + std::to_string(server->port())) != std::string::npos);
  CHECK(text(send(client({}, always({"::1"})), named(server->port()))) == "six");
}

TEST_CASE("DE-07: the next address is tried when one refuses") {
  Server server(answer_all, "127.0.0.1");
  const auto transport = client({}, always({"127.0.0.3", "::1", "127.0.0.4", "127.0.0.1"}));
  CHECK(text(send(transport, named(server.port()))) == "0");
}

TEST_CASE("DE-07: the next address is tried when one is silent for two seconds") {
  Server server(answer_all, "127.0.0.1");
  const Deaf deaf("127.0.0.2", server.port());
  const auto transport = client({}, always({"127.0.0.2", "127.0.0.1"}));
  const auto start = std::chrono::steady_clock::now();
  CHECK(text(send(transport, named(server.port()))) == "0");
  CHECK(since(start) >= 1900ms);
  CHECK(since(start) < 4s);
}

TEST_CASE("what keeps a connection from being made is said, and is 'unreachable'") {
  const auto says = [](const Answer& answer, std::string_view part) {
    CAPTURE(text(answer));
    return kind(answer) == "unavailable/unreachable" &&
           answer.error().message().find(part) != std::string_view::npos &&
           !answer.error().hint().empty() && !answer.error().subject().empty();
  };
  std::uint16_t free_port = 0;
  {
    Server server(answer_all);
    free_port = server.port();
  }
  CHECK(says(send(client(), get(free_port)), "refused"));
  CHECK(says(send(client(), named(80, "no-such-name.invalid")), "name"));
  CHECK(says(send(client({}, always({"not an address"})), named(80)), "name"));
  const LookUp failing = [](const std::string&) -> Result<std::vector<std::string>> {
    throw std::bad_alloc();
  };
  CHECK(kind(send(client({}, failing), named(80))) == "resource_exhausted/no_memory");
  CHECK(says(send(client({}, always({"255.255.255.255"})), named(80)), "no way"));
}

TEST_CASE("requests that want the same name at once share one look-up") {
  Server server(answer_all);
  std::atomic<int> asked = 0;
  Gate gate;
  const auto transport = client({}, [&](const std::string&) -> Result<std::vector<std::string>> {
    ++asked;
    gate.wait_open();
    return std::vector<std::string>{"127.0.0.1"};
  });
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 8; ++i) answers.push_back(begin(*transport, named(server.port())));
  std::this_thread::sleep_for(50ms);
  gate.open();
  for (auto& answer : answers) CHECK(kind(answer.get()) == "200");
  CHECK(asked == 1);
}

TEST_CASE("a look-up that never ends keeps neither its request nor the end of the client") {
  const auto gate = std::make_shared<Gate>();
  auto transport = client({}, [gate](const std::string&) -> Result<std::vector<std::string>> {
    gate->wait_open();
    return std::vector<std::string>{};
  });
  auto exchange = named(80);
  exchange.limits.deadline = std::chrono::steady_clock::now() + 50ms;
  const auto start = std::chrono::steady_clock::now();
  CHECK(kind(send(transport, exchange)) == "deadline_exceeded/unreachable");
  transport.reset();
  CHECK(since(start) < 1s);
  gate->open();
}

// Of the client, which name themselves once they run.
std::size_t count_threads() {
  std::size_t out = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    out += std::getline(file, name) && name == "snapvault-net";
  }
  return out;
}

TEST_CASE(
    "the threads come with the first request, block all signals, and go with the last client") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write(ok("x"));
  });
  auto one = client(), two = client();
  CHECK(count_threads() == 0);
  std::uint64_t blocked = 0;
  auto promise = std::make_shared<std::promise<void>>();
  auto done = promise->get_future();
  one->send(get(server.port()), [&, promise](Answer) {
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, nullptr, &now);
    blocked = sigismember(&now, SIGINT) + sigismember(&now, SIGPIPE) + sigismember(&now, SIGCHLD);
    promise->set_value();
  });
  done.get();
  CHECK(blocked == 3);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (count_threads() < 2 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(1ms);
  }
  CHECK(count_threads() == 2);
  CHECK(text(send(two, get(server.port()))) == "x");
  one.reset();
  CHECK(text(send(two, get(server.port()))) == "x");
  two.reset();
  CHECK(count_threads() == 0);
}

TEST_CASE("the last client may go in a completion, on a thread of its own") {
  Server server(answer_all);
  for (int i = 0; i < 50; ++i) {
    auto transport = client();
    auto* const raw = transport.get();
    auto promise = std::make_shared<std::promise<std::string>>();
    auto done = promise->get_future();
    raw->send(get(server.port()), [promise, kept = std::move(transport)](Answer answer) mutable {
      kept.reset();
      promise->set_value(text(answer));
    });
    CHECK(done.get() == std::to_string(i));
  }
}

TEST_CASE("a client works in a forked child, and goes on in the parent") {
  Server server(answer_all);
  auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "0");
  const auto child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto future = begin(*transport, get(server.port()));
    const bool good = future.wait_for(5s) == std::future_status::ready && future.get();
    transport.reset();
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(text(send(transport, get(server.port()))) == "0");
}

TEST_CASE("sockets are not left open in programs that the host starts") {
  Server server(answer_all);
  const auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "0");
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (gone || !target.starts_with("socket:")) continue;
    const int flags = ::fcntl(std::stoi(entry.path().filename()), F_GETFD);
    CHECK((flags < 0 || (flags & FD_CLOEXEC) != 0));
  }
}

}  // namespace
}  // namespace snapvault::net::test
