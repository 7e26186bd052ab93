// PackPlaces: from what an index entry says (pack, frame, slot) to a place to read from. Reads the
// directory of each pack once, and keeps those read last.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_set>
#include <vector>

#include "store/index.hpp"
#include "store/loading_cache.hpp"

namespace snapvault::store {

// Loop only.
class PackPlaces {
 public:
  PackPlaces(PackReader& reader, const Repository& repository, base::Executor& loop,
             std::uint64_t memory_bytes_max);

  // Nothing: the frame is excluded, the pack is unreadable, or it does not hold the block there.
  // Errors: those of the store, but no data_loss.
  base::Task<Result<std::optional<BlockPlace>>> at(const format::IndexPack& pack,
                                                   std::uint32_t frame, std::uint8_t slot,
                                                   format::BlockPrefix prefix);

  // Looks in the few packs used last: what was written together is mostly met together again.
  std::optional<BlockPlace> recent(const format::BlockPrefix& prefix) const;

  // false: found damaged, or condemned.
  bool usable(const format::PackId& pack, std::uint32_t start16) const noexcept;
  std::uint64_t unreadable() const noexcept { return unreadable_.size(); }

 private:
  struct Loaded {
    format::PackId id;
    format::Directory directory;
    std::vector<std::uint32_t> by_prefix;  // indexes of directory.prefixes, sorted
  };
  using Cache = LoadingCache<format::PackId, Loaded, format::PackIdHash>;

  static std::uint64_t weigh(const Loaded& loaded) noexcept;
  base::Task<Result<Cache::Pointer>> load(const format::IndexPack& pack);
  std::optional<BlockPlace> place(const Loaded& loaded, std::uint32_t frame,
                                  std::uint32_t slot) const;
  void use(const Cache::Pointer& loaded) noexcept;

  PackReader& reader_;
  const Repository& repository_;
  Cache cache_;
  std::array<Cache::Pointer, 8> recent_;
  std::size_t oldest_ = 0;  // of recent_
  std::unordered_set<format::PackId, format::PackIdHash> unreadable_;
};

}  // namespace snapvault::store
