// Place: an http(s) URL that names a service: of tokens, of an account's storage.
#pragma once

#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "wire/http.hpp"

namespace snapvault::provider {

struct Place {
  wire::Origin origin;
  std::string path;  // percent-encoded, begins with '/' or is empty, no '/' at the end
};

// Errors: invalid_argument (bad_url): no such URL, or one with a user, a query or a fragment.
// `what` names it in the message; its text is not repeated.
Result<Place> parse_place(std::string_view url, std::string_view what);

// A host on this machine or on its own link, where the services that give tokens speak plain HTTP
// by definition.
bool is_near(std::string_view host) noexcept;

// May stand in a header field: printable ASCII without spaces at its ends, 1 to 16 KiB.
bool is_field_value(std::string_view text) noexcept;

}  // namespace snapvault::provider
