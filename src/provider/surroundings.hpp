// Surroundings: what a store on the network takes from its process. Tests give their own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <snapvault/provider.hpp>

#include "base/env.hpp"
#include "net/transport.hpp"
#include "provider/address.hpp"

namespace snapvault::provider {

struct Surroundings {
  std::shared_ptr<base::Env> env;
  std::shared_ptr<net::Transport> transport;
  // A variable of the environment; nothing if it is not set or empty.
  std::function<std::optional<std::string>(const std::string& name)> variable;
  // Runs a command (program and arguments, no shell) and gives what it printed on stdout, at most
  // 64 KiB, for the caller to wipe. Blocks for at most a minute: call it on env->io(). Errors:
  // unauthenticated (bad_credential), deadline_exceeded.
  std::function<Result<std::string>(const std::vector<std::string>& command)> run;
  StoreOptions options;
};

// Those of this process, with the HTTP client that `address` asks for (ca=, client_cert=,
// client_key=, proxies of the environment). All stores of a process share one Env.
Result<Surroundings> real_surroundings(const Address& address, const StoreOptions& options);

// What `run` does, with a bound of its own on the time. The command's stdin and stderr are
// /dev/null, and of our descriptors it gets none.
Result<std::string> run_command(base::Env& env, const std::vector<std::string>& command,
                                base::Nanoseconds most);

// A small file that holds a credential or a token, at most 64 KiB. Pipes and devices are refused.
// Blocks: call it on env->io(). Errors: unauthenticated (bad_credential), naming the path.
Result<std::string> read_credential_file(const std::string& path);

}  // namespace snapvault::provider
