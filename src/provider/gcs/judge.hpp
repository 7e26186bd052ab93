// What the answers of Google Cloud Storage and of Google's token services mean for a request.
#pragma once

#include "provider/exchanger.hpp"

namespace snapvault::provider::gcs {

Verdict judge_gcs(const wire::Request& request, const wire::Response& response);

// POST .../token, STS, generateAccessToken.
Verdict judge_token(const wire::Request& request, const wire::Response& response);
// The metadata server. An account that is not there is no_credential.
Verdict judge_metadata(const wire::Request& request, const wire::Response& response);
// Where an external account gets its subject token, which is somebody else's service.
Verdict judge_subject(const wire::Request& request, const wire::Response& response);

// "/storage/v1/b/BUCKET/o/NAME": what is said of it is said of an object, not of the bucket.
bool is_of_object(const wire::Request& request) noexcept;

}  // namespace snapvault::provider::gcs
