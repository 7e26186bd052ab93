// Pack: many frames in one object, a directory at its end. FORMAT.md section 4.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "format/envelope.hpp"

namespace snapvault::format {

inline constexpr std::uint32_t kFramesMax = 65535;  // of a pack
inline constexpr std::uint32_t kFrameBlocksMax = 256;

struct FrameEntry {
  std::uint32_t start16 = 0;  // offset of the record / 16
  std::uint32_t stored = 0;   // with record header and tag, without padding
  std::uint32_t blocks = 0;   // 1 to 256
  std::uint32_t first = 0;    // index of its first block in Directory::prefixes
};
struct Directory {
  std::vector<FrameEntry> frames;
  std::vector<BlockPrefix> prefixes;  // of all frames, in slot order
};
base::Bytes encode_directory(const Directory& directory);
// Frames must rise, not overlap, and end before `pack_size`. Errors: data_loss (bad_format).
Result<Directory> decode_directory(base::ByteView plain, std::uint64_t pack_size);

// A pack being filled. Places are handed out in order; sealing into them may happen at once on any
// threads, as the places do not overlap. The buffer never moves.
class PackBuilder {
 public:
  // `buffer` has the capacity of the pack; reused between packs.
  PackBuilder(const KeyRing& keys, const PackId& id, std::span<const std::byte, 24> salt,
              base::Bytes buffer);
  const PackId& id() const noexcept { return id_; }
  const ObjectKeys& keys() const noexcept { return keys_; }
  // true if a record of `stored_size` payload bytes with `blocks` blocks, and the directory, fit.
  bool fits(std::uint64_t stored_size, std::uint32_t blocks) const noexcept;
  bool empty() const noexcept { return directory_.frames.empty(); }
  std::uint64_t size() const noexcept { return end_; }
  std::uint64_t blocks() const noexcept { return directory_.prefixes.size(); }

  struct Place {
    std::uint32_t frame = 0;  // ordinal in the pack
    std::uint32_t start16 = 0;
    std::uint32_t counter = 0;  // of the record
    base::MutableBytes bytes;   // record_space(stored_size) bytes for seal_record
  };
  Place reserve(std::uint64_t stored_size, std::span<const BlockPrefix> blocks);
  const Directory& directory() const noexcept { return directory_; }
  // When every place is sealed: appends directory and footer (computes the CRC). The bytes.
  base::Bytes finish() &&;

 private:
  PackId id_;
  ObjectKeys keys_;
  base::Bytes buffer_;
  std::uint64_t end_ = 0;
  Directory directory_;
};

// Bytes to fetch from a pack's end to see its footer and, most often, all of its directory.
inline constexpr std::uint64_t kPackTail = 64u << 10;

// Bytes from a pack's end that hold its footer and all of its directory, commitment included.
constexpr std::uint64_t directory_bytes(const Footer& footer) noexcept {
  return 32 + base::round_up(footer.directory_size, 16) + kFooterSize;
}

// Reads a directory given the last bytes of a pack (at least min(pack size, kPackTail)) and its
// header. Nothing: the directory starts before `tail`; fetch directory_bytes(footer) then.
struct PackTail {
  Footer footer;
  bool complete = false;  // `directory` is filled
  Directory directory;
};
Result<PackTail> read_pack_tail(const ObjectKeys& keys, base::ByteView tail,
                                std::uint64_t pack_size);

}  // namespace snapvault::format
