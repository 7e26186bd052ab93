#include "source/in_use.hpp"

#include <linux/blkpg.h>
#include <sys/swap.h>
#include <sys/sysmacros.h>

#include <snapvault/source.hpp>

#include "place.hpp"

TEST_SUITE_BEGIN("source/in_use");

namespace snapvault::source {
namespace {

BlockInfo info_of(const std::string& path) {
  auto volume = VolumeFile::open(path);
  REQUIRE(volume.has_value());
  auto info = (*volume)->info();
  REQUIRE(info.has_value());
  CHECK(info->in_use == !info->in_use_by.empty());
  return *info;
}
std::string user(const std::string& path) { return info_of(path).in_use_by; }

// A lock as other programs hold it, until the file closes.
File locked(const std::string& path, int command, short type, off_t start, off_t length) {
  File file;
  REQUIRE(open(path, O_RDWR, file) == 0);
  struct flock lock {};
  lock.l_type = type;
  lock.l_start = start;
  lock.l_len = length;
  REQUIRE(::fcntl(file.get(), command, &lock) == 0);
  return file;
}

TEST_CASE("an image that nobody uses is not in use") {
  const Place place;
  CHECK(user(sparse(place / "image", 4096)) == "");
}

TEST_CASE("a mounted device is in use") {
  const Place place;
  const auto image = sparse(place / "image", 8u << 20);
  run("mkfs.ext4 -q " + image);
  const Loop loop(image);
  CHECK(user(loop.path()) == "");
  const Mount mount(loop.path(), place / "mounted here", "ext4");
  const auto by = user(loop.path());
  CHECK(by.find("mounted at /") == 0);
  CHECK(by.find("mounted\\040here") != std::string::npos);
  CHECK(info_of(loop.path()).file_system == "ext4");
}

TEST_CASE("an image that backs a loop device is in use, unless the device is read-only") {
  const Place place;
  const auto image = sparse(place / "image", 1u << 20);
  {
    const Loop loop(image);
    CHECK(user(image) == "attached to " + loop.path());
    std::filesystem::create_hard_link(image, place / "other name");
    CHECK(user(place / "other name") == "attached to " + loop.path());
    CHECK(user(sparse(place / "another", 4096)) == "");
  }
  const Loop loop(image, LO_FLAGS_READ_ONLY);
  CHECK(user(image) == "");
}

TEST_CASE("a disk is in use when one of its partitions is mounted") {
  const Place place;
  const auto image = sparse(place / "image", 16u << 20);
  const Loop disk(image, LO_FLAGS_PARTSCAN);
  // Told to the kernel, not read from a table: not every kernel knows tables.
  File device;
  REQUIRE(open(disk.path(), O_RDWR, device) == 0);
  blkpg_partition range{};
  range.start = 1 << 20;
  range.length = 15 << 20;
  range.pno = 1;
  blkpg_ioctl_arg add{BLKPG_ADD_PARTITION, 0, sizeof range, &range};
  REQUIRE(::ioctl(device.get(), BLKPG, &add) == 0);
  device.close();
  const auto partition = disk.path() + "p1";
  run("mkfs.ext4 -q " + partition);
  CHECK(user(disk.path()) == "");
  const Mount mount(partition, place / "mnt", "ext4");
  CHECK(user(partition) == "mounted at " + mount.path());
  CHECK(user(disk.path()) == "mounted at " + mount.path());
}

TEST_CASE("a device that another program claimed is in use") {
  const Place place;
  const Loop loop(sparse(place / "image", 1u << 20));
  File claim;
  REQUIRE(open(loop.path(), O_RDONLY | O_EXCL, claim) == 0);
  CHECK(user(loop.path()) == "mounted or held by another program");
  claim.close();
  CHECK(user(loop.path()) == "");
}

TEST_CASE("swap on a device or in a file is in use") {
  const Place place;
  const auto image = place / "image";
  put(image, base::Bytes(1u << 20));
  ::chmod(image.c_str(), 0600);
  run("mkswap " + image);
  SUBCASE("device") {
    const Loop loop(image);
    REQUIRE(::swapon(loop.path().c_str(), 0) == 0);
    CHECK(user(loop.path()) == "used as swap");
    REQUIRE(::swapoff(loop.path().c_str()) == 0);
    CHECK(user(loop.path()) == "");
  }
  SUBCASE("file") {
    REQUIRE(::swapon(image.c_str(), 0) == 0);
    CHECK(user(image) == "used as swap");
    REQUIRE(::swapoff(image.c_str()) == 0);
    CHECK(user(image) == "");
  }
}

TEST_CASE("a write lock on an image says in use, a read lock does not") {
  const Place place;
  const auto image = sparse(place / "image", 4096);
  for (const int command : {F_OFD_SETLK, F_SETLK}) {
    {
      const auto writer = locked(image, command, F_WRLCK, 17, 1);
      CHECK(user(image) == "locked for writing by another program");
    }
    const auto reader = locked(image, command, F_RDLCK, 0, 50);
    CHECK(user(image) == "");
  }
}

TEST_CASE("a virtual machine that writes to an image says in use, one that reads does not") {
  const Place place;
  const auto image = sparse(place / "image", 4096);
  {
    const auto write = locked(image, F_OFD_SETLK, F_RDLCK, 101, 1);
    CHECK(user(image) == "opened for writing by a virtual machine");
  }
  {
    const auto resize = locked(image, F_OFD_SETLK, F_RDLCK, 103, 1);
    CHECK(user(image) == "opened for writing by a virtual machine");
  }
  const auto read = locked(image, F_OFD_SETLK, F_RDLCK, 100, 1);
  const auto unshared_write = locked(image, F_OFD_SETLK, F_RDLCK, 201, 1);
  CHECK(user(image) == "");
}

TEST_CASE("a lock keeps a second one off until its file closes") {
  const Place place;
  const auto image = sparse(place / "image", 4096);
  File first;
  File second;
  REQUIRE(open(image, O_RDWR, first) == 0);
  REQUIRE(open(image, O_RDWR, second) == 0);
  CHECK(lock(first));
  CHECK_FALSE(lock(second));
  CHECK(user(image) == "locked for writing by another program");
  first.close();
  CHECK(lock(second));
}

TEST_CASE("mounts are found by device number, or by name where a file system has its own number") {
  const Place place;
  const Loop loop(sparse(place / "image", 1u << 20));
  struct stat about {};
  REQUIRE(::stat(loop.path().c_str(), &about) == 0);
  const auto device = about.st_rdev;
  const auto number = std::to_string(major(device)) + ":" + std::to_string(minor(device));
  const std::string head = "22 1 0:20 / /proc rw - proc proc rw\n23 1 0:21 / /odd rw shared:1\n";
  CHECK(mount_point("", device) == "");
  CHECK(mount_point(head, device) == "");
  CHECK(mount_point("\n\nnonsense\n1 2 x:y / /a\n1 2 7 / /a\n1 2 7: / /a", device) == "");
  CHECK(mount_point(head + "25 1 " + number + " / /mnt\\040a rw - ext4 x rw", device) ==
        "/mnt\\040a");
  CHECK(mount_point(head + "25 1 0:44 /sub /b rw shared:9 - btrfs " + loop.path() + " rw\n",
                    device) == "/b");
  CHECK(mount_point(head + "25 1 0:44 / /b rw - btrfs /dev/null rw\n", device) == "");
  CHECK(mount_point(head + "25 1 0:44 / /b rw - fuse /nowhere/at/all rw\n", device) == "");
}

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
