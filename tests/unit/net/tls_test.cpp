// TLS against servers whose certificates an authority of the test signed.
#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <fstream>

#include "authority.hpp"
#include "caller.hpp"
#include "server.hpp"

TEST_SUITE_BEGIN("net/tls");

namespace snapvault::net::test {
namespace {

Exchange secure(const char* method, std::uint16_t port, const char* host = "127.0.0.1") {
  auto out = request(method, port);
  out.request.origin = {true, host, port};
  return out;
}

// All names lead to the server of the test.
Result<std::vector<std::string>> here(const std::string&) {
  return std::vector<std::string>{"127.0.0.1"};
}

ClientOptions trusting(const Authority& authority) {
  ClientOptions out;
  out.ca_file = authority.file();
  return out;
}

void answer_all(Connection& connection) {
  while (!connection.read_head().empty()) connection.write(ok("secret"));
}

bool says(const Answer& answer, std::string_view part) {
  return !answer && answer.error().message().find(part) != std::string_view::npos;
}

TEST_CASE("DC-08: a certificate of the named authority, for the name or the address, is trusted") {
  const Authority authority;
  std::string name;
  Server server(
      [&](Connection& connection) {
        const char* const asked = SSL_get_servername(connection.tls(), TLSEXT_NAMETYPE_host_name);
        name = asked ? asked : "none";
        CHECK(SSL_version(connection.tls()) == TLS1_3_VERSION);
        answer_all(connection);
      },
      authority.server(authority.sign("DNS:store.test,DNS:*.store.test,IP:127.0.0.1")));
  const auto transport = client(trusting(authority), here);
  CHECK(text(send(transport, secure("GET", server.port(), "store.test"))) == "secret");
  CHECK(name == "store.test");
  CHECK(text(send(transport, secure("GET", server.port(), "bucket.store.test"))) == "secret");
  CHECK(name == "bucket.store.test");
  CHECK(text(send(transport, secure("GET", server.port()))) == "secret");
  CHECK(name == "none");  // an address is no name (RFC 6066 section 3)
  CHECK(server.accepted() == 3);
}

TEST_CASE("DC-08: any other certificate is refused before a byte of the request, with the reason") {
  const Authority authority, other;
  struct Case {
    Certificate certificate;
    const char* host;
    const char* why;
    const char* hint;
  };
  const Case cases[] = {
      {authority.sign("DNS:other.test"), "store.test", "ostname mismatch", "endpoint"},
      {authority.sign("DNS:127.0.0.1"), "127.0.0.1", "IP address mismatch", "endpoint"},
      {authority.sign("IP:127.0.0.2"), "127.0.0.1", "IP address mismatch", "endpoint"},
      {authority.sign("DNS:*.store.test"), "a.b.store.test", "ostname mismatch", "endpoint"},
      {authority.sign("DNS:s*.test"), "store.test", "ostname mismatch", "endpoint"},
      {authority.sign("DNS:store.test", -7200, -3600), "store.test", "expired", "clock"},
      {authority.sign("DNS:store.test", 3600, 7200), "store.test", "not yet valid", "clock"},
      {other.sign("DNS:store.test"), "store.test", "unable to get local issuer", "ca=FILE"},
      {Authority::sign_self("DNS:store.test"), "store.test", "self-signed", "ca=FILE"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.why);
    bool served = false;
    Server server([&](Connection& connection) { served = !connection.read_head().empty(); },
                  authority.server(one.certificate));
    const auto answer =
        send(client(trusting(authority), here), secure("GET", server.port(), one.host));
    CHECK(kind(answer) == "precondition_failed/tls");
    CAPTURE(text(answer));
    CHECK(says(answer, one.why));
    CHECK(answer.error().hint().find(one.hint) != std::string_view::npos);
    CHECK_FALSE(served);
  }
}

TEST_CASE("a server's own certificate may be named as what is trusted") {
  const Authority authority;
  const auto alone = Authority::sign_self("IP:127.0.0.1");
  const auto leaf = authority.sign("IP:127.0.0.1");
  for (const auto& one : {alone, leaf}) {
    Server server(answer_all, authority.server(one));
    ClientOptions options;
    options.ca_file = authority.write("server.pem", one);
    CHECK(text(send(client(options), secure("GET", server.port()))) == "secret");
  }
}

TEST_CASE("the system's roots do not trust an authority of a test") {
  const Authority authority;
  Server server(answer_all, authority.server(authority.sign("IP:127.0.0.1")));
  const auto answer = send(client(), secure("GET", server.port()));
  CHECK(kind(answer) == "precondition_failed/tls");
}

TEST_CASE("versions before TLS 1.2 are refused, TLS 1.2 is spoken") {
  const Authority authority;
  const auto certificate = authority.sign("IP:127.0.0.1");
  for (const int version : {TLS1_1_VERSION, TLS1_2_VERSION}) {
    auto context = authority.server(certificate);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.get(), version);
    Server server(answer_all, context);
    const auto answer = send(client(trusting(authority)), secure("GET", server.port()));
    CHECK(kind(answer) == (version == TLS1_2_VERSION ? "200" : "precondition_failed/tls"));
  }
}

TEST_CASE("a server that speaks plain HTTP on the port, or nothing, is told apart") {
  Server plain([](Connection& connection) {
    connection.write("HTTP/1.1 400 Bad Request\r\n\r\n");
    connection.wait_closed();
  });
  const auto answer = send(client(), secure("GET", plain.port()));
  CHECK(kind(answer) == "precondition_failed/tls");
  CHECK(answer.error().hint().find("ssl=false") != std::string_view::npos);
  Server silent([](Connection& connection) { connection.reset(); });
  CHECK(kind(send(client(), secure("GET", silent.port()))) == "unavailable/unreachable");
  Server closing([](Connection& connection) { connection.read(10); });
  CHECK(kind(send(client(), secure("GET", closing.port()))) == "unavailable/unreachable");
}

TEST_CASE("client certificates are shown to a server that wants one") {
  const Authority authority;
  std::string who;
  Server server(
      [&](Connection& connection) {
        const auto* const shown = SSL_get0_peer_certificate(connection.tls());
        char name[100] = "";
        X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name, sizeof name);
        who = name;
        answer_all(connection);
      },
      authority.server(authority.sign("IP:127.0.0.1"), true));
  auto options = trusting(authority);
  const auto mine = authority.sign("DNS:client.test");
  options.client_cert = authority.write("client.pem", mine);
  options.client_key = authority.write_key("client.key", mine);
  CHECK(text(send(client(options), secure("GET", server.port()))) == "secret");
  CHECK(who == "server");  // the common name of all that the authority signs
  const auto without = send(client(trusting(authority)), secure("GET", server.port()));
  CHECK_FALSE(without);
  // The refusal may come as an alert, or be overtaken by the end of the connection.
  CHECK((kind(without) == "precondition_failed/tls" ||
         kind(without) == "outcome_unknown/lost_answer"));
}

TEST_CASE("files of TLS that cannot be used are refused when the client is made") {
  const Authority authority;
  const auto mine = authority.sign("DNS:a"), other = authority.sign("DNS:b");
  const auto certificate = authority.write("a.pem", mine);
  const auto refused = [](ClientOptions options) {
    const auto made = make_client(std::move(options));
    return !made && made.error().code() == Errc::invalid_argument;
  };
  ClientOptions options;
  options.ca_file = "/nowhere/ca.pem";
  CHECK(refused(options));
  options.ca_file = authority.write_key("no-certificate.pem", mine);
  CHECK(refused(options));
  options = {};
  options.client_cert = certificate;
  CHECK(refused(options));
  options.client_key = authority.write_key("b.key", other);
  CHECK(refused(options));
  options.client_key = authority.write_key("locked.key", mine, "passphrase");
  CHECK(refused(options));
  options.client_key = authority.write_key("a.key", mine);
  CHECK_FALSE(refused(options));
}

TEST_CASE("a TLS connection is used again, and its session is resumed by the next one") {
  const Authority authority;
  std::vector<bool> resumed;
  Server server(
      [&](Connection& connection) {
        resumed.push_back(SSL_session_reused(connection.tls()) == 1);
        for (int i = 0; i < 3; ++i) {
          if (connection.read_head().empty()) return;
          connection.write(ok("secret"));
        }
        SSL_shutdown(connection.tls());
      },
      authority.server(authority.sign("IP:127.0.0.1")));
  const auto transport = client(trusting(authority));
  for (int i = 0; i < 9; ++i) {
    CHECK(text(send(transport, secure("POST", server.port()))) == "secret");
    if (i % 3 == 2) std::this_thread::sleep_for(20ms);  // the server closes
  }
  CHECK(resumed == std::vector<bool>{false, true, true});
  // Another client knows nothing of it.
  CHECK(text(send(client(trusting(authority)), secure("GET", server.port()))) == "secret");
  CHECK_FALSE(resumed.back());
}

TEST_CASE("DC-02: the end of a body without length counts only if TLS says so") {
  const Authority authority;
  bool in_due_form = false, with_length = false;
  Server server(
      [&](Connection& connection) {
        connection.read_head();
        connection.write(with_length ? ok("all of it")
                                     : "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it");
        if (in_due_form) SSL_shutdown(connection.tls());
        SSL_set_quiet_shutdown(connection.tls(), 1);
      },
      authority.server(authority.sign("IP:127.0.0.1")));
  const auto transport = client(trusting(authority));
  CHECK(kind(send(transport, secure("POST", server.port()))) == "outcome_unknown/lost_answer");
  in_due_form = true;
  CHECK(text(send(transport, secure("POST", server.port()))) == "all of it");
  in_due_form = false;
  with_length = true;
  CHECK(text(send(transport, secure("POST", server.port()))) == "all of it");
}

TEST_CASE("large bodies pass both ways through TLS, and an early no is heard") {
  const Authority authority;
  constexpr std::size_t kSize = 6'000'000;
  std::string body(kSize, 'x');
  for (std::size_t i = 0; i < kSize; ++i) body[i] = static_cast<char>('a' + i % 25);
  std::string came;
  Server server(
      [&](Connection& connection) {
        for (;;) {
          const auto head = connection.read_head();
          if (head.empty()) return;
          if (head.starts_with("POST")) {
            connection.write("HTTP/1.1 403 x\r\nContent-Length: 2\r\n\r\nno");
            connection.wait_closed();
            return;
          }
          if (head.starts_with("PUT")) came = connection.read(kSize);
          connection.write(ok(head.starts_with("GET") ? body : ""));
        }
      },
      authority.server(authority.sign("IP:127.0.0.1")));
  const auto transport = client(trusting(authority));
  auto exchange = secure("PUT", server.port());
  const auto* const data = reinterpret_cast<const std::byte*>(body.data());
  exchange.request.body = PutBody(std::vector<std::byte>(data, data + kSize));
  CHECK(kind(send(transport, exchange)) == "200");
  CHECK((came == body));
  auto reading = secure("GET", server.port());
  reading.answer_max = kSize;
  CHECK((text(send(transport, reading)) == body));
  CHECK(server.accepted() == 1);
  exchange.request.method = "POST";
  exchange.request.body = PutBody(std::vector<std::byte>(60'000'000));
  CHECK(text(send(transport, exchange)) == "no");
}

}  // namespace
}  // namespace snapvault::net::test
