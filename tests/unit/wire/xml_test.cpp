#include "wire/xml.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"

TEST_SUITE_BEGIN("wire/xml");

namespace snapvault::wire {

TEST_CASE("elements, texts and entities come out as a tree; namespace prefixes go") {
  const auto root = parse_xml(
      "<?xml version=\"1.0\"?><ns:List xmlns:ns=\"u\"><Key>a&amp;b &#x41;</Key><Key> c </Key>"
      "<Empty/><!-- no --><![CDATA[]]></ns:List>");
  REQUIRE(root);
  CHECK(root->name == "List");
  REQUIRE(root->children.size() == 3);
  CHECK(root->text_of("Key") == "a&b A");
  CHECK(root->children[1].text == " c ");
  CHECK(root->text_of("Empty").empty());
  CHECK(root->child("Absent") == nullptr);
}

TEST_CASE("document types, entities of their own, broken and deep texts are refused") {
  std::string deep, wide = "<a>";
  for (int i = 0; i < 40; ++i) deep += "<a>";
  for (int i = 0; i < 40; ++i) deep += "</a>";
  for (std::size_t i = 0; i <= kXmlNodesMax; ++i) wide += "<b/>";
  wide += "</a>";
  for (const auto& bad :
       {std::string(), std::string("text"), std::string("<a>"), std::string("<a></b>"),
        std::string("<a/><b/>"), deep, wide, std::string(kXmlSizeMax + 1, ' '),
        std::string("<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>"),
        std::string("<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>")}) {
    CAPTURE(bad.substr(0, 60));
    const auto root = parse_xml(bad);
    REQUIRE(!root);
    CHECK(root.error().code() == Errc::data_loss);
    CHECK(root.error().reason() == reason::bad_answer);
  }
}

TEST_CASE("a text that was escaped comes back as it was") {
  const std::string text = "<a href=\"x\">'&\r\n\t\xc3\xa9";
  const auto root = parse_xml("<k>" + escape_xml(text) + "</k>");
  REQUIRE(root);
  CHECK(root->text == text);
}

}  // namespace snapvault::wire

TEST_SUITE_END();
