// What a repository answers without moving data: lists, descriptions, deletion, policy and keys.
// Coroutines on the loop.
#pragma once

#include "api/state.hpp"

namespace snapvault::api {

base::Task<Result<std::vector<SnapshotInfo>>> list(Repository::State& state, SnapshotFilter filter);
base::Task<Result<RepositoryInfo>> describe(Repository::State& state);
base::Task<Result<std::vector<ByteRange>>> diff(Repository::State& state, std::string a,
                                                std::string b);
base::Task<Result<std::vector<SnapshotInfo>>> remove(Repository::State& state,
                                                     std::vector<std::string> names, bool dry_run);
base::Task<Result<void>> set_policy(Repository::State& state, Policy policy);
base::Task<Result<std::uint32_t>> add_key(Repository::State& state, store::Lock lock);
base::Task<Result<void>> remove_key(Repository::State& state, std::uint32_t slot);

}  // namespace snapvault::api
