// Sends exchanges of a test and waits for what comes of them.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <future>
#include <string>

#include "net/make_client.hpp"

namespace snapvault::net::test {

using namespace std::chrono_literals;
using Answer = Result<wire::Response>;

inline std::shared_ptr<Transport> client(ClientOptions options = {}, LookUp look_up = ask_system) {
  auto out = make_client(std::move(options), std::move(look_up));
  REQUIRE(out);
  return *out;
}

inline Exchange request(const char* method, std::uint16_t port, std::string path = "/") {
  Exchange out;
  out.request.method = method;
  out.request.origin = {false, "127.0.0.1", port};
  out.request.path = std::move(path);
  return out;
}
inline Exchange get(std::uint16_t port) { return request("GET", port); }
inline Exchange put(std::uint16_t port, std::size_t size) {
  auto out = request("PUT", port);
  out.request.body = PutBody(std::vector<std::byte>(size, std::byte{'b'}));
  return out;
}

inline std::future<Answer> begin(Transport& transport, Exchange exchange) {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto out = promise->get_future();
  transport.send(std::move(exchange),
                 [promise](Answer answer) { promise->set_value(std::move(answer)); });
  return out;
}
inline Answer send(Transport& transport, Exchange exchange) {
  auto future = begin(transport, std::move(exchange));
  REQUIRE(future.wait_for(10s) == std::future_status::ready);
  return future.get();
}
inline Answer send(const std::shared_ptr<Transport>& transport, Exchange exchange) {
  return send(*transport, std::move(exchange));
}

inline std::string text(const Answer& answer) {
  return answer ? std::string(answer->text())
                : std::string(to_string(answer.error().code())) + "/" +
                      std::string(answer.error().reason()) + ": " +
                      std::string(answer.error().message());
}
// "code/reason", or the status.
inline std::string kind(const Answer& answer) {
  return answer ? std::to_string(answer->status)
                : std::string(to_string(answer.error().code())) + "/" +
                      std::string(answer.error().reason());
}

inline std::chrono::milliseconds since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start);
}

}  // namespace snapvault::net::test
