// Stops and deadlines in each step of a request.
#include <doctest/doctest.h>

#include <fstream>

#include "authority.hpp"
#include "caller.hpp"
#include "server.hpp"

TEST_SUITE_BEGIN("net/limits");

namespace snapvault::net::test {
namespace {

// Far below any time after which these would end by themselves, and far above what a busy machine
// adds.
constexpr auto kPromptly = 2s;

// A server that goes so far and then falls silent.
enum class Step { lookup, connect, tls, head, body, answer_head, answer_body, chunk };
constexpr Step kSteps[] = {Step::lookup, Step::connect,     Step::tls,         Step::head,
                           Step::body,   Step::answer_head, Step::answer_body, Step::chunk};

class Stuck {
 public:
  explicit Stuck(Step step)
      : step_(step), server_([this](Connection& connection) { serve(connection); }) {}
  ~Stuck() { gate_->open(); }

  std::shared_ptr<Transport> transport(ClientOptions options = {}) {
    return client(options, [this, gate = gate_](const std::string&) {
      if (step_ == Step::lookup) gate->wait_open();
      return Result<std::vector<std::string>>(std::vector<std::string>{"127.0.0.1"});
    });
  }
  Exchange exchange() const {
    auto out = step_ == Step::body ? put(server_.port(), 50'000'000) : get(server_.port());
    out.request.origin.host = "store.test";
    out.request.origin.tls = step_ == Step::tls;
    return out;
  }
  // Whether nothing of the request was sent when it got stuck.
  bool unreachable() const { return step_ <= Step::tls; }

 private:
  void serve(Connection& connection) const {
    if (step_ == Step::answer_head) connection.write("HTTP/1.1 200 OK\r\nContent-Le");
    if (step_ == Step::answer_body) {
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234");
    }
    if (step_ == Step::chunk) {
      connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01");
    }
    if (step_ == Step::body) {
      gate_->wait_open();  // reads nothing
    } else {
      connection.wait_closed();
    }
  }

  const Step step_;
  const std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  Server server_;
};

TEST_CASE("a stop ends a request at once, whatever it waits for") {
  for (const auto step : kSteps) {
    if (step == Step::connect) continue;  // below
    CAPTURE(static_cast<int>(step));
    Stuck stuck(step);
    const auto transport = stuck.transport();
    std::stop_source stop;
    auto exchange = stuck.exchange();
    exchange.limits.stop = stop.get_token();
    auto answer = begin(*transport, exchange);
    CHECK(answer.wait_for(60ms) == std::future_status::timeout);
    const auto start = std::chrono::steady_clock::now();
    stop.request_stop();
    CHECK(kind(answer.get()) == "cancelled/cancelled");
    CHECK(since(start) < kPromptly);
  }
}

TEST_CASE("a deadline ends a request in every step, and says whether anything was sent") {
  for (const auto step : kSteps) {
    if (step == Step::connect) continue;
    CAPTURE(static_cast<int>(step));
    Stuck stuck(step);
    const auto transport = stuck.transport();
    auto exchange = stuck.exchange();
    const auto start = std::chrono::steady_clock::now();
    exchange.limits.deadline = start + 80ms;
    const auto answer = send(transport, exchange);
    CHECK(kind(answer) ==
          (stuck.unreachable() ? "deadline_exceeded/unreachable" : "deadline_exceeded/deadline"));
    CHECK(since(start) >= 79ms);
    CHECK(since(start) < kPromptly);
    CHECK(answer.error().message().find(" while ") != std::string_view::npos);
  }
}

TEST_CASE("a server that falls silent is given up after the time of a step") {
  for (const auto step : kSteps) {
    if (step == Step::connect) continue;
    CAPTURE(static_cast<int>(step));
    Stuck stuck(step);
    ClientOptions options;
    options.connect_timeout = 70ms;
    options.step_timeout = 70ms;
    const auto start = std::chrono::steady_clock::now();
    const auto answer = send(stuck.transport(options), stuck.exchange());
    CHECK(kind(answer) ==
          (stuck.unreachable() ? "deadline_exceeded/unreachable" : "deadline_exceeded/deadline"));
    CHECK(since(start) < kPromptly);
  }
}

TEST_CASE("the time of a step begins anew with every byte") {
  Server server([](Connection& connection) {
    connection.read_head();
    const auto wire = ok("0123456789");
    for (const char c : wire) {
      connection.write(std::string_view(&c, 1));
      std::this_thread::sleep_for(10ms);
    }
  });
  ClientOptions options;
  options.step_timeout = 100ms;
  CHECK(text(send(client(options), get(server.port()))) == "0123456789");
}

TEST_CASE("a request whose stop or deadline was before it is not sent") {
  Server server([](Connection& connection) {
    if (!connection.read_head().empty()) connection.write(ok("sent"));
  });
  const auto transport = client();
  std::stop_source stop;
  stop.request_stop();
  auto exchange = get(server.port());
  exchange.limits.stop = stop.get_token();
  CHECK(kind(send(transport, exchange)) == "cancelled/cancelled");
  exchange = get(server.port());
  exchange.limits.deadline = std::chrono::steady_clock::now() - 1ms;
  CHECK(kind(send(transport, exchange)) == "deadline_exceeded/unreachable");
  CHECK(server.accepted() == 0);
}

TEST_CASE("a stop that races with the answer gives one of both, and the client goes on") {
  Server server([](Connection& connection) {
    while (!connection.read_head().empty()) connection.write(ok("x"));
  });
  const auto transport = client();
  for (int i = 0; i < 300; ++i) {
    std::stop_source stop;
    auto exchange = get(server.port());
    exchange.limits.stop = stop.get_token();
    auto answer = begin(*transport, exchange);
    if (i % 3 != 0) std::this_thread::sleep_for(std::chrono::microseconds(i));
    stop.request_stop();
    REQUIRE(answer.wait_for(5s) == std::future_status::ready);
    const auto what = kind(answer.get());
    CHECK((what == "200" || what == "cancelled/cancelled"));
  }
  CHECK(text(send(transport, get(server.port()))) == "x");
}

TEST_CASE("requests under way are ended when stopped all at once, from many threads") {
  Server server([](Connection& connection) { connection.wait_closed(); });
  const auto transport = client();
  std::stop_source stop;
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 100; ++i) {
    auto exchange = get(server.port());
    exchange.limits.stop = stop.get_token();
    answers.push_back(begin(*transport, exchange));
  }
  std::this_thread::sleep_for(30ms);
  const auto start = std::chrono::steady_clock::now();
  stop.request_stop();
  for (auto& answer : answers) CHECK(kind(answer.get()) == "cancelled/cancelled");
  CHECK(since(start) < kPromptly);
}

// AddressSanitizer keeps what was freed for a while, so as to see who uses it still.
#if !defined(__SANITIZE_ADDRESS__)
std::size_t resident() {
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0, pages = 0;
  file >> size >> pages;
  return pages * 4096;
}

TEST_CASE("memory stays at the size of an answer, and nothing is left of it") {
  constexpr std::size_t kSize = 64u << 20;
  Server server([](Connection& connection) {
    const std::string piece(1u << 20, 'x');
    while (!connection.read_head().empty()) {
      connection.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n");
      for (std::size_t at = 0; at < kSize; at += piece.size()) connection.write(piece);
    }
  });
  const auto transport = client();
  auto exchange = get(server.port());
  exchange.answer_max = kSize;
  const auto before = resident();
  for (int i = 0; i < 3; ++i) {
    auto answer = send(transport, exchange);
    REQUIRE(answer);
    REQUIRE(answer->body.size() == kSize);
    CHECK(resident() - before < kSize + (16u << 20));
  }
  CHECK(resident() < before + (16u << 20));
}
#endif

}  // namespace
}  // namespace snapvault::net::test
