// Segments: the index objects of a store, searched within a bound on memory: a Bloom filter over
// all of them (or, where looking is dear, hooks), the table of each (its packs, and where its
// records start), and the records read last.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/bloom.hpp"
#include "store/hooks.hpp"
#include "store/loading_cache.hpp"
#include "store/pack_places.hpp"

namespace snapvault::store {

enum class Lookup : std::uint8_t {
  exact,  // every block is found, however long it takes
  // Hooks instead of a filter, so that a look costs one record, not one of each segment: on a store
  // that is not local, and when a filter has too few bits an entry to be of use.
  affordable,
};

// Loop only; decryption runs on env.cpu().
class Segments {
 public:
  // The filter, or the hooks, take at most half of the memory: a wrong "perhaps" of a filter costs
  // a look into every segment. The records take an eighth, and so do whole segments while they are
  // loaded (or one, if larger).
  Segments(provider::Client& client, const format::KeyRing& keys, std::uint64_t memory_bytes_max,
           Lookup lookup);

  // Reads all segments in the store but those of session `own`. Once it succeeded it does nothing.
  // A segment that is damaged is counted and left out.
  base::Task<Result<void>> load(format::SessionId own);

  // Takes in a segment that this session put, in two steps: the table of it, which can fail, then
  // the segment, whose blocks are `prefixes` of the packs' directories.
  struct Segment;
  base::Task<Result<std::shared_ptr<Segment>>> parse(std::string name,
                                                     std::shared_ptr<const base::Bytes> object);
  void add(std::shared_ptr<Segment> segment);
  void add(const format::BlockPrefix& prefix);  // of the segment added last
  // To be called after blocks were added: changes over to hooks if the filter is too small by now.
  base::Task<Result<void>> make_room();

  // false: in no segment.
  bool may_contain(const format::BlockPrefix& prefix) const noexcept;

  struct Question {
    format::BlockPrefix prefix;
    std::size_t asked_as = 0;         // the caller's own
    std::optional<BlockPlace> place;  // the answer, if there is one
  };
  // Answers questions, sorted by prefix, from all segments: the first usable copy counts. With
  // hooks, what is neither sampled nor in a pack used lately stays without an answer. Records that
  // are damaged are counted and hold nothing. Errors: those of the store, but no data_loss.
  base::Task<Result<void>> search(std::vector<Question>& questions, PackPlaces& places);

  // Every block that a segment holds is found.
  bool is_exact() const noexcept { return !hooks_ || hooks_->is_exact(); }

  // Whether a segment names the pack.
  bool names(const format::PackId& pack) const noexcept;

  std::uint64_t entries() const noexcept { return entries_; }
  // Segments, and records of segments, that could not be read.
  std::uint64_t damaged() const noexcept { return damaged_; }

 private:
  using Entries = std::vector<format::IndexEntry>;
  using Cache = LoadingCache<std::uint64_t, Entries>;
  using Pointer = std::shared_ptr<const Segment>;

  // What a look at all segments leaves in memory: of `filter` and `hooks` the one there is.
  struct Loading {
    std::vector<std::shared_ptr<Segment>> segments;
    std::optional<Bloom> filter;
    std::optional<Hooks> hooks;
  };
  bool is_crowded(std::uint64_t entries) const noexcept;
  base::Task<Result<void>> load_all(std::vector<ObjectInfo> objects, Loading& into);
  base::Task<Result<void>> load_one(ObjectInfo object, base::Semaphore& memory, Loading& into);
  base::Task<Result<void>> feed(const Segment& segment, base::ByteView object, Loading& into);
  base::Task<Result<void>> hook(Pointer segment, Loading& into);
  base::Task<Result<void>> search_all(std::vector<Question>& questions, PackPlaces& places);
  base::Task<Result<void>> search_hooked(std::vector<Question>& questions, PackPlaces& places);
  base::Task<Result<void>> search_one(Pointer segment, std::span<Question> questions,
                                      PackPlaces& places);
  base::Task<Result<void>> answer(const Segment& segment, std::size_t record, Question& question,
                                  PackPlaces& places);
  base::Task<Result<Cache::Pointer>> read_record(const Segment& segment, std::size_t record);
  Bloom& open_filter();

  provider::Client& client_;
  const format::KeyRing& keys_;
  base::Env& env_;
  std::uint64_t filter_bytes_max_, loading_bytes_max_;
  Lookup lookup_;
  base::Semaphore loading_;
  bool loaded_ = false;
  std::vector<std::shared_ptr<Segment>> segments_;
  Pointer recent_;  // where the last answer came from: asked first
  std::vector<Bloom> filters_;
  std::optional<Hooks> hooks_;  // then there are no filters
  Cache records_;
  std::uint64_t entries_ = 0, damaged_ = 0;
};

struct Segments::Segment {
  std::string name;
  std::uint64_t ordinal = 0;  // in segments_
  std::optional<format::ObjectKeys> keys;
  format::SegmentTable table;
};

}  // namespace snapvault::store
