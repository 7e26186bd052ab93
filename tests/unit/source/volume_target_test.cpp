#include <snapvault/source.hpp>

#include <signal.h>
#include <sys/wait.h>

#include <atomic>
#include <thread>

#include "base/reasons.hpp"
#include "target.hpp"

TEST_SUITE_BEGIN("source/volume_target");

namespace snapvault::source {
namespace {

using Names = std::vector<std::string>;

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

std::uint64_t allocated(const std::string& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return static_cast<std::uint64_t>(about.st_blocks) * 512;
}

TEST_CASE("a new target has another name until it is finished") {
  const Place place;
  const auto content = noise(100'001);
  auto target = opened(place / "image");
  CHECK(target->info()->size == 0);
  CHECK(target->reads_zero_initially());
  REQUIRE(target->resize(content.size()).has_value());
  CHECK(target->info()->size == content.size());
  CHECK(read(*target, 0, 10) == base::Bytes(10));
  REQUIRE(target->write(50'000, base::ByteView(content).subspan(50'000)).has_value());
  REQUIRE(target->write(0, base::ByteView(content).first(50'000)).has_value());
  REQUIRE(target->flush().has_value());
  CHECK(place.names() == Names{"image.partial"});
  REQUIRE(target->finish(true).has_value());
  CHECK(place.names() == Names{"image"});
  CHECK(slurp(place / "image") == content);
  CHECK(mode_of(place / "image") == 0600);
}

TEST_CASE("a target in the working directory is named without a slash") {
  const Place place;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(place / "");
  auto target = opened("image");
  REQUIRE(target->resize(3).has_value());
  complete(*target);
  std::filesystem::current_path(before);
  CHECK(place.names() == Names{"image"});
}

TEST_CASE("after finish a target takes nothing more") {
  const Place place;
  auto target = opened(place / "image");
  REQUIRE(target->resize(4096).has_value());
  complete(*target);
  const auto closed = [](const Result<void>& result) {
    check_error(result, Errc::invalid_argument, reason::bad_argument);
  };
  base::Bytes some(10);
  closed(target->resize(1));
  closed(target->write(0, some));
  closed(target->zero(0, 1, true));
  closed(target->read(0, some));
  closed(target->flush());
  closed(target->finish(true));
  CHECK_FALSE(target->is_hole(0, 1));
  target.reset();
  CHECK(place.names() == Names{"image"});
}

TEST_CASE("ranges outside of the volume are refused") {
  const Place place;
  auto target = opened(place / "image");
  base::Bytes some(10);
  check_error(target->write(0, some), Errc::invalid_argument, reason::range);
  REQUIRE(target->resize(4096).has_value());
  check_error(target->write(4090, some), Errc::invalid_argument, reason::range);
  check_error(target->zero(4096, 1, true), Errc::invalid_argument, reason::range);
  check_error(target->read(UINT64_MAX, some), Errc::invalid_argument, reason::range);
  CHECK_FALSE(target->is_hole(4090, 10));
  CHECK(target->write(4096, {}).has_value());
  CHECK(target->zero(4096, 0, true).has_value());
}

TEST_CASE("a target that exists is refused, whatever it is, and stays as it was") {
  const Place place;
  put(place / "image", "old");
  std::filesystem::create_symlink("image", place / "link");
  std::filesystem::create_symlink("nothing", place / "dangling");
  std::filesystem::create_directory(place / "directory");
  for (const auto* name : {"image", "link", "dangling", "directory", ""}) {
    CAPTURE(name);
    const auto target = VolumeTarget::open(place / name);
    check_error(target, Errc::already_exists, reason::target_exists);
  }
  CHECK_FALSE(VolumeTarget::open(place / "image").error().hint().empty());
  check_error(VolumeTarget::open("/dev/null"), Errc::already_exists, reason::target_exists);
  CHECK(base::as_text(slurp(place / "image")) == "old");
  CHECK(place.names() == Names{"dangling", "directory", "image", "link"});
}

TEST_CASE("what is no volume cannot be overwritten") {
  const Place place;
  std::filesystem::create_symlink("nothing", place / "dangling");
  REQUIRE(::mkfifo((place / "fifo").c_str(), 0600) == 0);
  for (const auto mode : {TargetMode::overwrite, TargetMode::in_place}) {
    const auto refused = [&](const std::string& path, Errc code, const char* reason) {
      CAPTURE(path);
      check_error(VolumeTarget::open(path, mode), code, reason);
    };
    refused(place / "", Errc::invalid_argument, reason::not_a_volume);
    refused(place / "fifo", Errc::invalid_argument, reason::not_a_volume);
    refused("/dev/null", Errc::invalid_argument, reason::not_a_volume);
    refused(place / "dangling", Errc::already_exists, reason::target_exists);
    refused("", Errc::invalid_argument, reason::bad_argument);
    refused(std::string("a\0b", 3), Errc::invalid_argument, reason::bad_argument);
    refused(place / "no/such/path", Errc::not_found, reason::no_path);
    refused(place / "fifo/below", Errc::not_found, reason::no_path);
    refused(place / std::string(250, 'n'), Errc::invalid_argument,
            reason::bad_argument);  // with .partial it is too long
  }
  check_error(VolumeTarget::open(place / "none", TargetMode::in_place), Errc::not_found,
              reason::no_path);
  check_error(VolumeTarget::open(place / "no/such/path"), Errc::not_found, reason::no_path);
  CHECK(place.names() == Names{"dangling", "fifo"});
}

TEST_CASE("without rights or on a read-only file system a target says so") {
  const Place place;
  put(place / "image", "old");
  std::filesystem::permissions(place / "", std::filesystem::perms(0755));
  REQUIRE(::seteuid(65534) == 0);
  const auto made = VolumeTarget::open(place / "new");
  const auto changed = VolumeTarget::open(place / "image", TargetMode::in_place);
  REQUIRE(::seteuid(0) == 0);
  check_error(made, Errc::permission_denied, reason::permission);
  check_error(changed, Errc::permission_denied, reason::permission);
  const Mount mount("none", place / "mnt", "tmpfs");
  put(mount / "image", "old");
  REQUIRE(::mount("none", mount.path().c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "") == 0);
  check_error(VolumeTarget::open(mount / "new"), Errc::permission_denied, reason::read_only);
  check_error(VolumeTarget::open(mount / "image", TargetMode::in_place), Errc::permission_denied,
              reason::read_only);
}

TEST_CASE("overwrite keeps the old file until the new one is whole, and takes over its mode") {
  const Place place;
  put(place / "image", "old content");
  ::chmod((place / "image").c_str(), 0644);
  REQUIRE(::chown((place / "image").c_str(), 1234, 4321) == 0);
  std::filesystem::create_symlink("image", place / "link");
  auto target = opened(place / "link", TargetMode::overwrite);
  CHECK(target->reads_zero_initially());
  CHECK(target->info()->size == 0);
  REQUIRE(target->resize(3).has_value());
  REQUIRE(target->write(0, base::as_bytes("new")).has_value());
  CHECK(base::as_text(slurp(place / "image")) == "old content");
  complete(*target);
  CHECK(place.names() == Names{"image", "link"});
  CHECK(std::filesystem::is_symlink(place / "link"));
  CHECK(base::as_text(slurp(place / "image")) == "new");
  struct stat about {};
  REQUIRE(::stat((place / "image").c_str(), &about) == 0);
  CHECK((about.st_mode & 07777) == 0644);
  CHECK(about.st_uid == 1234);
  CHECK(about.st_gid == 4321);
}

TEST_CASE("an owner that cannot be given away keeps the rights of others off") {
  const Place place;
  std::filesystem::permissions(place / "", std::filesystem::perms(0777));
  put(place / "image", "old");
  REQUIRE(::chown((place / "image").c_str(), 0, 4321) == 0);
  ::chmod((place / "image").c_str(), 0666);
  REQUIRE(::seteuid(65534) == 0);
  auto target = VolumeTarget::open(place / "image", TargetMode::overwrite);
  REQUIRE(::seteuid(0) == 0);
  REQUIRE(target.has_value());
  CHECK(mode_of(place / "image.partial") == 0600);
}

TEST_CASE("overwrite makes a file that is not there") {
  const Place place;
  auto target = opened(place / "image", TargetMode::overwrite);
  REQUIRE(target->resize(0).has_value());
  complete(*target);
  CHECK(place.names() == Names{"image"});
}

TEST_CASE("an overwrite that is given up leaves the old file") {
  const Place place;
  put(place / "image", "old");
  auto target = opened(place / "image", TargetMode::overwrite);
  REQUIRE(target->resize(3).has_value());
  SUBCASE("nothing written") {
    REQUIRE(target->finish(false).has_value());
    CHECK(place.names() == Names{"image"});
  }
  SUBCASE("something written") {
    REQUIRE(target->write(0, base::as_bytes("n")).has_value());
    REQUIRE(target->finish(false).has_value());
    CHECK(place.names() == Names{"image", "image.partial"});
  }
  SUBCASE("forgotten") {
    target.reset();
    CHECK(place.names() == Names{"image"});
  }
  CHECK(base::as_text(slurp(place / "image")) == "old");
}

TEST_CASE("in place an existing file changes only where it is written") {
  const Place place;
  auto content = noise(100'000);
  put(place / "image", content);
  auto target = opened(place / "image", TargetMode::in_place);
  CHECK_FALSE(target->reads_zero_initially());
  CHECK(target->info()->size == 100'000);
  CHECK(read(*target, 5, 100) == part(content, 5, 100));
  SUBCASE("shrunk") { content.resize(90'000); }
  SUBCASE("grown") { content.resize(110'000); }
  SUBCASE("same") {}
  REQUIRE(target->resize(content.size()).has_value());
  REQUIRE(target->write(10, base::as_bytes("in place")).has_value());
  std::copy_n(base::as_bytes("in place").data(), 8, content.data() + 10);
  REQUIRE(target->zero(1000, 20'000, true).has_value());
  std::fill_n(content.begin() + 1000, 20'000, std::byte{0});
  CHECK(read(*target, 0, content.size()) == content);
  complete(*target);
  CHECK(slurp(place / "image") == content);
  CHECK(place.names() == Names{"image"});
}

TEST_CASE("a target that somebody cuts short behind its back fails to be read") {
  const Place place;
  put(place / "image", noise(8192));
  auto target = opened(place / "image", TargetMode::in_place);
  REQUIRE(::truncate((place / "image").c_str(), 100) == 0);
  base::Bytes into(8192);
  check_error(target->read(0, into), Errc::data_loss, reason::target_failed);
}

TEST_CASE("a restore that was given up goes on where it stopped") {
  const Place place;
  {
    auto target = opened(place / "image");
    REQUIRE(target->resize(8192).has_value());
    REQUIRE(target->write(0, base::as_bytes("first half")).has_value());
    REQUIRE(target->finish(false).has_value());
  }
  CHECK(place.names() == Names{"image.partial"});
  {
    auto target = opened(place / "image", TargetMode::in_place);  // and is given up again
    CHECK_FALSE(target->reads_zero_initially());
  }
  CHECK(place.names() == Names{"image.partial"});
  auto target = opened(place / "image", TargetMode::in_place);
  CHECK(target->info()->size == 8192);
  CHECK(base::as_text(read(*target, 0, 10)) == "first half");
  REQUIRE(target->resize(8192).has_value());
  REQUIRE(target->write(4096, base::as_bytes("second half")).has_value());
  complete(*target);
  CHECK(place.names() == Names{"image"});
  const auto content = slurp(place / "image");
  CHECK(content.size() == 8192);
  CHECK(base::as_text(part(content, 0, 10)) == "first half");
  CHECK(base::as_text(part(content, 4096, 11)) == "second half");
}

TEST_CASE("an unfinished target of somebody else is not taken over") {
  const Place place;
  put(place / "image.partial", "planted");
  SUBCASE("another owner") { REQUIRE(::chown((place / "image.partial").c_str(), 1234, 0) == 0); }
  SUBCASE("a second name") {
    std::filesystem::create_hard_link(place / "image.partial", place / "other");
  }
  check_error(VolumeTarget::open(place / "image", TargetMode::in_place), Errc::permission_denied,
              reason::permission);
  CHECK(base::as_text(slurp(place / "image.partial")) == "planted");
}

TEST_CASE("a new target replaces what a dead process left, and touches no other name of it") {
  const Place place;
  const pid_t child = ::fork();
  if (child == 0) {
    auto target = VolumeTarget::open(place / "image");
    if (target && (*target)->resize(4096) && (*target)->write(0, base::as_bytes("left"))) {
      ::raise(SIGKILL);
    }
    ::_exit(1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFSIGNALED(status));
  CHECK(place.names() == Names{"image.partial"});
  std::filesystem::create_hard_link(place / "image.partial", place / "other");
  auto target = opened(place / "image");
  REQUIRE(target->resize(4096).has_value());
  CHECK(read(*target, 0, 4096) == base::Bytes(4096));
  complete(*target);
  CHECK(place.names() == Names{"image", "other"});
  CHECK(base::as_text(part(slurp(place / "other"), 0, 4)) == "left");
}

TEST_CASE("two restores into one target: the second is refused and harms nothing") {
  const Place place;
  auto first = opened(place / "image");
  REQUIRE(first->resize(5).has_value());
  REQUIRE(first->write(0, base::as_bytes("first")).has_value());
  for (const auto mode : {TargetMode::create, TargetMode::overwrite, TargetMode::in_place}) {
    check_error(VolumeTarget::open(place / "image", mode), Errc::precondition_failed,
                reason::target_busy);
  }
  complete(*first);
  CHECK(base::as_text(slurp(place / "image")) == "first");
  auto changing = opened(place / "image", TargetMode::in_place);
  for (const auto mode : {TargetMode::overwrite, TargetMode::in_place}) {
    check_error(VolumeTarget::open(place / "image", mode), Errc::precondition_failed,
                reason::target_busy);
  }
  auto source = VolumeFile::open(place / "image");
  CHECK((*source)->info()->in_use);
}

TEST_CASE("a name of the unfinished target that is taken by no file is refused") {
  const Place place;
  SUBCASE("directory") { std::filesystem::create_directory(place / "image.partial"); }
  SUBCASE("link") {
    put(place / "victim", "precious");
    std::filesystem::create_symlink("victim", place / "image.partial");
  }
  SUBCASE("fifo") { REQUIRE(::mkfifo((place / "image.partial").c_str(), 0600) == 0); }
  const auto before = place.names();
  for (const auto mode : {TargetMode::create, TargetMode::overwrite, TargetMode::in_place}) {
    check_error(VolumeTarget::open(place / "image", mode), Errc::already_exists,
                reason::target_exists);
  }
  CHECK(place.names() == before);
}

TEST_CASE("a file that appears meanwhile is not replaced, and the restored one stays") {
  const Place place;
  auto target = opened(place / "image");
  REQUIRE(target->resize(3).has_value());
  REQUIRE(target->write(0, base::as_bytes("new")).has_value());
  put(place / "image", "appeared");
  const auto finished = target->finish(true);
  check_error(finished, Errc::already_exists, reason::target_exists);
  CHECK_FALSE(finished.error().hint().empty());
  CHECK(base::as_text(slurp(place / "image")) == "appeared");
  CHECK(base::as_text(slurp(place / "image.partial")) == "new");
}

TEST_CASE("an unfinished target that is removed or replaced meanwhile is no success") {
  const Place place;
  auto target = opened(place / "image");
  REQUIRE(target->resize(3).has_value());
  REQUIRE(target->write(0, base::as_bytes("new")).has_value());
  std::filesystem::remove(place / "image.partial");
  SUBCASE("removed") {}
  SUBCASE("replaced") { put(place / "image.partial", "other"); }
  const auto before = place.names();
  check_error(target->finish(true), Errc::aborted, reason::target_failed);
  CHECK(place.names() == before);
}

TEST_CASE("a target in use is refused, and says by whom") {
  const Place place;
  const auto image = sparse(place / "image", 8u << 20);
  run("mkfs.ext4 -q " + image);
  const Loop loop(image);
  for (const auto mode : {TargetMode::overwrite, TargetMode::in_place}) {
    const auto backing = VolumeTarget::open(image, mode);
    check_error(backing, Errc::precondition_failed, reason::target_busy);
    CHECK(backing.error().message().find("attached to " + loop.path()) != std::string::npos);
    const Mount mount(loop.path(), place / "mnt", "ext4");
    const auto mounted = VolumeTarget::open(loop.path(), mode);
    check_error(mounted, Errc::precondition_failed, reason::target_busy);
    CHECK(mounted.error().message().find("mounted at " + mount.path()) != std::string::npos);
  }
}

TEST_CASE("holes are known as holes, and zeroing makes them where it may") {
  const Place place;
  auto target = opened(place / "image");
  REQUIRE(target->resize(kMiB).has_value());
  CHECK(target->is_hole(0, kMiB));
  CHECK_FALSE(target->is_hole(0, 0));
  REQUIRE(target->write(256u << 10, noise(512u << 10)).has_value());
  CHECK(target->is_hole(0, 256u << 10));
  CHECK_FALSE(target->is_hole(0, (256u << 10) + 1));
  CHECK_FALSE(target->is_hole(300u << 10, 10));
  CHECK(target->is_hole(768u << 10, 256u << 10));
  REQUIRE(target->zero(256u << 10, 512u << 10, true).has_value());
  CHECK(target->is_hole(0, kMiB));
  complete(*target);
  CHECK(slurp(place / "image") == base::Bytes(kMiB));
  CHECK(allocated(place / "image") == 0);
}

TEST_CASE("zeroing that may not trim keeps the range allocated") {
  const Place place;
  auto target = opened(place / "image");
  REQUIRE(target->resize(kMiB).has_value());
  REQUIRE(target->write(0, noise(kMiB)).has_value());
  REQUIRE(target->zero(100, kMiB - 200, false).has_value());
  complete(*target);
  auto expected = noise(kMiB);
  std::fill_n(expected.begin() + 100, kMiB - 200, std::byte{0});
  CHECK(slurp(place / "image") == expected);
  CHECK(allocated(place / "image") >= kMiB);
}

// tmpfs cannot zero a range, and ramfs can neither zero nor punch.
TEST_CASE("a file system that cannot zero a range gets plain zeros") {
  for (const char* type : {"tmpfs", "ramfs"}) {
    for (const bool may_trim : {false, true}) {
      CAPTURE(type);
      CAPTURE(may_trim);
      const Place place;
      const Mount mount("none", place / "mnt", type);
      auto expected = noise(3 * kMiB);
      put(mount / "image", expected);
      auto target = opened(mount / "image", TargetMode::in_place);
      REQUIRE(target->zero(77, 2 * kMiB + 5, may_trim).has_value());
      std::fill_n(expected.begin() + 77, 2 * kMiB + 5, std::byte{0});
      complete(*target);
      CHECK(slurp(mount / "image") == expected);
    }
  }
}

TEST_CASE("writes of many threads in any order all arrive") {
  const Place place;
  const auto size = 80 * kMiB;  // enough to start writing back
  constexpr std::size_t kPiece = 64u << 10;
  const auto pattern = noise(kPiece + 4096);
  auto target = opened(place / "image");
  REQUIRE(target->resize(size).has_value());
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t at = size - kPiece * (t + 1);; at -= 4 * kPiece) {
        const auto piece = base::ByteView(pattern).subspan(at / kPiece % 4096, kPiece);
        if (!target->write(at, piece)) ++failures;
        if (at < 4 * kPiece) break;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(failures == 0);
  complete(*target);
  const auto content = slurp(place / "image");
  REQUIRE(content.size() == size);
  for (std::size_t at = 0; at < size; at += kPiece) {
    REQUIRE(std::equal(content.begin() + static_cast<std::ptrdiff_t>(at),
                       content.begin() + static_cast<std::ptrdiff_t>(at + kPiece),
                       pattern.begin() + static_cast<std::ptrdiff_t>(at / kPiece % 4096)));
  }
}

TEST_CASE("a full disk says so and is given its space back") {
  const Place place;
  const Mount mount("none", place / "mnt", "tmpfs", "size=1m");
  auto target = opened(mount / "image");
  REQUIRE(target->resize(4 * kMiB).has_value());
  REQUIRE(target->write(0, noise(64u << 10)).has_value());
  SUBCASE("writing") {
    const auto failed = target->write(64u << 10, noise(3 * kMiB));
    check_error(failed, Errc::resource_exhausted, reason::no_space);
    CHECK(failed.error().native() == ENOSPC);
  }
  SUBCASE("zeroing") {
    check_error(target->zero(0, 4 * kMiB, false), Errc::resource_exhausted, reason::no_space);
  }
  REQUIRE(target->finish(false).has_value());
  CHECK(std::filesystem::is_empty(mount.path()));
}

TEST_CASE("a full disk does not cost an older restore what it has") {
  const Place place;
  const Mount mount("none", place / "mnt", "tmpfs", "size=1m");
  put(mount / "image.partial", "most of it");
  auto target = opened(mount / "image", TargetMode::in_place);
  REQUIRE(target->resize(4 * kMiB).has_value());
  check_error(target->write(0, noise(3 * kMiB)), Errc::resource_exhausted, reason::no_space);
  REQUIRE(target->finish(false).has_value());
  CHECK(std::filesystem::exists(mount / "image.partial"));
}

TEST_CASE("a size that no file can have is refused") {
  const Place place;
  auto target = opened(place / "image");
  check_error(target->resize(UINT64_MAX), Errc::resource_exhausted, reason::no_space);
  check_error(target->resize(std::uint64_t{1} << 62), Errc::resource_exhausted, reason::no_space);
  target.reset();
  CHECK(place.names().empty());
}

// Only what must be.
class Bare final : public BlockSink {
 public:
  Result<BlockInfo> info() override { return BlockInfo{}; }
  Result<void> resize(std::uint64_t) override { return {}; }
  Result<void> write(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> zero(std::uint64_t, std::uint64_t, bool) override { return {}; }
  Result<void> flush() override { return {}; }
};

TEST_CASE("a sink that leaves out what it may cannot be read and has no holes") {
  Bare bare;
  base::Bytes into(1);
  CHECK_FALSE(bare.reads_zero_initially());
  CHECK_FALSE(bare.is_hole(0, 1));
  CHECK(bare.read(0, into).error().code() == Errc::unsupported);
  CHECK(bare.finish(true).has_value());
  bare.interrupt();
}

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
