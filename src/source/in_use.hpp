// Who may be writing to a volume now.
#pragma once

#include <string>
#include <string_view>

#include "source/file.hpp"

namespace snapvault::source {

// What uses the open volume, such as "mounted at /srv"; empty if nothing known does. A block device
// is looked up among mounts, swaps and holders, its partitions too, and claimed for a moment
// (O_EXCL). An image file is looked up among loop devices and swaps, and its locks are asked for.
std::string user_of(const File& file, const struct stat& about, const std::string& path);

// The mount point of device `device` in the text of /proc/self/mountinfo, or empty.
std::string mount_point(std::string_view mountinfo, dev_t device);

// Keeps other targets and sources off: a write lock on the whole file for as long as it is open.
// The kernel drops it with the process. true also where the file system knows no locks.
bool lock(const File& file) noexcept;

}  // namespace snapvault::source
