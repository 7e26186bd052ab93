// What tests of targets share.
#pragma once

#include <memory>

#include <snapvault/source.hpp>

#include "place.hpp"

namespace snapvault::source {

constexpr auto kMiB = std::uint64_t{1} << 20;

inline std::unique_ptr<VolumeTarget> opened(const std::string& path,
                                            TargetMode mode = TargetMode::create) {
  auto target = VolumeTarget::open(path, mode);
  if (!target) FAIL(target.error().message());
  return *std::move(target);
}

inline base::Bytes read(BlockSink& sink, std::uint64_t offset, std::size_t length) {
  base::Bytes out(length);
  REQUIRE(sink.read(offset, out).has_value());
  return out;
}

inline void complete(BlockSink& sink) {
  REQUIRE(sink.flush().has_value());
  REQUIRE(sink.finish(true).has_value());
}

inline base::Bytes part(const base::Bytes& bytes, std::size_t offset, std::size_t length) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(offset),
          bytes.begin() + static_cast<std::ptrdiff_t>(offset + length)};
}

}  // namespace snapvault::source
