// What a decoder answers when it refuses bytes.
#pragma once

#include <string_view>

#include <snapvault/result.hpp>

#include "base/reasons.hpp"

namespace snapvault::format {

// The bytes break a rule of FORMAT.md.
inline Error bad_format(std::string_view message) noexcept {
  return Error(Errc::data_loss, reason::bad_format, message);
}
// Well-formed, but not what the holder of the keys wrote here.
inline Error not_authentic(std::string_view message) noexcept {
  return Error(Errc::data_loss, reason::not_authentic, message);
}
// Written by a later version that says it must not be read by this one.
inline Error newer_format(std::string_view message) noexcept {
  return Error(Errc::unsupported, reason::newer_format, message);
}

}  // namespace snapvault::format
