#include "wire/encode.hpp"

#include <doctest/doctest.h>

#include <random>

TEST_SUITE_BEGIN("wire/encode");

namespace snapvault::wire {

TEST_CASE("percent-encoding leaves what RFC 3986 calls unreserved, and encodes bytes") {
  CHECK(encode("aZ09-._~") == "aZ09-._~");
  CHECK(encode("a b+c/d%e\xc3\xa9") == "a%20b%2Bc%2Fd%25e%C3%A9");
  CHECK(encode_path("a b/c+d//%2F") == "a%20b/c%2Bd//%252F");
  CHECK(encode(std::string_view("\0\x7f", 2)) == "%00%7F");
}

TEST_CASE("what was encoded decodes to itself; a '%' without two digits is refused") {
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    std::string text;
    for (auto n = random() % 40; n > 0; --n) text += static_cast<char>(random());
    CHECK(*decode(encode(text)) == text);
    CHECK(*decode(encode_path(text)) == text);
  }
  CHECK(*decode("a+b%2f") == "a+b/");
  for (const auto* bad : {"%", "%1", "a%g0", "%0x", "%%20"}) CHECK(!decode(bad));
}

TEST_CASE("base64: the examples of RFC 4648 section 10, and nothing else decodes") {
  const char* const pairs[][2] = {{"", ""},
                                  {"f", "Zg=="},
                                  {"fo", "Zm8="},
                                  {"foo", "Zm9v"},
                                  {"foob", "Zm9vYg=="},
                                  {"fooba", "Zm9vYmE="},
                                  {"foobar", "Zm9vYmFy"}};
  for (const auto& [text, coded] : pairs) {
    CHECK(base64(base::as_bytes(text)) == coded);
    CHECK(base::as_text(*unbase64(coded)) == text);
  }
  CHECK(base64_url(base::as_bytes("\xff\xfe\xfd\xfc")) == "__79_A");
  for (const auto* bad : {"Zg", "Zg=", "Zh==", "Zm9=", "Zm9v=", "Z===", "====", "Zm 9v", "Zm9v\n",
                          "__79", "Zg==Zg=="}) {
    CAPTURE(std::string(bad));
    CHECK(!unbase64(bad));
  }
}

TEST_CASE("dates: RFC 9110 5.6.7 and RFC 3339, both ways") {
  CHECK(http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT");
  CHECK(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
  CHECK(basic_date(1369353600) == "20130524T000000Z");
  CHECK(iso_date(1369353600) == "2013-05-24T00:00:00Z");
  CHECK(parse_iso_date("2013-05-24T00:00:00Z") == 1369353600);
  CHECK(parse_iso_date("2013-05-24T00:00:00.123456Z") == 1369353600);
  CHECK(parse_iso_date("2013-05-24T01:00:00+01:00") == 1369353600);
  CHECK(parse_iso_date("20130524T000000Z") == 1369353600);
  CHECK(parse_iso_date("2013-05-24T00:00:00.123") == 1369353600);
  for (std::int64_t at : {0LL, 951782400LL, 1078012800LL, 4102444800LL}) {  // leap days, 2100
    CHECK(parse_iso_date(iso_date(at)) == at);
    CHECK(parse_http_date(http_date(at)) == at);
  }
}

TEST_CASE("what is no date is refused") {
  for (const auto* bad : {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT",
                          "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
                          "Sun, 06 Nov 94 08:49:37 GMT", "yesterday"}) {
    CAPTURE(std::string(bad));
    CHECK(!parse_http_date(bad));
  }
  for (const auto* bad :
       {"", "2013-05-24", "2013-13-24T00:00:00Z", "2013-02-29T00:00:00Z", "2013-05-24T00:60:00Z",
        "2013-05-24T00:00:00+99:99x", "2013-05-24T00:00:00.Z5"}) {
    CAPTURE(std::string(bad));
    CHECK(!parse_iso_date(bad));
  }
}

TEST_CASE("numbers are decimal, whole and within 64 bits") {
  CHECK(parse_number("0") == 0u);
  CHECK(parse_number("18446744073709551615") == UINT64_MAX);
  for (const auto* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "1e3"}) {
    CHECK(!parse_number(bad));
  }
}

}  // namespace snapvault::wire

TEST_SUITE_END();
