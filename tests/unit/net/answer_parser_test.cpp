#include "net/answer_parser.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>

#include "base/reasons.hpp"

TEST_SUITE_BEGIN("net/answer_parser");

namespace snapvault::net {
namespace {

Result<void> head_of(const std::string& text) {
  AnswerParser parser;
  return parser.put_head(base::as_bytes(text), false);
}

}  // namespace

TEST_CASE("a head is found where its empty line ends, and not before") {
  const std::string head = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < head.size(); ++size) {
    const auto found = find_head(base::as_bytes(std::string_view(head).substr(0, size)));
    REQUIRE(found);
    CHECK(*found == 0);
  }
  CHECK(*find_head(base::as_bytes(head + "body")) == head.size());
  CHECK(peek_status(base::as_bytes(head)) == 200);
  CHECK(!find_head(base::as_bytes("SSH-2.0-OpenSSH\r\n\r\n")));
  CHECK(!find_head(base::as_bytes("HTTP/1.1 200 OK\r\nA: " + std::string(kHeadMax, 'x'))));
}

TEST_CASE("heads that contradict themselves, or no status of HTTP's, are refused") {
  CHECK(head_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"));
  for (const std::string text :
       {"HTTP/1.1 010 OK\r\n\r\n", "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"}) {
    CAPTURE(text);
    const auto put = head_of(text);
    REQUIRE(!put);
    CHECK(put.error().reason() == reason::bad_answer);
  }
}

TEST_CASE("a chunked body is decoded in whatever pieces it comes and goes") {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: v\r\n\r\n";
  for (std::size_t step = 1; step <= body.size(); ++step) {
    CAPTURE(step);
    AnswerParser parser;
    REQUIRE(parser.put_head(base::as_bytes(head), false));
    CHECK(parser.body() == AnswerParser::Body::chunked);
    std::string out, waiting;
    std::size_t at = 0;
    while (!parser.is_done() && (at < body.size() || !waiting.empty())) {
      waiting += body.substr(at, step);
      at = std::min(body.size(), at + step);
      std::array<std::byte, 4> into;
      const auto decoded = parser.decode(base::as_bytes(waiting), into);
      REQUIRE(decoded);
      out += base::as_text(base::ByteView(into).first(decoded->made));
      waiting.erase(0, decoded->took);
    }
    CHECK(parser.is_done());
    CHECK(out == "abc0123456789");
  }
}

}  // namespace snapvault::net

TEST_SUITE_END();
