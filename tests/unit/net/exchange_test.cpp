// Requests and answers as they are on the wire, on plain TCP.
#include <doctest/doctest.h>

#include "caller.hpp"
#include "server.hpp"

TEST_SUITE_BEGIN("net/exchange");

namespace snapvault::net::test {
namespace {

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("a request says what the protocol wants and what the caller wants, in order") {
  std::string head;
  Server server([&](Connection& connection) {
    head = connection.read_head();
    connection.write(ok("hello", "X-Test: one\r\n"));
  });
  auto exchange = request("GET", server.port(), "/bucket/a%20key");
  exchange.request.query = {{"prefix", "a/b"}, {"list-type", "2"}};
  exchange.request.headers.add("X-Mine", "yes");
  const auto answer = send(client(), exchange);
  CHECK(text(answer) == "hello");
  CHECK(answer->status == 200);
  CHECK(answer->headers.get("x-test") == "one");
  CHECK(head.starts_with("GET /bucket/a%20key?prefix=a%2Fb&list-type=2 HTTP/1.1\r\n"));
  CHECK(has(head, "\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\n"));
  CHECK(has(head, "\r\nUser-Agent: snapvault/" SNAPVAULT_VERSION_STRING "\r\n"));
  CHECK(has(head, "\r\nAccept: */*\r\n"));
  CHECK(has(head, "\r\nX-Mine: yes\r\n"));
  CHECK_FALSE(has(head, "Content-Length"));
  CHECK_FALSE(has(head, "Accept-Encoding"));
}

TEST_CASE("a put and a post always say their length, also of nothing") {
  std::vector<std::string> heads;
  Server server([&](Connection& connection) {
    for (;;) {
      auto head = connection.read_head();
      if (head.empty()) return;
      heads.push_back(std::move(head));
      connection.write(ok(""));
    }
  });
  const auto transport = client();
  CHECK(kind(send(transport, request("PUT", server.port()))) == "200");
  CHECK(kind(send(transport, request("POST", server.port()))) == "200");
  CHECK(kind(send(transport, request("DELETE", server.port()))) == "200");
  REQUIRE(heads.size() == 3);
  CHECK(has(heads[0], "\r\nContent-Length: 0\r\n"));
  CHECK(has(heads[1], "\r\nContent-Length: 0\r\n"));
  CHECK_FALSE(has(heads[2], "Content-Length"));
}

TEST_CASE("a body of many parts arrives as it is, in order") {
  for (const std::size_t each : {1u, 1000u, 300'000u}) {
    std::string got;
    std::size_t size = 0;
    std::vector<PutBody::Part> parts;
    std::string want;
    for (int i = 0; i < 150; ++i) {
      const auto length = i % 7 == 3 ? 0 : each + static_cast<std::size_t>(i);
      parts.push_back(std::make_shared<const std::vector<std::byte>>(
          length, static_cast<std::byte>('a' + i % 26)));
      want.append(length, static_cast<char>('a' + i % 26));
      size += length;
    }
    Server server([&](Connection& connection) {
      connection.read_head();
      got = connection.read(size);
      connection.write(ok("done"));
    });
    auto exchange = request("PUT", server.port());
    exchange.request.body = PutBody(std::move(parts), 0);
    REQUIRE(exchange.request.body.size() == size);
    CHECK(text(send(client(), exchange)) == "done");
    CHECK(got == want);
  }
}

TEST_CASE("a header that would end its line is refused and nothing is sent") {
  Server server([](Connection& connection) { connection.wait_closed(); });
  const auto transport = client();
  for (const std::string_view value : {"a\r\nX: y", "a\n", "a\r"}) {
    auto exchange = get(server.port());
    exchange.request.headers.add("X-Mine", value);
    CHECK(kind(send(transport, exchange)) == "invalid_argument/bad_argument");
  }
  auto exchange = get(server.port());
  exchange.request.headers.add("X-Mine", std::string_view("a\0b", 3));
  CHECK(kind(send(transport, exchange)) == "invalid_argument/bad_argument");
  exchange = get(server.port());
  exchange.request.headers.add("X Mine", "a");
  CHECK(kind(send(transport, exchange)) == "invalid_argument/bad_argument");
  exchange = request("GET", server.port(), "/a b");
  CHECK(kind(send(transport, exchange)) == "invalid_argument/bad_argument");
  exchange = request("GE T", server.port());
  CHECK(kind(send(transport, exchange)) == "invalid_argument/bad_argument");
  CHECK(server.accepted() == 0);
}

TEST_CASE("no redirect is followed") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write(
        "HTTP/1.1 307 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  });
  const auto answer = send(client(), get(server.port()));
  CHECK(kind(answer) == "307");
  CHECK(answer->headers.get("Location") == "http://127.0.0.1:1/");
}

TEST_CASE("answers without a body end with their head, and the length of a HEAD is kept") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    connection.read_head();
    connection.write("HTTP/1.1 204 No Content\r\n\r\n");
    connection.read_head();
    connection.write("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n");
    connection.read_head();
    connection.write("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.read_head();
    connection.write(ok("end"));
  });
  const auto transport = client();
  const auto head = send(transport, request("HEAD", server.port()));
  REQUIRE(head);
  CHECK(head->headers.get("content-length") == "99999999999");
  CHECK(head->body.empty());
  CHECK(kind(send(transport, request("DELETE", server.port()))) == "204");
  CHECK(kind(send(transport, get(server.port()))) == "304");
  CHECK(kind(send(transport, request("HEAD", server.port()))) == "404");
  CHECK(text(send(transport, get(server.port()))) == "end");
  CHECK(server.accepted() == 1);
}

TEST_CASE("a body in chunks is put together, whatever pieces it comes in") {
  const std::string wire =
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: head\r\n\r\n"
      "5\r\nhello\r\n1;name=\"v\"\r\n \r\nA\r\n0123456789\r\n0\r\nX-A: trailer\r\n\r\n";
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, wire.size()}) {
    Server server([&](Connection& connection) {
      for (int i = 0; i < 2; ++i) {
        connection.read_head();
        for (std::size_t at = 0; at < wire.size(); at += step) {
          connection.write(std::string_view(wire).substr(at, step));
        }
      }
    });
    const auto transport = client();
    for (int i = 0; i < 2; ++i) {
      const auto answer = send(transport, get(server.port()));
      CHECK(text(answer) == "hello 0123456789");
      CHECK(answer->headers.get("X-A") == "head");
    }
    CHECK(server.accepted() == 1);
  }
}

TEST_CASE("large bodies in chunks, of known length and up to the end come whole") {
  constexpr std::size_t kSize = 5'000'000;
  std::string body(kSize, 0);
  for (std::size_t i = 0; i < kSize; ++i) body[i] = static_cast<char>('a' + i % 23);
  Server server([&](Connection& connection) {
    const auto head = connection.read_head();
    if (head.starts_with("GET /chunks")) {
      connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      for (std::size_t at = 0; at < kSize; at += 70'001) {
        const auto piece = std::string_view(body).substr(at, 70'001);
        char size[32];
        std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
        connection.write(size);
        connection.write(piece);
        connection.write("\r\n");
      }
      connection.write("0\r\n\r\n");
    } else if (head.starts_with("GET /length")) {
      connection.write(ok(body));
    } else {
      connection.write("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body);
    }
  });
  const auto transport = client();
  for (const char* path : {"/chunks", "/length", "/end"}) {
    auto exchange = request("GET", server.port(), path);
    exchange.answer_max = kSize;
    CHECK((text(send(transport, exchange)) == body));
    exchange.answer_max = kSize - 1;
    CHECK(kind(send(transport, exchange)) == "data_loss/bad_answer");
  }
}

TEST_CASE(
    "of the body of an error 64 KiB are kept, and the connection is closed if there is more") {
  const std::string body(100'000, 'e');
  Server server([&](Connection& connection) {
    for (;;) {
      const auto head = connection.read_head();
      if (head.empty()) return;
      if (head.starts_with("GET /chunks")) {
        connection.write("HTTP/1.1 500 x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
        connection.write(body);
        connection.write("\r\n0\r\n\r\n");
      } else if (head.starts_with("GET /small")) {
        connection.write("HTTP/1.1 500 x\r\nContent-Length: 3\r\n\r\nbad");
      } else {
        connection.write("HTTP/1.1 500 x\r\nContent-Length: 100000\r\n\r\n" + body);
      }
    }
  });
  const auto transport = client();
  auto exchange = request("GET", server.port(), "/small");
  exchange.answer_max = 1;
  CHECK(text(send(transport, exchange)) == "bad");
  for (const char* path : {"/length", "/chunks"}) {
    const auto answer = send(transport, request("GET", server.port(), path));
    CHECK(kind(answer) == "500");
    CHECK(answer->body.size() == 65536);
  }
  CHECK(server.accepted() == 2);  // the first two in one connection
}

TEST_CASE("interim answers are passed over, but not without end") {
  Server server([](Connection& connection) {
    connection.read_head();
    for (int i = 0; i < 8; ++i) connection.write("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    connection.write(ok("after"));
    connection.read_head();
    for (int i = 0; i < 9; ++i) connection.write("HTTP/1.1 100 Continue\r\n\r\n");
    connection.write(ok("after"));
  });
  const auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "after");
  CHECK(kind(send(transport, get(server.port()))) == "data_loss/bad_answer");
}

TEST_CASE("an answer that can be read in two ways, or is none, is a bad answer") {
  const std::string ok_line = "HTTP/1.1 200 OK\r\n";
  const std::string bad[] = {
      ok_line + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      ok_line + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      ok_line + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
      ok_line + "Content-Length: 3, 4\r\n\r\nabc",
      ok_line + "Content-Length: -3\r\n\r\nabc",
      ok_line + "Content-Length: 0x3\r\n\r\nabc",
      ok_line + "Content-Length: +3\r\n\r\nabc",
      ok_line + "Content-Length: 99999999999999999999999\r\n\r\nabc",
      ok_line + "Content-Length:\r\n\r\nabc",
      ok_line + "Transfer-Encoding: gzip\r\n\r\nabc",
      ok_line + "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      ok_line + "Transfer-Encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      ok_line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      ok_line + "Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
      ok_line + "X: a\r\n Content-Length: 3\r\n\r\nabc",
      ok_line + "X: a\r\n\tb\r\nContent-Length: 3\r\n\r\nabc",
      ok_line + "Content-Length : 3\r\n\r\nabc",
      ok_line + " Content-Length: 3\r\n\r\nabc",
      ok_line + "Content-Length\r\n\r\nabc",
      ok_line + std::string("X: a\0b\r\nContent-Length: 3\r\n\r\nabc", 32),
      ok_line + "X: a\rb\r\nContent-Length: 3\r\n\r\nabc",
      ok_line + "X: a\nContent-Length: 3\r\n\r\nabc",
      ok_line + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
      ok_line + "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
      ok_line + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
      ok_line + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nabc",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
      "HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.7 200 OK\r\nContent-Length: 0\r\n\r\n",
      "ICY 200 OK\r\n\r\n",
      "SSH-2.0-OpenSSH_9.2\r\n",
      "\x15\x03\x01",
      "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
  };
  for (const auto& wire : bad) {
    CAPTURE(wire);
    Server server([&](Connection& connection) {
      connection.read_head();
      connection.write(wire);
      connection.wait_closed();
    });
    CHECK(kind(send(client(), get(server.port()))) == "data_loss/bad_answer");
  }
}

TEST_CASE("a head larger than 32 KiB is a bad answer, one a little smaller is none") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write(ok("in", "X: " + std::string(32'000, 'x') + "\r\n"));
    connection.read_head();
    std::string fields;
    while (fields.size() < 40'000) fields += "X: y\r\n";
    connection.write(ok("out", fields));
    connection.wait_closed();
  });
  const auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "in");
  CHECK(kind(send(transport, get(server.port()))) == "data_loss/bad_answer");
  Server endless([](Connection& connection) {
    connection.read_head();
    connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    while (connection.write(std::string(1000, 'x'))) {
    }
  });
  CHECK(kind(send(transport, get(endless.port()))) == "data_loss/bad_answer");
}

TEST_CASE("a length that nobody sends costs no memory, and less of it is a lost answer") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\nabc");
  });
  auto exchange = get(server.port());
  exchange.answer_max = 1u << 20;
  CHECK(kind(send(client(), exchange)) == "data_loss/bad_answer");
  exchange.answer_max = std::uint64_t{1} << 33;
  CHECK(kind(send(client(), exchange)) == "data_loss/bad_answer");
}

TEST_CASE("DC-02: an answer that is cut at any byte is lost, never short") {
  const std::string whole[] = {
      ok("0123456789"),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"};
  for (const auto& wire : whole) {
    for (const bool reset : {false, true}) {
      std::size_t cut = 0;
      Server server([&](Connection& connection) {
        connection.read_head();
        connection.write(std::string_view(wire).substr(0, cut));
        if (reset) connection.reset();
      });
      const auto transport = client();
      for (cut = 0; cut <= wire.size(); ++cut) {
        const auto answer = send(transport, request("POST", server.port()));
        CAPTURE(cut);
        if (cut == wire.size() && !reset) {
          CHECK(text(answer) == "0123456789");
        } else if (!answer) {
          CHECK(kind(answer) == "outcome_unknown/lost_answer");
        } else {
          CHECK(cut == wire.size());  // RST may come behind the last byte
        }
      }
    }
  }
}

TEST_CASE("bytes behind an answer end its connection") {
  Server server([](Connection& connection) {
    connection.read_head();
    connection.write(ok("one") + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    connection.wait_closed();
  });
  const auto transport = client();
  CHECK(text(send(transport, get(server.port()))) == "one");
  CHECK(text(send(transport, get(server.port()))) == "one");
  CHECK(server.accepted() == 2);
}

TEST_CASE("an answer that comes before the end of the body ends the sending") {
  for (const char* line :
       {"403 Forbidden", "412 Precondition Failed", "413 Too Large", "503 Slow Down", "400 Bad"}) {
    std::size_t came = 0;
    Server server([&](Connection& connection) {
      connection.read_head();
      came = connection.drain(1000);
      connection.write("HTTP/1.1 " + std::string(line) + "\r\nContent-Length: 4\r\n\r\ntold");
      connection.end_writing();
      connection.wait_closed();
    });
    const auto answer = send(client(), put(server.port(), 50'000'000));
    CHECK(kind(answer) == std::string(line).substr(0, 3));
    CHECK(text(answer) == "told");
  }
}

TEST_CASE("an early answer is heard although the server closes with the body unread") {
  for (int i = 0; i < 20; ++i) {
    Server server([](Connection& connection) {
      connection.read_head();
      connection.write("HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\ntold");
    });
    const auto answer = send(client(), put(server.port(), 20'000'000));
    // The RST may overtake the answer in the kernel; then it is lost, never a success.
    CHECK((kind(answer) == "413" || kind(answer) == "outcome_unknown/lost_answer"));
  }
}

TEST_CASE("an early 'yes' does not end the sending: the body goes out whole") {
  std::size_t came = 0;
  Server server([&](Connection& connection) {
    connection.read_head();
    connection.write("HTTP/1.1 100 Continue\r\n\r\n" + ok("yes"));
    came = connection.drain(5'000'000);
    connection.read_head();
    connection.write(ok("again"));
  });
  const auto transport = client();
  CHECK(text(send(transport, put(server.port(), 5'000'000))) == "yes");
  CHECK(text(send(transport, get(server.port()))) == "again");
  CHECK(came == 5'000'000);
}

TEST_CASE("Expect: the body waits for leave, for a second at most, and stays here after a no") {
  SUBCASE("leave is given") {
    std::string head, early, body;
    Server server([&](Connection& connection) {
      head = connection.read_head();
      connection.write("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
      body = connection.read(100'000);
      connection.write(ok("taken"));
    });
    auto exchange = put(server.port(), 100'000);
    exchange.expect_continue = true;
    CHECK(text(send(client(), exchange)) == "taken");
    CHECK(has(head, "\r\nExpect: 100-continue\r\n"));
    CHECK(body.size() == 100'000);
  }
  SUBCASE("nothing is said") {
    Server server([&](Connection& connection) {
      connection.read_head();
      connection.read(100'000);
      connection.write(ok("taken"));
    });
    auto exchange = put(server.port(), 100'000);
    exchange.expect_continue = true;
    const auto start = std::chrono::steady_clock::now();
    CHECK(text(send(client(), exchange)) == "taken");
    CHECK(since(start) >= 900ms);
    CHECK(since(start) < 3s);
  }
  SUBCASE("a no") {
    std::size_t came = 0;
    Server server([&](Connection& connection) {
      connection.read_head();
      connection.write("HTTP/1.1 412 x\r\nContent-Length: 2\r\n\r\nno");
      came = connection.drain(100'000);
    });
    auto exchange = put(server.port(), 100'000);
    exchange.expect_continue = true;
    const auto transport = client();
    CHECK(kind(send(transport, exchange)) == "412");
    CHECK(kind(send(transport, exchange)) == "412");
    CHECK(server.accepted() == 2);
    CHECK(came == 0);
  }
  SUBCASE("a server that does not know it is asked without") {
    std::vector<std::string> heads;
    Server server([&](Connection& connection) {
      heads.push_back(connection.read_head());
      if (has(heads.back(), "Expect:")) {
        connection.write("HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n");
        return;
      }
      connection.read(100'000);
      connection.write(ok("taken"));
    });
    auto exchange = put(server.port(), 100'000);
    exchange.expect_continue = true;
    CHECK(text(send(client(), exchange)) == "taken");
    CHECK(heads.size() == 2);
  }
}

}  // namespace
}  // namespace snapvault::net::test
