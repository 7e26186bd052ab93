// What Azure Blob and Microsoft's token services answer, as data, and the bodies that they are
// sent. Sources: learn.microsoft.com, "Blob service REST API" (List Blobs, Put Block List, Status
// and error codes), "Microsoft identity platform and the OAuth 2.0 client credentials flow",
// "Microsoft identity platform application authentication certificate credentials", "How to use
// managed identities for Azure resources on an Azure VM to acquire an access token", "How to use
// managed identities for App Service". Everything read here is hostile until it was checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/provider.hpp>

#include "base/secret_text.hpp"
#include "wire/http.hpp"

namespace snapvault::wire {

// A refusal: of x-ms-error-code, which a HEAD has too, and of the body. Empty where nothing is
// said. The texts may hold a string that was signed: they are for decisions, not to be shown.
struct AzureError {
  std::string code;    // "BlobNotFound"; letters and digits
  std::string detail;  // Message and AuthenticationErrorDetail
};
AzureError parse_azure_error(const Response& answer);

// List Blobs. Errors: data_loss (bad_answer).
struct AzureList {
  std::vector<ObjectInfo> objects;  // without the folders of a hierarchical namespace
  std::string next_marker;          // empty at the last page
};
Result<AzureList> parse_azure_list(std::string_view body);

// The body of Put Block List.
std::string build_azure_blocks(const std::vector<std::string>& ids);

// x-ms-content-crc64: CRC-64/NVME, as S3's, but little-endian.
std::string azure_crc64(const PutBody& body);

struct AzureToken {
  base::SecretText text;      // fit for a header
  std::int64_t expires = 0;   // seconds since 1970, or 0
  std::int64_t lifetime = 0;  // or seconds from now, or 0
};
// "access_token" with "expires_in" and "expires_on", numbers or text (login service, App Service,
// IMDS); "accessToken" with "expires_on" (az). Errors: data_loss (bad_answer).
Result<AzureToken> parse_azure_token(std::string_view json);

// {"error": "invalid_client", "error_description": "AADSTS7000215: ..."}: the name of the error and
// the number behind AADSTS, letters and digits both; empty where nothing is said.
struct AzureRefusal {
  std::string error;
  std::string number;  // "AADSTS7000215"
};
AzureRefusal parse_azure_refusal(std::string_view json);

// Who a service principal is, shown by its certificate: a JWT for `audience`, the token service's
// URL, valid for ten minutes. `pem` holds the certificate and its key. `id` is used once. Errors:
// those of sign_jwt.
struct AzureAssertion {
  std::string audience, client, id;
  std::int64_t now = 0;
};
Result<base::SecretText> sign_azure_assertion(const AzureAssertion& what, std::string_view pem);

}  // namespace snapvault::wire
