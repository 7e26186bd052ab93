// Restores from a store that lost something, or fails.
#include "engine/restore.hpp"

#include <algorithm>

#include "samples.hpp"

namespace snapvault::engine {
namespace {

TEST_CASE("a damaged frame is an error that names it, or a range that is left out") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  const auto packs = vault.packs('d');
  REQUIRE(!packs.empty());
  vault.flip(packs.front(), 500);  // in the first frame
  MemoryVolume sink(dirt(volume.bytes.size()));
  SUBCASE("strict") {
    for (const bool ordered : {false, true}) {
      MemoryVolume target(dirt(volume.bytes.size()));
      target.max_concurrency = ordered ? 1 : 16;
      const auto report = vault.try_restore(snapshot, target);
      REQUIRE(!report);
      CHECK(report.error().code() == Errc::data_loss);
      CHECK(report.error().reason() == reason::bad_extents);
      CHECK(report.error().subject() == packs.front());
      CHECK(target.finished == false);
    }
  }
  SUBCASE("keep going") {
    RestoreOptions options;
    options.keep_going = true;
    for (const bool in_place : {false, true}) {
      for (const bool ordered : {false, true}) {
        MemoryVolume target(dirt(volume.bytes.size()));
        target.max_concurrency = ordered ? 1 : 16;
        const auto before = target.bytes;
        options.in_place = in_place;
        const auto report = vault.restore(snapshot, target, options);
        REQUIRE(!report.bad.empty());
        auto expected = volume.bytes;
        for (const auto& bad : report.bad) {
          std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(bad.offset), bad.length,
                      expected.begin() + static_cast<std::ptrdiff_t>(bad.offset));
        }
        check_done(target, expected);
        // The window that was stored as one frame, and the copy of it that shares its blocks.
        CHECK(report.bad.size() == 2);
        CHECK(report.bad.front() == ByteRange{0, kMiB});
        CHECK(report.bad.back() == ByteRange{6 * kMiB, kMiB});
      }
    }
  }
  SUBCASE("a stream cannot leave anything out") {
    MemoryVolume stream;
    stream.max_concurrency = 1;
    stream.rising_only = true;
    RestoreOptions options;
    options.keep_going = true;
    const auto report = vault.try_restore(snapshot, stream, options);
    REQUIRE(!report);
    CHECK(report.error().reason() == reason::bad_extents);
  }
}

TEST_CASE("a missing, torn or map-less store loses what it must and no more") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  RestoreOptions options;
  options.keep_going = true;
  const auto check_rest = [&](const RestoreReport& report, const base::Bytes& before,
                              const MemoryVolume& sink) {
    auto expected = volume.bytes;
    for (const auto& bad : report.bad) {
      std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(bad.offset), bad.length,
                  expected.begin() + static_cast<std::ptrdiff_t>(bad.offset));
    }
    check_done(sink, expected);
  };
  MemoryVolume sink(dirt(volume.bytes.size()));
  const auto before = sink.bytes;
  SUBCASE("data pack missing") {
    for (const auto& key : vault.packs('d')) vault.erase(key);
    const auto report = vault.restore(snapshot, sink, options);
    CHECK(!report.bad.empty());
    CHECK(report.written_bytes == 0);
    check_rest(report, before, sink);
  }
  SUBCASE("data pack cut short") {
    const auto key = vault.packs('d').front();
    auto object = vault.bytes(key);
    object.resize(object.size() / 2);
    vault.overwrite(key, std::move(object));
    const auto report = vault.restore(snapshot, sink, options);
    CHECK(!report.bad.empty());
    CHECK(report.written_bytes > 0);
    check_rest(report, before, sink);
  }
  SUBCASE("map pack missing") {
    for (const auto& key : vault.packs('m')) vault.erase(key);
    const auto report = vault.restore(snapshot, sink, options);
    CHECK(!report.bad.empty());
    check_rest(report, before, sink);
    MemoryVolume strict(dirt(volume.bytes.size()));
    const auto failed = vault.try_restore(snapshot, strict);
    REQUIRE(!failed);
    CHECK(failed.error().reason() == reason::bad_extents);
  }
}

TEST_CASE("whatever call of the store fails, nothing wrong is written and nothing hangs") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  using provider::Fault;
  for (const auto fault : {Fault::unavailable, Fault::corrupt_read, Fault::short_read}) {
    for (const bool keep_going : {false, true}) {
      for (std::uint64_t nth = 1;; ++nth) {
        CAPTURE(static_cast<int>(fault));
        CAPTURE(keep_going);
        CAPTURE(nth);
        MemoryVolume sink(dirt(volume.bytes.size()));
        const auto before = sink.bytes;
        RestoreOptions options;
        options.keep_going = keep_going;
        vault.store->arm(fault, nth, false);
        const auto report = vault.try_restore(snapshot, sink, options);
        const auto fired = vault.store->fired();
        vault.store->disarm();
        CHECK(sink.misuse() == "");
        CHECK(sink.finished == report.has_value());
        if (report) {
          auto expected = volume.bytes;
          for (const auto& bad : report->bad) {
            std::copy_n(before.begin() + static_cast<std::ptrdiff_t>(bad.offset), bad.length,
                        expected.begin() + static_cast<std::ptrdiff_t>(bad.offset));
          }
          CHECK(sink.bytes == expected);
        } else {
          const auto code = report.error().code();
          CHECK((code == Errc::unavailable || code == Errc::data_loss));
        }
        if (fired == 0) break;
      }
    }
  }
}

TEST_CASE("what was unreadable at backup is reported and left alone") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  volume.unreadable = {{2 * kMiB + 10, 5}};
  BackupOptions how;
  how.mark_unreadable = true;
  const auto snapshot = vault.taken(volume, how);
  for (const bool in_place : {false, true}) {
    MemoryVolume sink(dirt(volume.bytes.size()));
    auto expected = volume.bytes;
    std::copy_n(sink.bytes.begin() + 2 * kMiB, 65536, expected.begin() + 2 * kMiB);
    RestoreOptions options;
    options.in_place = in_place;
    const auto report = vault.restore(snapshot, sink, options);
    check_done(sink, expected);
    REQUIRE(report.bad.size() == 1);
    CHECK(report.bad.front() == ByteRange{2 * kMiB, 65536});
  }
}

TEST_CASE("a healed block serves the snapshots that share it") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto first = vault.taken(volume);
  const auto packs = vault.packs('d');
  for (const auto& key : packs) vault.flip(key, 500);
  BackupOptions options;
  options.mode = BackupMode::full_physical;
  vault.backup(volume, options);
  MemoryVolume sink;
  const auto report = vault.restore(first, sink);
  check_done(sink, volume.bytes);
  CHECK(report.bad.empty());
}

}  // namespace
}  // namespace snapvault::engine
