#include "provider/azure/account.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::azure {
namespace {

// The emulator's own, and no secret: learn.microsoft.com, "Use the Azurite emulator".
constexpr std::string_view kEmulator = "devstoreaccount1";
constexpr std::string_view kEmulatorKey =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
// Hosts of Azure's clouds, behind the account's name.
constexpr std::string_view kVendorHosts[] = {
    ".blob.core.windows.net", ".blob.core.chinacloudapi.cn", ".blob.core.usgovcloudapi.net",
    ".blob.storage.azure.net"};

Error bad_url(std::string_view message, std::string_view hint = {}) {
  return Error(Errc::invalid_argument, reason::bad_url, message).with_hint(hint);
}
Error bad_credential(std::string_view message, std::string_view hint = {}) {
  return Error(Errc::unauthenticated, reason::bad_credential, message).with_hint(hint);
}

// 3 to 24 letters and digits at Azure; emulators take more. It becomes a part of a host's name.
bool is_account(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_suffix(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 200 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

bool is_vendor_host(std::string_view host) noexcept {
  return std::any_of(std::begin(kVendorHosts), std::end(kVendorHosts),
                     [host](std::string_view one) { return host.ends_with(one); });
}

// Takes over the text of a variable that holds a secret.
base::SecretText secret_of(std::optional<std::string> text) {
  return text ? base::SecretText(*std::move(text)) : base::SecretText();
}

// The endpoint of a connection string: "http://127.0.0.1:10000/devstoreaccount1".
Result<void> take_endpoint(const ConnectionString& from, const Address& address, Account& out) {
  std::string_view url = from.blob_endpoint;
  const auto scheme = url.find("://");
  const auto slash = scheme == url.npos ? url.npos : url.find('/', scheme + 3);
  const auto path = slash == url.npos ? std::string_view() : url.substr(slash + 1);
  auto origin = wire::parse_origin(url.substr(0, slash), true);
  if (scheme == url.npos || !origin)
    return bad_credential("BlobEndpoint of the connection string is no URL");
  if (!path.empty() && path != "/") {
    if (path != out.name && path != out.name + "/") {
      return bad_credential("the path in BlobEndpoint of the connection string is not the account");
    }
    out.path_style = true;
  }
  if (!origin->tls && address.ssl) {
    return bad_url("the connection string names an endpoint of plain HTTP",
                   "say ssl=false in the address if secrets may go that way");
  }
  out.origins.push_back(*std::move(origin));
  return {};
}

Result<void> take_origins(const Address& address, const ConnectionString& from, Account& out) {
  out.tls = address.ssl;
  out.origins = address.endpoints;
  if (out.origins.empty() && from.development) {
    out.origins.push_back({false, "127.0.0.1", 10000});  // its key is no secret
  } else if (out.origins.empty() && !from.blob_endpoint.empty()) {
    SV_CHECK(take_endpoint(from, address, out));
  } else if (out.origins.empty()) {
    if (from.protocol == "http" && address.ssl) {
      return bad_url("the connection string asks for plain HTTP",
                     "say ssl=false in the address if secrets may go that way");
    }
    const auto suffix = from.endpoint_suffix.empty() ? "core.windows.net" : from.endpoint_suffix;
    const auto port = static_cast<std::uint16_t>(out.tls ? 443 : 80);
    out.origins.push_back({out.tls, out.name + ".blob." + suffix, port});
  }
  const auto& origins = out.origins;
  out.tls = std::all_of(origins.begin(), origins.end(), [](const auto& one) { return one.tls; });
  out.vendor = std::all_of(origins.begin(), origins.end(),
                           [](const auto& one) { return is_vendor_host(one.host); });
  if (!address.option("path_style").empty()) {
    out.path_style = address.path_style;
  } else if (!out.path_style) {
    out.path_style = std::any_of(origins.begin(), origins.end(), [&out](const auto& one) {
      return !one.host.starts_with(out.name + ".");
    });
  }
  return {};
}

Result<void> take_account(const Address& address, const Surroundings& around,
                          const ConnectionString& from, Account& out) {
  const auto named = address.option("account");
  out.name = named;
  if (out.name.empty()) out.name = from.account;
  if (out.name.empty()) out.name = around.variable("AZURE_STORAGE_ACCOUNT").value_or("");
  if (out.name.empty() && !address.endpoints.empty()) {
    const auto& host = address.endpoints.front().host;
    if (is_vendor_host(host)) out.name = host.substr(0, host.find('.'));
  }
  if (out.name.empty()) {
    return bad_url("nothing says which storage account it is",
                   "say account= in the address, or set AZURE_STORAGE_ACCOUNT");
  }
  if (!is_account(out.name)) {
    return bad_url("the storage account's name is none", "it consists of small letters and digits");
  }
  if (!from.account.empty() && from.account != out.name) {
    return bad_credential("AZURE_STORAGE_CONNECTION_STRING is for another account than the address",
                          "unset it, or leave account= out of the address");
  }
  return {};
}

Result<void> take_key(base::SecretText text, std::string_view source, Account& out) {
  auto key = wire::read_shared_key(text.reveal());
  if (!key) {
    return bad_credential(std::string(source) + " holds no key of a storage account",
                          "a key is 64 bytes in base64, as the portal shows it");
  }
  out.key = wire::SharedKey{out.name, *std::move(key)};
  out.source = source;
  return {};
}

Result<void> take_sas(base::SecretText text, std::string_view source, Account& out) {
  const auto& given = text.reveal();
  if (given.starts_with('?')) text = base::SecretText(given.substr(1));
  if (!parse_sas(text.reveal())) {
    return bad_credential(std::string(source) + " holds no shared access signature",
                          "it looks like sv=...&sig=...");
  }
  out.sas = std::move(text);
  out.source = source;
  return {};
}

struct Named {
  std::string_view name;
  std::vector<TokenSource> sources;
};

// AZURE_TOKEN_CREDENTIALS as DefaultAzureCredential takes it, in small letters
// (learn.microsoft.com, "Credential chains in the Azure Identity client library"), and the names of
// credential=.
Result<std::vector<TokenSource>> sources_named(std::string_view given, std::string_view where) {
  using enum TokenSource;
  std::string name(given);
  for (auto& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const Named all[] = {{"prod", {service_principal, workload_identity, managed_identity}},
                       {"dev", {cli}},
                       {"environmentcredential", {service_principal}},
                       {"service_principal", {service_principal}},
                       {"workloadidentitycredential", {workload_identity}},
                       {"workload_identity", {workload_identity}},
                       {"managedidentitycredential", {managed_identity}},
                       {"managed_identity", {managed_identity}},
                       {"azureclicredential", {cli}},
                       {"cli", {cli}}};
  for (const auto& one : all) {
    if (one.name == name) return one.sources;
  }
  return Error(Errc::invalid_argument, reason::bad_url,
               std::string(where) + " names no source of credentials that is known here")
      .with_hint(
          "environment, key, sas, connection_string, service_principal, workload_identity, "
          "managed_identity or cli; AZURE_TOKEN_CREDENTIALS also takes prod and dev");
}

// Key and SAS, in the order of looking; `only`: the one that credential= names, or empty.
Result<void> take_static(ConnectionString from, const Surroundings& around, std::string_view only,
                         Account& out) {
  constexpr const char* kString = "AZURE_STORAGE_CONNECTION_STRING";
  if (only.empty() || only == "connection_string") {
    if (!from.key.empty()) return take_key(std::move(from.key), kString, out);
    if (!from.sas.empty()) return take_sas(std::move(from.sas), kString, out);
  }
  if (only.empty() || only == "key") {
    auto key = secret_of(around.variable("AZURE_STORAGE_KEY"));
    if (!key.empty()) return take_key(std::move(key), "AZURE_STORAGE_KEY", out);
  }
  if (only.empty() || only == "sas") {
    auto sas = secret_of(around.variable("AZURE_STORAGE_SAS_TOKEN"));
    if (!sas.empty()) return take_sas(std::move(sas), "AZURE_STORAGE_SAS_TOKEN", out);
  }
  if (only.empty()) return {};
  return Error(Errc::unauthenticated, reason::no_credential,
               "the source that credential= names gives no credential")
      .with_hint(
          "set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or "
          "AZURE_STORAGE_CONNECTION_STRING");
}

Result<void> take_credential(const Address& address, const Surroundings& around,
                             ConnectionString from, Account& out) {
  using enum TokenSource;
  const auto& only = address.credential;
  if (only == "connection_string" || only == "key" || only == "sas") {
    return take_static(std::move(from), around, only, out);
  }
  if (!only.empty() && only != "environment") {
    SV_TRY(out.token_sources, sources_named(only, "credential= in the address"));
    out.only_named = out.token_sources.size() == 1;
    return {};
  }
  SV_CHECK(take_static(std::move(from), around, {}, out));
  if (out.key || !out.sas.empty()) return {};
  out.token_sources = {service_principal, workload_identity, managed_identity, cli};
  if (const auto named = around.variable("AZURE_TOKEN_CREDENTIALS")) {
    SV_TRY(out.token_sources, sources_named(*named, "AZURE_TOKEN_CREDENTIALS"));
    out.only_named = out.token_sources.size() == 1;
  }
  return {};
}

}  // namespace

std::string_view name_of(TokenSource source) noexcept {
  switch (source) {
    case TokenSource::service_principal:
      return "service principal";
    case TokenSource::workload_identity:
      return "workload identity";
    case TokenSource::managed_identity:
      return "managed identity";
    case TokenSource::cli:
      return "Azure CLI";
  }
  return "nobody";
}

Result<ConnectionString> parse_connection_string(std::string_view text) {
  ConnectionString out;
  while (!text.empty()) {
    const auto end = text.find(';');
    const auto part = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (part.empty()) continue;
    const auto equals = part.find('=');
    if (equals == part.npos) {
      return bad_credential("AZURE_STORAGE_CONNECTION_STRING is no list of Name=value");
    }
    const auto name = part.substr(0, equals);
    std::string value(part.substr(equals + 1));
    const auto is = [name](std::string_view other) { return wire::equal_in_any_case(name, other); };
    if (is("AccountName")) {
      out.account = std::move(value);
    } else if (is("AccountKey")) {
      out.key = base::SecretText(std::move(value));
    } else if (is("SharedAccessSignature")) {
      out.sas = base::SecretText(std::move(value));
    } else if (is("BlobEndpoint")) {
      out.blob_endpoint = std::move(value);
    } else if (is("EndpointSuffix")) {
      if (!is_suffix(value))
        return bad_credential("EndpointSuffix of the connection string is none");
      out.endpoint_suffix = std::move(value);
    } else if (is("DefaultEndpointsProtocol")) {
      if (value != "https" && value != "http") {
        return bad_credential("DefaultEndpointsProtocol of the connection string is none");
      }
      out.protocol = std::move(value);
    } else if (is("UseDevelopmentStorage")) {
      out.development = wire::equal_in_any_case(value, "true");
    }
  }
  if (out.development) {
    out.account = kEmulator;
    out.key = base::SecretText(std::string(kEmulatorKey));
  }
  return out;
}

std::optional<std::vector<wire::Field>> parse_sas(std::string_view text) {
  constexpr std::size_t kSasMax = 4096;
  if (text.size() > kSasMax) return {};
  std::vector<wire::Field> out;
  bool has_signature = false;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto part = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    const auto equals = part.find('=');
    if (equals == part.npos || equals == 0) return {};
    auto name = wire::decode(part.substr(0, equals)), value = wire::decode(part.substr(equals + 1));
    if (!name || !value) return {};
    has_signature = has_signature || (*name == "sig" && !value->empty());
    out.push_back({*std::move(name), *std::move(value)});
  }
  if (!has_signature) return {};
  return out;
}

std::optional<std::int64_t> sas_end(std::string_view text) {
  const auto fields = parse_sas(text);
  if (!fields) return {};
  for (const auto& field : *fields) {
    if (field.name != "se") continue;
    // "2015-07-01", "2015-07-01T08:49Z" and "2015-07-01T08:49:20Z" are all taken.
    if (field.value.size() == 10) return wire::parse_iso_date(field.value + "T00:00:00Z");
    if (field.value.size() == 17) {
      return wire::parse_iso_date(field.value.substr(0, 16) + ":00" + field.value.substr(16));
    }
    return wire::parse_iso_date(field.value);
  }
  return {};
}

Result<Account> read_account(const Address& address, const Surroundings& around) {
  Account out;
  out.container = address.container;
  out.prefix = address.prefix;
  if (address.part_size != 0) out.part_size = address.part_size;
  ConnectionString from;
  const auto text = secret_of(around.variable("AZURE_STORAGE_CONNECTION_STRING"));
  if (!text.empty()) {
    SV_TRY(from, parse_connection_string(text.reveal()));
  }
  SV_CHECK(take_account(address, around, from, out));
  SV_CHECK(take_origins(address, from, out));
  SV_CHECK(take_credential(address, around, std::move(from), out));
  return out;
}

}  // namespace snapvault::provider::azure
