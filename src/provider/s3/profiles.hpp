// Profiles: the shared files of AWS, read anew each time a credential is fetched from them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <snapvault/result.hpp>

#include "wire/ini.hpp"

namespace snapvault::provider {

using ReadVariable = std::function<std::optional<std::string>(const std::string&)>;

class Profiles {
 public:
  // Blocks. A file that is not there is empty. Errors: unauthenticated (bad_credential).
  static Result<Profiles> read(const ReadVariable& variable);

  bool has(const std::string& profile) const;
  // A setting of a profile: the credentials file goes before the config file. Null: there is none.
  const base::SecretText* find(const std::string& profile, const std::string& name) const;
  // The same for what is no secret; empty: there is none.
  std::string text(const std::string& profile, const std::string& name) const;
  // Of "[sso-session NAME]".
  std::string session_text(const std::string& session, const std::string& name) const;

 private:
  wire::IniFile credentials_, config_;
};

// AWS_PROFILE, or "default".
std::string profile_name(const ReadVariable& variable);
// A path below the home folder, or empty if there is none.
std::string below_home(const ReadVariable& variable, const std::string& path);

}  // namespace snapvault::provider
