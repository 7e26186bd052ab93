#include "provider/gcs/gcs.hpp"

#include <utility>

#include "base/try.hpp"
#include "provider/gcs/store.hpp"

namespace snapvault::provider {

Result<std::shared_ptr<Provider>> make_gcs(Address address, Surroundings around) {
  SV_TRY(auto settings, gcs::read_settings(address, around));
  return std::make_shared<gcs::GcsStore>(std::move(settings), std::move(around));
}

}  // namespace snapvault::provider
