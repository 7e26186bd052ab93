// What OpenStack Swift and Keystone answer, and the JSON bodies that they are sent.
// Sources: Object Storage API v1 and Identity API v3 (docs.openstack.org/api-ref), and the
// documentation of Swift's middleware "bulk" and "slo".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"

namespace snapvault::wire {

// All parsers: errors are data_loss (bad_answer).

struct SwiftEntry {
  std::string name;
  std::uint64_t bytes = 0;
  std::string hash;           // MD5 in hex, or what the store has instead; may be empty
  std::int64_t modified = 0;  // seconds since 1970, 0 if unknown
};
inline constexpr std::size_t kSwiftEntriesMax = 10'000;  // the most of one page
// A container's page with format=json, in the store's order. Folders ("subdir") are passed over.
Result<std::vector<SwiftEntry>> parse_swift_list(std::string_view json);

// The answer to a bulk delete, and to the delete of a large object with its segments: its status
// stands in the body, behind white space that kept the connection alive.
struct SwiftDeletion {
  int status = 0;       // of "Response Status"
  std::string message;  // of "Response Body"
  std::uint64_t deleted = 0;
  std::uint64_t not_found = 0;
  struct Failure {
    std::string name;    // "/container/object", percent-encoded
    std::string status;  // "403 Forbidden", or a sentence
  };
  std::vector<Failure> failures;
};
Result<SwiftDeletion> parse_swift_deletion(std::string_view json);

// One piece of a static large object.
struct SwiftSegment {
  std::string path;  // "/container/object", not encoded
  std::string etag;  // MD5 in hex
  std::uint64_t size = 0;
};
std::string slo_manifest(const std::vector<SwiftSegment>& segments);

// Who asks Keystone for a token, and for which project. Of a pair of id and name the id wins;
// domains that are not named are "default", as for the openstack command.
struct KeystoneLogin {
  std::string user_id, user_name, user_domain_id, user_domain_name;
  std::string project_id, project_name, project_domain_id, project_domain_name;
  std::string application_id,
      application_name;     // an application credential; it has its own project
  base::SecretText secret;  // the password, or the credential's secret
};
// The body of POST /v3/auth/tokens.
base::SecretText keystone_login(const KeystoneLogin& login);

struct KeystoneEndpoint {
  std::string interface;  // public, internal, admin
  std::string region;
  std::string url;
};
struct KeystoneToken {
  std::int64_t lifetime = 0;  // seconds from issue to expiry; 0: not told
  bool has_catalog = false;
  std::vector<KeystoneEndpoint> object_stores;  // of services of the type "object-store"
};
Result<KeystoneToken> parse_keystone_token(std::string_view json);
// "error.message" of an answer that refuses, at most 200 printable characters; or empty.
std::string keystone_message(std::string_view json);

}  // namespace snapvault::wire
