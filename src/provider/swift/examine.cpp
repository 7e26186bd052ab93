// What a Swift store can do and what is wrong with it.
#include <iterator>
#include <utility>

#include "provider/swift/store.hpp"

namespace snapvault::provider::swift {

base::Task<Result<std::vector<Finding>>> SwiftProvider::do_examine(RequestLimits limits) {
  std::vector<Finding> out;
  auto asking = sessions_.get(limits);
  const auto session = co_await std::move(asking);
  if (!session) {
    out.push_back(failure_finding("credentials", session.error()));
    co_return out;
  }
  out.push_back(credentials_finding(sessions_.account().source));
  const auto& region = sessions_.account().region;
  if (!region.empty()) out.push_back({"region", Finding::State::good, region, {}});
  auto probing = probe(env(), probe_calls(), capabilities().weak_because, limits);
  auto found = co_await std::move(probing);
  out.push_back(clock_finding(exchanger_.clock_ahead()));
  out.push_back(tls_finding(address_.endpoints.empty() ? session->storage.origin.tls
                                                       : address_.endpoints.front().tls));
  std::move(found.begin(), found.end(), std::back_inserter(out));
  co_return out;
}

}  // namespace snapvault::provider::swift
