// SecretBody: the body of a request that holds a secret; its bytes are wiped at its end.
#pragma once

#include <string.h>

#include <memory>
#include <vector>

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"
#include "base/secret_text.hpp"

namespace snapvault::provider {

// Outlives the request that sends it.
class SecretBody {
 public:
  explicit SecretBody(const base::SecretText& text) {
    const auto bytes = base::as_bytes(text.reveal());
    bytes_ = std::make_shared<base::Bytes>(bytes.begin(), bytes.end());
  }
  SecretBody(const SecretBody&) = delete;
  SecretBody& operator=(const SecretBody&) = delete;
  ~SecretBody() { ::explicit_bzero(bytes_->data(), bytes_->size()); }
  PutBody body() const { return PutBody(std::vector<PutBody::Part>{bytes_}, 0); }

 private:
  std::shared_ptr<base::Bytes> bytes_;
};

}  // namespace snapvault::provider
