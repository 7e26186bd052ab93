// Every allocation fails: the answer is success or resource_exhausted, nothing crashes or leaks,
// and the repository is as good as before.
#include <doctest/doctest.h>
#include <malloc.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include "codec/crypto.hpp"
#include "sweep/world.hpp"

namespace {

// One thread: the virtual environment.
struct Allocations {
  std::uint64_t countdown = 0;  // 1: the next one fails; 0: none does
  bool for_ever = false;        // and all after it
  bool counting = false;
  std::uint64_t count = 0;
  std::int64_t live = 0;
};
Allocations allocations;

void* allocate(std::size_t size, std::size_t alignment) noexcept {
  if (allocations.counting) {
    ++allocations.count;
    if (allocations.countdown == 1) {
      if (!allocations.for_ever) allocations.countdown = 0;
      return nullptr;
    }
    if (allocations.countdown > 1) --allocations.countdown;
  }
  void* out = alignment > alignof(std::max_align_t)
                  ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment)
                  : std::malloc(size ? size : 1);
  if (out) ++allocations.live;
  return out;
}
void* allocate_or_throw(std::size_t size, std::size_t alignment) {
  void* out = allocate(size, alignment);
  if (!out) throw std::bad_alloc();
  return out;
}
void release(void* at) noexcept {
  if (at) --allocations.live;
  std::free(at);
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size, 0); }
void* operator new[](std::size_t size) { return allocate_or_throw(size, 0); }
void* operator new(std::size_t size, std::align_val_t to) {
  return allocate_or_throw(size, static_cast<std::size_t>(to));
}
void* operator new[](std::size_t size, std::align_val_t to) {
  return allocate_or_throw(size, static_cast<std::size_t>(to));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size, 0); }
void operator delete(void* at) noexcept { release(at); }
void operator delete[](void* at) noexcept { release(at); }
void operator delete(void* at, std::size_t) noexcept { release(at); }
void operator delete[](void* at, std::size_t) noexcept { release(at); }
void operator delete(void* at, std::align_val_t) noexcept { release(at); }
void operator delete[](void* at, std::align_val_t) noexcept { release(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { release(at); }
void operator delete[](void* at, std::size_t, std::align_val_t) noexcept { release(at); }
void operator delete(void* at, const std::nothrow_t&) noexcept { release(at); }
void operator delete[](void* at, const std::nothrow_t&) noexcept { release(at); }

namespace snapvault::test {
namespace {

constexpr std::uint64_t kEach = 2000;   // every point up to here,
constexpr std::uint64_t kStride = 17;   // then one in so many
constexpr std::uint64_t kThorough = 4;  // after one in so many comes another backup and a verify

// Counts allocations while it lives; the n-th fails (0: none).
class Failing {
 public:
  Failing(std::uint64_t n, bool for_ever) {
    allocations = {n, for_ever, true, 0, allocations.live};
  }
  ~Failing() { allocations.counting = false; }
  Failing(const Failing&) = delete;
  Failing& operator=(const Failing&) = delete;
};

struct Outcome {
  std::uint64_t allocations = 0;
  bool hit = false;
};

void check_error(const Error& error) {
  INFO(World::describe(error));
  CHECK(error.code() == Errc::resource_exhausted);
}

// One point in a world of its own.
Outcome visit(std::uint64_t n, bool for_ever) {
  CAPTURE(n);
  CAPTURE(for_ever);
  Outcome outcome;
  World world;
  MemoryVolume to(noise(world.volume.bytes.size(), 9));
  std::optional<Result<BackupReport>> backup;
  std::optional<Result<RestoreReport>> restore;
  {
    const Failing failing(n, for_ever);
    backup.emplace(world.try_backup());
    if (*backup) restore.emplace(world.try_restore(to));
    outcome.allocations = allocations.count;
    outcome.hit = n != 0 && allocations.count >= n;
  }
  const bool backed_up = backup->has_value();
  if (!backed_up) check_error(backup->error());
  if (restore && !*restore) check_error(restore->error());
  if (restore && *restore) CHECK((to.bytes == world.volume.bytes));
  const auto latest = world.latest();
  CHECK((latest == (backed_up ? world.volume.bytes : world.first)));
  if (n % kThorough == 0) {
    World::must(world.try_backup());
    CHECK((world.latest() == world.volume.bytes));
    CHECK(World::must(world.try_verify()).clean());
  }
  return outcome;
}

TEST_CASE("a backup and a restore survive the failure of each of their allocations") {
  // Large buffers come from the heap, so that each point does not wait for fresh pages.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  // OpenSSL keeps what it loads at its first use.
  codec::hmac(std::array<std::byte, 32>{}, {});
  const auto total = visit(0, false).allocations;
  std::uint64_t visited = 0, hit = 0;
  for (const bool for_ever : {false, true}) {
    for (std::uint64_t n = for_ever ? kStride : 1; n <= total;) {
      const auto live = allocations.live;
      hit += visit(n, for_ever).hit ? 1 : 0;
      CHECK(allocations.live == live);
      ++visited;
      n += for_ever || n >= kEach ? kStride : 1;
    }
  }
  MESSAGE(total, " allocations, ", visited, " points, ", hit, " failed");
  CHECK(hit == visited);
}

// Calls `call(world)` once for each of its allocations, which fails.
template <class Call>
void fail_each(Call call) {
  const auto count = [&call](std::uint64_t n) {
    World world;
    const Failing failing(n, false);
    const auto done = call(world);
    if (!done) check_error(done.error());
    return allocations.count;
  };
  count(0);
  const auto total = count(0);
  for (std::uint64_t n = 1; n <= total; ++n) {
    CAPTURE(n);
    const auto live = allocations.live;
    count(n);
    CHECK(allocations.live <= live);
  }
}

TEST_CASE("every other call answers resource_exhausted where memory ends, and throws nothing") {
  fail_each([](World& world) { return world.try_open(); });
  const std::vector<std::string> names = {"volume@latest"};
  fail_each([&](World& world) { return world.repository().remove(names); });
  fail_each([](World& world) { return world.repository().snapshots(); });
  fail_each([](World& world) { return world.repository().info(); });
  fail_each([&](World& world) { return world.repository().snapshot(names[0]); });
  fail_each([&](World& world) { return world.repository().diff(names[0], names[0]); });
  fail_each([](World& world) { return world.repository().set_policy({.full_every = 3}); });
  fail_each([](World& world) { return world.repository().add_key(RawKey{}); });
  fail_each([&](World& world) -> Result<void> {
    SV_TRY(const auto snapshot, world.repository().snapshot(names[0]));
    std::array<std::byte, 5000> some{};
    SV_CHECK(snapshot.extents(0, 100'000));
    return snapshot.read(30'000, some);
  });
  const std::string url = "memory:some name that is not short at all";
  fail_each([&](World&) { return Provider::open(url); });
}

}  // namespace
}  // namespace snapvault::test
