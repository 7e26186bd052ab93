#include "provider/s3/profiles.hpp"

#include <unistd.h>

#include "base/try.hpp"
#include "provider/surroundings.hpp"

namespace snapvault::provider {
namespace {

Result<wire::IniFile> read_file(const std::string& path) {
  if (path.empty() || ::access(path.c_str(), F_OK) != 0) return wire::IniFile();
  SV_TRY(auto text, read_credential_file(path));
  auto parsed = wire::parse_ini(text);
  base::wipe(text);
  if (!parsed) return std::move(parsed).error().with_subject(path);
  return parsed;
}

std::string config_section(const std::string& profile) {
  return profile == "default" ? profile : "profile " + profile;
}

const base::SecretText* find_in(const wire::IniFile& file, const std::string& section,
                                const std::string& name) {
  const auto found = file.find(section);
  if (found == file.end()) return nullptr;
  const auto value = found->second.find(name);
  return value == found->second.end() ? nullptr : &value->second;
}

}  // namespace

std::string profile_name(const ReadVariable& variable) {
  return variable("AWS_PROFILE").value_or("default");
}

std::string below_home(const ReadVariable& variable, const std::string& path) {
  const auto home = variable("HOME");
  return home ? *home + "/" + path : std::string();
}

Result<Profiles> Profiles::read(const ReadVariable& variable) {
  Profiles out;
  const auto path = [&](const char* name, const char* usual) {
    auto given = variable(name);
    if (!given) return below_home(variable, usual);
    if (given->starts_with("~/")) return below_home(variable, given->substr(2));
    return *given;
  };
  SV_TRY(out.credentials_, read_file(path("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")));
  SV_TRY(out.config_, read_file(path("AWS_CONFIG_FILE", ".aws/config")));
  return out;
}

bool Profiles::has(const std::string& profile) const {
  return credentials_.contains(profile) || config_.contains(config_section(profile));
}

const base::SecretText* Profiles::find(const std::string& profile, const std::string& name) const {
  if (const auto* value = find_in(credentials_, profile, name)) return value;
  return find_in(config_, config_section(profile), name);
}

std::string Profiles::text(const std::string& profile, const std::string& name) const {
  const auto* value = find(profile, name);
  return value ? value->reveal() : std::string();
}

std::string Profiles::session_text(const std::string& session, const std::string& name) const {
  const auto* value = find_in(config_, "sso-session " + session, name);
  return value ? value->reveal() : std::string();
}

}  // namespace snapvault::provider
