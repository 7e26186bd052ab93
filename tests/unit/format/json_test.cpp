#include "format/json.hpp"

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

std::string again(std::string_view text) {
  const auto json = parse_json(base::as_bytes(text));
  REQUIRE(json);
  std::string out;
  write_json(out, *json);
  return out;
}

TEST_SUITE("format/json") {
  TEST_CASE("JSON reads back as it was written") {
    for (const auto* text :
         {"{}", "[]", "null", "[true,false,null]", "{\"a\":{\"b\":[1,{\"c\":[]}]},\"d\":\"e\"}",
          "[0,-1,18446744073709551615,-9223372036854775808,9007199254740993]",
          "\"\\\"\\\\\\u0001\\u001fB\xC3\xBC\xF0\x9F\x92\xBE/\""}) {
      CAPTURE(text);
      CHECK(again(text) == text);
    }
    CHECK(again(" { \"a\" : [ 1 , 2 ] } ") == "{\"a\":[1,2]}");
    CHECK(again("\"\\u00fc\\n\\/\"") == "\"\xC3\xBC\\u000a/\"");
    const std::string large = "[\"" + std::string(100000, 'x') + "\"]";
    CHECK(again(large) == large);
  }

  TEST_CASE("what is not strict JSON is refused") {
    for (const auto* text : {"",
                             " ",
                             "{",
                             "[1,]",
                             "{\"a\":1,}",
                             "{\"a\":1,\"a\":2}",
                             "[{\"b\":{\"a\":1,\"a\":1}}]",
                             "1.5",
                             "1e2",
                             "1E400",
                             "18446744073709551616",
                             "-9223372036854775809",
                             "01",
                             "nul",
                             "[1] 2",
                             "// x\n1",
                             "\"\xFF\"",
                             "\"\xED\xA0\x80\"",
                             "'a'",
                             "{a:1}",
                             "\"a\nb\"",
                             "NaN",
                             "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]"}) {
      CAPTURE(text);
      check_malformed(parse_json(base::as_bytes(text)));
    }
    CHECK(again("[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]").size() == 32);
  }

  TEST_CASE("text that is not UTF-8 is written so that it can be read") {
    std::string out;
    write_json_string(out,
                      "a\xFF"
                      "b\xE2\x82");
    CHECK(out ==
          "\"a\xEF\xBF\xBD"
          "b\xEF\xBF\xBD\xEF\xBF\xBD\"");
    CHECK(parse_json(base::as_bytes(out)));
  }

  TEST_CASE("a reader fails for good on a member of another type or range") {
    const auto parsed = parse_json(base::as_bytes(
        "{\"t\":\"x\",\"n\":7,\"m\":-7,\"b\":true,\"a\":[\"x\"],\"o\":{},\"h\":\"00ff\"}"));
    REQUIRE(parsed);
    const auto& json = *parsed;
    using Use = void (*)(JsonReader&);
    const Use good[] = {
        [](JsonReader& r) { CHECK(r.text("t") == "x"); },
        [](JsonReader& r) { CHECK(r.number("n", 7) == 7); },
        [](JsonReader& r) { CHECK(r.signed_number("n") == 7); },
        [](JsonReader& r) { CHECK(r.signed_number("m") == -7); },
        [](JsonReader& r) { CHECK(r.boolean("b")); },
        [](JsonReader& r) { CHECK(r.texts("a") == std::vector<std::string>{"x"}); },
        [](JsonReader& r) { CHECK(r.array("a").size() == 1); },
        [](JsonReader& r) { CHECK(r.hex("h", 2) == unhexed("00ff")); },
        [](JsonReader& r) { CHECK(JsonReader(r.object("o")).finish()); },
    };
    for (const auto use : good) {
      JsonReader reader(json);
      use(reader);
      CHECK(reader.finish());
      CHECK(reader.rest().size() == 6);
    }
    const Use bad[] = {
        [](JsonReader& r) { CHECK(r.text("n").empty()); },
        [](JsonReader& r) { CHECK(r.text("absent").empty()); },
        [](JsonReader& r) { CHECK(r.number("t") == 0); },
        [](JsonReader& r) { CHECK(r.number("m") == 0); },
        [](JsonReader& r) { CHECK(r.number("n", 6) == 0); },
        [](JsonReader& r) { CHECK(r.signed_number("t") == 0); },
        [](JsonReader& r) { CHECK(r.signed_number("absent") == 0); },
        [](JsonReader& r) { CHECK(!r.boolean("n")); },
        [](JsonReader& r) { CHECK(r.texts("t").empty()); },
        [](JsonReader& r) { CHECK(r.array("o").empty()); },
        [](JsonReader& r) { CHECK(r.hex("h", 1).empty()); },
        [](JsonReader& r) { CHECK(r.hex("t", 9).empty()); },
        [](JsonReader& r) { CHECK(r.hex("n", 9).empty()); },
        [](JsonReader& r) { r.object("a"); },
        [](JsonReader& r) { r.object("absent"); },
        [](JsonReader& r) {
          std::array<std::byte, 3> three;
          r.hex("h", three);
        },
        [](JsonReader& r) {
          std::array<std::byte, 3> three;
          r.hex("n", three);
        },
    };
    for (const auto use : bad) {
      JsonReader reader(json);
      use(reader);
      CHECK(reader.text("t") == "x");
      check_malformed(reader.finish());
    }
    check_malformed(JsonReader(Json{Json::Array{}}).finish());
  }

  TEST_CASE("an unknown member is kept, a critical one refused") {
    const auto json = parse_json(base::as_bytes("{\"a\":1,\"b\":[2],\"!c\":3}"));
    REQUIRE(json);
    JsonReader reader(*json);
    CHECK(reader.number("a") == 1);
    CHECK(reader.rest().size() == 2);
    check_newer(reader.finish());
    CHECK(reader.number("!c") == 3);
    CHECK(reader.finish());
    CHECK(reader.has("b"));
    CHECK(!reader.has("c"));
  }
}

}  // namespace
}  // namespace snapvault::format
