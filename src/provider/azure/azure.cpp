#include "provider/azure/azure.hpp"

#include <utility>

#include "base/try.hpp"
#include "provider/azure/store.hpp"

namespace snapvault::provider {

Result<std::shared_ptr<Provider>> make_azure(Address address, Surroundings around) {
  SV_TRY(auto account, azure::read_account(address, around));
  return std::make_shared<azure::AzureStore>(std::move(account), std::move(around));
}

}  // namespace snapvault::provider
