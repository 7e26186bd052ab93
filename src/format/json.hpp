// Strict JSON: no duplicate keys, integers only, at most 16 levels. FORMAT.md section 8.1.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"

namespace snapvault::format {

inline constexpr std::size_t kJsonDepth = 16;

struct Json {
  struct Member;
  using Array = std::vector<Json>;
  // In order of writing. A class of its own: of vectors and strings alone libstdc++ 12 believes
  // that a variant always holds one, and crashes where copying one runs out of memory.
  struct Object : std::vector<Member> {
    using std::vector<Member>::vector;
  };
  // int64_t holds negative numbers only.
  std::variant<std::nullptr_t, bool, std::int64_t, std::uint64_t, std::string, Array, Object> value;
};
struct Json::Member {
  std::string key;
  Json value;
};

// Errors: data_loss (bad_format).
Result<Json> parse_json(base::ByteView text);
// Without spaces, keys in order.
void write_json(std::string& out, const Json& json);
// Quoted; what is not UTF-8 becomes U+FFFD, so that the result can always be read.
void write_json_string(std::string& out, std::string_view text);

// Writes one object, member by member.
class JsonWriter {
 public:
  JsonWriter& key(std::string_view name);
  JsonWriter& text(std::string_view name, std::string_view value);
  JsonWriter& hex(std::string_view name, base::ByteView value);
  JsonWriter& number(std::string_view name, std::uint64_t value);
  JsonWriter& signed_number(std::string_view name, std::int64_t value);
  JsonWriter& boolean(std::string_view name, bool value);
  JsonWriter& texts(std::string_view name, const std::vector<std::string>& values);
  // Text written after key().
  std::string& raw() noexcept { return out_; }
  std::string finish() &&;

 private:
  std::string out_ = "{";
};

// Reads the members of one object by name. A member that is missing or of another type makes the
// reader fail for good and reads as empty; finish() tells.
class JsonReader {
 public:
  explicit JsonReader(const Json& json);

  bool has(std::string_view name) const noexcept;
  std::string text(std::string_view name);
  std::uint64_t number(std::string_view name, std::uint64_t max = UINT64_MAX);
  std::int64_t signed_number(std::string_view name);
  bool boolean(std::string_view name);
  // Exactly into.size() bytes in hex.
  void hex(std::string_view name, base::MutableBytes into);
  base::Bytes hex(std::string_view name, std::size_t size_max);
  std::vector<std::string> texts(std::string_view name);
  const Json::Array& array(std::string_view name);
  // A member for another reader; an empty object if it is missing.
  const Json& object(std::string_view name);
  void fail(std::string_view name);

  // Members that nobody asked for.
  Json::Object rest() const;
  // Errors: unsupported (newer_format: an unknown key starts with '!'), data_loss (bad_format).
  Result<void> finish() const;

 private:
  const Json* find(std::string_view name);
  template <class T>
  const T* get(std::string_view name);

  const Json::Object* members_;
  std::vector<bool> used_;
  std::optional<std::string> failed_;
};

}  // namespace snapvault::format
