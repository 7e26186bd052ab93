// make_client with what tests replace.
#pragma once

#include "net/client.hpp"
#include "net/resolver.hpp"

namespace snapvault::net {

Result<std::shared_ptr<Transport>> make_client(ClientOptions options, LookUp look_up);

}  // namespace snapvault::net
