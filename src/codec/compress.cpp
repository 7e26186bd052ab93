#include "codec/compress.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>

#include <zstd.h>
#include <zstd_errors.h>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::codec {
namespace {

// 16 MiB, the largest frame of the format; no level up to 19 needs more.
constexpr std::uint64_t kWindowMax = std::uint64_t{1} << 24;

Error bad(std::string_view message) noexcept {
  return Error{Errc::data_loss, reason::bad_compression, message};
}

bool succeeded(std::size_t status) {
  if (ZSTD_getErrorCode(status) == ZSTD_error_memory_allocation) throw std::bad_alloc();
  return ZSTD_isError(status) == 0;
}

// The size of the window that a frame with a known content size asks for, or nothing if there is no
// frame. zstd itself does not bound it when all of the output is at hand.
std::optional<std::uint64_t> window_of(base::ByteView frame, std::uint64_t content) noexcept {
  base::ByteReader reader(frame);
  const auto magic = reader.read<std::uint32_t>();
  const auto descriptor = reader.read<std::uint8_t>();
  const auto window = reader.read<std::uint8_t>();
  if (!reader.ok() || magic != ZSTD_MAGICNUMBER) return std::nullopt;
  const bool is_single_segment = (descriptor & 0x20) != 0;
  if (is_single_segment) return content;
  const std::uint64_t power = std::uint64_t{1} << (10 + (window >> 3));
  return power + power / 8 * (window & 7);
}

Result<void> check_frame(base::ByteView stored, std::uint64_t content) {
  const auto window = window_of(stored, content);
  if (!window) return bad("The compressed data is not a zstd frame.");
  if (*window > kWindowMax) return bad("The compressed data asks for too large a window.");
  if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != content) {
    return bad("The compressed data states another size than its record.");
  }
  if (ZSTD_getDictID_fromFrame(stored.data(), stored.size()) != 0) {
    return bad("The compressed data asks for a dictionary.");
  }
  if (ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) {
    return bad("The compressed data is not exactly one frame.");
  }
  return {};
}

}  // namespace

struct Compressor::State {
  struct Free {
    void operator()(ZSTD_CCtx* owned) const noexcept { ZSTD_freeCCtx(owned); }
  };
  std::unique_ptr<ZSTD_CCtx, Free> context{ZSTD_createCCtx()};
};

Compressor::Compressor(int level) : state_(std::make_unique<State>()) {
  auto* const context = state_->context.get();
  if (context == nullptr) throw std::bad_alloc();
  // As they are from the start: the content size is stated, and there is no checksum.
  if (!succeeded(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level))) {
    throw std::runtime_error("zstd refused its level");
  }
}
Compressor::Compressor(Compressor&&) noexcept = default;
Compressor& Compressor::operator=(Compressor&&) noexcept = default;
Compressor::~Compressor() = default;

std::optional<std::size_t> Compressor::compress(base::ByteView plain, base::MutableBytes out) {
  // zstd gives up as soon as it cannot stay below the size that is worth it.
  const std::size_t worth_it = plain.size() - (plain.size() + 31) / 32;
  const std::size_t room = std::min(worth_it, out.size());
  const std::size_t written =
      ZSTD_compress2(state_->context.get(), out.data(), room, plain.data(), plain.size());
  if (!succeeded(written)) return std::nullopt;
  return written;
}

std::size_t Compressor::bound(std::size_t plain) noexcept { return ZSTD_compressBound(plain); }

struct Decompressor::State {
  struct Free {
    void operator()(ZSTD_DCtx* owned) const noexcept { ZSTD_freeDCtx(owned); }
  };
  std::unique_ptr<ZSTD_DCtx, Free> context{ZSTD_createDCtx()};
};

Decompressor::Decompressor() : state_(std::make_unique<State>()) {
  if (state_->context == nullptr) throw std::bad_alloc();
}
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;
Decompressor::~Decompressor() = default;

Result<void> Decompressor::decompress(base::ByteView stored, base::MutableBytes out) {
  SV_CHECK(check_frame(stored, out.size()));
  const std::size_t written = ZSTD_decompressDCtx(state_->context.get(), out.data(), out.size(),
                                                  stored.data(), stored.size());
  if (!succeeded(written) || written != out.size()) return bad("The compressed data is damaged.");
  return {};
}

}  // namespace snapvault::codec
