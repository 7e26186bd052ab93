#include "store/map_reader.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "store/recent.hpp"

namespace snapvault::store {
namespace {

using base::Task;
using format::ChildState;

constexpr std::size_t kInnersMax = 48;
constexpr std::size_t kLeavesMax = 16;
constexpr std::size_t kFramesMax = 64;
constexpr std::uint64_t kFrameBytesMax = 4u << 20;
// How far ahead, in nodes of one level, and how much at once: what was fetched must still be there
// when its turn comes.
constexpr std::uint64_t kAheadNodes = 512;
constexpr std::size_t kAheadFrames = 12;
constexpr std::uint64_t kAheadBytes = 1u << 20;
// 64^10 blocks; more would not fit the arithmetic, nor any volume.
constexpr std::uint32_t kHeightMax = 10;

struct NodeFrame {
  PlainFrame plain;
  std::vector<base::ByteView> nodes;  // of `plain`
};

// An encoded node and what keeps its bytes alive.
struct Encoded {
  base::ByteView bytes;
  std::shared_ptr<const NodeFrame> frame;  // nothing: the manifest
};

struct Position {
  std::uint32_t level = 0;
  std::uint64_t index = 0;
  bool operator==(const Position&) const = default;
};
struct FramePosition {
  format::PackId pack;
  std::uint32_t start16 = 0;
  bool operator==(const FramePosition&) const = default;
};
FramePosition frame_of(const NodeEntry& entry) { return {entry.pack, entry.start16}; }

// "packs/.../m00000000 at 4096, node 7 (level 1, number 12 of the map)"
std::string place_name(const NodeEntry& entry, Position at) {
  const std::string of_map =
      "level " + std::to_string(at.level) + ", number " + std::to_string(at.index) + " of the map";
  if (entry.inlined) return "manifest (" + of_map + ")";
  return format::pack_name(entry.pack) + " at " +
         std::to_string(std::uint64_t{entry.start16} * 16) + ", node " +
         std::to_string(entry.slot) + " (" + of_map + ")";
}

Error damaged(const NodeEntry& entry, Position at, const char* reason, const char* message) {
  return Error(Errc::data_loss, reason, message).with_subject(place_name(entry, at));
}

Error misuse(const char* message) { return Error(Errc::internal, reason::unexpected, message); }

// true if the children of `inner` have places exactly if they stand in packs.
bool has_places(const format::Inner& inner, bool inlined) {
  for (const auto& child : inner.children) {
    if (child.state == ChildState::node) return inner.packs.empty() == inlined;
  }
  return true;
}

NodeEntry child_of(const format::Inner& inner, std::size_t child, bool inlined) {
  const format::ChildEntry& from = inner.children[child];
  NodeEntry entry;
  entry.state = from.state;
  if (from.state != ChildState::node) return entry;
  entry.id = from.id;
  entry.inlined = inlined;
  if (inlined) return entry;
  entry.pack = inner.packs[from.place.pack];
  entry.slot = from.place.slot;
  entry.start16 = from.place.start16;
  entry.stored = from.place.stored;
  return entry;
}

}  // namespace

struct MapReader::State {
  using InnerPointer = std::shared_ptr<const format::Inner>;
  using LeafPointer = std::shared_ptr<const format::Leaf>;

  State(const format::Commit& c, PackReader& p, const format::KeyRing& keys)
      : commit(c), packs(p), loop(p.loop()), hasher(keys, format::IdType::node) {}

  const format::Commit& commit;
  PackReader& packs;
  base::Executor& loop;
  format::IdHasher hasher;
  std::uint64_t blocks = 0;
  std::uint64_t leaves = 0;
  std::uint32_t height = 1;
  // The root, decoded once; or why the map cannot be read at all.
  InnerPointer root;
  LeafPointer root_leaf;
  std::optional<Error> broken;
  Recent<Position, InnerPointer> inners{kInnersMax, kInnersMax};
  Recent<Position, LeafPointer> leaf_nodes{kLeavesMax, kLeavesMax};
  Recent<FramePosition, std::shared_ptr<const NodeFrame>> frames{kFramesMax, kFrameBytesMax};
  // Of each level, the node behind the one for which a frame was fetched last; 0: none was.
  std::array<std::uint64_t, kHeightMax> behind_last{};

  Result<void> open();
  Result<void> check(std::uint32_t level, std::uint64_t index) const;
  Result<base::ByteView> inlined(std::uint64_t index, const NodeEntry& entry) const;
  Task<Result<NodeEntry>> entry(std::uint32_t level, std::uint64_t index);
  Task<Result<InnerPointer>> inner(std::uint32_t level, std::uint64_t index);
  Task<Result<InnerPointer>> load_inner(std::uint32_t level, std::uint64_t index, NodeEntry entry);
  Task<Result<LeafPointer>> leaf(std::uint64_t index);
  Task<Result<Encoded>> encoded(Position at, NodeEntry entry);
  Result<Encoded> check_node(Position at, const NodeEntry& entry, Encoded out);
  Result<InnerPointer> keep_inner(Position at, const NodeEntry& entry, const Encoded& bytes);
  Task<Result<std::shared_ptr<const NodeFrame>>> frame(Position at, NodeEntry entry);
  // Reading ahead.
  InnerPointer known_inner(std::uint32_t level, std::uint64_t index);
  std::vector<NodeEntry> ahead_of(Position at, const NodeEntry& entry);
  Task<Result<void>> load_ahead(Position at, NodeEntry entry);
  Task<Result<std::shared_ptr<const NodeFrame>>> load_frame(Position at, NodeEntry entry);
  Item run(std::uint64_t index, std::uint32_t level, const format::Inner& inner) const;
};

Result<void> MapReader::State::open() {
  const format::Manifest& manifest = commit.manifest;
  const auto wrong = [](const char* message) {
    return Error(Errc::data_loss, reason::bad_format, message).with_subject("manifest");
  };
  if (manifest.block_size == 0) return wrong("the block size is zero");
  height = format::map_height(manifest.size, manifest.block_size);
  blocks = manifest.size / manifest.block_size + (manifest.size % manifest.block_size != 0);
  leaves = blocks / format::kFanout + (blocks % format::kFanout != 0);
  if (height != manifest.height || height > kHeightMax) {
    return wrong("the height of the map does not fit the size of the volume");
  }
  const auto& nodes = commit.nodes.nodes;
  if (nodes.empty()) return wrong("the map has no root");
  std::size_t expected = 1;
  if (height == 1) {
    auto decoded = format::decode_leaf(nodes[0]);
    if (!decoded) return std::move(decoded).error().with_subject("manifest");
    root_leaf = std::make_shared<const format::Leaf>(*std::move(decoded));
  } else {
    auto decoded = format::decode_inner(nodes[0]);
    if (!decoded) return std::move(decoded).error().with_subject("manifest");
    if (!has_places(*decoded, height >= 3)) return wrong("the map's root has no places");
    root = std::make_shared<const format::Inner>(*std::move(decoded));
    if (height >= 3) {
      for (const auto& child : root->children) expected += child.state == ChildState::node;
    }
  }
  if (nodes.size() != expected) return wrong("the top of the map is not complete");
  return {};
}

Result<void> MapReader::State::check(std::uint32_t level, std::uint64_t index) const {
  if (broken) return *broken;
  const bool root_node = level + 1 == height && index == 0;
  if (!root_node &&
      (level >= height || index >= (leaves + leaves_under(level) - 1) >> (6 * level))) {
    return misuse("a node outside the map was asked for");
  }
  return {};
}

// The bytes of the root's child `index` in the manifest.
Result<base::ByteView> MapReader::State::inlined(std::uint64_t index,
                                                 const NodeEntry& entry) const {
  std::size_t rank = 1;
  for (std::size_t i = 0; i < index; ++i) rank += root->children[i].state == ChildState::node;
  if (rank >= commit.nodes.nodes.size()) {
    return damaged(entry, {height - 2, index}, reason::bad_format, "a map node is missing");
  }
  return base::ByteView(commit.nodes.nodes[rank]);
}

Task<Result<NodeEntry>> MapReader::State::entry(std::uint32_t level, std::uint64_t index) {
  if (level + 1 == height) {
    NodeEntry top;
    top.state = ChildState::node;
    top.inlined = true;
    co_return top;
  }
  const std::uint64_t above = index / format::kFanout;
  InnerPointer parent;
  if (level + 2 == height) {
    parent = root;
  } else if (const auto* known = inners.find({level + 1, above})) {
    parent = *known;
  } else {
    SV_CO_TRY(NodeEntry parent_entry, entry(level + 1, above));
    if (parent_entry.state != ChildState::node) {
      NodeEntry same;
      same.state = parent_entry.state;
      co_return same;
    }
    SV_CO_TRY(parent, load_inner(level + 1, above, parent_entry));
  }
  co_return child_of(*parent, index % format::kFanout, level >= lowest_inline(height));
}

Task<Result<MapReader::State::InnerPointer>> MapReader::State::inner(std::uint32_t level,
                                                                     std::uint64_t index) {
  if (level + 1 == height) co_return root;
  if (const auto* known = inners.find({level, index})) co_return *known;
  SV_CO_TRY(NodeEntry found, entry(level, index));
  if (found.state != ChildState::node) co_return misuse("a map node without content was asked for");
  SV_CO_TRY(auto loaded, load_inner(level, index, found));
  co_return loaded;
}

Task<Result<MapReader::State::InnerPointer>> MapReader::State::load_inner(std::uint32_t level,
                                                                          std::uint64_t index,
                                                                          NodeEntry entry) {
  const Position at{level, index};
  SV_CO_TRY(const Encoded bytes, encoded(at, entry));
  co_return keep_inner(at, entry, bytes);
}

Result<MapReader::State::InnerPointer> MapReader::State::keep_inner(Position at,
                                                                    const NodeEntry& entry,
                                                                    const Encoded& bytes) {
  auto decoded = format::decode_inner(bytes.bytes);
  if (!decoded) return std::move(decoded).error().with_subject(place_name(entry, at));
  if (!has_places(*decoded, false)) {
    return damaged(entry, at, reason::bad_format, "a map node has children without places");
  }
  auto node = std::make_shared<const format::Inner>(*std::move(decoded));
  inners.add(at, node);
  return InnerPointer(std::move(node));
}

Task<Result<MapReader::State::LeafPointer>> MapReader::State::leaf(std::uint64_t index) {
  if (height == 1) co_return root_leaf;
  const Position at{0, index};
  if (const auto* known = leaf_nodes.find(at)) co_return *known;
  SV_CO_TRY(NodeEntry found, entry(0, index));
  if (found.state != ChildState::node) co_return misuse("a leaf without content was asked for");
  SV_CO_TRY(const Encoded bytes, encoded(at, found));
  auto decoded = format::decode_leaf(bytes.bytes);
  if (!decoded) co_return std::move(decoded).error().with_subject(place_name(found, at));
  auto node = std::make_shared<const format::Leaf>(*std::move(decoded));
  leaf_nodes.add(at, node);
  co_return node;
}

Task<Result<Encoded>> MapReader::State::encoded(Position at, NodeEntry entry) {
  Encoded out;
  if (entry.inlined) {
    SV_CO_TRY_NOW(out.bytes, inlined(at.index, entry));
  } else {
    SV_CO_TRY(out.frame, frame(at, entry));
  }
  co_return check_node(at, entry, std::move(out));
}

// `out` has the frame, or the bytes of the manifest.
Result<Encoded> MapReader::State::check_node(Position at, const NodeEntry& entry, Encoded out) {
  if (out.frame) {
    if (entry.slot >= out.frame->nodes.size()) {
      return damaged(entry, at, reason::bad_format, "a map node is not in its frame");
    }
    out.bytes = out.frame->nodes[entry.slot];
  }
  if (hasher(out.bytes) != entry.id) {
    return damaged(entry, at, reason::id_mismatch, "a map node is not the one that was written");
  }
  return out;
}

// Whoever goes on where the last frame of the level was fetched gets the next ones with it: far
// from the store each fetch takes as long as all of them at once.
Task<Result<std::shared_ptr<const NodeFrame>>> MapReader::State::frame(Position at,
                                                                       NodeEntry entry) {
  if (const auto* known = frames.find(frame_of(entry))) co_return *known;
  auto& behind = behind_last[at.level];
  const bool goes_on = behind != 0 && at.index >= behind && at.index - behind < kAheadNodes;
  behind = at.index + 1;
  if (goes_on) {
    SV_CO_CHECK(load_ahead(at, entry));
    if (const auto* known = frames.find(frame_of(entry))) co_return *known;
  }
  SV_CO_TRY(auto loaded, load_frame(at, entry));
  co_return loaded;
}

// The inner node if it can be had without a request; else, and where it is damaged, nothing.
MapReader::State::InnerPointer MapReader::State::known_inner(std::uint32_t level,
                                                             std::uint64_t index) {
  if (level + 1 == height) return root;
  const Position at{level, index};
  if (const auto* known = inners.find(at)) return *known;
  const auto parent = known_inner(level + 1, index / format::kFanout);
  if (!parent) return {};
  const auto entry = child_of(*parent, index % format::kFanout, level >= lowest_inline(height));
  if (entry.state != ChildState::node) return {};
  Encoded bytes;
  if (entry.inlined) {
    const auto of_manifest = inlined(index, entry);
    if (!of_manifest) return {};
    bytes.bytes = *of_manifest;
  } else {
    const auto* const known = frames.find(frame_of(entry));
    if (known == nullptr) return {};
    bytes.frame = *known;
  }
  const auto checked = check_node(at, entry, std::move(bytes));
  if (!checked) return {};
  auto inner = keep_inner(at, entry, *checked);
  return inner ? *std::move(inner) : InnerPointer();
}

// A node of each frame that will be needed next and is not there yet.
std::vector<NodeEntry> MapReader::State::ahead_of(Position at, const NodeEntry& entry) {
  std::vector<NodeEntry> out;
  std::uint64_t bytes = 0;
  const auto nodes = (leaves + leaves_under(at.level) - 1) >> (6 * at.level);
  const auto stop = std::min(nodes, at.index + kAheadNodes);
  for (auto index = at.index + 1; index < stop; ++index) {
    const auto parent = known_inner(at.level + 1, index / format::kFanout);
    if (!parent) {
      index |= format::kFanout - 1;  // on to the next parent
      continue;
    }
    const auto next = child_of(*parent, index % format::kFanout, false);
    if (next.state != ChildState::node || frame_of(next) == frame_of(entry)) continue;
    const auto is_same = [&next](const NodeEntry& one) { return frame_of(one) == frame_of(next); };
    if (std::any_of(out.begin(), out.end(), is_same) || frames.find(frame_of(next))) continue;
    bytes += next.stored;
    if (bytes > kAheadBytes) return out;
    out.push_back(next);
    if (out.size() == kAheadFrames) return out;
  }
  return out;
}

// Fetches the frame and those behind it. Damage shows when a node of it is needed.
Task<Result<void>> MapReader::State::load_ahead(Position at, NodeEntry entry) {
  const auto load = [](State& state, Position where, NodeEntry what) -> Task<Result<void>> {
    auto loading = state.load_frame(where, what);
    const auto loaded = co_await std::move(loading);
    if (loaded || loaded.error().code() == Errc::data_loss) co_return Result<void>();
    co_return loaded.error();
  };
  auto all = ahead_of(at, entry);
  all.insert(all.begin(), entry);
  auto body = [&](base::TaskGroup& group) -> Task<Result<void>> {
    for (const auto& one : all) {
      auto spawning = group.spawn(load(*this, at, one));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto loading = base::with_group(loop, kAheadFrames + 1, body);
  auto loaded = co_await std::move(loading);
  co_return loaded;
}

Task<Result<std::shared_ptr<const NodeFrame>>> MapReader::State::load_frame(Position at,
                                                                            NodeEntry entry) {
  const auto where = frame_of(entry);
  if (entry.pack.pack_class != format::PackClass::map) {
    co_return damaged(entry, at, reason::bad_format, "a map node is said to stand in a data pack");
  }
  FrameRequest request;
  request.start16 = entry.start16;
  request.stored = entry.stored;
  auto plain = co_await packs.read(entry.pack, request);
  if (!plain) {
    co_return std::move(plain)
        .error()
        .with_subject(place_name(entry, at))
        .with_context("map node cannot be read");
  }
  auto nodes = format::decode_node_frame(**plain);
  if (!nodes) co_return std::move(nodes).error().with_subject(place_name(entry, at));
  auto made = std::make_shared<NodeFrame>();
  made->plain = *std::move(plain);
  made->nodes = *std::move(nodes);
  const std::uint64_t weight = made->plain->size() + made->nodes.size() * sizeof(base::ByteView);
  std::shared_ptr<const NodeFrame> kept = std::move(made);
  frames.add(where, kept, weight);
  co_return kept;
}

// From leaf `index` on, all that an inner node of `level` says is alike.
MapReader::Item MapReader::State::run(std::uint64_t index, std::uint32_t level,
                                      const format::Inner& inner) const {
  std::uint64_t child = (index >> (6 * (level - 1))) % format::kFanout;
  const ChildState state = inner.children[child].state;
  while (child < format::kFanout && inner.children[child].state == state) ++child;
  const std::uint64_t node = index >> (6 * level);
  const std::uint64_t stop =
      std::min(leaves, (node * format::kFanout + child) << (6 * (level - 1)));
  Item item;
  item.kind = state == ChildState::zero ? Item::Kind::zero : Item::Kind::hole;
  item.first = index;
  item.count = stop - index;
  return item;
}

MapReader::MapReader(const format::Commit& commit, PackReader& packs, const format::KeyRing& keys)
    : state_(std::make_unique<State>(commit, packs, keys)) {
  if (auto opened = state_->open(); !opened) state_->broken = std::move(opened).error();
}
MapReader::~MapReader() = default;

std::uint32_t MapReader::height() const noexcept { return state_->height; }
std::uint64_t MapReader::leaves() const noexcept { return state_->leaves; }
std::uint64_t MapReader::blocks() const noexcept { return state_->blocks; }

Task<Result<MapReader::Item>> MapReader::at(std::uint64_t index) {
  State& state = *state_;
  SV_CO_CHECK_NOW(state.check(0, index));
  Item item;
  item.kind = Item::Kind::leaf;
  item.first = index;
  // From the root on, so that the nodes of the path count as used and stay.
  for (std::uint32_t level = state.height - 1; level > 0; --level) {
    SV_CO_TRY(auto node, state.inner(level, index >> (6 * level)));
    const std::uint64_t child = (index >> (6 * (level - 1))) % format::kFanout;
    if (node->children[child].state != ChildState::node) co_return state.run(index, level, *node);
  }
  SV_CO_TRY(item.leaf, state.leaf(index));
  co_return item;
}

Task<Result<NodeEntry>> MapReader::entry(std::uint32_t level, std::uint64_t index) {
  SV_CO_CHECK_NOW(state_->check(level, index));
  SV_CO_TRY(auto found, state_->entry(level, index));
  co_return found;
}

Task<Result<std::shared_ptr<const format::Inner>>> MapReader::inner(std::uint32_t level,
                                                                    std::uint64_t index) {
  SV_CO_CHECK_NOW(state_->check(level, index));
  if (level == 0) co_return misuse("a leaf was asked for as an inner node");
  SV_CO_TRY(auto node, state_->inner(level, index));
  co_return node;
}

Task<Result<std::shared_ptr<const format::Leaf>>> MapReader::leaf(std::uint64_t index) {
  SV_CO_CHECK_NOW(state_->check(0, index));
  SV_CO_TRY(auto node, state_->leaf(index));
  co_return node;
}

}  // namespace snapvault::store
