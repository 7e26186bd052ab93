// The control log: numbered records that change settings, and say what is damaged or condemned.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "provider/client.hpp"
#include "store/repository.hpp"

namespace snapvault::store {

inline constexpr std::uint32_t kLogMax = 500;

// permission_denied (access) if the log says that this build may only read.
Result<void> check_writable(const Repository& repository);

// The numbers of the records from `next` on, from a listing. Errors: data_loss (list_incomplete) if
// one is missing, (bad_format) if there are too many.
Result<std::vector<std::uint32_t>> new_records(const format::RepositoryId& id, std::uint32_t next,
                                               const std::vector<ObjectInfo>& listing);

// Folds records `numbers`, which were read as `objects`; all of them or none. Errors: data_loss,
// unsupported (newer_format).
Result<void> fold_records(Repository& repository, std::span<const std::uint32_t> numbers,
                          std::span<const std::optional<base::Bytes>> objects);

// Takes features that are required. Errors: unsupported (newer_format): reading needs an unknown
// one.
Result<void> require_features(Log& log, std::vector<std::string> read_required,
                              std::vector<std::string> write_required,
                              std::vector<std::string> optional);

}  // namespace snapvault::store
