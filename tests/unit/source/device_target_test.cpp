// VolumeTarget on block devices.
#include "base/reasons.hpp"
#include "base/try.hpp"
#include "target.hpp"

TEST_SUITE_BEGIN("source/device_target");

namespace snapvault::source {
namespace {

TEST_CASE("a device needs to be meant, and must be large enough") {
  const Place place;
  const auto content = noise(4 * kMiB);
  put(place / "image", content);
  const Loop loop(place / "image");
  check_error(VolumeTarget::open(loop.path()), Errc::already_exists, reason::target_exists);
  {
    auto target = opened(loop.path(), TargetMode::overwrite);
    CHECK(target->info()->size == 4 * kMiB);
    CHECK_FALSE(target->reads_zero_initially());
    check_error(target->resize(4 * kMiB + 1), Errc::precondition_failed, reason::target_too_small);
    REQUIRE(target->finish(false).has_value());
  }
  CHECK(slurp(loop.path()) == content);  // nothing was lost by asking
}

TEST_CASE("a device without a medium is no volume") {
  const Loop loop;
  check_error(VolumeTarget::open(loop.path(), TargetMode::overwrite), Errc::invalid_argument,
              reason::not_a_volume);
}

TEST_CASE("a device that may not be written says so") {
  const Place place;
  const Loop loop(sparse(place / "image", kMiB), LO_FLAGS_READ_ONLY);
  check_error(VolumeTarget::open(loop.path(), TargetMode::overwrite), Errc::permission_denied,
              reason::read_only);
}

// Restores over a device in `mode`, up to finish(whole).
void restore_over_device(TargetMode mode, bool whole) {
  const Place place;
  const auto old = noise(4 * kMiB, 1);
  const auto fresh = noise(4 * kMiB, 2);
  put(place / "image", old);
  const Loop loop(place / "image");
  auto target = opened(loop.path(), mode);
  REQUIRE(target->resize(4 * kMiB).has_value());
  CHECK_FALSE(target->is_hole(0, 4096));
  CHECK(read(*target, kMiB - 100, 200) == part(old, kMiB - 100, 200));
  CHECK(slurp(loop.path()) == old);
  // A change far behind it is enough.
  REQUIRE(target->write(3 * kMiB, base::ByteView(fresh).subspan(3 * kMiB)).has_value());
  CHECK(part(slurp(loop.path()), 0, kMiB) == base::Bytes(kMiB));
  CHECK(read(*target, 0, 2 * kMiB) == part(old, 0, 2 * kMiB));  // to compare with
  // Out of order, and across its end.
  const auto middle = base::ByteView(fresh).subspan(kMiB - 4096, 2 * kMiB + 4096);
  REQUIRE(target->write(kMiB - 4096, middle).has_value());
  REQUIRE(target->write(0, base::ByteView(fresh).first(kMiB - 4096)).has_value());
  CHECK(read(*target, 0, 4 * kMiB) == fresh);
  REQUIRE(target->flush().has_value());
  CHECK(part(slurp(loop.path()), 0, kMiB) == base::Bytes(kMiB));
  REQUIRE(target->finish(whole).has_value());
  CHECK(part(slurp(loop.path()), 0, kMiB) == (whole ? part(fresh, 0, kMiB) : base::Bytes(kMiB)));
  CHECK(part(slurp(loop.path()), kMiB, 3 * kMiB) == part(fresh, kMiB, 3 * kMiB));
  CHECK(VolumeTarget::open(loop.path(), mode).has_value());  // it is no longer claimed
}

TEST_CASE("the first MiB of a device is gone from the first change until the end") {
  for (const auto mode : {TargetMode::overwrite, TargetMode::in_place}) {
    restore_over_device(mode, true);
    restore_over_device(mode, false);
  }
}

TEST_CASE("a device that differs nowhere is not written at all") {
  const Place place;
  const auto old = noise(2 * kMiB);
  put(place / "image", old);
  const Loop loop(place / "image");
  auto target = opened(loop.path(), TargetMode::in_place);
  REQUIRE(target->resize(2 * kMiB).has_value());
  CHECK(read(*target, 0, 2 * kMiB) == old);
  complete(*target);
  CHECK(slurp(loop.path()) == old);
}

TEST_CASE("what lies behind a smaller volume on a device stays") {
  const Place place;
  auto expected = noise(2 * kMiB);
  put(place / "image", expected);
  const Loop loop(place / "image");
  auto target = opened(loop.path(), TargetMode::overwrite);
  REQUIRE(target->resize(5000).has_value());
  CHECK(target->info()->size == 5000);
  check_error(target->zero(0, 5001, true), Errc::invalid_argument, reason::range);
  REQUIRE(target->zero(0, 5000, true).has_value());
  std::fill_n(expected.begin(), 5000, std::byte{0});
  complete(*target);
  CHECK(slurp(loop.path()) == expected);
}

TEST_CASE("a device smaller than its head is restored too") {
  const Place place;
  put(place / "image", noise(64u << 10, 1));
  const Loop loop(place / "image");
  auto target = opened(loop.path(), TargetMode::overwrite);
  REQUIRE(target->resize(64u << 10).has_value());
  REQUIRE(target->write(0, noise(64u << 10, 2)).has_value());
  CHECK(slurp(loop.path()) == base::Bytes(64u << 10));
  complete(*target);
  CHECK(slurp(loop.path()) == noise(64u << 10, 2));
}

TEST_CASE("zeros on a dirty device are certain, wherever they start and end") {
  for (const bool may_trim : {false, true}) {
    for (const char* on :
         {"mnt", ""}) {  // a tmpfs, which cannot zero but by trimming; and the disk
      CAPTURE(may_trim);
      CAPTURE(on);
      const Place place;
      const Mount mount("none", place / "mnt", "tmpfs");
      const auto image = place / std::string(on) + "/image";
      auto expected = noise(8 * kMiB);
      put(image, expected);
      const Loop loop(image);
      auto target = opened(loop.path(), TargetMode::in_place);
      const auto zero = [&](std::uint64_t offset, std::uint64_t length) {
        REQUIRE(target->zero(offset, length, may_trim).has_value());
        std::fill_n(expected.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{0});
        REQUIRE(read(*target, 0, expected.size()) == expected);
      };
      zero(kMiB - 10, 4 * kMiB);
      zero(5 * kMiB + 513, 100);
      zero(6 * kMiB, 4096);
      zero(6 * kMiB + 9000, 9000);
      zero(8 * kMiB - 5, 5);
      complete(*target);
      CHECK(slurp(loop.path()) == expected);
    }
  }
}

TEST_CASE("a device that fails is told apart from one that is full, and stays failed") {
  const Place place;
  const Mount mount("none", place / "mnt", "tmpfs", "size=4m");
  const Loop loop(sparse(mount / "image", 16 * kMiB));
  auto target = opened(loop.path(), TargetMode::overwrite);
  REQUIRE(target->resize(16 * kMiB).has_value());
  base::permit_unchecked(target->write(0, noise(16 * kMiB)), "it may fail now, or when flushed");
  const auto flushed = target->flush();
  REQUIRE_FALSE(flushed.has_value());
  // The kernel tells once; we do not forget.
  const auto again = target->flush();
  REQUIRE_FALSE(again.has_value());
  CHECK(again.error().reason() == flushed.error().reason());
  CHECK_FALSE(target->finish(true).has_value());
  CHECK(part(slurp(loop.path()), 0, kMiB) == base::Bytes(kMiB));
}

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
