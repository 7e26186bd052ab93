#include <snapvault/provider.hpp>

#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "provider/file.hpp"
#include "provider/memory.hpp"

namespace snapvault {

PutBody::PutBody(std::vector<std::byte> bytes) : size_(bytes.size()), crc_(codec::crc64(bytes)) {
  parts_.push_back(std::make_shared<const std::vector<std::byte>>(std::move(bytes)));
}

PutBody::PutBody(std::vector<Part> parts, std::uint64_t crc64_nvme)
    : parts_(std::move(parts)), crc_(crc64_nvme) {
  std::erase(parts_, nullptr);
  for (const auto& part : parts_) size_ += part->size();
}

Provider::~Provider() = default;

Result<std::shared_ptr<Provider>> Provider::open(const std::string& url) {
  return base::answer([&]() -> Result<std::shared_ptr<Provider>> {
    const auto bad = [](std::string_view message) {
      return Error(Errc::invalid_argument, reason::bad_url, message)
          .with_hint("give a directory, file:///path or memory:NAME");
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
    const auto colon = url.find("://");
    if (colon != std::string::npos && url.find('/') > colon) {
      return Error(Errc::unsupported, reason::bad_url,
                   "this build has no provider for this kind of address")
          .with_subject(url.substr(0, colon));
    }
    return provider::open_file(url);
  });
}

}  // namespace snapvault
