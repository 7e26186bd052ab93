// One exchange that is given up soon: to find out whether somebody is there.
#pragma once

#include "base/env.hpp"
#include "base/task.hpp"
#include "net/transport.hpp"

namespace snapvault::provider {

// Errors: cancelled after `most`, or as soon as `limits` ends; those of the transport.
base::Task<Result<wire::Response>> transfer_shortly(base::Env& env, net::Transport& transport,
                                                    net::Exchange exchange, base::Nanoseconds most,
                                                    RequestLimits limits);

}  // namespace snapvault::provider
