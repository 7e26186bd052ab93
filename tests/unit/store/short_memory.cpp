#include "unit/store/short_memory.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

// How many allocations from now fails; 0 or less: none does.
std::atomic<std::int64_t> allocations_left = 0;
std::atomic<bool> has_failed = false;

void* allocate(std::size_t size, std::size_t alignment) {
  if (allocations_left > 0 && --allocations_left == 0) {
    has_failed = true;
    throw std::bad_alloc();
  }
  void* const out = alignment > 0 ? std::aligned_alloc(alignment, size) : std::malloc(size);
  if (!out) throw std::bad_alloc();
  return out;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  const auto step = static_cast<std::size_t>(alignment);
  return allocate((size + step - 1) / step * step, step);
}
void operator delete(void* old) noexcept { std::free(old); }
void operator delete(void* old, std::size_t) noexcept { std::free(old); }
void operator delete(void* old, std::align_val_t) noexcept { std::free(old); }
void operator delete(void* old, std::size_t, std::align_val_t) noexcept { std::free(old); }

namespace snapvault::store {

ShortMemory::ShortMemory(std::int64_t n) noexcept {
  has_failed = false;
  allocations_left = n;
}
ShortMemory::~ShortMemory() { allocations_left = 0; }
bool ShortMemory::failed() const noexcept { return has_failed; }

}  // namespace snapvault::store
