// How a temporary file becomes an object, without ever replacing one.
#pragma once

#include <cstdint>
#include <string>

#include "provider/temporary.hpp"

namespace snapvault::provider {

// What a file system gives to create a name exclusively.
enum class Exclusive {
  link,    // link(2), which every POSIX file system and NFS has
  rename,  // renameat2(2) with RENAME_NOREPLACE, such as on vfat
  none,    // neither: the store is weak
};

// What the file system below a root can do.
struct Abilities {
  Exclusive exclusive = Exclusive::link;
  // fsync works on directories.
  bool directory_sync = true;
  // The time of the store's own clock when this was found out.
  std::int64_t now = 0;
};

// Tries it out with files of its own in `root`, which exists. Only an error that means "cannot do
// that" counts as such; any other one is the answer.
Result<Abilities> probe(const std::string& root);

// Gives `from` the name `to`, or fails with already_exists. An answer lost by a network file system
// is settled by looking; where that tells nothing: outcome_unknown.
Result<void> publish(Exclusive how, Temporary& from, const posix::Identity& file,
                     const std::string& to, const std::string& key);
// The same, but an object that is there is replaced.
Result<void> replace(Temporary& from, const posix::Identity& file, const std::string& to,
                     const std::string& key);

}  // namespace snapvault::provider
