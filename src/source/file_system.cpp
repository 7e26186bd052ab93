#include "source/file_system.hpp"

#include <array>

namespace snapvault::source {
namespace {

constexpr std::size_t kHead = 68u << 10;  // up to the superblock of btrfs

bool has(base::ByteView head, std::size_t offset, std::string_view magic) noexcept {
  return head.size() >= offset + magic.size() &&
         base::as_text(head.subspan(offset, magic.size())) == magic;
}

std::string_view ext(base::ByteView head) noexcept {
  constexpr std::size_t kSuper = 1024;
  if (!has(head, kSuper + 56, "\x53\xef") || head.size() < kSuper + 104) return {};
  const auto compatible = base::load<std::uint32_t>(head.data() + kSuper + 92);
  const auto incompatible = base::load<std::uint32_t>(head.data() + kSuper + 96);
  const auto read_only = base::load<std::uint32_t>(head.data() + kSuper + 100);
  // What ext3 knows: file types, a journal to replay, meta groups; sparse supers, large files.
  if ((incompatible & ~0x16u) != 0 || (read_only & ~0x07u) != 0) return "ext4";
  return (compatible & 0x04u) != 0 ? "ext3" : "ext2";
}

}  // namespace

std::string_view file_system(base::ByteView head) noexcept {
  if (has(head, 0, "LUKS\xba\xbe")) return "crypto_LUKS";
  for (std::size_t sector = 0; sector < 4; ++sector) {
    if (has(head, sector * 512, "LABELONE") && has(head, sector * 512 + 24, "LVM2 001")) {
      return "LVM2_member";
    }
  }
  if (has(head, 0, "XFSB")) return "xfs";
  if (has(head, 3, "NTFS    ")) return "ntfs";
  if (has(head, 3, "EXFAT   ")) return "exfat";
  if (has(head, 510, "\x55\xaa") &&
      (has(head, 82, "FAT32   ") || has(head, 54, "FAT16   ") || has(head, 54, "FAT12   "))) {
    return "vfat";
  }
  if (const auto name = ext(head); !name.empty()) return name;
  if (has(head, 65536 + 64, "_BHRfS_M")) return "btrfs";
  for (const std::size_t page : {4096, 16384, 65536}) {
    if (has(head, page - 10, "SWAPSPACE2")) return "swap";
  }
  return {};
}

std::string_view file_system(const File& file) {
  base::Bytes head(kHead);
  std::size_t got = 0;
  if (read_at(file, 0, head, got) != 0) return {};
  return file_system(base::ByteView(head).first(got));
}

}  // namespace snapvault::source
