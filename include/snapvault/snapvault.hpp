// All of snapvault.
#pragma once

#include <snapvault/config.hpp>      // IWYU pragma: export
#include <snapvault/progress.hpp>    // IWYU pragma: export
#include <snapvault/provider.hpp>    // IWYU pragma: export
#include <snapvault/repository.hpp>  // IWYU pragma: export
#include <snapvault/restorer.hpp>    // IWYU pragma: export
#include <snapvault/result.hpp>      // IWYU pragma: export
#include <snapvault/runtime.hpp>     // IWYU pragma: export
#include <snapvault/snapshot.hpp>    // IWYU pragma: export
#include <snapvault/source.hpp>      // IWYU pragma: export
