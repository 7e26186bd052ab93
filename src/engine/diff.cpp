// Difference of two snapshots, from their maps.
#include <algorithm>
#include <vector>

#include "engine/damage.hpp"
#include "engine/reading.hpp"

namespace snapvault::engine {
namespace {

using base::Task;
using format::BlockState;
using format::ChildState;
using store::MapReader;

bool is_empty(BlockState state) noexcept {
  return state == BlockState::hole || state == BlockState::zero;
}

bool same_block(const format::BlockEntry& a, const format::BlockEntry& b) noexcept {
  if (is_empty(a.state) || is_empty(b.state)) return is_empty(a.state) && is_empty(b.state);
  return a.state == BlockState::data && b.state == BlockState::data && a.id == b.id;
}

// Two maps of one block size, up to the end of the shorter volume.
class Diff {
 public:
  Diff(Job& job, const store::Snapshot& a, const store::Snapshot& b)
      : job_(job),
        packs_(job.client, job.repository.keys),
        a_(a.commit, packs_, job.repository.keys),
        b_(b.commit, packs_, job.repository.keys),
        block_size_(a.commit.manifest.block_size),
        end_(std::min(a.commit.manifest.size, b.commit.manifest.size)) {}

  Task<Result<void>> run(std::vector<ByteRange>& ranges) {
    auto comparing = compare(std::max(a_.height(), b_.height()) - 1, 0, ranges);
    auto done = co_await std::move(comparing);
    co_return done;
  }

 private:
  // The root's entry has no id, and above the root there is none.
  static bool has_entry(const MapReader& map, std::uint32_t level) noexcept {
    return level + 1 < map.height();
  }

  Task<Result<void>> compare(std::uint32_t level, std::uint64_t index,
                             std::vector<ByteRange>& ranges) {
    SV_CO_CHECK_NOW(job_.check());
    const auto first = index * store::leaves_under(level);
    if (first * format::kFanout * block_size_ >= end_) co_return Result<void>();
    if (has_entry(a_, level) && has_entry(b_, level)) {
      SV_CO_TRY(const auto a, a_.entry(level, index));
      SV_CO_TRY(const auto b, b_.entry(level, index));
      const bool nodes = a.state == ChildState::node && b.state == ChildState::node;
      const bool empty = a.state != ChildState::node && b.state != ChildState::node;
      // The id of an inlined node covers the ids below it as well as that of any other.
      if (empty || (nodes && a.id == b.id)) co_return Result<void>();
    }
    if (level == 0) {
      auto comparing = compare_leaves(index, ranges);
      auto done = co_await std::move(comparing);
      co_return done;
    }
    for (std::uint64_t child = 0; child < format::kFanout; ++child) {
      auto comparing = compare(level - 1, index * format::kFanout + child, ranges);
      auto done = co_await std::move(comparing);
      if (!done) co_return done;
    }
    co_return Result<void>();
  }

  Task<Result<void>> compare_leaves(std::uint64_t index, std::vector<ByteRange>& ranges) {
    SV_CO_TRY(const auto a, a_.at(index));
    SV_CO_TRY(const auto b, b_.at(index));
    const format::BlockEntry nothing;
    for (std::uint32_t i = 0; i < format::kFanout; ++i) {
      const auto& in_a = a.leaf ? a.leaf->blocks[i] : nothing;
      const auto& in_b = b.leaf ? b.leaf->blocks[i] : nothing;
      const auto begin = (index * format::kFanout + i) * block_size_;
      if (begin >= end_) break;
      const auto length = std::min(block_size_, end_ - begin);
      if (!same_block(in_a, in_b)) add_range(ranges, begin, length);
    }
    co_return Result<void>();
  }

  Job& job_;
  store::PackReader packs_;
  MapReader a_, b_;
  std::uint64_t block_size_, end_;
};

Task<Result<void>> add_data(Job& job, const store::Snapshot& snapshot,
                            std::vector<ByteRange>& ranges) {
  const auto& manifest = snapshot.commit.manifest;
  store::PackReader packs(job.client, job.repository.keys);
  MapReader map(snapshot.commit, packs, job.repository.keys);
  const std::uint64_t block_size = manifest.block_size;
  for (std::uint64_t at = 0; at < map.leaves();) {
    SV_CO_CHECK_NOW(job.check());
    SV_CO_TRY(const auto item, map.at(at));
    at = item.first + item.count;
    if (!item.leaf) continue;
    for (std::uint32_t i = 0; i < format::kFanout; ++i) {
      const auto begin = (item.first * format::kFanout + i) * block_size;
      if (begin >= manifest.size) break;
      if (is_empty(item.leaf->blocks[i].state)) continue;
      add_range(ranges, begin, std::min(block_size, manifest.size - begin));
    }
  }
  co_return Result<void>();
}

// Rising and merged, also where ranges overlap.
std::vector<ByteRange> united(std::vector<ByteRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  std::vector<ByteRange> out;
  for (const auto& range : ranges) {
    const auto end = range.offset + range.length;
    if (out.empty() || out.back().offset + out.back().length < range.offset) {
      out.push_back(range);
    } else {
      out.back().length = std::max(out.back().length, end - out.back().offset);
    }
  }
  return out;
}

}  // namespace

Task<Result<std::vector<ByteRange>>> diff(Job& job, const store::Snapshot& a,
                                          const store::Snapshot& b) {
  const auto& first = a.commit.manifest;
  const auto& second = b.commit.manifest;
  std::vector<ByteRange> ranges;
  if (first.block_size == second.block_size) {
    Diff work(job, a, b);
    SV_CO_CHECK(work.run(ranges));
  } else {
    SV_CO_CHECK(add_data(job, a, ranges));
    SV_CO_CHECK(add_data(job, b, ranges));
  }
  const auto common = std::min(first.size, second.size);
  const auto longer = std::max(first.size, second.size);
  if (longer > common) ranges.push_back({common, longer - common});
  for (const auto* manifest : {&first, &second}) {
    for (const auto& bad : manifest->bad) ranges.push_back({bad.offset, bad.length});
  }
  co_return united(std::move(ranges));
}

}  // namespace snapvault::engine
