// Copies: another copy of a block whose place no longer answers. What healing stored anew serves
// every snapshot that shares the block.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "store/index.hpp"
#include "store/pack_places.hpp"
#include "store/segments.hpp"

namespace snapvault::store {

// Copies that are broken too are excluded one by one; so many in a row is no accident.
inline constexpr int kCopiesTried = 4;

// Loop only. Loads the index when it is first asked; costs nothing before.
class Copies {
 public:
  Copies(provider::Client& client, const Repository& repository, PackReader& reader,
         std::uint64_t memory_bytes_max);
  ~Copies();

  // A usable copy of `block` outside of the frame `broken`, which is excluded from now on; nothing
  // if there is none. The caller checks what it reads there like any block. Errors: those of the
  // store.
  base::Task<Result<std::optional<BlockPlace>>> find(format::BlockId block, FramePlace broken);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::store
