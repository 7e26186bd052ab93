#include "wire/http.hpp"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("wire/http");

namespace snapvault::wire {

TEST_CASE("fields compare in any case, keep their order, and are replaced as one") {
  Fields fields;
  fields.add("A", "1");
  fields.add("b", "2");
  fields.add("a", "3");
  CHECK(fields.get("B") == "2");
  CHECK(fields.get("a") == "1");
  CHECK(fields.get("c").empty());
  CHECK(fields.find("c") == nullptr);
  fields.set("a", "4");
  CHECK(fields.size() == 2);
  CHECK(fields.get("A") == "4");
  fields.remove("B");
  CHECK(fields.size() == 1);
}

TEST_CASE("origins: hosts, ports, schemes and IPv6") {
  const auto of = [](std::string_view text, bool tls = true) {
    const auto origin = parse_origin(text, tls);
    return origin ? origin->url() : std::string("refused");
  };
  CHECK(of("h.example") == "https://h.example");
  CHECK(of("h.example", false) == "http://h.example");
  CHECK(of("h:9000") == "https://h:9000");
  CHECK(of("http://h:80") == "http://h");
  CHECK(of("https://h:443", false) == "https://h");
  CHECK(of("[::1]:8080") == "https://[::1]:8080");
  CHECK(parse_origin("[::1]:8080", true)->host == "::1");
  CHECK(parse_origin("[::1]", true)->host_field() == "[::1]");
  for (const auto* bad : {"", "h:", "h:0", "h:65536", "h:x", "u@h", "h/p", "h?q", "h h", "ftp://h",
                          "[::1", "::1]:1", "h\r\nx", "http://", "[]:1", "h:1:2"}) {
    CAPTURE(std::string(bad));
    CHECK(of(bad) == "refused");
  }
}

TEST_CASE("the target holds path and query, names and values encoded") {
  Request request;
  request.path = "/b/k%20y";
  CHECK(request.target() == "/b/k%20y");
  request.query = {{"list-type", "2"}, {"prefix", "a/b c"}, {"acl", ""}};
  CHECK(request.target() == "/b/k%20y?list-type=2&prefix=a%2Fb%20c&acl=");
}

}  // namespace snapvault::wire

TEST_SUITE_END();
