// The Shared Key scheme of Azure Storage, for version 2015-02-21 and later of the Blob service.
// Source: learn.microsoft.com, "Authorize with Shared Key".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/secret_text.hpp"
#include "wire/http.hpp"

namespace snapvault::wire {

struct SharedKey {
  std::string account;
  base::SecretText key;  // raw bytes
};

// The key as the portal shows it: base64. Nothing if `text` is none.
std::optional<base::SecretText> read_shared_key(std::string_view text);

// What is signed. The account stands before the path even where the path begins with it, as it does
// at an emulator ("/devstoreaccount1/devstoreaccount1/container").
std::string shared_key_text(const Request& request, std::string_view account);
// Of such a text: HMAC-SHA256 in base64.
std::string shared_key_signature(std::string_view text, const SharedKey& key);
// Adds Authorization, or replaces it. The request has its x-ms-date.
void sign_shared_key(Request& request, const SharedKey& key);

}  // namespace snapvault::wire
