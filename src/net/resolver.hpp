// Resolver: the addresses of a name, asked of the system without blocking anybody.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <snapvault/result.hpp>

namespace snapvault::net {

// Numeric addresses of `host`, in the order in which to try them. Blocks as long as it likes.
// Errors: unavailable (unreachable).
using LookUp = std::function<Result<std::vector<std::string>>(const std::string& host)>;
Result<std::vector<std::string>> ask_system(const std::string& host);

// IPv6 and IPv4 in turn, beginning with what comes first (RFC 8305 section 4); at most 8.
std::vector<std::string> in_turn(const std::vector<std::string>& addresses);

}  // namespace snapvault::net
