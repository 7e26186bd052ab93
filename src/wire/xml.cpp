#include "wire/xml.hpp"

#include <pugixml.hpp>

#include "base/reasons.hpp"

namespace snapvault::wire {
namespace {

Error bad(std::string_view message) { return Error(Errc::data_loss, reason::bad_answer, message); }

// Looked through before it is parsed, so that the parser, which allocates and recurses with what it
// is given, is given nothing that is too much.
Result<void> check_bounds(std::string_view text) {
  if (text.size() > kXmlSizeMax) return bad("an XML answer of the store is too large");
  std::size_t depth = 0, nodes = 0;
  for (std::size_t at = text.find('<'); at != std::string_view::npos; at = text.find('<', at + 1)) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (next == '!' && text.substr(at, 4) != "<!--" && text.substr(at, 9) != "<![CDATA[") {
      return bad("an XML answer of the store has a document type, which is refused");
    }
    if (next == '!' || next == '?') {
      const auto end = text.find(next == '?' ? "?>" : text[at + 2] == '-' ? "-->" : "]]>", at);
      if (end == std::string_view::npos) return bad("an XML answer of the store breaks off");
      at = end;
      continue;
    }
    if (next == '/') {
      if (depth > 0) --depth;
      continue;
    }
    if (++nodes > kXmlNodesMax) return bad("an XML answer of the store has too many elements");
    const auto end = text.find('>', at);
    if (end == std::string_view::npos) return bad("an XML answer of the store breaks off");
    if (text[end - 1] != '/' && ++depth > kXmlDepthMax) {
      return bad("an XML answer of the store is nested too deep");
    }
  }
  return {};
}

std::string_view local_name(const char* name) noexcept {
  const std::string_view text(name);
  const auto colon = text.rfind(':');
  return colon == std::string_view::npos ? text : text.substr(colon + 1);
}

// Not deeper than check_bounds allows.
void copy(const pugi::xml_node& from, XmlNode& to, std::size_t depth) {
  to.name = local_name(from.name());
  for (const auto& child : from.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      to.text += child.value();
    } else if (child.type() == pugi::node_element && depth < kXmlDepthMax) {
      copy(child, to.children.emplace_back(), depth + 1);
    }
  }
}

}  // namespace

const XmlNode* XmlNode::child(std::string_view wanted) const noexcept {
  for (const auto& one : children) {
    if (one.name == wanted) return &one;
  }
  return nullptr;
}

std::string_view XmlNode::text_of(std::string_view wanted) const noexcept {
  const auto* one = child(wanted);
  return one ? std::string_view(one->text) : std::string_view();
}

Result<XmlNode> parse_xml(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // Azure sends it
  if (auto within = check_bounds(text); !within) return std::move(within).error();
  pugi::xml_document document;
  constexpr unsigned kHow =
      pugi::parse_cdata | pugi::parse_escapes | pugi::parse_ws_pcdata_single | pugi::parse_eol;
  const auto parsed = document.load_buffer(text.data(), text.size(), kHow, pugi::encoding_utf8);
  if (parsed.status == pugi::status_out_of_memory) throw std::bad_alloc();
  const auto root = document.document_element();
  if (!parsed || !root || root.next_sibling())
    return bad("an answer of the store should be XML, but is not");
  XmlNode out;
  copy(root, out, 1);
  return out;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "&#" + std::to_string(static_cast<int>(c)) + ";";
        } else {
          out += c;
        }
    }
  }
  return out;
}

}  // namespace snapvault::wire
