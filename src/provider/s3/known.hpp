// What was found out about the stores of this process, so that each is asked once.
#pragma once

#include <optional>
#include <string>

namespace snapvault::provider {

struct KnownS3 {
  std::optional<unsigned> winners;        // of racing creates
  std::optional<bool> conditional_parts;  // an upload in parts is completed only if absent
};

// Thread safety: any thread. `store` is its address.
KnownS3 known_s3(const std::string& store);
void note_s3(const std::string& store, const KnownS3& found);

}  // namespace snapvault::provider
