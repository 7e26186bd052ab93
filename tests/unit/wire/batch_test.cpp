#include "wire/batch.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"

TEST_SUITE_BEGIN("wire/batch");

namespace snapvault::wire {
namespace {

std::string part(const std::string& id, const std::string& answer) {
  return "--b\r\nContent-Type: application/http\r\nContent-ID: " + id + "\r\n\r\n" + answer +
         "\r\n";
}
std::vector<int> statuses(const Result<std::vector<Response>>& parts) {
  std::vector<int> out;
  if (!parts) return {-1};
  for (const auto& one : *parts) out.push_back(one.status);
  return out;
}

}  // namespace

TEST_CASE("each request is a part with its place as the id") {
  Request one, two;
  one.method = two.method = "DELETE";
  one.path = "/c/a%20b";
  two.path = "/c/d";
  two.headers.add("x-ms-date", "now");
  const auto body = build_batch({one, two}, "b");
  CHECK(body.find("--b\r\n") == 0);
  CHECK(body.find("Content-ID: 0\r\n") != std::string::npos);
  CHECK(body.find("Content-ID: 1\r\n") != std::string::npos);
  CHECK(body.find("\r\n\r\nDELETE /c/a%20b HTTP/1.1\r\n") != std::string::npos);
  CHECK(body.find("DELETE /c/d HTTP/1.1\r\nx-ms-date: now\r\n") != std::string::npos);
  CHECK(body.ends_with("--b--\r\n"));
}

TEST_CASE("answers are told apart by their ids, in whatever order and form they come") {
  const std::string type = "multipart/mixed; boundary=b";
  const auto ok = std::string("HTTP/1.1 202 Accepted\r\n\r\n");
  const auto gone =
      std::string("HTTP/1.1 404 Not Found\r\nx-ms-error-code: BlobNotFound\r\n\r\nno");
  auto parts = parse_batch(type, part("1", gone) + part("0", ok) + "--b--\r\n", 2);
  CHECK(statuses(parts) == std::vector<int>{202, 404});
  CHECK((*parts)[1].headers.get("x-ms-error-code") == "BlobNotFound");
  CHECK((*parts)[1].text().starts_with("no"));
  parts = parse_batch(type, part("<response-1>", gone) + part("<response-0>", ok) + "--b--", 2);
  CHECK(statuses(parts) == std::vector<int>{202, 404});
  parts = parse_batch("multipart/mixed; boundary=\"b\"", part("0", ok) + "--b--\r\n", 2);
  CHECK(statuses(parts) == std::vector<int>{202, 0});
}

TEST_CASE("what is no batch is refused, and no part counts twice or beyond what was asked") {
  const std::string type = "multipart/mixed; boundary=b";
  const auto ok = std::string("HTTP/1.1 202 Accepted\r\n\r\n");
  const auto many = part("0", ok) + part("1", ok) + part("2", ok) + "--b--\r\n";
  const auto twice = parse_batch(type, part("0", ok) + part("0", ok) + "--b--\r\n", 2);
  if (twice) CHECK(statuses(twice) != std::vector<int>{202, 202});
  const auto more = parse_batch(type, many, 2);
  if (more) CHECK(more->size() == 2);
  for (const auto& [content_type, body] :
       {std::pair<std::string, std::string>{"text/html", "<html>"},
        {"multipart/mixed", many},
        {type, "no parts"},
        {type, "--b\r\n\r\nnothing of HTTP\r\n--b--\r\n"},
        {"multipart/mixed; boundary=", many}}) {
    CAPTURE(content_type);
    const auto parts = parse_batch(content_type, body, 2);
    if (parts) {
      CHECK(statuses(parts) == std::vector<int>{0, 0});
    } else {
      CHECK(parts.error().reason() == reason::bad_answer);
    }
  }
}

}  // namespace snapvault::wire

TEST_SUITE_END();
