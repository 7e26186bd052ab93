// zstd, one frame per record, with exact bounds. Source: RFC 8878.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"

namespace snapvault::codec {

// One compression context, reused. One thread at a time.
class Compressor {
 public:
  // `level` 1 to 19. Throws std::bad_alloc.
  explicit Compressor(int level);
  Compressor(Compressor&&) noexcept;
  Compressor& operator=(Compressor&&) noexcept;
  ~Compressor();
  // The number of bytes written to `out`, or nothing if they are not at least 1/32 fewer than the
  // plain ones or do not fit: then store the data as it is. The frame carries its content size.
  std::optional<std::size_t> compress(base::ByteView plain, base::MutableBytes out);
  static std::size_t bound(std::size_t plain) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One decompression context, reused. One thread at a time.
class Decompressor {
 public:
  Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;
  ~Decompressor();
  // Fills exactly `out`. Refuses (data_loss, reason bad_compression) anything but a single frame
  // without dictionary whose content size is exactly out.size(), and trailing bytes.
  Result<void> decompress(base::ByteView stored, base::MutableBytes out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::codec
