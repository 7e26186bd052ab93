// Versions of the libraries this layer uses, as they are at run time.
#pragma once

#include <string>

namespace snapvault::codec {

std::string versions();

}  // namespace snapvault::codec
