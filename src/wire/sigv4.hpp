// Signature Version 4 of AWS. Sources: docs.aws.amazon.com, "Signature Version 4 signing process"
// (IAM) and "Authenticating Requests: Using the Authorization Header" (Amazon S3 API Reference).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/secret_text.hpp"
#include "wire/http.hpp"

namespace snapvault::wire {

struct SigningKey {
  std::string access_key;
  base::SecretText secret_key;
  base::SecretText session_token;  // may be empty
};

// How a path is signed: as it is sent (S3), or encoded once more (all others), and by nearly all of
// these without "." and ".." segments and doubled slashes.
enum class SignedPath { by_service, as_sent, encoded, normalised };

struct SigningScope {
  std::string region;
  std::string service;       // "s3", "sts", ...
  std::int64_t now = 0;      // seconds since 1970
  std::string payload_hash;  // SHA-256 of the body in hex, or one of the names below
  // Where the session token goes: into the signature, or beside it once that is made.
  bool sign_token = true;
  SignedPath path = SignedPath::by_service;  // "s3": as_sent, else normalised
};
inline constexpr const char* kUnsignedPayload = "UNSIGNED-PAYLOAD";
inline constexpr const char* kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// "20150830/us-east-1/service/aws4_request"
std::string credential_scope(const SigningScope& scope);
// The names of the fields that are signed, "host;x-amz-date": all but those that something on the
// way may change (Authorization, Connection, Expect, Transfer-Encoding, Upgrade, User-Agent,
// X-Amzn-Trace-Id).
std::string signed_fields(const Request& request);
std::string canonical_request(const Request& request, const SigningScope& scope);
std::string string_to_sign(std::string_view canonical, const SigningScope& scope);
// Of a string to sign, in hex.
std::string signature(std::string_view text, const base::SecretText& secret_key,
                      const SigningScope& scope);

// Adds X-Amz-Date, X-Amz-Security-Token, for S3 X-Amz-Content-Sha256, and Authorization. What
// stands there under these names is replaced.
void sign_v4(Request& request, const SigningKey& key, const SigningScope& scope);
// Adds the same to the query instead: a URL that works for `expires` seconds (1 to 604,800).
void presign_v4(Request& request, const SigningKey& key, const SigningScope& scope,
                std::uint32_t expires);

// Bodies in signed chunks (payload_hash STREAMING-AWS4-HMAC-SHA256-PAYLOAD[-TRAILER]): the
// signature of the next chunk, whose SHA-256 in hex is `chunk_hash`, and of the trailer, the
// SHA-256 of its lines "name:value\n". `previous` is the signature before it, at first that of the
// head.
std::string sign_chunk(std::string_view previous, std::string_view chunk_hash,
                       const base::SecretText& secret_key, const SigningScope& scope);
std::string sign_trailer(std::string_view previous, std::string_view trailer_hash,
                         const base::SecretText& secret_key, const SigningScope& scope);

}  // namespace snapvault::wire
