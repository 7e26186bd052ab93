#include "engine/unit.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "base/reasons.hpp"
#include "engine/callback.hpp"

namespace snapvault::engine {
namespace {

using format::BlockState;

constexpr int kReadTries = 3;

// One window of a unit: blocks [first, first + count) of the unit, which fall into pieces. What
// must be kept of a piece stays in its place in the buffer; a piece without anything to store is
// read over by the next, so that a scan stays in the processor's cache.
struct Window {
  UnitContext& context;
  Unit& unit;
  Workspace& workspace;
  std::size_t first;
  std::size_t count = 0;
  std::vector<std::uint8_t> places = {};  // of each piece

  std::uint64_t offset(std::size_t i) const noexcept {  // of block `first + i`, in the volume
    return (unit.first_block + first + i) * context.block_size;
  }
  std::uint64_t length(std::size_t i) const noexcept {
    return std::min<std::uint64_t>(context.block_size, context.size - offset(i));
  }
  std::uint64_t piece(std::size_t i) const noexcept { return offset(i) / context.piece_bytes; }
  base::MutableBytes bytes(std::size_t i) const noexcept {
    const auto place = places[piece(i) - piece(0)] * context.piece_bytes;
    return workspace.window.all().subspan(place + offset(i) % context.piece_bytes, length(i));
  }
  BlockRecord& block(std::size_t i) const noexcept { return unit.blocks[first + i]; }
};

// The parent's record of a block, if it can stand for the block as it is now.
struct OldBlock {
  bool usable = false;  // same place, same length
  const format::BlockEntry* entry = nullptr;
  const format::Leaf* leaf = nullptr;
  BlockState state = BlockState::hole;
};

OldBlock old_block(const Window& window, std::size_t i) noexcept {
  const auto& unit = window.unit;
  const auto& context = window.context;
  if (unit.old.empty()) return {};
  const auto end = window.offset(i) + window.length(i);
  const bool partial = window.length(i) < context.block_size;
  if (end > context.old_size || (partial && context.size != context.old_size)) return {};
  const auto in_unit = window.first + i;
  const auto& leaf = unit.old[in_unit / format::kFanout];
  if (!leaf) return {true, nullptr, nullptr, unit.old_fill[in_unit / format::kFanout]};
  const auto& entry = leaf->blocks[in_unit % format::kFanout];
  if (entry.state == BlockState::bad) return {};
  if (entry.state == BlockState::data) {
    const auto& pack = leaf->packs[entry.place.pack];
    const auto& log = window.context.repository.log;
    if (log.damaged.contains(pack, entry.place.start16) ||
        log.condemned.contains(pack, entry.place.start16)) {
      return {};  // healed by being read and stored again
    }
  }
  return {true, &entry, leaf.get(), entry.state};
}

void keep_old(const OldBlock& old, BlockRecord& block) noexcept {
  block.state = old.state;
  block.kept = true;
  if (old.state != BlockState::data) return;
  block.id = old.entry->id;
  block.fingerprint = old.entry->fingerprint;
  block.place.slot = old.entry->place.slot;
  block.place.frame.pack = old.leaf->packs[old.entry->place.pack];
  block.place.frame.start16 = old.entry->place.start16;
  block.place.frame.stored = old.entry->place.stored;
}

Result<void> read_retrying(const Window& window, std::uint64_t offset, base::MutableBytes into) {
  Result<void> done;
  for (int tried = 0; tried < kReadTries; ++tried) {
    if (window.context.job.stopped()) return window.context.job.check();
    auto read = [&] { return window.context.source.read(offset, into); };
    done = guarded(reason::source_failed, read);
    if (done) break;
  }
  return done;
}

// Whether the failure is the range's, and not that of the moment.
bool is_unreadable(const Error& failure) noexcept {
  return failure.code() != Errc::cancelled && failure.reason() != reason::no_memory;
}

// Reads blocks [from, to) of one piece, and where that fails, block by block.
Result<void> read_run(const Window& window, std::size_t from, std::size_t to,
                      std::vector<bool>& unreadable) {
  const auto begin = window.offset(from);
  const auto end = window.offset(to - 1) + window.length(to - 1);
  auto* base = window.bytes(from).data();
  for (auto at = begin; at < end;) {
    const auto step = std::min<std::uint64_t>(window.context.io_bytes, end - at);
    auto done = read_retrying(window, at, {base + (at - begin), step});
    if (!done) {
      const bool mark = window.context.mark_unreadable && is_unreadable(done.error());
      if (!mark) return std::move(done).error().with_context("reading the source");
      const auto first_hit = from + (at - begin) / window.context.block_size;
      const auto last_hit = from + (at + step - 1 - begin) / window.context.block_size;
      for (auto i = first_hit; i <= last_hit; ++i) {
        const auto again = read_retrying(window, window.offset(i), window.bytes(i));
        if (!again && !is_unreadable(again.error())) return again.error();
        if (!again) unreadable[i - from] = true;
      }
    }
    at += step;
  }
  return {};
}

struct Classified {
  std::vector<std::uint32_t> fresh;  // blocks that need an id
  std::uint64_t read_bytes = 0;
};

// Settles a block whose bytes need not be read; false if they must.
bool settle_unread(const Window& window, std::size_t i) {
  const auto claim = window.unit.claims[window.first + i];
  auto& block = window.block(i);
  if (claim == Claim::hole || claim == Claim::zero) {
    block.state = claim == Claim::hole ? BlockState::hole : BlockState::zero;
    return true;
  }
  if (claim != Claim::unchanged) return false;
  const auto old = old_block(window, i);
  if (old.usable) keep_old(old, block);
  return old.usable;
}

// Decides the state of a block that was read.
void classify(const Window& window, std::size_t i, codec::FingerprintSecret secret,
              Classified& out) {
  auto& block = window.block(i);
  const base::ByteView bytes = window.bytes(i);
  out.read_bytes += bytes.size();
  const auto old = old_block(window, i);
  if (base::is_zero(bytes)) {
    const bool was_empty = old.usable && old.state != BlockState::data;
    if (was_empty) keep_old(old, block);
    if (!was_empty) block.state = BlockState::zero;
    return;
  }
  block.state = BlockState::data;
  block.fingerprint = codec::fingerprint(secret, bytes);
  if (window.context.trust_fingerprints && old.usable && old.state == BlockState::data &&
      old.entry->fingerprint == block.fingerprint) {
    keep_old(old, block);
    return;
  }
  out.fresh.push_back(static_cast<std::uint32_t>(i));
}

// Blocks [from, to) are one piece.
Result<void> read_piece(const Window& window, std::size_t from, std::size_t to, Classified& out) {
  const auto secret = window.context.repository.keys.fingerprint_secret();
  for (auto i = from; i < to; ++i) {
    if (settle_unread(window, i)) continue;
    const auto begin = i;
    const auto end = window.offset(begin) + window.context.io_bytes;  // then it is still at hand
    while (i + 1 < to && window.offset(i + 1) < end && !settle_unread(window, i + 1)) ++i;
    std::vector<bool> unreadable(i + 1 - begin);
    SV_CHECK(read_run(window, begin, i + 1, unreadable));
    for (auto k = begin; k <= i; ++k) {
      if (unreadable[k - begin]) window.block(k).state = BlockState::bad;
      if (!unreadable[k - begin]) classify(window, k, secret, out);
    }
  }
  return {};
}

// Runs on an I/O thread: reads what must be read and decides each block's state, piece by piece
// until the buffer holds no more. Settles how many blocks the window has.
Result<Classified> read_and_classify(Window& window) {
  constexpr std::size_t kPiecesMax = 8;
  Classified out;
  const auto room = window.workspace.window.size() / window.context.piece_bytes;
  const auto blocks = window.unit.blocks.size() - window.first;
  for (std::uint8_t used = 0; used < room && window.places.size() < kPiecesMax;) {
    const auto from = window.count;
    auto to = from + 1;
    while (to < blocks && window.piece(to) == window.piece(from)) ++to;
    window.places.push_back(used);
    window.count = to;
    const auto before = out.fresh.size();
    SV_CHECK(read_piece(window, from, to, out));
    if (out.fresh.size() > before) ++used;
    if (to == blocks) break;
  }
  return out;
}

// Runs on a compute thread: compresses `plain` and, unless told otherwise, decompresses it again
// and compares, so that a bit that flipped here never reaches the store.
Result<store::Frame> pack_frame(const Window& window, base::ByteView plain) {
  store::Frame frame;
  frame.plain_size = static_cast<std::uint32_t>(plain.size());
  frame.payload = plain;
  if (!window.context.compress) return frame;
  auto& workspace = window.workspace;
  const auto size = workspace.compressor.compress(plain, workspace.packed.all());
  if (!size) return frame;
  frame.codec = format::RecordCodec::zstd;
  frame.payload = workspace.packed.first(*size);
  if (!window.context.verify_data) return frame;
  const auto check = workspace.check.first(plain.size());
  const auto unpacked = workspace.decompressor.decompress(frame.payload, check);
  if (!unpacked || std::memcmp(check.data(), plain.data(), plain.size()) != 0) {
    return Error(Errc::data_loss, reason::bad_compression,
                 "compressed data did not decompress to what it was made of")
        .with_hint("this machine's memory or processor is faulty; nothing wrong was stored");
  }
  return frame;
}

// Blocks that the caller has claimed in the index; those not settled when it ends are dropped.
class Claims {
 public:
  explicit Claims(store::Index& index) noexcept : index_(index) {}
  ~Claims() {
    for (auto& id : open_) index_.dropped(id);
  }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;
  void reserve(std::size_t count) { open_.reserve(count); }
  void add(const format::BlockId& id) { open_.push_back(id); }
  void settle(const format::BlockId& id, const store::BlockPlace& place) {
    const auto found = std::find(open_.begin(), open_.end(), id);
    index_.stored(id, place);
    if (found != open_.end()) open_.erase(found);
  }

 private:
  store::Index& index_;
  std::vector<format::BlockId> open_;
};

// Stores blocks of one aligned frame window as one frame. `members` index the window, rising.
base::Task<Result<void>> store_frame(const Window& window, std::span<const std::uint32_t> members,
                                     Claims& claims) {
  // Brought together in place: nobody needs the bytes between them any more.
  auto* begin = window.bytes(members.front()).data();
  std::size_t size = 0;
  std::vector<format::BlockPrefix> prefixes;
  prefixes.reserve(members.size());
  for (const auto i : members) {
    const auto bytes = window.bytes(i);
    if (begin + size != bytes.data()) std::memmove(begin + size, bytes.data(), bytes.size());
    size += bytes.size();
    prefixes.push_back(format::prefix_of(window.block(i).id));
  }
  const base::ByteView plain(begin, size);
  auto& job = window.context.job;
  auto pack = [&] { return pack_frame(window, plain); };
  auto packing = base::run_on(job.env, job.env.cpu(), pack);
  auto frame = co_await std::move(packing);
  if (!frame) co_return std::move(frame).error();
  frame->prefixes = prefixes;
  SV_CO_TRY(const auto place, window.context.data.append(*frame));
  std::uint8_t slot = 0;
  for (const auto i : members) {
    auto& block = window.block(i);
    block.place = {place, slot++};
    claims.settle(block.id, block.place);
  }
  window.context.counts.new_bytes += size;
  job.meter.fresh += size;
  co_return Result<void>();
}

// Computes ids and finds or stores the fresh blocks of a window.
base::Task<Result<void>> store_fresh(const Window& window, std::vector<std::uint32_t> fresh) {
  auto& context = window.context;
  auto& job = context.job;
  auto hash = [&] {
    std::vector<format::BlockId> ids;
    ids.reserve(fresh.size());
    for (const auto i : fresh) {
      window.block(i).id = window.workspace.ids(window.bytes(i));
      ids.push_back(window.block(i).id);
    }
    return ids;
  };
  auto hashing = base::run_on(job.env, job.env.cpu(), hash);
  auto ids = co_await std::move(hashing);

  Claims claims(context.index);
  claims.reserve(ids.size());
  auto finding = context.index.find(ids);
  auto answers = co_await std::move(finding);
  if (!answers) co_return std::move(answers).error();
  std::vector<std::uint32_t> claimed, pending;
  using Kind = store::Index::Answer::Kind;
  for (std::size_t k = 0; k < fresh.size(); ++k) {
    const auto& answer = (*answers)[k];
    if (answer.kind == Kind::found) window.block(fresh[k]).place = answer.place;
    if (answer.kind == Kind::claimed) claims.add(ids[k]);
    if (answer.kind == Kind::claimed) claimed.push_back(fresh[k]);
    if (answer.kind == Kind::pending) pending.push_back(fresh[k]);
  }
  context.counts.fresh += claimed.size();
  context.counts.duplicate += fresh.size() - claimed.size();

  const auto frame_bytes = std::max<std::uint64_t>(kFrameWindow, context.block_size);
  for (std::size_t k = 0; k < claimed.size();) {
    const auto frame = window.offset(claimed[k]) / frame_bytes;
    auto end = k;
    while (end < claimed.size() && window.offset(claimed[end]) / frame_bytes == frame) ++end;
    const std::span<const std::uint32_t> members(claimed.data() + k, end - k);
    SV_CO_CHECK(store_frame(window, members, claims));
    k = end;
  }
  // Own claims are settled by now, so two units that wait for each other cannot both be stuck.
  for (const auto i : pending) {
    auto waiting = context.index.wait_for(window.block(i).id);
    const auto place = co_await std::move(waiting);
    if (!place) {
      co_return Error(Errc::aborted, reason::session_aborted,
                      "a block that another part of this backup was storing was not stored");
    }
    window.block(i).place = *place;
  }
  co_return Result<void>();
}

// Raises the counts and offers data blocks to the sampler.
void count(const Window& window) {
  auto& context = window.context;
  auto& counts = context.counts;
  std::uint64_t unchanged_bytes = 0, changed_bytes = 0, done_bytes = 0;
  for (std::size_t i = 0; i < window.count; ++i) {
    const auto& block = window.block(i);
    const auto offset = window.offset(i), length = window.length(i);
    done_bytes += length;
    if (block.state == BlockState::data && !block.kept) {
      context.sampler.data(offset, block.fingerprint);
    } else if (block.state != BlockState::data) {
      context.sampler.no_data(offset, length);
    }
    if (block.state == BlockState::bad) {
      auto& bad = window.unit.bad;
      const bool joins = !bad.empty() && bad.back().offset + bad.back().length == offset;
      if (joins) bad.back().length += length;
      if (!joins) bad.push_back({offset, length});
    }
    if (block.kept) {
      ++counts.unchanged;
      unchanged_bytes += length;
      continue;
    }
    counts.zero += block.state == BlockState::zero ? 1 : 0;
    counts.hole += block.state == BlockState::hole ? 1 : 0;
    const auto old = old_block(window, i);
    const bool still_empty = block.state != BlockState::data && old.usable &&
                             old.state != BlockState::data && block.state != BlockState::bad;
    if (!still_empty && (context.old_size > 0 || block.state == BlockState::data)) {
      changed_bytes += length;
    }
  }
  counts.changed_bytes += changed_bytes;
  context.job.meter.unchanged += unchanged_bytes;
  context.job.meter.changed += changed_bytes;
  context.job.meter.done += done_bytes;
}

}  // namespace

base::Task<Result<void>> process(UnitContext& context, Unit& unit, Workspace& workspace) {
  unit.blocks.resize(unit.claims.size());
  for (std::size_t first = 0; first < unit.claims.size();) {
    SV_CO_CHECK_NOW(context.job.check());
    Window window{context, unit, workspace, first};
    auto read = [&] { return read_and_classify(window); };
    auto reading = base::run_on(context.job.env, context.job.env.io(), read);
    auto classified = co_await std::move(reading);
    if (!classified) co_return std::move(classified).error();
    context.counts.read_bytes += classified->read_bytes;
    for (auto* rate : context.job.read_rates) {
      if (!rate || rate->rate() == 0) continue;
      const auto stopped = [&context] { return context.job.stopped(); };
      co_await rate->take(context.job.env, classified->read_bytes, stopped);
    }
    if (!classified->fresh.empty()) {
      auto storing = store_fresh(window, std::move(classified->fresh));
      auto stored = co_await std::move(storing);
      if (!stored) co_return std::move(stored).error();
    }
    count(window);
    first += window.count;
  }
  co_return Result<void>();
}

}  // namespace snapvault::engine
