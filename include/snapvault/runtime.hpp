// Runtime: the threads, memory and rates that all jobs of a process share.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <snapvault/config.hpp>
#include <snapvault/result.hpp>

namespace snapvault {

// Bytes a second; 0 = no limit. Changed while jobs run with Runtime::set_rates or JobRates::set.
struct Rates {
  std::uint64_t upload = 0;
  std::uint64_t download = 0;
  std::uint64_t read = 0;      // from sources
  std::uint64_t requests = 0;  // to the store, in requests a second
};

// The rates of one job, beside those that its Runtime has for all: the lower one counts. Given to a
// job in its options and changed while it runs. Copies share the rates; jobs that are given the
// same one, of one Runtime, share them too. Thread safety: any thread.
class SNAPVAULT_EXPORT JobRates {
 public:
  explicit JobRates(const Rates& rates = {});
  void set(const Rates& rates) noexcept;
  Rates get() const noexcept;

  struct State;  // internal
  const std::shared_ptr<State>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<State> state_;
};

struct RuntimeOptions {
  // Bound on buffers, caches and tables of all jobs together, in bytes; at least 32 MiB. Default
  // 256 MiB. A process stays below this + 64 MiB of its own.
  std::uint64_t memory_max = 256u << 20;
  // Threads that compute; 0 = as many as the process may use.
  unsigned cpu_threads = 0;
  // Threads that may block in a source, sink or local store; 0 = max(4, 2 * cpu_threads).
  unsigned io_threads = 0;
  Rates rates = {};
};

// Thread safety: every function from any thread. No thread exists before the first job starts.
// Copies share one runtime. A runtime must not be used in a child after fork(); its handles answer
// precondition_failed (reason forked) there.
class SNAPVAULT_EXPORT Runtime {
 public:
  // Errors: invalid_argument (memory_max too small).
  static Result<Runtime> create(const RuntimeOptions& options = {});
  // The one that is used where none is given; made at its first use.
  static Result<Runtime> shared();

  void set_rates(const Rates& rates) noexcept;
  Rates rates() const noexcept;
  std::uint64_t memory_max() const noexcept;

  struct State;  // internal
  explicit Runtime(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
  const std::shared_ptr<State>& state() const noexcept { return state_; }

 private:
  std::shared_ptr<State> state_;
};

// The libraries in use and their versions, such as "OpenSSL 3.0.15, zstd 1.5.4, xxHash 0.8.1".
SNAPVAULT_EXPORT std::string linked_libraries();

}  // namespace snapvault
