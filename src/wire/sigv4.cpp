#include "wire/sigv4.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "codec/crypto.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string lower(std::string_view text) {
  std::string out(text);
  for (auto& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Without white space at the ends, and runs of it inside as one space.
std::string folded(std::string_view value) {
  std::string out;
  bool space = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      space = !out.empty();
      continue;
    }
    if (space) out += ' ';
    space = false;
    out += c;
  }
  return out;
}

bool is_signed(std::string_view name) noexcept {
  constexpr std::string_view kUnsigned[] = {"authorization",     "connection", "expect",
                                            "transfer-encoding", "upgrade",    "user-agent",
                                            "x-amzn-trace-id"};
  return std::find(std::begin(kUnsigned), std::end(kUnsigned), name) == std::end(kUnsigned);
}

// Lower-case names, each with its values joined, in order.
std::map<std::string, std::string> fields_of(const Request& request) {
  std::map<std::string, std::string> out;
  out["host"] = request.origin.host_field();
  for (const auto& field : request.headers) {
    const auto name = lower(field.name);
    if (!is_signed(name)) continue;
    const auto value = folded(field.value);
    const auto [at, is_new] = out.try_emplace(name, value);
    if (!is_new) at->second = name == "host" ? value : at->second + "," + value;
  }
  return out;
}

// RFC 3986 section 5.2.4, and empty segments removed; then encoded once more.
std::string normalised(std::string_view path) {
  std::vector<std::string_view> kept;
  const bool slash = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
  for (std::size_t at = 0; at < path.size();) {
    const auto next = std::min(path.find('/', at), path.size());
    const auto segment = path.substr(at, next - at);
    if (segment == "..") {
      if (!kept.empty()) kept.pop_back();
    } else if (!segment.empty() && segment != ".") {
      kept.push_back(segment);
    }
    at = next + 1;
  }
  std::string out;
  for (const auto segment : kept) out += "/" + encode(segment);
  if (out.empty() || slash) out += '/';
  return out;
}

std::string signed_path(const std::string& path, const SigningScope& scope) {
  auto how = scope.path;
  if (how == SignedPath::by_service) {
    how = scope.service == "s3" ? SignedPath::as_sent : SignedPath::normalised;
  }
  if (how == SignedPath::as_sent) return path;
  return how == SignedPath::encoded ? encode_path(path) : normalised(path);
}

std::string canonical_query(const Request& request) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& field : request.query)
    pairs.emplace_back(encode(field.name), encode(field.value));
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [name, value] : pairs) {
    if (!out.empty()) out += '&';
    out += name + "=" + value;
  }
  return out;
}

std::string date_of(const SigningScope& scope) { return basic_date(scope.now).substr(0, 8); }

std::string sign_piece(std::string_view kind, std::string_view previous, std::string_view rest,
                       const base::SecretText& secret_key, const SigningScope& scope) {
  const auto text = std::string(kAlgorithm) + std::string(kind) + "\n" + basic_date(scope.now) +
                    "\n" + credential_scope(scope) + "\n" + std::string(previous) + "\n" +
                    std::string(rest);
  return signature(text, secret_key, scope);
}

}  // namespace

std::string credential_scope(const SigningScope& scope) {
  return date_of(scope) + "/" + scope.region + "/" + scope.service + "/aws4_request";
}

std::string signed_fields(const Request& request) {
  std::string out;
  for (const auto& [name, value] : fields_of(request)) {
    if (!out.empty()) out += ';';
    out += name;
  }
  return out;
}

std::string canonical_request(const Request& request, const SigningScope& scope) {
  std::string out = request.method + "\n";
  out += signed_path(request.path, scope) + "\n";
  out += canonical_query(request) + "\n";
  for (const auto& [name, value] : fields_of(request)) out += name + ":" + value + "\n";
  return out + "\n" + signed_fields(request) + "\n" + scope.payload_hash;
}

std::string string_to_sign(std::string_view canonical, const SigningScope& scope) {
  return std::string(kAlgorithm) + "\n" + basic_date(scope.now) + "\n" + credential_scope(scope) +
         "\n" + sha256_hex(canonical);
}

std::string signature(std::string_view text, const base::SecretText& secret_key,
                      const SigningScope& scope) {
  std::string first;
  first.reserve(4 + secret_key.reveal().size());
  first += "AWS4";
  first += secret_key.reveal();
  auto key = hmac_sha256(base::as_bytes(first), date_of(scope));
  base::wipe(first);
  for (const std::string_view step :
       {std::string_view(scope.region), std::string_view(scope.service),
        std::string_view("aws4_request")}) {
    auto next = hmac_sha256(key, step);
    codec::wipe(key);
    key = std::move(next);
  }
  const auto out = base::hex(hmac_sha256(key, text));
  codec::wipe(key);
  return out;
}

void sign_v4(Request& request, const SigningKey& key, const SigningScope& scope) {
  request.headers.set("X-Amz-Date", basic_date(scope.now));
  if (scope.service == "s3") request.headers.set("X-Amz-Content-Sha256", scope.payload_hash);
  const auto add_token = [&] {
    if (!key.session_token.empty()) {
      request.headers.set("X-Amz-Security-Token", key.session_token.reveal());
    }
  };
  if (scope.sign_token) add_token();
  const auto text = string_to_sign(canonical_request(request, scope), scope);
  request.headers.set("Authorization", std::string(kAlgorithm) + " Credential=" + key.access_key +
                                           "/" + credential_scope(scope) +
                                           ", SignedHeaders=" + signed_fields(request) +
                                           ", Signature=" + signature(text, key.secret_key, scope));
  if (!scope.sign_token) add_token();
}

void presign_v4(Request& request, const SigningKey& key, const SigningScope& scope,
                std::uint32_t expires) {
  auto& query = request.query;
  query.push_back({"X-Amz-Algorithm", std::string(kAlgorithm)});
  query.push_back({"X-Amz-Credential", key.access_key + "/" + credential_scope(scope)});
  query.push_back({"X-Amz-Date", basic_date(scope.now)});
  query.push_back({"X-Amz-Expires", std::to_string(expires)});
  const auto add_token = [&] {
    if (!key.session_token.empty()) {
      query.push_back({"X-Amz-Security-Token", key.session_token.reveal()});
    }
  };
  if (scope.sign_token) add_token();
  query.push_back({"X-Amz-SignedHeaders", signed_fields(request)});
  const auto text = string_to_sign(canonical_request(request, scope), scope);
  query.push_back({"X-Amz-Signature", signature(text, key.secret_key, scope)});
  if (!scope.sign_token) add_token();
}

std::string sign_chunk(std::string_view previous, std::string_view chunk_hash,
                       const base::SecretText& secret_key, const SigningScope& scope) {
  return sign_piece("-PAYLOAD", previous,
                    std::string(kEmptyPayload) + "\n" + std::string(chunk_hash), secret_key, scope);
}

std::string sign_trailer(std::string_view previous, std::string_view trailer_hash,
                         const base::SecretText& secret_key, const SigningScope& scope) {
  return sign_piece("-TRAILER", previous, trailer_hash, secret_key, scope);
}

}  // namespace snapvault::wire
