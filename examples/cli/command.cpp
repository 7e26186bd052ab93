#include "command.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "json.hpp"
#include "text.hpp"

namespace cli {

using snapvault::Errc;
using snapvault::Error;

void wrong_usage(const std::string& message) {
  throw Failure("usage", Error(Errc::invalid_argument, "bad_argument", message));
}

Status status_of(const Error& error) {
  constexpr std::array<std::string_view, 8> refusals = {
      "target_exists", "target_busy",       "has_dependents", "access",
      "source_busy",   "repository_exists", "read_only",      "last_key"};
  for (const auto reason : refusals) {
    if (error.reason() == reason) return refused;
  }
  switch (error.code()) {
    case Errc::cancelled:
      return cancelled;
    case Errc::invalid_argument:
      return usage;
    case Errc::data_loss:
      return error.reason() == "source_failed" ? failed : damage;
    default:
      return failed;
  }
}

void print_failure(const Globals& globals, const std::string& what, const Error& error) {
  if (globals.json) {
    fmt::print(stderr, "{}\n", to_json(what, error));
    return;
  }
  std::string text(error.message());
  if (!error.subject().empty()) text += " [" + std::string(error.subject()) + "]";
  if (!error.request_id().empty()) text += " (request " + std::string(error.request_id()) + ")";
  fmt::print(stderr, "snapvault: {}: {} ({})\n", what, printable(text), error.reason());
  if (!error.hint().empty()) fmt::print(stderr, "hint: {}\n", printable(error.hint()));
}

snapvault::Rates read_rates(const Globals& globals) {
  snapvault::Rates rates;
  const auto set = [&rates](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    const auto size = need_size("limit " + std::string(name), value);
    if (name == "upload") rates.upload = size;
    if (name == "download") rates.download = size;
    if (name == "read") rates.read = size;
    if (name == "requests") rates.requests = size;
  };
  set("upload", globals.limit_upload);
  set("download", globals.limit_download);
  set("read", globals.limit_read);
  set("requests", globals.limit_requests);
  if (globals.limits_file.empty()) return rates;
  std::ifstream file(globals.limits_file);
  if (!file) wrong_usage("--limits-file: cannot read " + globals.limits_file);
  for (std::string line; std::getline(file, line);) {
    const auto equals = line.find('=');
    if (line.empty() || line.front() == '#') continue;
    if (equals == std::string::npos) wrong_usage("--limits-file: write lines like upload=50M");
    set(line.substr(0, equals), line.substr(equals + 1));
  }
  return rates;
}

snapvault::Runtime make_runtime(const Globals& globals) {
  snapvault::RuntimeOptions options;
  options.memory_max = need_size("--memory-max", globals.memory_max);
  options.cpu_threads = globals.cpu_threads;
  options.rates = read_rates(globals);
  return need("runtime", snapvault::Runtime::create(options));
}

const std::string& repository_url(const Globals& globals) {
  if (globals.repo.empty()) {
    wrong_usage("no repository: give --repo URL or set SNAPVAULT_REPO");
  }
  return globals.repo;
}

const snapvault::Runtime& runtime_of(const Globals& globals) { return *globals.runtime; }

snapvault::Repository open_repository(const Globals& globals, snapvault::Access access) {
  snapvault::OpenOptions options;
  options.raw_key = raw_key_of(globals.key_file);
  if (!options.raw_key) options.passphrase = passphrase_of(globals);
  options.access = access;
  options.runtime = runtime_of(globals);
  return need("open", snapvault::Repository::open(repository_url(globals), options));
}

}  // namespace cli
