#include "engine/restore.hpp"

#include <algorithm>
#include <stdexcept>

#include "samples.hpp"

namespace snapvault::engine {
namespace {

TEST_CASE("a restore gives every byte back, to new, dirty, fixed and ordered targets") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  SUBCASE("new") {
    MemoryVolume sink;
    sink.starts_zero = true;
    const auto report = vault.restore(snapshot, sink);
    check_done(sink, volume.bytes);
    CHECK(sink.calls_of(Call::zero) == 0);
    CHECK(report.written_bytes + report.zeroed_bytes == volume.bytes.size());
    CHECK(report.bytes_total == volume.bytes.size());
    CHECK(report.bad.empty());
    CHECK(report.fetched_bytes > 0);
    CHECK(report.requests > 0);
  }
  SUBCASE("new, but nobody knows what it reads") {
    MemoryVolume sink;
    vault.restore(snapshot, sink);
    check_done(sink, volume.bytes);
    CHECK(sink.calls_of(Call::zero) > 0);
  }
  SUBCASE("dirty and longer") {
    MemoryVolume sink(dirt(20 * kMiB));
    vault.restore(snapshot, sink);
    check_done(sink, volume.bytes);
  }
  SUBCASE("holes that are certain are left alone") {
    MemoryVolume sink(volume.bytes.size());
    sink.knows_holes = true;
    vault.restore(snapshot, sink);
    check_done(sink, volume.bytes);
    CHECK(sink.calls_of(Call::zero) == 0);
  }
  SUBCASE("in order, as a stream needs it") {
    MemoryVolume sink;
    sink.max_concurrency = 1;
    sink.rising_only = true;
    vault.restore(snapshot, sink);
    check_done(sink, volume.bytes);
    CHECK(sink.peak == 1);
  }
  SUBCASE("with ids checked too") {
    MemoryVolume sink;
    RestoreOptions options;
    options.check_ids = true;
    vault.restore(snapshot, sink, options);
    check_done(sink, volume.bytes);
  }
  CHECK(vault.meter_done == vault.meter_total);
}

TEST_CASE("every size and block size comes back, also none at all") {
  const std::uint64_t sizes[] = {0, 1, 4095, 4096, 65537, 4 * kMiB, 5 * kMiB + 1};
  for (const auto size : sizes) {
    for (const std::uint32_t block_size : {4096u, 65536u, 4u << 20}) {
      CAPTURE(size);
      CAPTURE(block_size);
      Vault vault;
      MemoryVolume volume(noise(size, size + 1));
      BackupOptions options;
      options.block_size = block_size;
      const auto snapshot = vault.taken(volume, options);
      MemoryVolume any, ordered;
      ordered.max_concurrency = 1;
      ordered.rising_only = true;
      vault.restore(snapshot, any);
      vault.restore(snapshot, ordered);
      check_done(any, volume.bytes);
      check_done(ordered, volume.bytes);
    }
  }
}

TEST_CASE("a short block that was stored for a volume of another block size is found") {
  Vault vault;
  const auto data = noise(64 * 1024, 5);
  MemoryVolume small(data);
  BackupOptions options;
  options.source = "small";
  options.block_size = 4096;
  const auto first = vault.taken(small, options);
  // Ends with a short block that is one of the small volume's.
  MemoryVolume large(noise(2 * 65536 + 4096, 6));
  large.fill(2 * 65536, base::ByteView(data).subspan(7 * 4096, 4096));
  options.source = "large";
  options.block_size = 65536;
  const auto second = vault.taken(large, options);
  // And the other way round: its short block is a whole one of the third volume.
  MemoryVolume third(noise(8 * 4096, 8));
  MemoryVolume fourth(noise(65536 + 4096, 9));
  third.fill(3 * 4096, base::ByteView(fourth.bytes).subspan(65536, 4096));
  options.source = "fourth";
  const auto before = vault.taken(fourth, options);
  options.source = "third";
  options.block_size = 4096;
  const auto after = vault.taken(third, options);
  const std::pair<const store::Snapshot*, const MemoryVolume*> all[] = {
      {&first, &small}, {&second, &large}, {&before, &fourth}, {&after, &third}};
  for (const auto& [snapshot, volume] : all) {
    MemoryVolume sink;
    vault.restore(*snapshot, sink);
    check_done(sink, volume->bytes);
  }
}

TEST_CASE("ranges are written at their place, and nothing else is touched") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto size = volume.bytes.size();
  const auto snapshot = vault.taken(volume);
  const ByteRange ranges[] = {{0, size},      {0, 1},
                              {size - 1, 1},  {kMiB - 10, 20},
                              {65536, 65536}, {3 * kMiB, 3 * kMiB + 17},
                              {size, 0},      {8 * kMiB - 1, kMiB}};
  for (const auto& range : ranges) {
    CAPTURE(range.offset);
    CAPTURE(range.length);
    RestoreOptions options;
    options.range = range;
    for (const bool in_place : {false, true}) {
      options.in_place = in_place;
      MemoryVolume sink(dirt(size + 4096));
      auto expected = sink.bytes;
      std::copy_n(volume.bytes.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length,
                  expected.begin() + static_cast<std::ptrdiff_t>(range.offset));
      const auto report = vault.restore(snapshot, sink, options);
      check_done(sink, expected);
      CHECK(report.bytes_total == range.length);
      CHECK(report.written_bytes + report.zeroed_bytes + report.unchanged_bytes == range.length);
    }
  }
  RestoreOptions options;
  options.range = ByteRange{kMiB, kMiB};
  MemoryVolume fresh;
  fresh.starts_zero = true;
  vault.restore(snapshot, fresh, options);
  CHECK(fresh.bytes.size() == size);
  options.range = ByteRange{size, 1};
  const auto outside = vault.try_restore(snapshot, fresh, options);
  REQUIRE(!outside);
  CHECK(outside.error().reason() == reason::range);
}

TEST_CASE("in place only what differs is written") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  RestoreOptions options;
  options.in_place = true;
  MemoryVolume sink(volume.bytes);
  SUBCASE("nothing differs") {
    const auto report = vault.restore(snapshot, sink, options);
    check_done(sink, volume.bytes);
    CHECK(report.unchanged_bytes == volume.bytes.size());
    CHECK(sink.calls_of(Call::write) == 0);
    CHECK(sink.calls_of(Call::zero) == 0);
    CHECK(report.frames == 0);
  }
  SUBCASE("a block of data and a byte that should be zero") {
    sink.bytes[100] ^= std::byte{1};
    sink.bytes[4 * kMiB] = std::byte{1};
    const auto report = vault.restore(snapshot, sink, options);
    check_done(sink, volume.bytes);
    CHECK(report.written_bytes == 65536);
    CHECK(report.zeroed_bytes == 65536);
    CHECK(report.unchanged_bytes == volume.bytes.size() - 2 * 65536);
    CHECK(sink.written_bytes == 65536);
  }
  SUBCASE("all of it differs, and the length") {
    MemoryVolume other(dirt(volume.bytes.size() + 77777));
    vault.restore(snapshot, other, options);
    check_done(other, volume.bytes);
  }
  SUBCASE("what cannot be read is written again") {
    sink.unreadable = {{2 * kMiB, 10}};
    const auto report = vault.restore(snapshot, sink, options);
    check_done(sink, volume.bytes);
    CHECK(report.written_bytes > 0);
    CHECK(report.written_bytes <= sink.io_optimal);
  }
  SUBCASE("a target that cannot be read back is refused") {
    sink.readable = false;
    const auto report = vault.try_restore(snapshot, sink, options);
    REQUIRE(!report);
    CHECK(report.error().code() == Errc::unsupported);
    CHECK(sink.finished == false);
  }
  SUBCASE("one call at a time is enough") {
    sink.max_concurrency = 1;
    sink.bytes[0] ^= std::byte{1};
    vault.restore(snapshot, sink, options);
    check_done(sink, volume.bytes);
  }
  if (vault.meter_total && sink.finished == true) CHECK(vault.meter_done == vault.meter_total);
}

TEST_CASE("a restore that was cut short goes on in place") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  MemoryVolume sink(dirt(volume.bytes.size()));
  std::atomic<int> left = 3;
  sink.before = [&](Call call, std::uint64_t, std::uint64_t) -> Result<void> {
    if (call != Call::write || --left > 0) return {};
    return Error(Errc::resource_exhausted, reason::no_space, "the disk is full");
  };
  const auto report = vault.try_restore(snapshot, sink);
  REQUIRE(!report);
  CHECK(report.error().reason() == reason::no_space);
  CHECK(sink.finished == false);
  MemoryVolume again(sink.bytes);
  RestoreOptions options;
  options.in_place = true;
  vault.restore(snapshot, again, options);
  check_done(again, volume.bytes);
}

TEST_CASE("whatever call of the target fails or throws, it is told and nothing hangs") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  const Call kinds[] = {Call::info, Call::resize, Call::write,
                        Call::zero, Call::flush,  Call::finish};
  for (const auto kind : kinds) {
    for (const bool ordered : {false, true}) {
      for (const bool throws : {false, true}) {
        for (const int nth : {1, 2, 5}) {
          CAPTURE(static_cast<int>(kind));
          CAPTURE(ordered);
          CAPTURE(throws);
          CAPTURE(nth);
          MemoryVolume sink;
          sink.max_concurrency = ordered ? 1 : 16;
          std::atomic<int> left = nth;
          std::atomic<bool> failed = false;
          sink.before = [&](Call call, std::uint64_t, std::uint64_t) -> Result<void> {
            if (call != kind || --left != 0) return {};
            failed = true;
            if (throws) throw std::runtime_error("a sink's own exception");
            return Error(Errc::unavailable, reason::target_failed, "a failure");
          };
          const auto report = vault.try_restore(snapshot, sink);
          CHECK(report.has_value() == !failed);
          if (!failed) continue;
          CHECK(report.error().reason() == reason::target_failed);
          CHECK(sink.misuse() == "");
          if (kind == Call::info) CHECK(!sink.finished);
          if (kind == Call::finish) CHECK(sink.finished == true);
          if (kind != Call::info && kind != Call::finish) CHECK(sink.finished == false);
        }
      }
    }
  }
}

TEST_CASE("a target that is too small is told before anything is written") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  MemoryVolume sink(kMiB);
  sink.fixed_size = true;
  const auto report = vault.try_restore(snapshot, sink);
  REQUIRE(!report);
  CHECK(report.error().reason() == reason::target_too_small);
  CHECK(sink.finished == false);
  CHECK(sink.calls_of(Call::write) == 0);
  // A range that fits may be restored to it.
  MemoryVolume enough(2 * kMiB);
  enough.fixed_size = true;
  RestoreOptions options;
  options.range = ByteRange{0, kMiB};
  vault.restore(snapshot, enough, options);
  CHECK(enough.bytes.size() == 2 * kMiB);
}

TEST_CASE("a stop ends a restore at every point, and it goes on in place afterwards") {
  Vault vault;
  MemoryVolume volume(sample_content(), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  for (const bool ordered : {false, true}) {
    for (int at = 0; at < 40; ++at) {
      CAPTURE(ordered);
      CAPTURE(at);
      MemoryVolume sink(dirt(volume.bytes.size()));
      sink.max_concurrency = ordered ? 1 : 16;
      std::stop_source stop;
      std::atomic<int> left = at;
      sink.before = [&](Call call, std::uint64_t, std::uint64_t) -> Result<void> {
        if (call != Call::finish && left-- == 0) stop.request_stop();
        return {};
      };
      RestoreOptions options;
      options.stop = stop.get_token();
      const auto report = vault.try_restore(snapshot, sink, options);
      CHECK(sink.misuse() == "");
      if (report) {
        check_done(sink, volume.bytes);
        if (!stop.stop_requested()) break;
        continue;  // asked for too late
      }
      CHECK(report.error().code() == Errc::cancelled);
      CHECK(sink.interrupted);
      if (sink.calls_of(Call::resize) > 0) CHECK(sink.finished == false);
      MemoryVolume again(sink.bytes);
      RestoreOptions in_place;
      in_place.in_place = true;
      vault.restore(snapshot, again, in_place);
      check_done(again, volume.bytes);
    }
  }
}

TEST_CASE("a stop before the start leaves the target alone") {
  Vault vault;
  MemoryVolume volume(kMiB), sink;
  const auto snapshot = vault.taken(volume);
  std::stop_source stop;
  stop.request_stop();
  RestoreOptions options;
  options.stop = stop.get_token();
  const auto report = vault.try_restore(snapshot, sink, options);
  REQUIRE(!report);
  CHECK(report.error().code() == Errc::cancelled);
  CHECK(sink.calls_of(Call::resize) == 0);
  CHECK(!sink.finished);
}

TEST_CASE("each frame is fetched once after many increments, with few gaps") {
  Vault vault;
  MemoryVolume volume(noise(8 * kMiB, 3));
  volume.reports = MemoryVolume::Reports::truth;
  vault.backup(volume);
  std::mt19937_64 draw(4);
  BackupOptions options;
  options.mode = BackupMode::incremental;
  for (int i = 0; i < 60; ++i) {
    const auto block = draw() % 128;
    volume.fill(block * 65536, noise(65536, 1000 + draw()));
    vault.backup(volume, options);
  }
  const auto snapshot = vault.snapshot();
  MemoryVolume sink;
  const auto report = vault.restore(snapshot, sink);
  check_done(sink, volume.bytes);
  CHECK(report.gap_bytes * 20 <= report.fetched_bytes);
  CHECK(report.frames <= 8 + 60);
}

TEST_CASE("real threads restore what virtual time restores") {
  base::EnvOptions options;
  options.cpu_threads = 4;
  Vault vault(1, base::make_thread_env(options));
  MemoryVolume volume(sample_content(40 * kMiB + 777), MemoryVolume::Reports::truth);
  const auto snapshot = vault.taken(volume);
  for (const std::uint32_t concurrency : {1u, 3u, 16u}) {
    for (const bool in_place : {false, true}) {
      MemoryVolume sink(dirt(30 * kMiB));
      sink.max_concurrency = concurrency;
      sink.rising_only = concurrency == 1 && !in_place;
      RestoreOptions how;
      how.in_place = in_place;
      vault.restore(snapshot, sink, how);
      check_done(sink, volume.bytes);
      CHECK(sink.peak <= concurrency);
    }
  }
}

TEST_CASE("random volumes, histories and targets: what comes back is what was there") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Vault vault(seed);
    std::mt19937_64 draw(seed);
    vault.memory_max = 32u << 20;
    MemoryVolume volume(noise(1 + draw() % (6 * kMiB), seed));
    volume.reports = draw() % 2 ? MemoryVolume::Reports::truth : MemoryVolume::Reports::more;
    BackupOptions options;
    options.block_size = 4096u << draw() % 6;
    std::vector<std::pair<store::Snapshot, base::Bytes>> history;
    for (int step = 0; step < 4; ++step) {
      for (int change = 0; change < 6; ++change) {
        const auto at = draw() % volume.bytes.size();
        const auto length = std::min<std::uint64_t>(draw() % 400000, volume.bytes.size() - at);
        if (length == 0) continue;
        if (draw() % 3 == 0) volume.clear(at, length);
        if (draw() % 3 != 0) volume.fill(at, noise(length, draw()));
      }
      if (draw() % 3 == 0) volume.bytes.resize(1 + draw() % (6 * kMiB));
      history.emplace_back(vault.taken(volume, options), volume.bytes);
    }
    for (const auto& [snapshot, content] : history) {
      MemoryVolume sink(noise(draw() % (7 * kMiB), draw()));
      if (draw() % 2) {
        const auto part = std::min(sink.bytes.size(), content.size());
        std::copy_n(content.begin(), part / 2, sink.bytes.begin());
      }
      sink.max_concurrency = draw() % 2 ? 1 : 4;
      sink.knows_holes = draw() % 2;
      RestoreOptions how;
      how.in_place = draw() % 2;
      const auto report = vault.restore(snapshot, sink, how);
      check_done(sink, content);
      CHECK(report.written_bytes + report.zeroed_bytes + report.unchanged_bytes == content.size());
      CHECK(report.written_bytes == sink.written_bytes);
    }
  }
}

}  // namespace
}  // namespace snapvault::engine
