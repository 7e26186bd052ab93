// S3Signer: credential and region of an S3 store, put into each request.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "provider/exchanger.hpp"
#include "provider/s3/credentials.hpp"

namespace snapvault::provider {

class S3Signer final : public Signer {
 public:
  // `before_region`: what stands before the region's own host ("bucket." or nothing), for a store
  // of Amazon's whose host follows the region; none: the host stays as it was named.
  S3Signer(std::unique_ptr<AwsCredentialChain> chain, std::string region,
           std::optional<std::string> before_region)
      : chain_(std::move(chain)),
        region_(std::move(region)),
        before_region_(std::move(before_region)) {}

  // The request says what its body is by X-Amz-Content-Sha256.
  base::Task<Result<void>> sign(wire::Request& request, std::int64_t now,
                                RequestLimits limits) override;
  bool renew() noexcept override;

  const std::string& region() const noexcept { return region_; }
  // The server says that the bucket is in `region`.
  void see_region(const std::string& region);
  AwsCredentialChain& chain() noexcept { return *chain_; }

 private:
  const std::unique_ptr<AwsCredentialChain> chain_;
  std::string region_;
  const std::optional<std::string> before_region_;
  bool region_changed_ = false;
};

// "s3.eu-central-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"
std::string aws_host(const std::string& region);
// A host of Amazon's.
bool is_aws_host(std::string_view host) noexcept;
bool is_region(std::string_view text) noexcept;

}  // namespace snapvault::provider
