// A new file that is not there until it is whole: written as PATH.partial, then renamed.
#pragma once

#include <optional>
#include <string>

#include "source/file.hpp"

namespace snapvault::source {

class Partial {
 public:
  // Makes PATH.partial anew for the file `path`; what a dead process left there is replaced. With
  // `replaced`, the file at `path` is replaced in the end, and its owner and mode are taken over.
  // Errors: target_busy if a living process writes it, target_exists if it is no file.
  static Result<Partial> create(const std::string& path,
                                const std::optional<struct stat>& replaced);
  // Goes on with the PATH.partial that an earlier target left. Errors: not_found.
  static Result<Partial> resume(const std::string& path);

  const File& file() const noexcept { return file_; }
  bool resumed() const noexcept { return resumed_; }

  // Syncs the file, gives it its name, and makes that durable. Errors: target_exists if the name
  // was taken meanwhile; PATH.partial stays then.
  Result<void> publish();
  void remove() noexcept;

 private:
  explicit Partial(const std::string& path) : path_(path), partial_(path + ".partial") {}
  bool is_ours() const noexcept;
  int rename() const noexcept;

  std::string path_;
  std::string partial_;
  File file_;
  bool replaces_ = false;
  bool resumed_ = false;
};

}  // namespace snapvault::source
