// The body of a request stands in the lowest layer that has to do with requests.
#include <utility>

#include <snapvault/provider.hpp>

#include "codec/crc64.hpp"

namespace snapvault {

PutBody::PutBody(std::vector<std::byte> bytes) : size_(bytes.size()), crc_(codec::crc64(bytes)) {
  parts_.push_back(std::make_shared<const std::vector<std::byte>>(std::move(bytes)));
}

PutBody::PutBody(std::vector<Part> parts, std::uint64_t crc64_nvme)
    : parts_(std::move(parts)), crc_(crc64_nvme) {
  std::erase(parts_, nullptr);
  for (const auto& part : parts_) size_ += part->size();
}

}  // namespace snapvault
