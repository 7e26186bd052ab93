#include "wire/ini.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"

TEST_SUITE_BEGIN("wire/ini");

namespace snapvault::wire {

TEST_CASE("DC-02: sections, comments, white space and nested properties as AWS writes them") {
  const auto file = parse_ini(
      "# a comment\n\n[default]\nregion = eu-west-1 # of the office\n  \n"
      "[ profile   x ]\r\naws_access_key_id=A=B\r\ns3 =\n  addressing_style = path\n"
      "[default]\nregion = us-east-2\n");
  REQUIRE(file);
  CHECK(file->size() == 2);
  CHECK(file->at("default").at("region").reveal() == "us-east-2");
  CHECK(file->at("profile x").at("aws_access_key_id").reveal() == "A=B");
  CHECK(!file->at("profile x").contains("addressing_style"));
}

TEST_CASE("DC-02: what is malformed is named by its line") {
  const std::pair<const char*, const char*> cases[] = {{"a = b\n", "line 1"},
                                                       {"[x]\nno equals\n", "line 2"},
                                                       {"[x\n", "line 1"},
                                                       {"[x]\n\n= b\n", "line 3"}};
  for (const auto& [text, line] : cases) {
    const auto file = parse_ini(text);
    REQUIRE(!file);
    CHECK(file.error().reason() == reason::bad_credential);
    CHECK(file.error().message().find(line) != std::string_view::npos);
  }
  std::string many = "[x]\n";
  for (int i = 0; i < 20'000; ++i) many += "a=b\n";
  CHECK(!parse_ini(many));
  CHECK(parse_ini(""));
}

}  // namespace snapvault::wire

TEST_SUITE_END();
