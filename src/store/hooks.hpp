// Hooks: for a sample of the blocks in an index, the segment that names each. One look then leads
// to the segment, and the pack found there to its neighbours: what was written together is mostly
// met together again (sparse indexing: Lillibridge et al., FAST 2009).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "format/names.hpp"

namespace snapvault::store {

class Hooks {
 public:
  // The sample is every block until that takes more memory; then it is halved, again and again.
  explicit Hooks(std::uint64_t bytes_max);

  // Of equal prefixes the last one counts.
  void add(const format::BlockPrefix& prefix, std::uint32_t segment);

  bool is_sampled(const format::BlockPrefix& prefix) const noexcept;
  // Of a sampled prefix: the segment that most likely names it, or nothing.
  std::optional<std::uint32_t> segment_of(const format::BlockPrefix& prefix) const noexcept;

  // The sample is every block.
  bool is_exact() const noexcept { return halvings_ == 0; }

 private:
  struct Slot {
    std::uint32_t tag = 0;      // bits of the prefix, cut from an HMAC: as good as a hash
    std::uint32_t segment = 0;  // plus 1; 0: free
  };
  static std::uint32_t tag_of(const format::BlockPrefix& prefix) noexcept;
  bool takes(std::uint32_t tag) const noexcept;
  std::size_t slot_of(const std::vector<Slot>& slots, std::uint32_t tag) const noexcept;
  void make_room();

  std::size_t slots_max_;
  unsigned halvings_ = 0;
  std::size_t used_ = 0;
  std::vector<Slot> slots_;  // open addressing, a power of two
};

}  // namespace snapvault::store
