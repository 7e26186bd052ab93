#include "store/map_writer.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "codec/compress.hpp"

namespace snapvault::store {
namespace {

using base::Task;
using format::BlockState;
using format::ChildState;

constexpr int kCompressionLevel = 3;

Error misuse(const char* message) { return Error(Errc::internal, reason::unexpected, message); }

// What an entry says of a node whose first `used` parts are of these states: alike parts need no
// node.
template <class State, std::size_t N, class StateOf>
ChildState summary(const std::array<State, N>& parts, std::uint64_t used, StateOf state_of) {
  bool hole = true;
  bool zero = true;
  for (std::uint64_t i = 0; i < used; ++i) {
    hole = hole && state_of(parts[i]) == 0;
    zero = zero && state_of(parts[i]) == 1;
  }
  return hole ? ChildState::hole : zero ? ChildState::zero : ChildState::node;
}
ChildState summary(const format::Leaf& leaf, std::uint64_t used) {
  return summary(leaf.blocks, used,
                 [](const format::BlockEntry& block) { return static_cast<int>(block.state); });
}
ChildState summary(const format::Inner& inner, std::uint64_t used) {
  return summary(inner.children, used,
                 [](const format::ChildEntry& child) { return static_cast<int>(child.state); });
}
static_assert(static_cast<int>(BlockState::hole) == static_cast<int>(ChildState::hole) &&
              static_cast<int>(BlockState::zero) == static_cast<int>(ChildState::zero));

// The first `used` blocks of `state`, the rest unused.
format::Leaf leaf_of(BlockState state, std::uint64_t used) {
  format::Leaf leaf;
  for (std::uint64_t i = 0; i < used; ++i) leaf.blocks[i].state = state;
  return leaf;
}

bool in_pack(const NodeEntry& entry) { return entry.state == ChildState::node && !entry.inlined; }

}  // namespace

struct MapWriter::State {
  // A child that was built, until its parent is complete and its frame can be written.
  struct Built {
    std::size_t child = 0;
    format::BlockId id;
    base::Bytes bytes;
  };
  // The node of a level that is being filled.
  struct Open {
    format::Inner node;
    std::vector<Built> built;
  };

  State(std::uint64_t size, std::uint32_t block_size, MapReader* old, PackWriter& out,
        const format::KeyRing& keys, base::Env& e)
      : blocks(size / block_size + (size % block_size != 0)),
        leaves(blocks / format::kFanout + (blocks % format::kFanout != 0)),
        height(format::map_height(size, block_size)),
        parent(old),
        packs(out),
        env(e),
        hasher(keys, format::IdType::node),
        compressor(kCompressionLevel),
        open(height) {}

  const std::uint64_t blocks;
  const std::uint64_t leaves;
  const std::uint32_t height;
  MapReader* const parent;
  PackWriter& packs;
  base::Env& env;
  format::IdHasher hasher;
  codec::Compressor compressor;
  std::vector<Open> open;  // by level; leaves are never open
  RefsBook book;
  std::uint64_t next = 0;
  // The parent's leaves before this one, and the nodes that start before it, are in the books.
  std::uint64_t released = 0;
  format::InlineNodes top;

  std::uint64_t used_blocks(std::uint64_t leaf) const {
    return std::min<std::uint64_t>(format::kFanout, blocks - leaf * format::kFanout);
  }
  bool copyable(std::uint32_t level, std::uint64_t stop) const;
  Task<Result<NodeEntry>> old_entry(std::uint32_t level, std::uint64_t index);
  void count(const format::Leaf& leaf, std::int64_t change);
  void copy(std::uint32_t level, std::uint64_t index, const NodeEntry& entry);

  Task<Result<void>> put(format::Leaf leaf, std::shared_ptr<const format::Leaf> old);
  Task<Result<void>> keep_leaf();
  Task<Result<bool>> settle(std::uint32_t level, std::uint64_t index, ChildState state,
                            base::Bytes bytes);
  Task<Result<void>> advance(std::uint32_t level);
  Task<Result<void>> close(std::uint32_t level);
  Task<Result<void>> write(Open& node);

  Task<Result<void>> release_filled(std::uint32_t level, std::uint64_t index);
  Task<Result<void>> release(std::uint32_t level, std::uint64_t index);
  Task<Result<void>> release_tail(std::uint32_t level, std::uint64_t index);
};

// true if the parent's node of `level` at `next` can stand in the new map as it is: it ends before
// leaf `stop`, covers the same blocks, and stands in a pack in both maps.
bool MapWriter::State::copyable(std::uint32_t level, std::uint64_t stop) const {
  if (level >= lowest_inline(height) || level >= lowest_inline(parent->height())) return false;
  if (next % leaves_under(level) != 0) return false;
  const std::uint64_t end = next + leaves_under(level);
  const std::uint64_t end_block = end * format::kFanout;
  return std::min(end, leaves) <= stop &&
         std::min(end_block, blocks) == std::min(end_block, parent->blocks());
}

// The parent's entry at a place of the new map; a hole where the parent has nothing.
Task<Result<NodeEntry>> MapWriter::State::old_entry(std::uint32_t level, std::uint64_t index) {
  if (!parent || level >= parent->height() || (index << (6 * level)) >= parent->leaves()) {
    co_return NodeEntry();
  }
  SV_CO_TRY(auto entry, parent->entry(level, index));
  co_return entry;
}

void MapWriter::State::count(const format::Leaf& leaf, std::int64_t change) {
  for (const format::BlockEntry& block : leaf.blocks) {
    if (block.state == BlockState::data) book.add(leaf.packs[block.place.pack], change);
  }
}

void MapWriter::State::copy(std::uint32_t level, std::uint64_t index, const NodeEntry& entry) {
  format::Inner& above = open[level + 1].node;
  format::ChildEntry& child = above.children[index % format::kFanout];
  child.state = entry.state;
  if (entry.state != ChildState::node) return;
  child.id = entry.id;
  child.place.pack = format::intern_pack(above.packs, entry.pack);
  child.place.slot = entry.slot;
  child.place.start16 = entry.start16;
  child.place.stored = entry.stored;
}

Task<Result<void>> MapWriter::State::put(format::Leaf leaf,
                                         std::shared_ptr<const format::Leaf> old) {
  const std::uint64_t index = next;
  const std::uint64_t used = used_blocks(index);
  for (std::uint64_t i = used; i < format::kFanout; ++i) leaf.blocks[i] = format::BlockEntry();
  format::compact_packs(leaf);
  const ChildState state = height == 1 ? ChildState::node : summary(leaf, used);
  auto settled = settle(0, index, state,
                        state == ChildState::node ? format::encode_leaf(leaf) : base::Bytes());
  SV_CO_TRY(const bool kept, std::move(settled));
  if (!kept) {
    SV_CO_TRY(const NodeEntry entry, old_entry(0, index));
    if (entry.state == ChildState::node) {
      if (!old) {
        SV_CO_TRY(old, parent->leaf(index));
      }
      count(*old, -1);
    }
    count(leaf, +1);
  }
  SV_CO_CHECK(advance(0));
  co_return Result<void>();
}

// The parent's next leaf, read and put: it may have to be cut, or to move between manifest and
// pack.
Task<Result<void>> MapWriter::State::keep_leaf() {
  SV_CO_TRY(const NodeEntry entry, old_entry(0, next));
  const std::uint64_t shared = std::min(blocks, parent->blocks()) - next * format::kFanout;
  const std::uint64_t used = std::min<std::uint64_t>(format::kFanout, shared);
  std::shared_ptr<const format::Leaf> old;
  format::Leaf leaf;
  if (entry.state == ChildState::node) {
    SV_CO_TRY(old, parent->leaf(next));
    leaf = *old;
  } else if (entry.state == ChildState::zero) {
    leaf = leaf_of(BlockState::zero, used);
  }
  auto task = put(std::move(leaf), std::move(old));
  SV_CO_CHECK(std::move(task));
  co_return Result<void>();
}

// Enters what was built for a place into the node above, and takes the parent's node of that place
// out of the books. true: it is the same as the parent's, whose entry was kept instead.
Task<Result<bool>> MapWriter::State::settle(std::uint32_t level, std::uint64_t index,
                                            ChildState state, base::Bytes bytes) {
  SV_CO_TRY(const NodeEntry old, old_entry(level, index));
  if (level + 1 == height) {
    top.nodes.insert(top.nodes.begin(), std::move(bytes));
  } else {
    Open& above = open[level + 1];
    format::ChildEntry& child = above.node.children[index % format::kFanout];
    child.state = state;
    if (state == ChildState::node) {
      child.id = hasher(bytes);
      if (in_pack(old) && old.id == child.id && level < lowest_inline(height)) {
        copy(level, index, old);
        co_return true;
      }
      above.built.push_back({index % format::kFanout, child.id, std::move(bytes)});
    }
  }
  if (in_pack(old)) book.add(old.pack, -1);
  co_return false;
}

// Behind the node of `level` at `next`: closes every node that is complete now.
Task<Result<void>> MapWriter::State::advance(std::uint32_t level) {
  next = std::min(leaves, next + leaves_under(level));
  for (std::uint32_t above = level + 1; above < height; ++above) {
    if (next != leaves && next % leaves_under(above) != 0) break;
    SV_CO_CHECK(close(above));
  }
  co_return Result<void>();
}

Task<Result<void>> MapWriter::State::close(std::uint32_t level) {
  const std::uint64_t index = (next - 1) >> (6 * level);
  Open done = std::exchange(open[level], Open());
  if (level > lowest_inline(height)) {
    for (Built& built : done.built) top.nodes.push_back(std::move(built.bytes));
  } else if (!done.built.empty()) {
    SV_CO_CHECK(write(done));
  }
  const std::uint64_t first = index << (6 * level);
  const std::uint64_t used = ((next - 1 - first) >> (6 * (level - 1))) + 1;
  const ChildState state = level + 1 == height ? ChildState::node : summary(done.node, used);
  base::Bytes bytes;
  if (state == ChildState::node) {
    format::compact_packs(done.node);
    bytes = format::encode_inner(done.node);
  }
  auto settled = settle(level, index, state, std::move(bytes));
  SV_CO_CHECK(std::move(settled));
  co_return Result<void>();
}

// Writes the children that were built as one frame, and their places into `node`.
Task<Result<void>> MapWriter::State::write(Open& node) {
  std::vector<base::Bytes> children;
  std::vector<format::BlockPrefix> prefixes;
  for (Built& built : node.built) {
    children.push_back(std::move(built.bytes));
    prefixes.push_back(format::prefix_of(built.id));
  }
  base::Bytes plain;
  base::Bytes packed;
  auto pack = [&]() -> std::optional<std::size_t> {
    plain = format::encode_node_frame(children);
    packed.resize(codec::Compressor::bound(plain.size()));
    return compressor.compress(plain, packed);
  };
  const std::optional<std::size_t> size = co_await base::run_on(env, env.cpu(), pack);
  Frame frame;
  frame.kind = format::RecordKind::node_frame;
  frame.codec = size ? format::RecordCodec::zstd : format::RecordCodec::raw;
  frame.plain_size = static_cast<std::uint32_t>(plain.size());
  frame.payload = size ? base::ByteView(packed).first(*size) : base::ByteView(plain);
  frame.prefixes = prefixes;
  SV_CO_TRY(const FramePlace place, packs.append(frame));
  for (std::size_t slot = 0; slot < node.built.size(); ++slot) {
    format::Place& to = node.node.children[node.built[slot].child].place;
    to.pack = format::intern_pack(node.node.packs, place.pack);
    to.slot = static_cast<std::uint8_t>(slot);
    to.start16 = place.start16;
    to.stored = place.stored;
  }
  book.add(place.pack, static_cast<std::int64_t>(node.built.size()));
  co_return Result<void>();
}

// Takes out of the books what the parent has under a place of the new map that is now without data.
Task<Result<void>> MapWriter::State::release_filled(std::uint32_t level, std::uint64_t index) {
  const std::uint64_t first = index << (6 * level);
  if (!parent || first >= parent->leaves()) co_return Result<void>();
  // The new map may be higher: then this place holds all of the parent.
  const bool all = level >= parent->height();
  released = std::max(released, std::min(parent->leaves(), first + leaves_under(level)));
  SV_CO_CHECK(release(all ? parent->height() - 1 : level, all ? 0 : index));
  co_return Result<void>();
}

Task<Result<void>> MapWriter::State::release(std::uint32_t level, std::uint64_t index) {
  SV_CO_TRY(const NodeEntry entry, parent->entry(level, index));
  if (entry.state != ChildState::node) co_return Result<void>();
  if (in_pack(entry)) book.add(entry.pack, -1);
  if (level == 0) {
    SV_CO_TRY(const auto leaf, parent->leaf(index));
    count(*leaf, -1);
    co_return Result<void>();
  }
  SV_CO_TRY(const auto inner, parent->inner(level, index));
  for (std::size_t i = 0; i < format::kFanout; ++i) {
    if (inner->children[i].state != ChildState::node) continue;
    SV_CO_CHECK(release(level - 1, index * format::kFanout + i));
  }
  co_return Result<void>();
}

// The same for what the parent has behind the end of the new map, and above its root.
Task<Result<void>> MapWriter::State::release_tail(std::uint32_t level, std::uint64_t index) {
  const std::uint64_t first = index << (6 * level);
  if (first >= released) co_return co_await release(level, index);
  SV_CO_TRY(const NodeEntry entry, parent->entry(level, index));
  if (entry.state != ChildState::node) co_return Result<void>();
  if (level >= height && in_pack(entry)) book.add(entry.pack, -1);
  if (level == 0) co_return Result<void>();
  for (std::uint64_t i = 0; i < format::kFanout; ++i) {
    const std::uint64_t child = index * format::kFanout + i;
    const std::uint64_t begin = child << (6 * (level - 1));
    if (begin >= parent->leaves()) break;
    const std::uint64_t end = std::min(parent->leaves(), begin + leaves_under(level - 1));
    if (end <= released) continue;
    SV_CO_CHECK(release_tail(level - 1, child));
  }
  co_return Result<void>();
}

MapWriter::MapWriter(std::uint64_t size, std::uint32_t block_size, MapReader* parent,
                     PackWriter& packs, const format::KeyRing& keys, base::Env& env)
    : state_(std::make_unique<State>(size, block_size, parent, packs, keys, env)) {}
MapWriter::~MapWriter() = default;

std::uint64_t MapWriter::next() const noexcept { return state_->next; }
const RefsBook& MapWriter::book() const noexcept { return state_->book; }

Task<Result<void>> MapWriter::put(format::Leaf leaf, std::shared_ptr<const format::Leaf> old) {
  if (state_->next >= state_->leaves) co_return misuse("a leaf behind the end of the map was put");
  auto task = state_->put(std::move(leaf), std::move(old));
  SV_CO_CHECK(std::move(task));
  co_return Result<void>();
}

Task<Result<void>> MapWriter::keep(std::uint64_t count) {
  State& state = *state_;
  if (!state.parent || count > state.leaves - state.next ||
      state.next + count > state.parent->leaves()) {
    co_return misuse("leaves that the parent's map does not have were kept");
  }
  const std::uint64_t stop = state.next + count;
  while (state.next < stop) {
    // As high as it goes, so that what is kept whole is never read.
    std::uint32_t level = state.height;
    while (level > 0 && !state.copyable(level - 1, stop)) --level;
    if (level == 0) {
      SV_CO_CHECK(state.keep_leaf());
      continue;
    }
    --level;
    const std::uint64_t index = state.next >> (6 * level);
    SV_CO_TRY(const NodeEntry entry, state.parent->entry(level, index));
    state.copy(level, index, entry);
    SV_CO_CHECK(state.advance(level));
  }
  co_return Result<void>();
}

Task<Result<void>> MapWriter::fill(ChildState content, std::uint64_t count) {
  State& state = *state_;
  if (content == ChildState::node || count > state.leaves - state.next) {
    co_return misuse("a part of the map was filled that cannot be");
  }
  const std::uint64_t stop = state.next + count;
  while (state.next < stop) {
    if (state.height == 1) {
      const BlockState block = content == ChildState::zero ? BlockState::zero : BlockState::hole;
      auto task = state.put(leaf_of(block, state.used_blocks(state.next)), nullptr);
      SV_CO_CHECK(std::move(task));
      continue;
    }
    const auto fits = [&](std::uint32_t level) {
      return state.next % leaves_under(level) == 0 &&
             std::min(state.next + leaves_under(level), state.leaves) <= stop;
    };
    std::uint32_t level = state.height - 2;
    while (level > 0 && !fits(level)) --level;
    const std::uint64_t index = state.next >> (6 * level);
    SV_CO_CHECK(state.release_filled(level, index));
    state.open[level + 1].node.children[index % format::kFanout].state = content;
    SV_CO_CHECK(state.advance(level));
  }
  co_return Result<void>();
}

Task<Result<MapWriter::Finished>> MapWriter::finish() {
  State& state = *state_;
  if (state.next != state.leaves) co_return misuse("the map was finished before its last leaf");
  if (state.leaves == 0) state.top.nodes.push_back(format::encode_leaf(format::Leaf()));
  if (state.parent) {
    state.released = std::max(state.released, state.leaves);
    SV_CO_CHECK(state.release_tail(state.parent->height() - 1, 0));
  }
  Finished finished;
  finished.height = state.height;
  finished.nodes = std::move(state.top);
  co_return finished;
}

}  // namespace snapvault::store
