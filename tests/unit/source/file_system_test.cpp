#include "source/file_system.hpp"

#include <algorithm>

#include "place.hpp"

TEST_SUITE_BEGIN("source/file_system");

namespace snapvault::source {
namespace {

std::string named(std::size_t offset, std::string_view magic, std::size_t size = 68u << 10) {
  base::Bytes head(size);
  std::copy_n(base::as_bytes(magic).data(), magic.size(), head.data() + offset);
  if (magic.starts_with("FAT")) head[510] = std::byte{0x55}, head[511] = std::byte{0xaa};
  if (magic == "LABELONE") {
    std::copy_n(base::as_bytes("LVM2 001").data(), 8, head.data() + offset + 24);
  }
  return std::string(file_system(base::ByteView(head)));
}

std::string of_file(const std::string& path) {
  File file;
  REQUIRE(open(path, O_RDONLY, file) == 0);
  return std::string(file_system(file));
}

TEST_CASE("each known magic number has the name that blkid gives it") {
  CHECK(named(0, "XFSB") == "xfs");
  CHECK(named(65600, "_BHRfS_M") == "btrfs");
  CHECK(named(3, "NTFS    ") == "ntfs");
  CHECK(named(3, "EXFAT   ") == "exfat");
  CHECK(named(82, "FAT32   ") == "vfat");
  CHECK(named(54, "FAT16   ") == "vfat");
  CHECK(named(54, "FAT12   ") == "vfat");
  CHECK(named(4086, "SWAPSPACE2") == "swap");
  CHECK(named(16374, "SWAPSPACE2") == "swap");
  CHECK(named(65526, "SWAPSPACE2") == "swap");
  CHECK(named(0, "LABELONE") == "LVM2_member");
  CHECK(named(512, "LABELONE") == "LVM2_member");
  CHECK(named(0, "LUKS\xba\xbe") == "crypto_LUKS");
}

TEST_CASE("what is unknown, cut short or looks alike has no name") {
  CHECK(named(0, "") == "");
  CHECK(named(0, "", 0) == "");
  CHECK(named(0, "XFS", 3) == "");
  CHECK(named(1080, "\x53\xef", 1100) == "");
  CHECK(named(0, "LABELTWO") == "");
  base::Bytes label(4096);
  std::copy_n(base::as_bytes("LABELONE").data(), 8, label.data());
  CHECK(file_system(base::ByteView(label)) == "");
  base::Bytes boot(512);
  std::copy_n(base::as_bytes("FAT32   ").data(), 8, boot.data() + 82);
  CHECK(file_system(base::ByteView(boot)) == "");
}

TEST_CASE("ext2, ext3, ext4 and swap are told apart as their own tools make them") {
  const Place place;
  const auto image = place / "image";
  for (const std::string type : {"ext2", "ext3", "ext4"}) {
    sparse(image, 8u << 20);
    run("mke2fs -q -t " + type + " " + image);
    CHECK(of_file(image) == type);
  }
  sparse(image, 8u << 20);
  run("mkswap " + image);
  CHECK(of_file(image) == "swap");
}

TEST_CASE("a volume that cannot be read has no name") { CHECK(file_system(File()) == ""); }

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
