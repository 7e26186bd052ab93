// What an unreadable object means to those that refer to it.
#pragma once

#include <string>

#include <snapvault/result.hpp>

#include "base/reasons.hpp"

namespace snapvault::store {

// Lost is also an object whose header claims a later format: features that are required say so
// before, in objects that are authentic.
inline Error as_damage(Error error) {
  if (error.code() != Errc::unsupported) return error;
  return Error(Errc::data_loss, reason::bad_format,
               "an object's header is damaged, or of a later format")
      .with_subject(std::string(error.subject()));
}

}  // namespace snapvault::store
