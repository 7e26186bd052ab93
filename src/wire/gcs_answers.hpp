// JSON of Google Cloud Storage and of Google's credentials: what its answers and files say.
// Sources: cloud.google.com/storage/docs/json_api (objects, errors), RFC 6749 5 (tokens), AIP-4110
// and AIP-4117 (credential files). Everything read here is hostile until it was checked.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"

namespace snapvault::wire {

struct GcsObject {
  std::string name;
  std::uint64_t size = 0;
  std::int64_t updated = 0;  // seconds since 1970; 0 if it is not said
  std::string crc32c;        // base64 of the big-endian value; empty if it is not said
};
struct GcsPage {
  std::vector<GcsObject> objects;
  std::string next_page;  // the token of the next page; empty at the last one
};
// Errors of all three: data_loss (bad_answer).
Result<GcsObject> parse_gcs_object(std::string_view json);
Result<GcsPage> parse_gcs_page(std::string_view json);
// "location" of a bucket: "EUROPE-WEST3".
Result<std::string> parse_gcs_location(std::string_view json);
// The metadata that an upload sends; `crc32c` as in GcsObject.
std::string gcs_object_json(std::string_view name, std::string_view crc32c);
std::string gcs_bucket_json(std::string_view name);

// What an answer that refuses says, of the API ({"error": {"errors": [{"reason"}], "message"}}) and
// of a token endpoint ({"error": "invalid_grant", "error_description"}). Never fails: what is not
// said is empty. Printable and short.
struct GcsRefusal {
  std::string reason;
  std::string message;
};
GcsRefusal parse_gcs_refusal(std::string_view body);

struct GcsToken {
  base::SecretText text;       // fit for a header
  std::uint64_t lifetime = 0;  // seconds from now; 0 if it is not said
  std::int64_t expires = 0;    // or since 1970; 0 if it is not said
};
// {"access_token", "expires_in"}. Errors: data_loss (bad_answer).
Result<GcsToken> parse_gcs_token(std::string_view json);
// {"accessToken", "expireTime"}, as generateAccessToken answers. Errors: as above.
Result<GcsToken> parse_gcs_impersonated(std::string_view json);
// {"delegates", "scope", "lifetime"} for generateAccessToken.
std::string gcs_impersonation_json(const std::vector<std::string>& delegates,
                                   std::string_view scope, std::uint64_t seconds);
// The header and the claims of the grant of a service account.
struct GcsClaims {
  std::string issuer, scope, audience;
  std::int64_t issued = 0;
};
std::string gcs_jwt_header(std::string_view key_id);
std::string gcs_jwt_claims(const GcsClaims& claims);  // lives for an hour
// The signed request by which AWS says who somebody is, as the STS wants it: a JSON object.
struct GcsHeader {
  std::string name;
  base::SecretText value;
};
base::SecretText gcs_aws_subject(std::string_view url, const std::vector<GcsHeader>& headers);
std::string gcs_user_project_json(std::string_view project);

// Where the subject token of an external account comes from: one of `file`, `url`, `command`, AWS.
struct GcsSubject {
  std::string file, url, command, output_file;
  std::vector<GcsHeader> headers;  // for `url`
  bool is_json = false;            // else the token is the whole text
  std::string field;               // of the JSON
  bool aws = false;                // `url` gives the role, and these are for it
  std::string region_url, verification_url, session_token_url;
};

// A credentials file.
struct GcsCredential {
  enum class Kind { service_account, authorized_user, external_account, impersonated };
  Kind kind = Kind::service_account;
  std::string project_id, quota_project;
  std::string client_email, private_key_id, client_id;
  base::SecretText private_key, client_secret, refresh_token;
  std::string token_url;
  // Of an external account, audience and so on; the impersonation is of impersonated ones too.
  std::string audience, subject_token_type, workforce_project;
  GcsSubject subject;
  std::string impersonation_url;  // or empty
  std::uint64_t impersonation_seconds = 3600;
  std::vector<std::string> delegates;
  std::shared_ptr<const GcsCredential> source;  // impersonated: who asks
};
// Errors: unauthenticated (bad_credential): what the file lacks, never what it holds.
Result<GcsCredential> parse_gcs_credential(std::string_view json);
// The subject token: the whole `text`, or the member `field` of a JSON object. Errors: as above.
Result<base::SecretText> parse_gcs_subject(std::string_view text, const GcsSubject& subject);
// What an executable source answered: a token of `type` that lives at `now`. Errors: as above.
Result<base::SecretText> parse_gcs_executable(std::string_view json, std::string_view type,
                                              std::int64_t now);
// AWS's temporary credentials as its metadata service gives them. Errors: as above.
struct GcsAwsKeys {
  std::string access_key;
  base::SecretText secret_key, session_token;
};
Result<GcsAwsKeys> parse_gcs_aws_keys(std::string_view json);

}  // namespace snapvault::wire
