// CRC-64/NVME (reflected, polynomial 0x9A6C9329AC4BC9B5, init and xor-out all ones), as in the NVM
// Express specification 5.2.1.3.4 and S3's CRC64NVME. Check value of "123456789":
// 0xAE8B14860A799888.
#pragma once

#include <cstdint>

#include "base/bytes.hpp"

namespace snapvault::codec {

// Of `bytes` appended to what gave `before` (0 to start).
std::uint64_t crc64(base::ByteView bytes, std::uint64_t before = 0) noexcept;
// The same on processors without carry-less multiplication; crc64 chooses.
std::uint64_t crc64_by_table(base::ByteView bytes, std::uint64_t before = 0) noexcept;

}  // namespace snapvault::codec
