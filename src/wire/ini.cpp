#include "wire/ini.hpp"

#include "base/reasons.hpp"

namespace snapvault::wire {
namespace {

constexpr std::size_t kLinesMax = 10'000;

std::string_view trim(std::string_view text) noexcept {
  constexpr std::string_view kWhite = " \t\r";
  const auto first = text.find_first_not_of(kWhite);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kWhite) - first + 1);
}

Error bad(std::string_view what, std::size_t line) {
  return Error(Errc::unauthenticated, reason::bad_credential,
               "line " + std::to_string(line) + " of a profile file " + std::string(what));
}

// A comment behind a value begins with white space and '#' or ';'.
std::string_view without_comment(std::string_view value) noexcept {
  for (const std::string_view mark : {" #", " ;", "\t#", "\t;"}) {
    value = value.substr(0, value.find(mark));
  }
  return trim(value);
}

// "[profile  x]" as "profile x".
std::string section_name(std::string_view text) {
  std::string out;
  bool space = false;
  for (const char c : trim(text)) {
    if (c == ' ' || c == '\t') {
      space = true;
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

}  // namespace

Result<IniFile> parse_ini(std::string_view text) {
  IniFile out;
  IniSection* section = nullptr;
  std::size_t number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto raw = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (++number > kLinesMax) return bad("is one too many", number);
    const auto line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    if (line.front() == '[') {
      const auto close = line.find(']');
      if (close == std::string_view::npos)
        return bad("begins a section and does not end it", number);
      section = &out[section_name(line.substr(1, close - 1))];
      continue;
    }
    // What is indented belongs to a nested property, which is none of ours.
    if (raw.front() == ' ' || raw.front() == '\t') continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return bad("has no '='", number);
    if (!section) return bad("stands before any section", number);
    const auto name = trim(line.substr(0, equals));
    if (name.empty()) return bad("has no name before its '='", number);
    const auto value = without_comment(line.substr(equals + 1));
    section->insert_or_assign(std::string(name), base::SecretText(std::string(value)));
  }
  return out;
}

}  // namespace snapvault::wire
