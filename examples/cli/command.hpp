// What every command of the program shares: global options, opening the repository, exit statuses.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <snapvault/snapvault.hpp>

namespace cli {

// Exit statuses, a contract with scripts.
enum Status : int {
  done = 0,
  failed = 1,
  usage = 2,
  marked = 3,  // done, but some items could not be read
  damage = 4,
  refused = 5,  // target exists, append-only, protected
  cancelled = 130,
};

struct Globals {
  std::string repo;
  std::string passphrase_file, passphrase_command, key_file;
  bool json = false;
  bool quiet = false;
  bool progress_json = false;
  std::string limit_upload, limit_download, limit_read, limit_requests, limits_file;
  std::string memory_max = "256M";
  unsigned cpu_threads = 0;
  std::stop_token stop;
  std::optional<snapvault::Runtime> runtime;
};

// A failure on its way to main(), which prints it and picks the exit status.
class Failure {
 public:
  Failure(std::string what, snapvault::Error error)
      : what_(std::move(what)), error_(std::move(error)) {}
  const std::string& what() const noexcept { return what_; }
  const snapvault::Error& error() const noexcept { return error_; }

 private:
  std::string what_;
  snapvault::Error error_;
};

// The value, or Failure{what, error} thrown.
template <class T>
T need(const char* what, snapvault::Result<T> result) {
  if (!result) throw Failure(what, std::move(result).error());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}
[[noreturn]] void wrong_usage(const std::string& message);

Status status_of(const snapvault::Error& error);
// "snapvault: <what>: <why> (<code>)" and a hint, or one JSON object, on stderr.
void print_failure(const Globals& globals, const std::string& what, const snapvault::Error& error);

snapvault::Runtime make_runtime(const Globals& globals);
// The runtime of this process, made by main().
const snapvault::Runtime& runtime_of(const Globals& globals);
// Rates from the options and, where one is named, the limits file.
snapvault::Rates read_rates(const Globals& globals);
snapvault::Repository open_repository(const Globals& globals, snapvault::Access access);
const std::string& repository_url(const Globals& globals);

// The passphrase of a repository that exists: from a file, a command, the environment or a
// terminal.
snapvault::Passphrase passphrase_of(const Globals& globals);
// A new one, asked for twice on a terminal.
snapvault::Passphrase new_passphrase(const Globals& globals, const std::string& file,
                                     const std::string& command, const char* variable);
std::optional<snapvault::RawKey> raw_key_of(const std::string& file);

}  // namespace cli
