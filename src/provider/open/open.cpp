#include <snapvault/provider.hpp>

#include <span>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/azure/azure.hpp"
#include "provider/file.hpp"
#include "provider/gcs/gcs.hpp"
#include "provider/memory.hpp"
#include "provider/s3/s3.hpp"
#include "provider/swift/swift.hpp"

namespace snapvault {
namespace {

using provider::Address;
using provider::Surroundings;

struct Scheme {
  std::string_view name;
  std::span<const std::string_view> options;
  Result<std::shared_ptr<Provider>> (*make)(Address address, Surroundings around);
};
constexpr Scheme kSchemes[] = {
    {"s3", provider::kS3Options, provider::make_s3},
    {"azure", provider::kAzureOptions, provider::make_azure},
    {"gs", provider::kGcsOptions, provider::make_gcs},
    {"swift", provider::kSwiftOptions, provider::make_swift},
};

Result<std::shared_ptr<Provider>> open_remote(const std::string& url, const StoreOptions& options) {
  const auto name = provider::scheme_of(url);
  for (const auto& scheme : kSchemes) {
    if (scheme.name != name) continue;
    SV_TRY(auto address, provider::parse_address(url, scheme.options));
    SV_TRY(auto around, provider::real_surroundings(address, options));
    return scheme.make(std::move(address), std::move(around));
  }
  return Error(Errc::unsupported, reason::bad_url,
               "this build has no provider for this kind of address")
      .with_subject(name)
      .with_hint("give a directory, file:///path, s3://, azure://, gs:// or swift://");
}

}  // namespace

Result<std::shared_ptr<Provider>> Provider::open(const std::string& url,
                                                 const StoreOptions& options) {
  return base::answer([&]() -> Result<std::shared_ptr<Provider>> {
    const auto bad = [](std::string_view message) {
      return Error(Errc::invalid_argument, reason::bad_url, message)
          .with_hint("give a directory, file:///path, memory:NAME or s3://bucket/prefix");
    };
    if (url.find('\0') != std::string::npos) return bad("the address holds a zero byte");
    if (url.empty()) return bad("the repository's address is empty");
    if (url.starts_with("memory:")) {
      const auto name = url.substr(7);
      if (name.empty()) return bad("a memory store needs a name");
      return provider::open_memory(name);
    }
    if (url.starts_with("file:")) {
      // Only the form without a host: "file://host/path" would be read as a path by mistake.
      if (!url.starts_with("file:///")) return bad("a file address begins with file:///");
      return provider::open_file(url.substr(7));
    }
    // "name:rest" with a '/' before the colon is a path; so is everything without a scheme.
    if (!provider::scheme_of(url).empty()) return open_remote(url, options);
    return provider::open_file(url);
  });
}

}  // namespace snapvault
