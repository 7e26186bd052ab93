// Many HTTP requests in one body of multipart/mixed (RFC 2046 5.1), as Azure's and Google's batch
// calls take them, and their answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <snapvault/result.hpp>

#include "wire/http.hpp"

namespace snapvault::wire {

// The body for `requests`, which carry no body of their own. Part n has the Content-ID n.
std::string build_batch(const std::vector<Request>& requests, std::string_view boundary);
// The answers in the order of the requests, whatever the order of the parts (Content-ID "n" or
// "<response-n>", "response-n", else by place). `content_type` names the boundary. At most `count`
// parts; a missing one has status 0. Errors: data_loss (bad_answer).
Result<std::vector<Response>> parse_batch(std::string_view content_type, std::string_view body,
                                          std::size_t count);

}  // namespace snapvault::wire
