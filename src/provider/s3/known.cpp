#include "provider/s3/known.hpp"

#include <map>
#include <mutex>

namespace snapvault::provider {
namespace {

constexpr std::size_t kStoresMax = 1000;

struct Known {
  std::mutex mutex;
  std::map<std::string, KnownS3> stores;
};

// Never destroyed: a request may still run when the process ends.
Known& known() {
  static auto& all = *new Known;
  return all;
}

}  // namespace

KnownS3 known_s3(const std::string& store) {
  auto& all = known();
  const std::lock_guard lock(all.mutex);
  const auto found = all.stores.find(store);
  return found == all.stores.end() ? KnownS3() : found->second;
}

void note_s3(const std::string& store, const KnownS3& found) {
  auto& all = known();
  const std::lock_guard lock(all.mutex);
  if (all.stores.size() >= kStoresMax) all.stores.clear();
  auto& one = all.stores[store];
  if (found.winners) one.winners = found.winners;
  if (found.conditional_parts) one.conditional_parts = found.conditional_parts;
}

}  // namespace snapvault::provider
