// What happens when a system call fails that no file system here makes fail.
#include "faults.hpp"

#include "base/reasons.hpp"
#include "source/file_system.hpp"
#include "source/in_use.hpp"
#include "target.hpp"

TEST_SUITE_BEGIN("source/faults");

namespace snapvault::source {
namespace {

using Names = std::vector<std::string>;

std::unique_ptr<VolumeTarget> written(const std::string& path,
                                      TargetMode mode = TargetMode::create) {
  auto target = opened(path, mode);
  REQUIRE(target->resize(3).has_value());
  REQUIRE(target->write(0, base::as_bytes("new")).has_value());
  return target;
}

TEST_CASE("each errno has one meaning for the caller") {
  const auto meaning = [](int number, Errc code, const char* reason) {
    const Result<void> result = failure(number, reason::target_failed, "doing it", "subject");
    check_error(result, code, reason);
    CHECK(result.error().native() == number);
    CHECK(result.error().subject() == "subject");
    CHECK(result.error().message().find("doing it failed: ") == 0);
  };
  meaning(ENOSPC, Errc::resource_exhausted, reason::no_space);
  meaning(EDQUOT, Errc::resource_exhausted, reason::no_space);
  meaning(EFBIG, Errc::resource_exhausted, reason::no_space);
  meaning(ENOMEM, Errc::resource_exhausted, reason::no_memory);
  meaning(EMFILE, Errc::resource_exhausted, reason::system);
  meaning(ENFILE, Errc::resource_exhausted, reason::system);
  meaning(EROFS, Errc::permission_denied, reason::read_only);
  meaning(EPERM, Errc::permission_denied, reason::permission);
  meaning(ENOENT, Errc::not_found, reason::no_path);
  meaning(ENXIO, Errc::invalid_argument, reason::not_a_volume);
  meaning(EBUSY, Errc::precondition_failed, reason::target_busy);
  meaning(ETXTBSY, Errc::precondition_failed, reason::target_busy);
  meaning(EIO, Errc::unavailable, reason::target_failed);
  meaning(99'999, Errc::unavailable, reason::target_failed);
}

TEST_CASE("a signal only makes a call start again") {
  const Place place;
  put(place / "image", noise(5000));
  File file;
  {
    const Fault fault(Call::open, EINTR, 0, 3);
    CHECK(open(place / "image", O_RDWR, file) == 0);
    CHECK(fault.hit());
  }
  base::Bytes into(5000);
  std::size_t got = 0;
  {
    const Fault fault(Call::pread, EINTR, 0, 2);
    CHECK(read_at(file, 0, into, got) == 0);
  }
  CHECK(into == noise(5000));
  const Fault pwrite(Call::pwrite, EINTR, 0, 2);
  CHECK(write_at(file, 0, base::as_bytes("abc")) == 0);
  const Fault pwritev(Call::pwritev, EINTR, 0, 2);
  CHECK(write_zeros_at(file, 3, 3) == 0);
  const Fault fsync(Call::fsync, EINTR, 0, 2);
  CHECK(sync(file) == 0);
  CHECK(base::as_text(part(slurp(place / "image"), 0, 3)) == "abc");
}

TEST_CASE("a source whose system calls fail says so") {
  const Place place;
  put(place / "image", noise(5000));
  {
    const Fault fault(Call::open, EMFILE);
    check_error(VolumeFile::open(place / "image"), Errc::resource_exhausted, reason::system);
  }
  {
    const Fault fault(Call::fstat, EIO);
    check_error(VolumeFile::open(place / "image"), Errc::unavailable, reason::source_failed);
  }
  auto volume = *VolumeFile::open(place / "image");
  base::Bytes into(10);
  const Fault fault(Call::pread, EIO);
  const auto result = volume->read(0, into);
  check_error(result, Errc::unavailable, reason::source_failed);
  CHECK(result.error().native() == EIO);
  CHECK(volume->info()->file_system.empty());
}

TEST_CASE("an image whose file system knows no holes is read whole") {
  const Place place;
  auto volume = *VolumeFile::open(sparse(place / "image", 65536));
  {
    const Fault fault(Call::lseek, EINVAL);
    const auto page = volume->extents(0, 65536);
    CHECK(page->extents.empty());
    CHECK(page->covered_to == 65536);
  }
  const Fault fault(Call::fstat, EIO);
  check_error(volume->extents(0, 65536), Errc::unavailable, reason::source_failed);
}

TEST_CASE("devices whose system calls fail say so") {
  const Place place;
  const Loop loop(sparse(place / "image", 2 * kMiB));
  {
    const Fault fault(Call::ioctl, ENOTTY);
    check_error(VolumeFile::open(loop.path()), Errc::unavailable, reason::source_failed);
  }
  {
    const Fault fault(Call::pread, EIO);
    check_error(VolumeTarget::open(loop.path(), TargetMode::in_place), Errc::unavailable,
                reason::target_failed);
  }
  auto target = opened(loop.path(), TargetMode::in_place);
  {
    const Fault fault(Call::pwritev, EIO);
    check_error(target->write(kMiB, base::as_bytes("x")), Errc::unavailable, reason::target_failed);
  }
  {
    const Fault fault(Call::fsync, EIO, 0, 1);
    check_error(target->write(kMiB, base::as_bytes("x")), Errc::unavailable, reason::target_failed);
  }
  {
    const Fault fault(Call::pwritev, EIO, 1);  // the head is zeroed, the edges are not
    check_error(target->zero(kMiB + 1, 8192, false), Errc::unavailable, reason::target_failed);
  }
  REQUIRE(target->zero(0, kMiB, true).has_value());
  const Fault fault(Call::pwrite, EIO);
  check_error(target->finish(true), Errc::unavailable, reason::target_failed);
}

TEST_CASE("a device that cannot be zeroed by the kernel gets plain zeros") {
  const Place place;
  auto expected = noise(4 * kMiB);
  put(place / "image", expected);
  const Loop loop(place / "image");
  auto target = opened(loop.path(), TargetMode::in_place);
  {
    const Fault fault(Call::ioctl, EOPNOTSUPP);
    REQUIRE(target->zero(2 * kMiB, kMiB, false).has_value());
    CHECK(fault.hit());
  }
  std::fill_n(expected.begin() + 2 * kMiB, kMiB, std::byte{0});
  complete(*target);
  CHECK(slurp(loop.path()) == expected);
}

TEST_CASE("a lost flush is not forgotten, though the next one would succeed") {
  const Place place;
  auto target = written(place / "image");
  {
    const Fault fault(Call::fsync, EIO, 0, 1);
    check_error(target->flush(), Errc::unavailable, reason::target_failed);
  }
  check_error(target->flush(), Errc::unavailable, reason::target_failed);
  check_error(target->finish(true), Errc::unavailable, reason::target_failed);
  CHECK(place.names() == Names{"image.partial"});
}

TEST_CASE("a target without room for what is not yet on the disk is given its space back") {
  const Place place;
  auto target = written(place / "image");
  const Fault fault(Call::fsync, ENOSPC);
  check_error(target->finish(true), Errc::resource_exhausted, reason::no_space);
  CHECK(place.names().empty());
}

// A target gets its name, and not one that another file has taken meanwhile.
void check_new_names(const Place& place) {
  complete(*written(place / "image"));
  CHECK(place.names() == Names{"image"});
  auto target = written(place / "other");
  put(place / "other", "appeared");
  check_error(target->finish(true), Errc::already_exists, reason::target_exists);
  CHECK(base::as_text(slurp(place / "other")) == "appeared");
}

TEST_CASE("where a rename cannot refuse to replace, a link does") {
  const Place place;
  const Fault fault(Call::renameat2, EINVAL);
  check_new_names(place);
}

TEST_CASE("where there are no links either, a name that is taken is still not replaced") {
  const Place place;
  const Fault renames(Call::renameat2, ENOSYS);
  const Fault links(Call::link, EPERM);
  check_new_names(place);
}

TEST_CASE("a target that cannot get its name, or not durably, is no success") {
  const Place place;
  const auto fails = [&](const char* name, TargetMode mode, Call call, int error, int skip) {
    CAPTURE(name);
    auto target = written(place / name, mode);
    const Fault fault(call, error, skip);
    check_error(target->finish(true), Errc::unavailable, reason::target_failed);
    CHECK(fault.hit());
  };
  fails("a", TargetMode::create, Call::renameat2, EIO, 0);
  CHECK(place.names() == Names{"a.partial"});
  put(place / "b", "old");
  fails("b", TargetMode::overwrite, Call::rename, EIO, 0);
  CHECK(base::as_text(slurp(place / "b")) == "old");
  fails("c", TargetMode::create, Call::fsync, EIO, 1);  // that of the file again
  fails("d", TargetMode::create, Call::fsync, EIO, 2);  // that of the directory
  fails("e", TargetMode::create, Call::open, EIO, 0);
  const Fault renames(Call::renameat2, EINVAL);
  fails("f", TargetMode::create, Call::unlink, EIO, 0);
  CHECK(base::as_text(slurp(place / "f")) == "new");
  const Fault links(Call::link, EPERM);
  fails("g", TargetMode::create, Call::rename, EIO, 0);
}

TEST_CASE("a target that cannot be opened says so and leaves all as it was") {
  const Place place;
  put(place / "image", "old");
  put(place / "stale.partial", "stale");
  const auto fails = [&](const char* name, TargetMode mode, Call call, int skip, Errc code) {
    CAPTURE(name);
    CAPTURE(skip);
    const Fault fault(call, EIO, skip);
    const auto target = VolumeTarget::open(place / name, mode);
    CHECK(fault.hit());
    REQUIRE_FALSE(target.has_value());
    CHECK(target.error().code() == code);
  };
  fails("image", TargetMode::in_place, Call::open, 0, Errc::unavailable);
  fails("image", TargetMode::in_place, Call::fstat, 0, Errc::unavailable);
  fails("new", TargetMode::create, Call::open, 0, Errc::unavailable);
  fails("stale", TargetMode::in_place, Call::lstat, 1, Errc::unavailable);
  fails("stale", TargetMode::in_place, Call::lstat, 2, Errc::precondition_failed);
  fails("stale", TargetMode::in_place, Call::open, 0, Errc::unavailable);
  fails("stale", TargetMode::in_place, Call::fstat, 0, Errc::unavailable);
  fails("stale", TargetMode::in_place, Call::fstat, 1, Errc::unavailable);
  fails("stale", TargetMode::create, Call::unlink, 0, Errc::unavailable);
  CHECK(base::as_text(slurp(place / "image")) == "old");
  CHECK(base::as_text(slurp(place / "stale.partial")) == "stale");
  CHECK(place.names() == Names{"image", "stale.partial"});
}

TEST_CASE("another process that makes the unfinished target first wins") {
  const Place place;
  put(place / "image.partial", "stale");
  const Fault fault(Call::open, EEXIST, 2);  // it is there again after it was unlinked
  check_error(VolumeTarget::open(place / "image"), Errc::precondition_failed, reason::target_busy);
  CHECK(fault.hit());
}

TEST_CASE("a file that cannot be sized or zeroed says so") {
  const Place place;
  auto target = opened(place / "image");
  {
    const Fault fault(Call::ftruncate, EIO);
    check_error(target->resize(10), Errc::unavailable, reason::target_failed);
  }
  REQUIRE(target->resize(10).has_value());
  {
    const Fault fault(Call::pread, EIO);
    base::Bytes into(10);
    check_error(target->read(0, into), Errc::unavailable, reason::target_failed);
  }
  const Fault fault(Call::lseek, EIO);
  CHECK_FALSE(target->is_hole(0, 10));
}

TEST_CASE("a stream whose system calls fail says so") {
  const Place place;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const File reader(ends[0]);
  const File writer(ends[1]);
  {
    const Fault fault(Call::eventfd, EMFILE);
    check_error(VolumeTarget::stream(writer.get()), Errc::resource_exhausted, reason::system);
  }
  auto sink = *VolumeTarget::stream(writer.get());
  REQUIRE(sink->resize(10).has_value());
  {
    const Fault fault(Call::poll, ENOMEM);
    check_error(sink->write(0, base::as_bytes("x")), Errc::resource_exhausted, reason::no_memory);
  }
  File file;
  REQUIRE(open(place / "image", O_WRONLY | O_CREAT, file, 0600) == 0);
  auto to_file = *VolumeTarget::stream(file.get());
  const Fault fault(Call::fsync, EIO);
  check_error(to_file->flush(), Errc::unavailable, reason::target_failed);
}

TEST_CASE("a loop device that may not be asked is known by the name of its file") {
  const Place place;
  const auto image = sparse(place / "image", kMiB);
  const Loop loop(image);
  auto volume = *VolumeFile::open(image);
  const Fault fault(Call::ioctl, EACCES);
  CHECK(volume->info()->in_use_by == "attached to " + loop.path());
}

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
