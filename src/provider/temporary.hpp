// Temporary files of the file provider: where an object is written before it gets its name.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "provider/posix.hpp"

namespace snapvault::provider {

// A name that no key can have ('+'), so that a list never shows it. Random, so that O_EXCL wins.
std::string temporary_name();
bool is_temporary(std::string_view name) noexcept;

// A new file that is unlinked at the end unless it was renamed.
class Temporary {
 public:
  // In `directory`; `key` is for the message. native() of an error is the errno.
  static Result<Temporary> create(const std::string& directory, const std::string& key);
  Temporary(Temporary&& other) noexcept
      : path_(std::exchange(other.path_, {})), file_(std::move(other.file_)) {}
  Temporary& operator=(Temporary&& other) = delete;
  ~Temporary() { remove(); }

  const std::string& path() const noexcept { return path_; }
  posix::File& file() noexcept { return file_; }
  void remove() noexcept;

 private:
  Temporary(std::string path, posix::File file) noexcept
      : path_(std::move(path)), file_(std::move(file)) {}
  std::string path_;  // empty after a move and after remove()
  posix::File file_;
};

// Removes temporary files that a crash left behind: those below `root` that were modified more than
// 8 days before `now`, a time by the store's own clock. Looks at a bounded, random part of the
// tree.
void sweep_temporaries(const std::string& root, std::int64_t now);

}  // namespace snapvault::provider
