// Makes an allocation of this program fail: operator new is replaced in short_memory.cpp.
#pragma once

#include <cstdint>

namespace snapvault::store {

// While it lives, the n-th allocation from its making on (1: the next) throws std::bad_alloc.
class ShortMemory {
 public:
  explicit ShortMemory(std::int64_t n) noexcept;
  ShortMemory(const ShortMemory&) = delete;
  ShortMemory& operator=(const ShortMemory&) = delete;
  ~ShortMemory();
  // Whether there was an n-th one.
  bool failed() const noexcept;
};

}  // namespace snapvault::store
