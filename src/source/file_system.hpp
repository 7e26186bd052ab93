// Names what a volume holds, from its magic numbers.
#pragma once

#include <string_view>

#include "source/file.hpp"

namespace snapvault::source {

// As blkid calls it: "ext4", "xfs", "LVM2_member", ...; empty if unknown. Only a label: nothing
// rests on it.
std::string_view file_system(base::ByteView head) noexcept;

// The same from the first 68 KiB of a volume; empty too if they cannot be read.
std::string_view file_system(const File& file);

}  // namespace snapvault::source
