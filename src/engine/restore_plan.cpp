#include "engine/restore_plan.hpp"

#include <algorithm>
#include <string>
#include <tuple>

#include "base/reasons.hpp"
#include "engine/damage.hpp"
#include "engine/map_walk.hpp"

namespace snapvault::engine {
namespace {

using format::BlockState;
using store::MapReader;

// Leaves with data in a batch: 1 GiB of a volume of 64 KiB blocks, 1 MiB of memory.
constexpr std::uint64_t kLeavesMax = 256;
// A batch ends where a window of the backup ends, so that no frame is shared by two batches but for
// blocks that were stored before.
constexpr std::uint64_t kWindowBytes = 4u << 20;

constexpr std::uint64_t kGapMax = 256u << 10;
constexpr std::uint64_t kPadding = 16;  // between neighbours

auto place(const Need& need) noexcept {
  return std::tuple(need.pack, need.start16, need.stored, need.block);
}
bool same_frame(const Need& a, const Need& b) noexcept {
  return a.pack == b.pack && a.start16 == b.start16 && a.stored == b.stored;
}

std::uint64_t begin_of(const store::FrameRequest& frame) noexcept {
  return std::uint64_t{frame.start16} * 16;
}
std::uint64_t end_of(const store::FrameRequest& frame) noexcept {
  return begin_of(frame) + frame.stored;
}

// true if `next` joins the request without too much that nobody wants.
bool joins(const Fetch& fetch, std::uint32_t pack, const store::FrameRequest& next,
           std::uint64_t wanted, std::uint64_t bytes_max) noexcept {
  const auto first = begin_of(fetch.frames.front().frame);
  const auto last = first + fetch.bytes;
  if (fetch.pack != pack || end_of(next) - first > bytes_max) return false;
  // Frames that overlap are nothing a writer made; each is fetched alone.
  if (begin_of(next) < last) return false;
  const auto gap = begin_of(next) - last;
  if (gap < kPadding) return true;
  const auto gaps = fetch.bytes - wanted + gap;
  return gap <= kGapMax && gaps * 20 <= wanted + next.stored;
}

}  // namespace

std::vector<Fetch> plan_fetches(std::span<Need> needs, std::uint64_t bytes_max) {
  std::sort(needs.begin(), needs.end(),
            [](const Need& a, const Need& b) { return place(a) < place(b); });
  std::vector<Fetch> fetches;
  std::uint64_t wanted = 0;  // bytes of the frames of the last one
  for (std::size_t first = 0; first < needs.size();) {
    auto last = first + 1;
    while (last < needs.size() && same_frame(needs[first], needs[last])) ++last;
    const auto& need = needs[first];
    const FrameNeeds frame{{need.start16, need.stored}, needs.subspan(first, last - first)};
    if (fetches.empty() || !joins(fetches.back(), need.pack, frame.frame, wanted, bytes_max)) {
      fetches.push_back({need.pack, 0, {}});
      wanted = 0;
    }
    auto& fetch = fetches.back();
    fetch.frames.push_back(frame);
    fetch.bytes = end_of(frame.frame) - begin_of(fetch.frames.front().frame);
    wanted += need.stored;
    first = last;
  }
  return fetches;
}

Planner::Planner(Job& job, const format::Manifest& manifest, store::MapReader& map, ByteRange range,
                 bool keep_going)
    : job_(job),
      map_(map),
      size_(manifest.size),
      block_size_(manifest.block_size),
      leaf_span_(std::uint64_t{manifest.block_size} * format::kFanout),
      begin_(range.offset),
      end_(range.offset + range.length),
      at_(range.offset),
      keep_going_(keep_going) {}

ByteRange Planner::clip(std::uint64_t begin, std::uint64_t end) const noexcept {
  begin = std::max(begin, begin_);
  end = std::min(end, end_);
  return {begin, end > begin ? end - begin : 0};
}

bool Planner::full(const Batch& batch, std::uint64_t leaves) const noexcept {
  if (leaves < kLeavesMax) return false;
  return batch.end % std::max(leaf_span_, kWindowBytes) == 0;
}

base::Task<Result<Batch>> Planner::next() {
  Batch batch;
  batch.begin = batch.end = at_;
  std::uint64_t leaves = 0;
  ordinals_.clear();
  while (at_ < end_ && !full(batch, leaves)) {
    SV_CO_CHECK_NOW(job_.check());
    const auto leaf = at_ / leaf_span_;
    auto asking = map_.at(leaf);
    auto item = co_await std::move(asking);
    if (!item) {
      SV_CO_CHECK(step_over(leaf, std::move(item).error(), batch));
    } else {
      add(*item, batch);
      leaves += item->kind == MapReader::Item::Kind::leaf;
    }
    at_ = batch.end;
  }
  co_return batch;
}

// The map is lost from `leaf` on, as far as the broken node reaches.
base::Task<Result<void>> Planner::step_over(std::uint64_t leaf, Error error, Batch& batch) {
  if (error.code() != Errc::data_loss) co_return error;
  auto locating = locate_broken(map_, leaf);
  const auto broken = co_await std::move(locating);
  const auto past = std::max(leaf + 1, broken.first + broken.count);
  const auto lost = clip(leaf * leaf_span_, past < map_.leaves() ? past * leaf_span_ : size_);
  if (!keep_going_) co_return lost_range(lost, error);
  add_range(batch.bad, lost.offset, lost.length);
  batch.end = lost.offset + lost.length;
  co_return Result<void>();
}

void Planner::add(const MapReader::Item& item, Batch& batch) {
  const auto past = item.first + item.count;
  const auto stop = past < map_.leaves() ? past * leaf_span_ : size_;
  const auto whole = clip(item.first * leaf_span_, stop);
  batch.end = whole.offset + whole.length;
  if (item.kind == MapReader::Item::Kind::leaf) {
    add_leaf(item.first, *item.leaf, batch);
  } else {
    add_range(batch.empty, whole.offset, whole.length);
  }
}

void Planner::add_leaf(std::uint64_t index, const format::Leaf& leaf, Batch& batch) {
  std::vector<std::uint32_t> packs;
  packs.reserve(leaf.packs.size());
  for (const auto& pack : leaf.packs) {
    const auto next = static_cast<std::uint32_t>(batch.packs.size());
    const auto [known, is_new] = ordinals_.emplace(pack, next);
    if (is_new) batch.packs.push_back(pack);
    packs.push_back(known->second);
  }
  for (std::uint32_t i = 0; i < format::kFanout; ++i) {
    const auto block = index * format::kFanout + i;
    if (block >= map_.blocks()) break;
    const auto inside = clip(block * block_size_, block * block_size_ + length_of(block));
    if (inside.length == 0) continue;
    const auto& entry = leaf.blocks[i];
    switch (entry.state) {
      case BlockState::hole:
      case BlockState::zero:
        add_range(batch.empty, inside.offset, inside.length);
        break;
      case BlockState::bad:
        add_range(batch.bad, inside.offset, inside.length);
        break;
      case BlockState::data:
        batch.needs.push_back({block, entry.id, entry.fingerprint, packs[entry.place.pack],
                               entry.place.start16, entry.place.stored, entry.place.slot});
        break;
    }
  }
}

Error lost_range(ByteRange range, const Error& why) {
  const auto text = "bytes " + std::to_string(range.offset) + " to " +
                    std::to_string(range.offset + range.length - 1) +
                    " cannot be restored: " + std::string(why.message());
  return Error(Errc::data_loss, reason::bad_extents, text).with_subject(why.subject());
}

}  // namespace snapvault::engine
