// The head of a request as it is sent.
#pragma once

#include <string>

#include <snapvault/result.hpp>

#include "base/secret_text.hpp"
#include "net/transport.hpp"

namespace snapvault::net {

// Request line and fields. `by_proxy`: in absolute form, for a proxy that forwards plain HTTP; with
// its authorization, if that is not empty. Errors: invalid_argument (bad_argument): a field or the
// target holds what ends a line.
Result<base::SecretText> build_head(const Exchange& exchange, bool by_proxy,
                                    const base::SecretText& proxy_authorization);

}  // namespace snapvault::net
