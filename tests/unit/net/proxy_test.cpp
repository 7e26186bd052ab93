// Which requests go by which proxy, and what the proxy is told.
#include "net/proxy.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <map>

#include "authority.hpp"
#include "caller.hpp"
#include "server.hpp"

TEST_SUITE_BEGIN("net/proxy");

namespace snapvault::net::test {
namespace {

wire::Origin origin(const char* host, std::uint16_t port = 443) { return {true, host, port}; }
bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("the address of a proxy, with and without user, port and scheme") {
  const auto full = parse_proxy("http://me:p%40ss@proxy.test:3128/");
  REQUIRE(full);
  CHECK(full->origin == wire::Origin{false, "proxy.test", 3128});
  CHECK(full->authorization.reveal() == "Basic bWU6cEBzcw==");
  const auto bare = parse_proxy("proxy.test:3128");
  REQUIRE(bare);
  CHECK(bare->origin.port == 3128);
  CHECK(bare->authorization.empty());
  const auto six = parse_proxy("http://[::1]:8888");
  REQUIRE(six);
  CHECK(six->origin == wire::Origin{false, "::1", 8888});
  for (const char* bad : {"", "https://proxy.test", "socks5://proxy.test:1080", "http://",
                          "http://me:%zz@proxy.test:1", "http://proxy.test:99999"}) {
    CAPTURE(bad);
    const auto parsed = parse_proxy(bad);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("DC-08: a proxy's address that cannot be read is not repeated in the error") {
  const auto parsed = parse_proxy("http://me:hunter2@proxy.test:99999");
  REQUIRE_FALSE(parsed);
  CHECK_FALSE(has(std::string(parsed.error().message()), "hunter2"));
  CHECK_FALSE(has(std::string(parsed.error().subject()), "hunter2"));
}

TEST_CASE("no_proxy excludes names and all below them, addresses, networks and ports") {
  const std::string rules =
      " store.test, .below.test ,*.star.test,10.1.0.0/16,192.0.2.7,"
      "port.test:9000,[2001:db8::1]:9000,::1,fd00::/8,169.254.169.254";
  const auto excluded = [&](const char* host, std::uint16_t port = 443) {
    return is_excluded(rules, origin(host, port));
  };
  CHECK(excluded("store.test"));
  CHECK(excluded("STORE.test"));
  CHECK(excluded("a.store.test"));
  CHECK_FALSE(excluded("mystore.test"));
  CHECK_FALSE(excluded("store.test.evil"));
  CHECK(excluded("a.below.test"));
  CHECK(excluded("below.test"));
  CHECK(excluded("a.star.test"));
  CHECK(excluded("10.1.255.1"));
  CHECK_FALSE(excluded("10.2.0.1"));
  CHECK(excluded("192.0.2.7"));
  CHECK_FALSE(excluded("192.0.2.70"));
  CHECK(excluded("port.test", 9000));
  CHECK_FALSE(excluded("port.test", 9001));
  CHECK(excluded("2001:db8::1", 9000));
  CHECK(excluded("2001:DB8:0::1", 9000));
  CHECK_FALSE(excluded("2001:db8::1", 443));
  CHECK(excluded("::1"));
  CHECK(excluded("fd12::1"));
  CHECK_FALSE(excluded("fe80::1"));
  CHECK(is_excluded("*", origin("any.test")));
  CHECK(is_excluded("a, *", origin("any.test")));
  for (const char* none :
       {"", ",", " , ", ".", "/", "/8", "10.0.0.0/33", "10.0.0.0/x", ":443", "[", "[]", "[::1"}) {
    CAPTURE(none);
    CHECK_FALSE(is_excluded(none, origin("any.test")));
    CHECK_FALSE(is_excluded(none, origin("10.0.0.1")));
  }
  CHECK(is_excluded("0.0.0.0/0", origin("10.0.0.1")));
}

TEST_CASE("the environment's variables, but for HTTP_PROXY, which a web server's client may set") {
  std::map<std::string, std::string> set{{"HTTP_PROXY", "http://evil:1"},
                                         {"HTTPS_PROXY", "http://upper:1"},
                                         {"NO_PROXY", "upper.test"}};
  const auto variable = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = set.find(name);
    if (found == set.end()) return {};
    return found->second;
  };
  ClientOptions options;
  read_proxies(variable, options);
  CHECK(options.http_proxy.empty());
  CHECK(options.https_proxy == "http://upper:1");
  CHECK(options.no_proxy == "upper.test");
  set.insert({{"http_proxy", "http://a:1"}, {"https_proxy", "http://b:1"}, {"no_proxy", "c"}});
  read_proxies(variable, options);
  CHECK(options.http_proxy == "http://a:1");
  CHECK(options.https_proxy == "http://b:1");
  CHECK(options.no_proxy == "c");
}

std::string proxy_url(const Server& server) {
  return "http://me:hunter2@127.0.0.1:" + std::to_string(server.port());
}

TEST_CASE("plain HTTP goes to the proxy whole, with the proxy's password for the proxy") {
  std::vector<std::string> heads;
  Server proxy([&](Connection& connection) {
    for (;;) {
      heads.push_back(connection.read_head());
      if (heads.back().empty()) return;
      connection.write(ok("by proxy"));
    }
  });
  ClientOptions options;
  options.http_proxy = proxy_url(proxy);
  options.no_proxy = "excluded.test";
  const LookUp nothing = [](const std::string& host) -> Result<std::vector<std::string>> {
    return Error(Errc::unavailable, "unreachable", "asked for " + host);
  };
  const auto transport = client(options, nothing);
  auto exchange = request("GET", 9000, "/key");
  exchange.request.query = {{"a", "b"}};
  exchange.request.origin.host = "store.test";
  CHECK(text(send(transport, exchange)) == "by proxy");
  CHECK(text(send(transport, exchange)) == "by proxy");
  CHECK(proxy.accepted() == 1);
  REQUIRE(heads.size() >= 1);
  CHECK(heads[0].starts_with("GET http://store.test:9000/key?a=b HTTP/1.1\r\n"));
  CHECK(has(heads[0], "\r\nHost: store.test:9000\r\n"));
  CHECK(has(heads[0], "\r\nProxy-Authorization: Basic bWU6aHVudGVyMg==\r\n"));
  // Past the proxy: by no_proxy, and what is said to be direct.
  exchange.direct = true;
  CHECK(has(text(send(transport, exchange)), "asked for store.test"));
  exchange.direct = false;
  exchange.request.origin.host = "excluded.test";
  CHECK(has(text(send(transport, exchange)), "asked for excluded.test"));
}

// A proxy that connects to one place whatever it is asked for.
void tunnel(Connection& connection, std::uint16_t port, std::string& head) {
  head = connection.read_head();
  const int up = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(up, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) {
    connection.write("HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
    std::thread back([&] {
      char bytes[4096];
      for (;;) {
        const auto moved = ::recv(up, bytes, sizeof bytes, 0);
        if (moved <= 0) break;
        connection.write(std::string_view(bytes, static_cast<std::size_t>(moved)));
      }
      ::shutdown(connection.socket(), SHUT_RDWR);
    });
    for (;;) {
      const auto byte = connection.read(1);
      if (byte.empty()) break;
      if (::send(up, byte.data(), byte.size(), MSG_NOSIGNAL) <= 0) break;
    }
    ::shutdown(up, SHUT_RDWR);
    back.join();
  }
  ::close(up);
}

TEST_CASE("HTTPS goes through a tunnel of the proxy, whose password the server never sees") {
  const Authority authority;
  std::string seen, asked;
  Server server(
      [&](Connection& connection) {
        for (;;) {
          const auto head = connection.read_head();
          if (head.empty()) return;
          seen = head;
          connection.write(ok("secret"));
        }
      },
      authority.server(authority.sign("DNS:store.test")));
  Server proxy([&](Connection& connection) { tunnel(connection, server.port(), asked); });
  ClientOptions options;
  options.ca_file = authority.file();
  options.https_proxy = proxy_url(proxy);
  const auto transport = client(options);
  auto exchange = request("GET", 8443, "/key");
  exchange.request.origin = {true, "store.test", 8443};
  exchange.request.headers.add("Authorization", "token");
  CHECK(text(send(transport, exchange)) == "secret");
  CHECK(text(send(transport, exchange)) == "secret");
  CHECK(proxy.accepted() == 1);
  CHECK(asked.starts_with("CONNECT store.test:8443 HTTP/1.1\r\nHost: store.test:8443\r\n"));
  CHECK(has(asked, "\r\nProxy-Authorization: Basic bWU6aHVudGVyMg==\r\n"));
  CHECK_FALSE(has(asked, "token"));
  CHECK(seen.starts_with("GET /key HTTP/1.1\r\n"));
  CHECK_FALSE(has(seen, "Proxy-"));
  // The certificate counts for the server behind the proxy.
  exchange.request.origin.host = "other.test";
  CHECK(kind(send(transport, exchange)) == "precondition_failed/tls");
}

TEST_CASE("what a proxy refuses is told apart from what a server refuses") {
  std::string line;
  Server proxy([&](Connection& connection) {
    connection.read_head();
    connection.write(line);
  });
  ClientOptions options;
  options.http_proxy = options.https_proxy = proxy_url(proxy);
  const auto transport = client(options);
  for (const bool tls : {false, true}) {
    auto exchange = get(443);
    exchange.request.origin = {tls, "store.test", 443};
    line = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    auto answer = send(transport, exchange);
    CHECK(kind(answer) == "unauthenticated/bad_credential");
    CHECK(answer.error().native() == 407);
    CHECK(has(std::string(answer.error().message()), "proxy"));
    CHECK_FALSE(has(std::string(answer.error().message()), "hunter2"));
    if (!tls) continue;
    line = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    answer = send(transport, exchange);
    CHECK(kind(answer) == "unavailable/unreachable");
    CHECK(answer.error().native() == 502);
    line = "HTTP/1.1 200";
    CHECK(kind(send(transport, exchange)) == "unavailable/unreachable");
    line = "what?\r\n\r\n";
    CHECK(kind(send(transport, exchange)) == "data_loss/bad_answer");
  }
}

}  // namespace
}  // namespace snapvault::net::test
