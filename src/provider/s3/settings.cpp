#include "provider/s3/settings.hpp"

#include <algorithm>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/s3/signer.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider {
namespace {

Error bad(std::string_view message, std::string_view hint = {}) {
  auto out = Error(Errc::invalid_argument, reason::bad_url, message);
  if (!hint.empty()) return std::move(out).with_hint(hint);
  return out;
}

bool is_small(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// What an option may hold that is sent as a field's value: names and ARNs.
bool is_word(std::string_view text) noexcept {
  return text.size() <= 2048 && std::all_of(text.begin(), text.end(), [](char c) {
           return is_small(c) || (c >= 'A' && c <= 'Z') || c == '_' || c == '-' || c == ':' ||
                  c == '/' || c == '.';
         });
}

// A bucket's name that can be a part of a host's: docs.aws.amazon.com, "General purpose bucket
// naming rules".
bool is_label(std::string_view name) noexcept {
  return name.size() >= 3 && name.size() <= 63 && is_small(name.front()) && is_small(name.back()) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_small(c) || c == '-' || c == '.'; });
}

bool is_number_address(std::string_view host) noexcept {
  return host.find(':') != host.npos || std::all_of(host.begin(), host.end(), [](char c) {
           return (c >= '0' && c <= '9') || c == '.';
         });
}

Result<void> read_encryption(const Address& address, const Surroundings& around, S3Settings& out) {
  out.sse = address.option("sse");
  out.sse_kms_key = address.option("sse_kms_key");
  constexpr std::string_view kKinds[] = {"", "AES256", "aws:kms", "aws:kms:dsse", "C"};
  if (std::find(std::begin(kKinds), std::end(kKinds), out.sse) == std::end(kKinds)) {
    return bad("sse= in the address takes AES256, aws:kms, aws:kms:dsse or C");
  }
  if (!out.sse_kms_key.empty() && !out.sse.starts_with("aws:kms")) {
    return bad("sse_kms_key= in the address goes with sse=aws:kms");
  }
  if (out.sse != "C") return {};
  out.sse.clear();
  if (!out.tls) return bad("sse=C sends its key with each request, and so needs TLS");
  auto text = around.variable("SNAPVAULT_S3_SSE_C_KEY");
  auto key = text ? wire::unbase64(*text) : std::nullopt;
  if (!key || key->size() != 32) {
    if (text) base::wipe(*text);
    return bad("sse=C needs a key", "set SNAPVAULT_S3_SSE_C_KEY to 32 bytes in base64");
  }
  out.sse_c_md5 = wire::md5_base64(PutBody(*std::move(key)));
  out.sse_c_key = base::SecretText(*std::move(text));
  return {};
}

Result<void> read_retention(const Address& address, S3Settings& out) {
  auto text = address.option("retention_days");
  if (text.empty()) return {};
  out.lock_mode = "GOVERNANCE";
  if (text.starts_with("compliance:")) {
    out.lock_mode = "COMPLIANCE";
    text.erase(0, 11);
  } else if (text.starts_with("governance:")) {
    text.erase(0, 11);
  }
  const auto days = wire::parse_number(text);
  if (!days || *days < 1 || *days > 36'500) {
    return bad("retention_days= in the address takes a number of days, or compliance:DAYS");
  }
  out.retention_days = static_cast<std::uint32_t>(*days);
  return {};
}

// What stands in the environment or a profile, such as "http://minio:9000".
Result<void> read_endpoint(const Address& address, const std::string& endpoint, S3Settings& out) {
  if (endpoint.empty()) return {};
  SV_TRY(auto origin, wire::parse_origin(endpoint, address.ssl));
  if (!origin.tls && address.ssl) {
    return bad("AWS_ENDPOINT_URL, or the profile, names an endpoint of plain HTTP",
               "say ssl=false in the address if secrets may go that way");
  }
  out.tls = origin.tls;
  out.origins.push_back(std::move(origin));
  return {};
}

// Where the bucket stands: before the host at Amazon, in the path elsewhere, or as the address
// says.
Result<void> read_style(const Address& address, const std::string& region, S3Settings& out) {
  const bool named = !out.origins.empty();
  if (!named) {
    out.origins.push_back(
        {out.tls, aws_host(region), static_cast<std::uint16_t>(out.tls ? 443 : 80)});
  }
  out.amazon = std::all_of(out.origins.begin(), out.origins.end(),
                           [](const wire::Origin& one) { return is_aws_host(one.host); });
  // The certificate of "*.host" does not hold for a name with a dot more.
  const bool dotted = out.tls && out.bucket.find('.') != std::string::npos;
  const bool can_stand_before = is_label(out.bucket);
  const bool asked = !address.option("path_style").empty();
  out.path_style = asked ? address.path_style : !out.amazon || dotted || !can_stand_before;
  if (!out.path_style) {
    const bool number = std::any_of(out.origins.begin(), out.origins.end(),
                                    [](const auto& one) { return is_number_address(one.host); });
    if (!can_stand_before || number) {
      return bad("path_style=false needs a bucket and a host by whose names a host can be named");
    }
    for (auto& origin : out.origins) origin.host = out.bucket + "." + origin.host;
  }
  if (!named) out.before_region = out.path_style ? "" : out.bucket + ".";
  return {};
}

}  // namespace

Result<S3Settings> read_s3_settings(const Address& address, const Surroundings& around,
                                    const std::string& endpoint, const std::string& region) {
  S3Settings out;
  out.bucket = address.container;
  out.prefix = address.prefix;
  out.tls = address.ssl;
  out.origins = address.endpoints;
  if (!is_region(region)) return bad("the region is no name of one");
  if (out.origins.empty()) SV_CHECK(read_endpoint(address, endpoint, out));
  SV_CHECK(read_style(address, region, out));
  if (address.part_size != 0) out.part_size = address.part_size;
  out.storage_class = address.option("storage_class");
  if (!is_word(out.storage_class) || !is_word(address.option("sse_kms_key"))) {
    return bad("an option in the address holds a character that no name has");
  }
  SV_CHECK(read_encryption(address, around, out));
  SV_CHECK(read_retention(address, out));
  return out;
}

}  // namespace snapvault::provider
