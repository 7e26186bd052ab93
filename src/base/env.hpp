// Env: time, chance and threads, the only way to any of them. Real threads in production, a seeded
// single-thread executor with virtual time in the simulator; everything else is the same code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/executor.hpp"

namespace snapvault::base {

using Nanoseconds = std::uint64_t;
constexpr Nanoseconds kMillisecond = 1'000'000;
constexpr Nanoseconds kSecond = 1'000'000'000;

// A timer node; fires once on the loop. Re-usable after it fired or was cancelled.
struct Timer : Work {
  Nanoseconds at = 0;
  std::uint64_t sequence = 0;  // set by the Env; 0 = not armed
};

class Env {
 public:
  virtual ~Env() = default;

  // The one thread that coroutines coordinate on; what runs there needs no lock and never blocks.
  virtual Executor& loop() noexcept = 0;
  // Threads for computing (as many as allowed), and for calls that may block.
  virtual Executor& cpu() noexcept = 0;
  virtual Executor& io() noexcept = 0;
  virtual unsigned cpu_threads() const noexcept = 0;
  virtual unsigned io_threads() const noexcept = 0;

  // Never goes back. From an arbitrary start.
  virtual Nanoseconds monotonic() noexcept = 0;
  // Since 1970-01-01 UTC. Data only: no decision rests on it.
  virtual std::int64_t wall_seconds() noexcept = 0;
  // Cryptographically strong in production. Throws std::runtime_error if the system has none.
  virtual void random(std::span<std::byte> into) = 0;
  // Changes with every process and start of it; goes into salts against cloned machines.
  virtual std::uint64_t process_nonce() noexcept = 0;

  // Loop only. Arming an armed timer is an error; cancelling one that is not armed does nothing.
  virtual void arm(Timer& timer) noexcept = 0;
  virtual void cancel(Timer& timer) noexcept = 0;

  // Makes sure that posted work runs. Throws std::system_error if no thread can be had. Any thread.
  virtual void start() = 0;
  // Blocks the calling thread, which must be none of ours (see run_sync in base/sync.hpp).
  // Posts `start` to the loop and returns once `done` became true there by `signal(done)`.
  virtual void drive(Work& start, bool& done) = 0;
  virtual void signal(bool& done) noexcept = 0;
  // true on any thread of this Env, where blocking on it would never end.
  virtual bool inside() const noexcept = 0;
};

struct EnvOptions {
  unsigned cpu_threads = 0;  // 0: as many as the process may use
  unsigned io_threads = 0;   // 0: max(4, 2 * cpu_threads)
};
// Threads start with the first posted work.
std::shared_ptr<Env> make_thread_env(const EnvOptions& options);

// Deterministic: the same seed gives the same order of work, the same time and the same bytes.
// `drive` runs everything on the calling thread; time jumps to the next timer when all is idle. A
// simulation in which nothing can ever run again throws std::logic_error instead of hanging.
std::shared_ptr<Env> make_virtual_env(std::uint64_t seed);

}  // namespace snapvault::base
