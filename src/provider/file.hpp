// The file provider: a repository in a local or network directory. Design: format-and-protocol,
// "File provider"; src/provider/FILE.md says which system calls make which promise.
#pragma once

#include <memory>
#include <string>

#include <snapvault/provider.hpp>

namespace snapvault::provider {

Result<std::shared_ptr<Provider>> open_file(const std::string& root);

}  // namespace snapvault::provider
