// The memory provider: a store in this process, for tests, simulation and embedders' own tests.
#pragma once

#include <memory>
#include <string>

#include <snapvault/provider.hpp>

namespace snapvault::provider {

// One store per name, shared by all who open it and kept while anybody holds it.
std::shared_ptr<Provider> open_memory(const std::string& name);
// A private one.
std::shared_ptr<Provider> make_memory();

}  // namespace snapvault::provider
