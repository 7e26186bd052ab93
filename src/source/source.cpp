// What a BlockSource or BlockSink does when its author leaves a function out.
#include <snapvault/source.hpp>

#include "base/reasons.hpp"

namespace snapvault {

BlockSource::~BlockSource() = default;

Result<ExtentPage> BlockSource::extents(std::uint64_t offset, std::uint64_t length) {
  return ExtentPage{.extents = {}, .covered_to = offset + length, .gaps = Gaps::unknown};
}

Result<bool> BlockSource::open_base(std::span<const std::byte> /*token*/) { return false; }

Result<std::vector<std::byte>> BlockSource::token() { return std::vector<std::byte>(); }

void BlockSource::interrupt() noexcept {}

BlockSink::~BlockSink() = default;

bool BlockSink::reads_zero_initially() const { return false; }

Result<void> BlockSink::read(std::uint64_t /*offset*/, std::span<std::byte> /*into*/) {
  return Error(Errc::unsupported, reason::bad_argument, "the target cannot be read back");
}

bool BlockSink::is_hole(std::uint64_t /*offset*/, std::uint64_t /*length*/) { return false; }

Result<void> BlockSink::finish(bool /*complete*/) { return {}; }

void BlockSink::interrupt() noexcept {}

}  // namespace snapvault
