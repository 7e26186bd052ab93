// What the answers of an S3 server mean for a request.
#pragma once

#include <functional>
#include <string>

#include "provider/exchanger.hpp"

namespace snapvault::provider {

// A 200 that holds an error, or that is no answer to the completion of an upload, is no success.
// `see_region` is told the region that the server names when it refuses ours.
Verdict judge_s3(const wire::Request& request, const wire::Response& response,
                 const std::function<void(const std::string&)>& see_region);

// Whether the server may have refused because it does not know something that we can do without.
bool is_not_understood(const Error& error) noexcept;

}  // namespace snapvault::provider
