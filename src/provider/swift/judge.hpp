// What the answers of Swift and of its token services mean.
#pragma once

#include "provider/exchanger.hpp"

namespace snapvault::provider::swift {

// Of requests for containers and objects. A 404 is no_object: only a look at the container tells
// whether that is missing too (404 of a PUT is no_bucket). A 413 that is no quota is unsupported
// with native() 413: the object is larger than the store takes in one piece.
Verdict judge(const wire::Request& request, const wire::Response& response);
bool is_too_large(const Error& error) noexcept;

// Of requests for a token: v1 and Keystone.
Verdict judge_v1(const wire::Request& request, const wire::Response& response);
Verdict judge_keystone(const wire::Request& request, const wire::Response& response);

}  // namespace snapvault::provider::swift
