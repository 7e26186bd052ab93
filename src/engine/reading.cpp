#include "engine/reading.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/reasons.hpp"
#include "engine/rescue.hpp"

namespace snapvault::engine {
namespace {

using base::Task;
using format::BlockState;
using store::MapReader;

constexpr std::size_t kExtentsMax = 4096;      // of a page
constexpr std::uint64_t kLeavesOfPage = 4096;  // looked at for one page
constexpr std::uint64_t kAheadMin = 1u << 20;
constexpr std::uint64_t kAheadMax = 16u << 20;
constexpr std::uint64_t kFramesAtOnce = 8;

// A part of a block that a reader wants.
struct Piece {
  BlockCheck check;
  std::uint64_t begin = 0;  // of the block, in the volume
  std::uint64_t skip = 0;   // bytes of the block before the part
  base::MutableBytes into;  // empty: nobody waits for it
};
struct FramePieces {
  FrameKey frame;
  std::vector<Piece> pieces;
};
// Frames in order of their first piece.
struct Pieces {
  std::vector<FramePieces> frames;
  std::unordered_map<FrameKey, std::size_t, FrameKeyHash> by_frame;
  void add(const FrameKey& key, const Piece& piece) {
    const auto [known, is_new] = by_frame.emplace(key, frames.size());
    if (is_new) frames.push_back({key, {}});
    frames[known->second].pieces.push_back(piece);
  }
};

Error unreadable(std::uint64_t begin, std::uint64_t length, std::string_view why) {
  const auto text = "bytes " + std::to_string(begin) + " to " + std::to_string(begin + length - 1) +
                    " cannot be read: " + std::string(why);
  return Error(Errc::data_loss, reason::bad_extents, text)
      .with_subject(std::to_string(begin) + "+" + std::to_string(length));
}

}  // namespace

struct SnapshotReader::State {
  State(base::Env& e, std::shared_ptr<Provider> provider, const store::Repository& from,
        store::Snapshot of, std::uint64_t cache_bytes_max)
      : env(e),
        client(e, std::move(provider)),
        repository(from),
        snapshot(std::move(of)),
        packs(client, repository.keys),
        map(snapshot.commit, packs, repository.keys),
        map_turn(e.loop(), 1),
        cache_bytes(cache_bytes_max),
        frames(e.loop(), cache_bytes_max / 2, frame_weight),
        rescue(client, repository, packs, cache_bytes_max / 4) {}

  std::uint64_t size() const noexcept { return snapshot.commit.manifest.size; }
  std::uint64_t block_size() const noexcept { return snapshot.commit.manifest.block_size; }

  Task<Result<MapReader::Item>> item_at(std::uint64_t leaf);
  Task<Result<void>> collect(std::uint64_t offset, base::MutableBytes into, Pieces& pieces);
  Result<void> collect_leaf(const MapReader::Item& item, std::uint64_t begin, std::uint64_t end,
                            base::MutableBytes into, Pieces& pieces);
  Task<Result<void>> collect_ahead(std::uint64_t from, std::uint64_t end, Pieces& pieces);
  Task<Result<FrameCache::Pointer>> load(FrameKey key);
  Task<Result<void>> serve(FramePieces wanted);
  Task<Result<void>> serve_copy(FrameKey broken, Piece piece, Error why);
  std::uint64_t ahead(std::uint64_t offset, std::uint64_t length);

  base::Env& env;
  provider::Client client;
  const store::Repository& repository;
  store::Snapshot snapshot;
  store::PackReader packs;
  MapReader map;
  base::Semaphore map_turn;
  std::uint64_t cache_bytes;
  FrameCache frames;
  Rescue rescue;
  std::uint64_t next_offset = 0;  // where a sequential reader goes on
  std::uint64_t next_ahead = 0;   // bytes to read ahead for it; 0: not seen to be sequential
};

Task<Result<MapReader::Item>> SnapshotReader::State::item_at(std::uint64_t leaf) {
  const auto turn = co_await map_turn.acquire(1);
  auto asking = map.at(leaf);
  auto item = co_await std::move(asking);
  co_return item;
}

// Fills what is empty and collects the pieces of what is not.
Task<Result<void>> SnapshotReader::State::collect(std::uint64_t offset, base::MutableBytes into,
                                                  Pieces& pieces) {
  const auto span = block_size() * format::kFanout;
  for (auto at = offset; at < offset + into.size();) {
    auto asking = item_at(at / span);
    auto item = co_await std::move(asking);
    if (!item && item.error().code() == Errc::data_loss) {
      const auto end = std::min(offset + into.size(), (at / span + 1) * span);
      co_return unreadable(at, end - at, item.error().message());
    }
    if (!item) co_return std::move(item).error();
    const auto past = item->first + item->count;
    const auto end =
        past < map.leaves() ? std::min(offset + into.size(), past * span) : offset + into.size();
    const auto part = into.subspan(at - offset, end - at);
    if (item->kind == MapReader::Item::Kind::leaf) {
      SV_CO_CHECK_NOW(collect_leaf(*item, at, end, part, pieces));
    } else {
      std::fill(part.begin(), part.end(), std::byte{});
    }
    at = end;
  }
  co_return Result<void>();
}

Result<void> SnapshotReader::State::collect_leaf(const MapReader::Item& item, std::uint64_t begin,
                                                 std::uint64_t end, base::MutableBytes into,
                                                 Pieces& pieces) {
  for (auto at = begin; at < end;) {
    const auto block = at / block_size();
    const auto block_begin = block * block_size();
    const auto length = std::min(block_size(), size() - block_begin);
    const auto stop = std::min(end, block_begin + length);
    const auto part = into.empty() ? into : into.subspan(at - begin, stop - at);
    const auto& entry = item.leaf->blocks[block % format::kFanout];
    if (entry.state == BlockState::bad && !part.empty()) {
      return unreadable(block_begin, length, "they were unreadable when the backup was taken");
    }
    if (entry.state == BlockState::data) {
      const FrameKey frame{item.leaf->packs[entry.place.pack], entry.place.start16,
                           entry.place.stored};
      const BlockCheck check{entry.id, entry.fingerprint, length,
                             static_cast<std::uint32_t>(block_size()), entry.place.slot};
      pieces.add(frame, {check, block_begin, at - block_begin, part});
    } else if (!part.empty()) {
      std::fill(part.begin(), part.end(), std::byte{});
    }
    at = stop;
  }
  return {};
}

// Frames that will be wanted soon. What goes wrong here is found again by who wants them.
Task<Result<void>> SnapshotReader::State::collect_ahead(std::uint64_t from, std::uint64_t end,
                                                        Pieces& pieces) {
  const auto span = block_size() * format::kFanout;
  while (from < end) {
    auto asking = item_at(from / span);
    auto item = co_await std::move(asking);
    if (!item) break;
    const auto past = item->first + item->count;
    const auto stop = past < map.leaves() ? std::min(end, past * span) : end;
    if (item->kind == MapReader::Item::Kind::leaf) {
      SV_CO_CHECK_NOW(collect_leaf(*item, from, stop, {}, pieces));
    }
    from = stop;
  }
  co_return Result<void>();
}

// How far beyond a read to go: twice as far each time, as long as reads follow each other.
std::uint64_t SnapshotReader::State::ahead(std::uint64_t offset, std::uint64_t length) {
  const bool follows = offset >= next_offset && offset - next_offset < kAheadMin && offset > 0;
  next_ahead = follows ? std::clamp(next_ahead * 2, kAheadMin, kAheadMax) : 0;
  next_offset = offset + length;
  return std::min(next_ahead, cache_bytes / 4);
}

Task<Result<FrameCache::Pointer>> SnapshotReader::State::load(FrameKey key) {
  const store::FrameRequest frame{key.start16, key.stored};
  auto reading = packs.read(key.pack, frame);
  auto plain = co_await std::move(reading);
  co_return plain;
}

Task<Result<void>> SnapshotReader::State::serve(FramePieces wanted) {
  const auto loading = [this](FrameKey key) { return load(key); };
  auto getting = frames.get(wanted.frame, loading);
  auto frame = co_await std::move(getting);
  std::vector<Piece> lost;
  if (!frame) {
    if (frame.error().code() != Errc::data_loss) {
      const bool waited_for = !wanted.pieces.front().into.empty();
      if (waited_for) co_return std::move(frame).error();
      co_return Result<void>();
    }
    lost = wanted.pieces;
  } else {
    const auto secret = repository.keys.fingerprint_secret();
    auto copy = [&] {
      for (const auto& piece : wanted.pieces) {
        if (piece.into.empty()) continue;
        const auto bytes = find_block(**frame, piece.check, secret);
        if (bytes.empty()) lost.push_back(piece);
        if (bytes.empty()) continue;
        std::memcpy(piece.into.data(), bytes.data() + piece.skip, piece.into.size());
      }
      return true;
    };
    auto copying = base::run_on(env, env.cpu(), copy);
    co_await std::move(copying);
  }
  const Error mismatch(Errc::data_loss, reason::fingerprint_mismatch,
                       "a block is not the one that was backed up");
  for (const auto& piece : lost) {
    if (piece.into.empty()) continue;
    auto rescuing = serve_copy(wanted.frame, piece, frame ? mismatch : frame.error());
    auto served = co_await std::move(rescuing);
    if (!served) co_return served;
  }
  co_return Result<void>();
}

Task<Result<void>> SnapshotReader::State::serve_copy(FrameKey broken, Piece piece, Error why) {
  auto rescuing = rescue.read(piece.check, broken);
  auto copy = co_await std::move(rescuing);
  if (!copy) co_return std::move(copy).error();
  if (!*copy) co_return unreadable(piece.begin, piece.check.length, why.message());
  std::memcpy(piece.into.data(), (**copy).data() + piece.skip, piece.into.size());
  co_return Result<void>();
}

SnapshotReader::SnapshotReader(base::Env& env, std::shared_ptr<Provider> provider,
                               const store::Repository& repository, store::Snapshot snapshot,
                               std::uint64_t cache_bytes_max)
    : state_(std::make_unique<State>(env, std::move(provider), repository, std::move(snapshot),
                                     cache_bytes_max)) {}
SnapshotReader::~SnapshotReader() = default;

Task<Result<void>> SnapshotReader::read(std::uint64_t offset, base::MutableBytes into) {
  State& self = *state_;
  if (offset > self.size() || into.size() > self.size() - offset) {
    co_return Error(Errc::invalid_argument, reason::range,
                    "the range reaches past the volume's end");
  }
  const auto ahead = self.ahead(offset, into.size());
  Pieces pieces;
  SV_CO_CHECK(self.collect(offset, into, pieces));
  const auto missing = [&](const FramePieces& one) { return !self.frames.find(one.frame); };
  if (ahead > 0 && std::any_of(pieces.frames.begin(), pieces.frames.end(), missing)) {
    const auto end = offset + into.size();
    SV_CO_CHECK(self.collect_ahead(end, std::min(self.size(), end + ahead), pieces));
  }
  auto body = [&](base::TaskGroup& group) -> Task<Result<void>> {
    for (auto& frame : pieces.frames) {
      const bool only_ahead = frame.pieces.front().into.empty();
      if (only_ahead && !missing(frame)) continue;
      auto serving = self.serve(std::move(frame));
      auto spawning = group.spawn(std::move(serving));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto reading = base::with_group(self.env.loop(), kFramesAtOnce, body);
  auto done = co_await std::move(reading);
  co_return done;
}

Task<Result<ExtentPage>> SnapshotReader::extents(std::uint64_t offset, std::uint64_t length) {
  State& self = *state_;
  if (offset > self.size() || length > self.size() - offset) {
    co_return Error(Errc::invalid_argument, reason::range,
                    "the range reaches past the volume's end");
  }
  const auto block_size = self.block_size();
  const auto span = block_size * format::kFanout;
  const auto end = offset + length;
  ExtentPage page;
  page.covered_to = offset;
  // false: the page is full.
  const auto add = [&](std::uint64_t to, ExtentFlags flags) {
    const auto from = page.covered_to;
    to = std::min(to, end);
    if (!page.extents.empty() && page.extents.back().flags == flags) {
      page.extents.back().length += to - from;
    } else {
      if (page.extents.size() == kExtentsMax) return false;
      page.extents.push_back({from, to - from, flags});
    }
    page.covered_to = to;
    return true;
  };
  const auto empty = [](bool hole) {
    return hole ? ExtentFlags::zero | ExtentFlags::hole : ExtentFlags::zero;
  };
  for (std::uint64_t leaves = 0; page.covered_to < end && leaves < kLeavesOfPage; ++leaves) {
    auto asking = self.item_at(page.covered_to / span);
    auto item = co_await std::move(asking);
    if (!item) co_return std::move(item).error();
    const auto past = item->first + item->count;
    const auto stop = past < self.map.leaves() ? std::min(end, past * span) : end;
    if (item->kind != MapReader::Item::Kind::leaf) {
      if (!add(stop, empty(item->kind == MapReader::Item::Kind::hole))) break;
      continue;
    }
    bool room = true;
    while (room && page.covered_to < stop) {
      const auto block = page.covered_to / block_size;
      const auto state = item->leaf->blocks[block % format::kFanout].state;
      const bool data = state == BlockState::data || state == BlockState::bad;
      room = add(std::min(stop, (block + 1) * block_size),
                 data ? ExtentFlags::none : empty(state == BlockState::hole));
    }
    if (!room) break;
  }
  co_return page;
}

}  // namespace snapvault::engine
