#include "engine/callback.hpp"

#include <stdexcept>

#include "engine/job.hpp"
#include "vault.hpp"

TEST_SUITE_BEGIN("engine/callback");

namespace snapvault::engine {
namespace {

constexpr std::uint64_t kSize = 600'000;

enum class Thrown { exception, number, bad_alloc };

// Throws in the `nth` call of a function.
std::function<Result<void>(Call, std::uint64_t, std::uint64_t)> throwing(Call which, Thrown what,
                                                                         int nth = 1) {
  return [=, left = nth](Call call, std::uint64_t, std::uint64_t) mutable -> Result<void> {
    if (call != which || --left != 0) return {};
    if (what == Thrown::number) throw 42;
    if (what == Thrown::bad_alloc) throw std::bad_alloc();
    throw std::runtime_error("the volume's engine is gone");
  };
}

Result<BackupReport> try_backup(Vault& vault, BlockSource& volume, BackupOptions options = {}) {
  options.source = "volume";
  provider::Client client(*vault.env, vault.store);
  Job job{*vault.env, client, vault.repository, vault.memory_max};
  return vault.attempt(backup(job, volume, options));
}

TEST_CASE("whatever a source throws from any of its functions is its failure, not ours") {
  for (const auto call : {Call::info, Call::extents, Call::open_base, Call::token}) {
    for (const auto what : {Thrown::exception, Thrown::number, Thrown::bad_alloc}) {
      CAPTURE(static_cast<int>(call));
      CAPTURE(static_cast<int>(what));
      Vault vault;
      MemoryVolume volume(test::noise(kSize, 1), MemoryVolume::Reports::truth);
      vault.backup(volume);
      volume.before = throwing(call, what);
      const auto failed = try_backup(vault, volume);
      REQUIRE(!failed);
      const bool memory = what == Thrown::bad_alloc;
      CHECK(failed.error().code() == (memory ? Errc::resource_exhausted : Errc::unavailable));
      CHECK(failed.error().reason() == (memory ? reason::no_memory : reason::source_failed));
      volume.before = {};
      vault.backup(volume);
    }
  }
}

TEST_CASE("a read that throws is tried again like one that fails") {
  for (const auto what : {Thrown::exception, Thrown::number, Thrown::bad_alloc}) {
    Vault vault;
    MemoryVolume volume(test::noise(kSize, 1));
    volume.before = throwing(Call::read, what);
    CHECK(try_backup(vault, volume));
    MemoryVolume back;
    vault.restore(vault.snapshot(), back);
    CHECK(back.bytes == volume.bytes);
  }
}

TEST_CASE("a read that always throws fails the backup, or is marked; short memory never is") {
  for (const auto what : {Thrown::exception, Thrown::number, Thrown::bad_alloc}) {
    const bool memory = what == Thrown::bad_alloc;
    for (const bool mark : {false, true}) {
      CAPTURE(static_cast<int>(what));
      CAPTURE(mark);
      Vault vault;
      MemoryVolume volume(test::noise(kSize, 1));
      volume.before = [&](Call call, std::uint64_t offset, std::uint64_t) -> Result<void> {
        auto once = throwing(Call::read, what);
        return offset < 65536 ? once(call, 0, 0) : Result<void>();
      };
      BackupOptions options;
      options.mark_unreadable = mark;
      const auto done = try_backup(vault, volume, options);
      REQUIRE(done.has_value() == (mark && !memory));
      if (done) CHECK(done->snapshot.marked == std::vector<ByteRange>{{0, 65536}});
      if (!done) CHECK(done.error().reason() == (memory ? reason::no_memory : "source_failed"));
    }
  }
}

TEST_CASE("whatever a sink throws is its failure, and it is told of the end") {
  for (const auto call : {Call::info, Call::resize, Call::write, Call::flush, Call::finish}) {
    for (const auto what : {Thrown::exception, Thrown::number, Thrown::bad_alloc}) {
      CAPTURE(static_cast<int>(call));
      Vault vault;
      MemoryVolume volume(test::noise(kSize, 1));
      const auto snapshot = vault.taken(volume);
      MemoryVolume sink;
      sink.before = throwing(call, what);
      const auto failed = vault.try_restore(snapshot, sink);
      REQUIRE(!failed);
      const bool memory = what == Thrown::bad_alloc;
      CHECK(failed.error().reason() == (memory ? reason::no_memory : reason::target_failed));
      if (call == Call::finish) continue;
      CHECK(sink.finished.has_value() == (call != Call::info));
      CHECK(!sink.finished.value_or(false));
    }
  }
}

TEST_CASE("a progress callback that throws loses that report only; the last one comes") {
  Vault vault;
  provider::Client client(*vault.env, vault.store);
  Job job{*vault.env, client, vault.repository, vault.memory_max};
  int calls = 0;
  auto last = Progress::Phase::opening;
  auto report = [&](const Progress& now) {
    last = now.phase;
    if (++calls % 2 == 1) throw 42;
  };
  auto second = [](base::Env& env) -> base::Task<Result<int>> {
    co_await base::sleep_until(env, env.monotonic() + base::kSecond);
    co_return 7;
  };
  const auto done = vault.attempt(with_progress(job, report, 100, second(*vault.env)));
  CHECK(done.value_or(0) == 7);
  CHECK(calls >= 10);
  CHECK(last == Progress::Phase::done);
}

}  // namespace
}  // namespace snapvault::engine

TEST_SUITE_END();
