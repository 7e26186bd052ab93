// XML answers of stores as a small tree.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/result.hpp>

namespace snapvault::wire {

struct XmlNode {
  std::string name;  // without its namespace prefix
  std::string text;  // of the element itself, entities resolved
  std::vector<XmlNode> children;

  // The first child of that name, or null.
  const XmlNode* child(std::string_view name) const noexcept;
  // Its text, or empty.
  std::string_view text_of(std::string_view name) const noexcept;
};

inline constexpr std::size_t kXmlSizeMax = 8u << 20;
inline constexpr std::size_t kXmlDepthMax = 16;
inline constexpr std::size_t kXmlNodesMax = 100'000;

// The root element. A document type, an external entity, and what exceeds the bounds are refused.
// Errors: data_loss (bad_answer).
Result<XmlNode> parse_xml(std::string_view text);
// `text` for an element's content: &, <, >, quotes and control characters escaped.
std::string escape_xml(std::string_view text);

}  // namespace snapvault::wire
