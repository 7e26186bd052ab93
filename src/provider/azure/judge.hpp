// What the answers of Azure Blob and of Microsoft's token services mean for a request.
#pragma once

#include <cstdint>
#include <string_view>

#include "provider/exchanger.hpp"

namespace snapvault::provider::azure {

// What is known of the credential when an answer comes: a HEAD is refused without a reason.
struct Circumstances {
  bool dated = false;      // the signature holds a time
  std::int64_t ahead = 0;  // of the store's clock, of that in use; 0 if not known
  bool ended = false;      // a SAS has ended, by the clock in use
};
Verdict judge_azure(const wire::Request& request, const wire::Response& response,
                    const Circumstances& circumstances);

// The login service: POST .../oauth2/v2.0/token.
Verdict judge_login(const wire::Request& request, const wire::Response& response);
// IMDS, and IDENTITY_ENDPOINT. Refusals of an identity that is not there are no_credential.
Verdict judge_metadata(const wire::Request& request, const wire::Response& response);

inline constexpr const char* kMetadataHost = "169.254.169.254";
inline constexpr const char* kMetadataPath = "/metadata/identity/oauth2/token";

}  // namespace snapvault::provider::azure
