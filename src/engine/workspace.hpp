// Workspace: the buffers and contexts that one unit of work needs, made once and used again.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.hpp"
#include "base/sync.hpp"
#include "codec/compress.hpp"
#include "format/keys.hpp"

namespace snapvault::engine {

// Bytes without a value until they are written, so that pages are brought in by the threads that
// use them, and only if they do.
class Buffer {
 public:
  explicit Buffer(std::size_t size)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(size)), size_(size) {}
  base::MutableBytes first(std::size_t count) const noexcept { return all().first(count); }
  base::MutableBytes all() const noexcept { return {bytes_.get(), size_}; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::size_t size_;
};

struct Workspace {
  Workspace(const format::KeyRing& keys, std::uint64_t window_bytes, std::uint64_t frame_bytes,
            int level)
      : window(window_bytes),
        packed(frame_bytes + 4096),
        check(frame_bytes),
        compressor(level),
        ids(keys, format::IdType::block) {}
  Buffer window;  // what was read
  Buffer packed;  // a frame, compressed
  Buffer check;   // and decompressed again
  codec::Compressor compressor;
  codec::Decompressor decompressor;
  format::IdHasher ids;
};

// Loop only. Hands out workspaces, waiting while all are taken.
class Workspaces {
 public:
  Workspaces(base::Executor& loop, std::size_t count) : free_count_(loop, count) {
    free_.reserve(count);
  }
  void add(std::unique_ptr<Workspace> one) { free_.push_back(std::move(one)); }

  // Comes back when destroyed; must not outlive the pool.
  class [[nodiscard]] Lease {
   public:
    Lease(Workspaces& from, base::Semaphore::Ticket ticket) noexcept
        : from_(&from), one_(std::move(from.free_.back())), ticket_(std::move(ticket)) {
      from.free_.pop_back();
    }
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (one_) from_->free_.push_back(std::move(one_));  // never allocates: reserved
    }
    Workspace& operator*() const noexcept { return *one_; }
    Workspace* operator->() const noexcept { return one_.get(); }

   private:
    Workspaces* from_;
    std::unique_ptr<Workspace> one_;
    base::Semaphore::Ticket ticket_;
  };
  base::Task<Lease> lease() {
    auto ticket = co_await free_count_.acquire(1);
    co_return Lease(*this, std::move(ticket));
  }

 private:
  std::vector<std::unique_ptr<Workspace>> free_;
  base::Semaphore free_count_;
};

}  // namespace snapvault::engine
