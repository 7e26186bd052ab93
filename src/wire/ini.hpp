// Files of AWS's own dialect of INI: ~/.aws/config and ~/.aws/credentials. Source:
// docs.aws.amazon.com, AWS SDKs and Tools Reference Guide, "Format of the shared files".
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"

namespace snapvault::wire {

// Names and values of a section. A value that goes on in indented lines is kept with them, and
// nested properties ("s3 =" and indented "a = b") are left out.
using IniSection = std::map<std::string, base::SecretText>;
using IniFile = std::map<std::string, IniSection>;

// Sections by their name as written: "default", "profile x". The later of two lines counts. Errors:
// unauthenticated (bad_credential), naming the line by its number, never its text.
Result<IniFile> parse_ini(std::string_view text);

}  // namespace snapvault::wire
