#include "provider/request.hpp"

#include "base/bytes.hpp"
#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::provider {
namespace {

bool is_key_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

Result<void> check_key(const std::string& key) {
  if (is_key(key)) return {};
  // The key is not repeated: it may be long, or hold control characters.
  return Error(Errc::invalid_argument, reason::bad_name, "the object's key is not a valid key");
}

}  // namespace

bool is_component(std::string_view name) noexcept {
  if (name.empty() || name == "." || name == "..") return false;
  for (const char c : name) {
    if (!is_key_character(c)) return false;
  }
  return true;
}

bool is_key(std::string_view key) noexcept {
  if (key.size() > kKeySizeMax) return false;
  for (;;) {
    const auto slash = key.find('/');
    if (!is_component(key.substr(0, slash))) return false;
    if (slash == std::string_view::npos) return true;
    key.remove_prefix(slash + 1);
  }
}

bool is_prefix(std::string_view prefix) noexcept {
  if (prefix.size() > kKeySizeMax) return false;
  const auto slash = prefix.rfind('/');
  if (slash != std::string_view::npos) {
    if (!is_key(prefix.substr(0, slash))) return false;
    prefix.remove_prefix(slash + 1);
  }
  // "." and ".." may go on, as in ".x".
  return prefix.empty() || prefix == "." || prefix == ".." || is_component(prefix);
}

Result<void> check(const RequestLimits& limits) {
  if (limits.stop.stop_requested()) {
    return Error(Errc::cancelled, reason::cancelled, "the request was cancelled");
  }
  if (limits.deadline && std::chrono::steady_clock::now() >= *limits.deadline) {
    return Error(Errc::deadline_exceeded, reason::deadline, "the request took too long");
  }
  return {};
}

Result<void> check(const GetRequest& request) {
  SV_CHECK(check_key(request.key));
  return check(request.limits);
}

Result<void> check(const PutRequest& request) {
  SV_CHECK(check_key(request.key));
  return check(request.limits);
}

Result<void> check(const ListRequest& request) {
  if (!is_prefix(request.prefix)) {
    return Error(Errc::invalid_argument, reason::bad_name, "no key can begin with the prefix");
  }
  if (request.max_keys == 0 || request.max_keys > kKeysMax) {
    return Error(Errc::invalid_argument, reason::bad_argument, "a page holds 1 to 1000 keys");
  }
  return check(request.limits);
}

Result<void> check(const RemoveRequest& request) {
  if (request.keys.empty() || request.keys.size() > kKeysMax) {
    return Error(Errc::invalid_argument, reason::bad_argument, "a remove takes 1 to 1000 keys");
  }
  for (const auto& key : request.keys) SV_CHECK(check_key(key));
  return check(request.limits);
}

Result<void> check(const StatRequest& request) {
  SV_CHECK(check_key(request.key));
  return check(request.limits);
}

Result<std::uint64_t> range_length(const GetRequest& request, std::uint64_t size) {
  if (request.offset == 0 && request.length == 0) return size;
  const auto end = base::add(request.offset, request.length);
  if (request.offset >= size || !end || *end > size) {
    return Error(Errc::invalid_argument, reason::range, "the range reaches past the object's end")
        .with_subject(request.key);
  }
  return request.length == 0 ? size - request.offset : request.length;
}

Error no_object(const std::string& key) {
  return Error(Errc::not_found, reason::no_object, "the object does not exist").with_subject(key);
}

Error object_exists(const std::string& key) {
  return Error(Errc::already_exists, reason::object_exists, "the object exists already")
      .with_subject(key);
}

}  // namespace snapvault::provider
