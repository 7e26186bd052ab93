// clouds.yaml: named OpenStack clouds, as openstacksdk reads them ("Configuring OpenStack SDK
// Applications", docs.openstack.org/openstacksdk/latest/user/config/configuration.html).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"
#include "provider/surroundings.hpp"

namespace snapvault::provider::swift {

// Every scalar that stands in mappings only, by its path: {"clouds", "mine", "auth", "username"}.
// What stands in lists is passed over.
using Settings = std::map<std::vector<std::string>, base::SecretText>;

// At most 64 KiB, 16 levels and 10,000 events; one document. Anchors, aliases and names that stand
// twice are refused. Errors: invalid_argument (bad_credential), with the line but none of the text.
Result<Settings> parse_yaml(std::string_view text);

// One cloud: "auth.username", "region_name", ... without the path in front. secure.yaml stands over
// clouds.yaml, as with openstacksdk.
struct Cloud {
  std::map<std::string, base::SecretText> settings;
  std::string file;                                // where it was found
  std::string get(const std::string& name) const;  // or empty
};
// Looks for OS_CLIENT_CONFIG_FILE, else ./clouds.yaml, ~/.config/openstack/clouds.yaml and
// /etc/openstack/clouds.yaml (or .yml); the first that is there counts. Blocks. Errors:
// unauthenticated (no_credential: no file, or it names no such cloud; bad_credential).
Result<Cloud> find_cloud(const std::string& name, const Surroundings& around);

}  // namespace snapvault::provider::swift
