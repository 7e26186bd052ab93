#include "provider/swift/clouds.hpp"

#include <unistd.h>
#include <yaml.h>

#include <optional>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::provider::swift {
namespace {

constexpr std::size_t kTextMax = 64u << 10;
constexpr std::size_t kDepthMax = 16;
constexpr int kEventsMax = 10'000;

class Parser {
 public:
  explicit Parser(std::string_view text) {
    if (!yaml_parser_initialize(&parser_)) throw std::bad_alloc();
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&parser_); }
  bool next(yaml_event_t& event) { return yaml_parser_parse(&parser_, &event) != 0; }
  std::size_t line() const noexcept { return parser_.problem_mark.line + 1; }

 private:
  yaml_parser_t parser_{};
};

class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&event_); }
  yaml_event_t& get() noexcept { return event_; }
  yaml_event_type_t type() const noexcept { return event_.type; }
  std::size_t line() const noexcept { return event_.start_mark.line + 1; }
  bool has_anchor() const noexcept {
    switch (event_.type) {
      case YAML_ALIAS_EVENT:
        return true;
      case YAML_SCALAR_EVENT:
        return event_.data.scalar.anchor != nullptr;
      case YAML_SEQUENCE_START_EVENT:
        return event_.data.sequence_start.anchor != nullptr;
      case YAML_MAPPING_START_EVENT:
        return event_.data.mapping_start.anchor != nullptr;
      default:
        return false;
    }
  }
  std::string_view scalar() const noexcept {
    return {reinterpret_cast<const char*>(event_.data.scalar.value), event_.data.scalar.length};
  }

 private:
  yaml_event_t event_{};
};

Error bad_yaml(std::size_t line, std::string_view message) {
  return Error(Errc::invalid_argument, reason::bad_credential, message)
      .with_context("line " + std::to_string(line));
}

// Follows the events of one document.
class Builder {
 public:
  Result<void> take(const Event& event) {
    if (event.has_anchor()) return bad_yaml(event.line(), "anchors and aliases are not taken");
    switch (event.type()) {
      case YAML_DOCUMENT_START_EVENT:
        if (++documents_ > 1) return bad_yaml(event.line(), "there is a second document");
        return {};
      case YAML_MAPPING_START_EVENT:
        return open(event, true);
      case YAML_SEQUENCE_START_EVENT:
        return open(event, false);
      case YAML_MAPPING_END_EVENT:
      case YAML_SEQUENCE_END_EVENT:
        if (!levels_.back().mapping) --lists_;
        levels_.pop_back();
        finish_value();
        return {};
      case YAML_SCALAR_EVENT:
        return scalar(event);
      default:
        return {};
    }
  }
  Settings settings;

 private:
  struct Level {
    bool mapping = false;
    bool has_key = false;  // the next node is the value of `key`
    std::string key;
  };

  Result<void> open(const Event& event, bool mapping) {
    if (levels_.size() == kDepthMax) return bad_yaml(event.line(), "it is nested too deeply");
    if (expects_key()) return bad_yaml(event.line(), "a name is no plain text");
    levels_.push_back({.mapping = mapping, .has_key = false, .key = {}});
    if (!mapping) ++lists_;
    return {};
  }
  Result<void> scalar(const Event& event) {
    if (expects_key()) {
      levels_.back().key = event.scalar();
      levels_.back().has_key = true;
      return {};
    }
    if (lists_ == 0 && !levels_.empty()) {
      std::vector<std::string> path;
      for (const auto& level : levels_) path.push_back(level.key);
      base::SecretText value{std::string(event.scalar())};
      if (!settings.try_emplace(std::move(path), std::move(value)).second) {
        return bad_yaml(event.line(), "a name stands twice");
      }
    }
    finish_value();
    return {};
  }
  bool expects_key() const noexcept {
    return !levels_.empty() && levels_.back().mapping && !levels_.back().has_key;
  }
  void finish_value() noexcept {
    if (!levels_.empty()) levels_.back().has_key = false;
  }

  std::vector<Level> levels_;
  std::size_t lists_ = 0;  // how many of the levels
  int documents_ = 0;
};

bool exists(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }

// The first of "clouds" or "secure" that is there; nothing if none is.
std::optional<std::string> find_file(const std::string& stem, const char* variable,
                                     const Surroundings& around) {
  if (auto named = around.variable(variable)) return named;
  std::vector<std::string> folders = {"./"};
  if (const auto home = around.variable("HOME")) folders.push_back(*home + "/.config/openstack/");
  folders.push_back("/etc/openstack/");
  for (const auto& folder : folders) {
    for (const auto* ending : {".yaml", ".yml"}) {
      if (auto path = folder + stem + ending; exists(path)) return path;
    }
  }
  return std::nullopt;
}

Result<Settings> read_settings(const std::string& path) {
  SV_TRY(auto text, read_credential_file(path));
  auto settings = parse_yaml(text);
  base::wipe(text);
  if (settings) return settings;
  return Error(Errc::unauthenticated, reason::bad_credential, settings.error().message())
      .with_context("the file cannot be used")
      .with_subject(path);
}

}  // namespace

Result<Settings> parse_yaml(std::string_view text) {
  if (text.size() > kTextMax) return bad_yaml(1, "the file is too large");
  Parser parser(text);
  Builder builder;
  for (int count = 0; count < kEventsMax; ++count) {
    Event event;
    if (!parser.next(event.get())) return bad_yaml(parser.line(), "it is no YAML");
    SV_CHECK(builder.take(event));
    if (event.type() == YAML_STREAM_END_EVENT) return std::move(builder.settings);
  }
  return bad_yaml(1, "the file holds too much");
}

std::string Cloud::get(const std::string& name) const {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second.reveal();
}

Result<Cloud> find_cloud(const std::string& name, const Surroundings& around) {
  const auto path = find_file("clouds", "OS_CLIENT_CONFIG_FILE", around);
  if (!path) {
    return Error(Errc::unauthenticated, reason::no_credential,
                 "a cloud is named, but there is no clouds.yaml")
        .with_subject(name)
        .with_hint("put it into ~/.config/openstack, or name it by OS_CLIENT_CONFIG_FILE");
  }
  Cloud out;
  out.file = *path;
  std::vector<std::string> files = {*path};
  if (auto secure = find_file("secure", "OS_CLIENT_SECURE_FILE", around)) {
    files.push_back(*std::move(secure));
  }
  for (const auto& file : files) {
    SV_TRY(auto settings, read_settings(file));
    for (auto& [at, value] : settings) {
      if (at.size() < 3 || at.size() > 4 || at[0] != "clouds" || at[1] != name) continue;
      auto key = at.size() == 3 ? at[2] : at[2] + "." + at[3];
      out.settings.insert_or_assign(std::move(key), std::move(value));
    }
  }
  if (!out.settings.empty()) return out;
  return Error(Errc::unauthenticated, reason::no_credential, "clouds.yaml names no such cloud")
      .with_subject(name)
      .with_hint("its file is " + out.file);
}

}  // namespace snapvault::provider::swift
