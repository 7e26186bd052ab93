#include "provider/s3/signer.hpp"

#include <algorithm>

#include "wire/sigv4.hpp"

namespace snapvault::provider {

std::string aws_host(const std::string& region) {
  return "s3." + region + (region.starts_with("cn-") ? ".amazonaws.com.cn" : ".amazonaws.com");
}

bool is_aws_host(std::string_view host) noexcept {
  return host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
}

// A hostile server names the region, and it becomes a part of a host's name: no dot, so that the
// host stays one of Amazon's.
bool is_region(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

void S3Signer::see_region(const std::string& region) {
  if (!is_region(region) || region == region_) return;
  region_ = region;
  region_changed_ = true;
}

bool S3Signer::renew() noexcept {
  if (region_changed_) {
    region_changed_ = false;
    return true;
  }
  chain_->drop();
  return true;
}

base::Task<Result<void>> S3Signer::sign(wire::Request& request, std::int64_t now,
                                        RequestLimits limits) {
  auto getting = chain_->get(now, std::move(limits));
  auto credentials = co_await std::move(getting);
  if (!credentials) co_return std::move(credentials).error();
  if (before_region_) request.origin.host = *before_region_ + aws_host(region_);
  const wire::SigningKey key{credentials->access_key.reveal(), credentials->secret_key,
                             credentials->session_token};
  wire::SigningScope scope;
  scope.region = region_;
  scope.service = "s3";
  scope.now = now;
  scope.payload_hash = request.headers.get("X-Amz-Content-Sha256");
  wire::sign_v4(request, key, scope);
  co_return Result<void>();
}

}  // namespace snapvault::provider
