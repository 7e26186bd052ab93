#include "format/json.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>

#include "format/errors.hpp"
#include "format/names.hpp"

namespace snapvault::format {
namespace {

using boost::json::error_code;
using boost::json::string_view;

// Builds the tree from the parser's events.
struct TreeBuilder {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = max_object_size;
  static constexpr std::size_t max_key_size = max_object_size;
  static constexpr std::size_t max_string_size = max_object_size;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return open(Json{Json::Object{}}); }
  bool on_object_end(std::size_t, error_code& ec) {
    if (has_duplicate(std::get<Json::Object>(open_.back().value))) return refuse(ec);
    return close();
  }
  bool on_array_begin(error_code&) { return open(Json{Json::Array{}}); }
  bool on_array_end(std::size_t, error_code&) { return close(); }
  bool on_key_part(string_view part, std::size_t, error_code&) { return collect(part); }
  bool on_key(string_view part, std::size_t, error_code&) {
    collect(part);
    keys_.push_back(std::exchange(text_, {}));
    return true;
  }
  bool on_string_part(string_view part, std::size_t, error_code&) { return collect(part); }
  bool on_string(string_view part, std::size_t, error_code&) {
    collect(part);
    return add(Json{std::exchange(text_, {})});
  }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t value, string_view, error_code&) {
    if (value < 0) return add(Json{value});
    return add(Json{static_cast<std::uint64_t>(value)});
  }
  bool on_uint64(std::uint64_t value, string_view, error_code&) { return add(Json{value}); }
  bool on_double(double, string_view, error_code& ec) { return refuse(ec); }
  bool on_bool(bool value, error_code&) { return add(Json{value}); }
  bool on_null(error_code&) { return add(Json{nullptr}); }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }

  Json result;

 private:
  static bool refuse(error_code& ec) {
    ec = boost::json::error::syntax;
    return false;
  }
  static bool has_duplicate(const Json::Object& members) {
    std::vector<std::string_view> keys;
    keys.reserve(members.size());
    for (const auto& member : members) keys.push_back(member.key);
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) != keys.end();
  }
  bool collect(string_view part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool open(Json container) {
    open_.push_back(std::move(container));
    return true;
  }
  bool close() {
    auto finished = std::move(open_.back());
    open_.pop_back();
    return add(std::move(finished));
  }
  bool add(Json value) {
    if (open_.empty()) {
      result = std::move(value);
    } else if (auto* array = std::get_if<Json::Array>(&open_.back().value)) {
      array->push_back(std::move(value));
    } else {
      auto& members = std::get<Json::Object>(open_.back().value);
      members.push_back({std::move(keys_.back()), std::move(value)});
      keys_.pop_back();
    }
    return true;
  }

  std::vector<Json> open_;
  std::vector<std::string> keys_;  // of the members being read, outermost first
  std::string text_;
};

void write_number(std::string& out, auto value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

}  // namespace

Result<Json> parse_json(base::ByteView text) {
  boost::json::parse_options options;
  options.max_depth = kJsonDepth;
  boost::json::basic_parser<TreeBuilder> parser(options);
  error_code failed;
  const auto characters = base::as_text(text);
  const auto used = parser.write_some(false, characters.data(), characters.size(), failed);
  if (failed || used != text.size()) return bad_format("the JSON is not well-formed");
  return std::move(parser.handler().result);
}

void write_json_string(std::string& out, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    std::size_t size = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kDigits[c >> 4];
      out += kDigits[c & 15];
    } else {
      while (size < 4 && size <= text.size() && !is_utf8(text.substr(0, size))) ++size;
      if (size <= text.size() && is_utf8(text.substr(0, size))) {
        out += text.substr(0, size);
      } else {
        size = 1;
        out += "\xEF\xBF\xBD";
      }
    }
    text.remove_prefix(size);
  }
  out += '"';
}

void write_json(std::string& out, const Json& json) {
  struct Visitor {
    std::string& out;
    void operator()(std::nullptr_t) const { out += "null"; }
    void operator()(bool value) const { out += value ? "true" : "false"; }
    void operator()(std::int64_t value) const { write_number(out, value); }
    void operator()(std::uint64_t value) const { write_number(out, value); }
    void operator()(const std::string& value) const { write_json_string(out, value); }
    void operator()(const Json::Array& values) const {
      out += '[';
      for (const auto& value : values) {
        if (&value != &values.front()) out += ',';
        write_json(out, value);
      }
      out += ']';
    }
    void operator()(const Json::Object& members) const {
      out += '{';
      for (const auto& member : members) {
        if (&member != &members.front()) out += ',';
        write_json_string(out, member.key);
        out += ':';
        write_json(out, member.value);
      }
      out += '}';
    }
  };
  std::visit(Visitor{out}, json.value);
}

JsonWriter& JsonWriter::key(std::string_view name) {
  if (out_.size() > 1) out_ += ',';
  write_json_string(out_, name);
  out_ += ':';
  return *this;
}
JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  key(name);
  write_json_string(out_, value);
  return *this;
}
JsonWriter& JsonWriter::hex(std::string_view name, base::ByteView value) {
  key(name);
  out_ += '"';
  out_ += base::hex(value);
  out_ += '"';
  return *this;
}
JsonWriter& JsonWriter::number(std::string_view name, std::uint64_t value) {
  key(name);
  write_number(out_, value);
  return *this;
}
JsonWriter& JsonWriter::signed_number(std::string_view name, std::int64_t value) {
  key(name);
  write_number(out_, value);
  return *this;
}
JsonWriter& JsonWriter::boolean(std::string_view name, bool value) {
  key(name);
  out_ += value ? "true" : "false";
  return *this;
}
JsonWriter& JsonWriter::texts(std::string_view name, const std::vector<std::string>& values) {
  key(name);
  out_ += '[';
  for (const auto& value : values) {
    if (&value != &values.front()) out_ += ',';
    write_json_string(out_, value);
  }
  out_ += ']';
  return *this;
}
std::string JsonWriter::finish() && {
  out_ += '}';
  return std::move(out_);
}

JsonReader::JsonReader(const Json& json) : members_(std::get_if<Json::Object>(&json.value)) {
  if (members_ == nullptr) {
    static const Json::Object kNone;
    members_ = &kNone;
    fail("object");
  }
  used_.resize(members_->size());
}

bool JsonReader::has(std::string_view name) const noexcept {
  return std::any_of(members_->begin(), members_->end(),
                     [&](const auto& member) { return member.key == name; });
}

const Json* JsonReader::find(std::string_view name) {
  for (std::size_t i = 0; i < members_->size(); ++i) {
    if ((*members_)[i].key == name) {
      used_[i] = true;
      return &(*members_)[i].value;
    }
  }
  return nullptr;
}

template <class T>
const T* JsonReader::get(std::string_view name) {
  const auto* const member = find(name);
  const auto* const value = member != nullptr ? std::get_if<T>(&member->value) : nullptr;
  if (value == nullptr) fail(name);
  return value;
}

void JsonReader::fail(std::string_view name) {
  if (!failed_) failed_ = name;
}

std::string JsonReader::text(std::string_view name) {
  const auto* const value = get<std::string>(name);
  return value != nullptr ? *value : std::string();
}

std::uint64_t JsonReader::number(std::string_view name, std::uint64_t max) {
  const auto* const value = get<std::uint64_t>(name);
  if (value == nullptr) return 0;
  if (*value <= max) return *value;
  fail(name);
  return 0;
}

std::int64_t JsonReader::signed_number(std::string_view name) {
  const auto* const member = find(name);
  if (member != nullptr) {
    if (const auto* negative = std::get_if<std::int64_t>(&member->value)) return *negative;
  }
  return static_cast<std::int64_t>(number(name, INT64_MAX));
}

bool JsonReader::boolean(std::string_view name) {
  const auto* const value = get<bool>(name);
  return value != nullptr && *value;
}

void JsonReader::hex(std::string_view name, base::MutableBytes into) {
  const auto* const value = get<std::string>(name);
  if (value != nullptr && !base::unhex(*value, into)) fail(name);
}

base::Bytes JsonReader::hex(std::string_view name, std::size_t size_max) {
  const auto* const value = get<std::string>(name);
  if (value == nullptr) return {};
  base::Bytes bytes(value->size() / 2);
  if (bytes.size() <= size_max && base::unhex(*value, bytes)) return bytes;
  fail(name);
  return {};
}

const Json::Array& JsonReader::array(std::string_view name) {
  static const Json::Array kNone;
  const auto* const value = get<Json::Array>(name);
  return value != nullptr ? *value : kNone;
}

std::vector<std::string> JsonReader::texts(std::string_view name) {
  std::vector<std::string> out;
  for (const auto& item : array(name)) {
    const auto* const value = std::get_if<std::string>(&item.value);
    if (value == nullptr) {
      fail(name);
      return {};
    }
    out.push_back(*value);
  }
  return out;
}

const Json& JsonReader::object(std::string_view name) {
  static const Json kNone{Json::Object{}};
  const auto* const member = find(name);
  if (member != nullptr && std::holds_alternative<Json::Object>(member->value)) return *member;
  fail(name);
  return kNone;
}

Json::Object JsonReader::rest() const {
  Json::Object out;
  for (std::size_t i = 0; i < members_->size(); ++i) {
    if (!used_[i]) out.push_back((*members_)[i]);
  }
  return out;
}

Result<void> JsonReader::finish() const {
  for (std::size_t i = 0; i < members_->size(); ++i) {
    if (!used_[i] && (*members_)[i].key.starts_with('!')) {
      return newer_format("a critical JSON member is not known to this version");
    }
  }
  if (failed_) return bad_format("a JSON member is missing or out of range: " + *failed_);
  return {};
}

}  // namespace snapvault::format
