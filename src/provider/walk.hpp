// Lists keys in a directory tree, in bytewise order of the whole key.
#pragma once

#include <string>

#include <snapvault/provider.hpp>

namespace snapvault::provider {

// One page of `request` below `root`. Reads only the directories that the page needs. What is no
// object is passed over: temporary files, symbolic links, names that no key can have.
Result<ListPage> walk(const std::string& root, const ListRequest& request);

}  // namespace snapvault::provider
