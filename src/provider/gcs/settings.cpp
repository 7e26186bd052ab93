#include "provider/gcs/settings.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::provider::gcs {
namespace {

constexpr std::string_view kHost = "storage.googleapis.com";

Error bad_url(std::string_view message, std::string_view hint = {}) {
  return Error(Errc::invalid_argument, reason::bad_url, message).with_hint(hint);
}

// 3 to 222 of these: cloud.google.com/storage/docs/buckets, "Bucket names".
bool is_bucket(std::string_view name) noexcept {
  return name.size() >= 3 && name.size() <= 222 &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.';
         });
}

bool is_project(std::string_view text) noexcept {
  return text.size() <= 128 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == ':' ||
                  c == '.';
         });
}

bool is_google(std::string_view host) noexcept {
  return host == "googleapis.com" || host.ends_with(".googleapis.com") ||
         host == "accounts.google.com";
}

Result<void> read_origins(const Address& address, const Surroundings& around, Settings& out) {
  out.plain_allowed = !address.ssl;
  out.origins = address.endpoints;
  const auto emulator = around.variable("STORAGE_EMULATOR_HOST");
  if (out.origins.empty() && emulator) {
    auto text = *emulator;
    while (text.ends_with('/')) text.pop_back();
    auto origin = wire::parse_origin(text, text.starts_with("https://"));
    if (!origin) return bad_url("STORAGE_EMULATOR_HOST is no host:port");
    out.origins.push_back(*std::move(origin));
    out.sources = {Source::anonymous};  // no secret, so none can be read on plain HTTP
  }
  if (out.origins.empty()) {
    out.origins.push_back(
        {address.ssl, std::string(kHost), static_cast<std::uint16_t>(address.ssl ? 443 : 80)});
  }
  const auto& origins = out.origins;
  out.tls = std::all_of(origins.begin(), origins.end(), [](const auto& one) { return one.tls; });
  out.vendor = std::all_of(origins.begin(), origins.end(),
                           [](const auto& one) { return is_google(one.host); });
  return {};
}

// Where gcloud keeps the file: "How Application Default Credentials works".
std::string gcloud_file(const Surroundings& around) {
  constexpr const char* kName = "/application_default_credentials.json";
  if (const auto folder = around.variable("CLOUDSDK_CONFIG")) return *folder + kName;
  if (const auto home = around.variable("HOME")) return *home + "/.config/gcloud" + kName;
  return {};
}

Result<void> read_sources(const Address& address, const Surroundings& around, Settings& out) {
  using enum Source;
  out.file = around.variable("GOOGLE_APPLICATION_CREDENTIALS").value_or("");
  out.gcloud_file = gcloud_file(around);
  const auto& named = address.credential;
  if (named.empty() || named == "environment") {
    if (!out.sources.empty()) return {};
    if (out.file.empty()) {
      out.sources = {gcloud, metadata};
    } else {
      out.sources = {file};
    }
    return {};
  }
  out.only_named = true;
  for (const auto source : {file, gcloud, metadata, anonymous}) {
    if (named == name_of(source)) out.sources = {source};
  }
  if (out.sources.empty() || named != name_of(out.sources.front())) {
    return bad_url("credential= in the address names no source that is known here",
                   "environment, file, gcloud, metadata or anonymous");
  }
  return {};
}

}  // namespace

std::string_view name_of(Source source) noexcept {
  switch (source) {
    case Source::file:
      return "file";
    case Source::gcloud:
      return "gcloud";
    case Source::metadata:
      return "metadata";
    case Source::anonymous:
      break;
  }
  return "anonymous";
}

Result<Settings> read_settings(const Address& address, const Surroundings& around) {
  Settings out;
  out.bucket = address.container;
  out.prefix = address.prefix;
  if (!is_bucket(out.bucket)) {
    return bad_url("the bucket's name in the address is none",
                   "it has 3 to 222 small letters, digits, dashes, dots and underscores");
  }
  if (address.part_size != 0) out.part_size = address.part_size;
  SV_CHECK(read_origins(address, around, out));
  SV_CHECK(read_sources(address, around, out));
  if (!out.tls && !out.plain_allowed && out.sources.front() != Source::anonymous) {
    return bad_url("STORAGE_EMULATOR_HOST is plain HTTP, and credential= would send a token there",
                   "say ssl=false in the address if tokens may go that way");
  }
  out.project = address.option("project");
  if (out.project.empty()) out.project = around.variable("GOOGLE_CLOUD_PROJECT").value_or("");
  if (!is_project(out.project)) {
    return bad_url("the project's name is none", "check project=, or GOOGLE_CLOUD_PROJECT");
  }
  out.token_hosts = around.options.token_hosts;
  for (const auto& origin : address.endpoints) out.token_hosts.push_back(origin.host);
  return out;
}

bool is_token_host(std::string_view host, const Settings& settings) noexcept {
  return is_google(host) || std::any_of(settings.token_hosts.begin(), settings.token_hosts.end(),
                                        [host](const auto& one) { return one == host; });
}

}  // namespace snapvault::provider::gcs
