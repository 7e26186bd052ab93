#include "provider/s3/s3.hpp"

#include <utility>

#include "base/try.hpp"
#include "provider/s3/store.hpp"

namespace snapvault::provider {

Result<std::shared_ptr<Provider>> make_s3(Address address, Surroundings around) {
  auto chain = std::make_unique<AwsCredentialChain>(around, address);
  auto region = address.option("region");
  if (region.empty()) region = chain->region();
  if (region.empty()) region = "us-east-1";
  SV_TRY(auto settings, read_s3_settings(address, around, chain->endpoint(), region));
  auto signer =
      std::make_unique<S3Signer>(std::move(chain), std::move(region), settings.before_region);
  return std::make_shared<S3Store>(std::move(settings), std::move(signer), std::move(around));
}

}  // namespace snapvault::provider
