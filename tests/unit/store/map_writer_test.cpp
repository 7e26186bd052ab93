#include "store/map_writer.hpp"

#include <doctest/doctest.h>

#include <random>

#include "map_world.hpp"

TEST_SUITE_BEGIN("store/map_writer");

namespace snapvault::store {
namespace {

using base::Task;
using format::BlockState;
using format::ChildState;

constexpr std::uint32_t kBlock = 16;
constexpr std::uint64_t kLeafSpan = kBlock * format::kFanout;

// What a leaf says, with packs by name: the model's idea of it.
struct ModelBlock {
  BlockState state = BlockState::hole;
  format::BlockId id;
  format::PackId pack;
  format::Place place;
  bool operator==(const ModelBlock&) const = default;
};
using ModelLeaf = std::array<ModelBlock, format::kFanout>;

ModelLeaf model_of(const format::Leaf& leaf) {
  ModelLeaf out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const format::BlockEntry& block = leaf.blocks[i];
    out[i].state = block.state;
    if (block.state != BlockState::data) continue;
    out[i].id = block.id;
    out[i].pack = leaf.packs[block.place.pack];
    out[i].place = block.place;
    out[i].place.pack = 0;
  }
  return out;
}

format::Leaf leaf_from(const ModelLeaf& model) {
  format::Leaf leaf;
  for (std::size_t i = 0; i < model.size(); ++i) {
    leaf.blocks[i].state = model[i].state;
    if (model[i].state != BlockState::data) continue;
    leaf.blocks[i].id = model[i].id;
    leaf.blocks[i].place = model[i].place;
    leaf.blocks[i].place.pack = format::intern_pack(leaf.packs, model[i].pack);
  }
  return leaf;
}

// A volume as the model sees it: for each leaf 0 (hole), 1 (zero), or a content of its own.
struct ModelVolume {
  std::uint64_t blocks = 0;
  std::vector<std::uint32_t> leaves;
  std::uint64_t used(std::uint64_t leaf) const {
    return std::min<std::uint64_t>(format::kFanout, blocks - leaf * format::kFanout);
  }
};

// Random histories of one volume, checked against the model after each snapshot.
class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed) {}

  void run(int snapshots) {
    for (int i = 0; i < snapshots; ++i) {
      CAPTURE(i);
      step();
    }
    CHECK(heights_ == 0b111110);  // 1 to 5
    CHECK(operations_ > 1000);
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  // 1 to `max`, as often between 1 and 10 as between 1,000 and 10,000.
  std::uint64_t some(std::uint64_t max) {
    const auto bits = below(std::bit_width(max)) + 1;
    return std::min(max, below(std::uint64_t{1} << bits) + 1);
  }

  std::uint64_t next_size() {
    const std::uint64_t now = model_.blocks;
    switch (below(6)) {
      case 0: {
        const std::uint64_t height = below(5) + 1;
        if (height == 5) return (leaves_under(4) + below(1'000'000)) * kBlock;
        return below(leaves_under(static_cast<std::uint32_t>(height))) * kBlock;
      }
      case 1:
        return (now + below(130)) * kBlock;
      case 2:
        return (now - below(std::min<std::uint64_t>(130, now) + 1)) * kBlock;
      default:
        return now * kBlock;
    }
  }

  void step() {
    const bool full = !last_ || below(20) == 0;
    const std::uint64_t size = next_size();
    const MapWorld::Describe describe = [this](MapWriter& writer, MapReader* parent) {
      return this->describe(writer, parent);
    };
    old_ = std::exchange(model_, ModelVolume());
    model_.blocks = size / kBlock;
    const MapSnapshot* parent = full ? nullptr : &*last_;
    MapSnapshot taken = world_.take(size, kBlock, parent, describe);
    last_ = std::move(taken);
    heights_ |= 1u << last_->commit.manifest.height;
    MapWorld::Reading reading(world_, *last_);
    world_.run(compare(reading.map));
    const auto counted = world_.run(RefsCount::walk(reading.map));
    CHECK(counted == as_map(last_->full));
  }

  Task<Result<void>> describe(MapWriter& writer, MapReader* parent) {
    const std::uint64_t leaves = (model_.blocks + format::kFanout - 1) / format::kFanout;
    while (model_.leaves.size() < leaves) {
      ++operations_;
      const std::uint64_t at = model_.leaves.size();
      CHECK(writer.next() == at);
      const std::uint64_t rest = leaves - at;
      const std::uint64_t old = parent && parent->leaves() > at ? parent->leaves() - at : 0;
      const auto choice = below(8);
      if (choice < 4 && old > 0) {
        SV_CO_CHECK(keep(writer, span(at, std::min(rest, old))));
      } else if (choice < 6) {
        const bool zero = below(2) == 0;
        const auto count = span(at, rest);
        SV_CO_CHECK(writer.fill(zero ? ChildState::zero : ChildState::hole, count));
        model_.leaves.insert(model_.leaves.end(), count, zero ? 1 : 0);
      } else {
        for (auto count = std::min(rest, some(90)); count > 0; --count) {
          SV_CO_CHECK(put(writer, parent));
        }
      }
    }
    co_return Result<void>();
  }

  // A length, often one that ends where a subtree does.
  std::uint64_t span(std::uint64_t at, std::uint64_t max) {
    if (below(16) == 0) return max;
    const std::uint64_t step = leaves_under(static_cast<std::uint32_t>(below(4)));
    const std::uint64_t length =
        below(2) == 0 ? some(some(max)) : base::round_up(at + 1, step) - at;
    return std::min(max, length);
  }

  Task<Result<void>> keep(MapWriter& writer, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t at = model_.leaves.size();
      std::uint32_t content = old_.leaves[at];
      if (model_.used(at) != old_.used(at)) content = remember(content_of(old_, at), at);
      model_.leaves.push_back(content);
    }
    SV_CO_CHECK(writer.keep(count));
    co_return Result<void>();
  }

  Task<Result<void>> put(MapWriter& writer, MapReader* parent) {
    const std::uint64_t at = model_.leaves.size();
    const bool has_old = parent && at < parent->leaves();
    std::shared_ptr<const format::Leaf> known;
    ModelLeaf content{};
    if (has_old && below(2) == 0) {
      content = content_of(old_, at);
      if (below(2) == 0) content[below(64)] = some_block();
      SV_CO_TRY(const auto item, parent->at(at));
      if (item.leaf && below(2) == 0) known = item.leaf;
    } else {
      const bool dense = below(2) == 0;
      for (auto& block : content) {
        if (dense || below(8) == 0) block = some_block();
      }
    }
    model_.leaves.push_back(remember(content, at));
    auto task = writer.put(leaf_from(content), known);
    SV_CO_CHECK(std::move(task));
    co_return Result<void>();
  }

  ModelBlock some_block() {
    ModelBlock block;
    const auto choice = below(20);
    block.state = choice == 0   ? BlockState::hole
                  : choice == 1 ? BlockState::zero
                  : choice == 2 ? BlockState::bad
                                : BlockState::data;
    if (block.state != BlockState::data) return block;
    base::store(block.id.bytes.data(), random_());
    block.pack.session.bytes[0] = std::byte{0xDA};
    block.pack.n = static_cast<std::uint32_t>(below(70));
    block.place.slot = static_cast<std::uint8_t>(below(256));
    block.place.start16 = static_cast<std::uint32_t>(16 + below(1000));
    block.place.stored = 4096;
    return block;
  }

  ModelLeaf content_of(const ModelVolume& volume, std::uint64_t leaf) const {
    const auto content = volume.leaves[leaf];
    if (content > 1) return contents_[content - 2];
    ModelLeaf out;
    if (content == 1) {
      for (std::uint64_t i = 0; i < volume.used(leaf); ++i) out[i].state = BlockState::zero;
    }
    return out;
  }

  std::uint32_t remember(ModelLeaf content, std::uint64_t leaf) {
    bool hole = true, zero = true;
    for (std::uint64_t i = 0; i < content.size(); ++i) {
      if (i >= model_.used(leaf)) {
        content[i] = ModelBlock();
        continue;
      }
      hole = hole && content[i].state == BlockState::hole;
      zero = zero && content[i].state == BlockState::zero;
    }
    if (hole) return 0;
    if (zero) return 1;
    contents_.push_back(content);
    return static_cast<std::uint32_t>(contents_.size() + 1);
  }

  Task<Result<void>> compare(MapReader& map) {
    REQUIRE(map.leaves() == model_.leaves.size());
    REQUIRE(map.blocks() == model_.blocks);
    std::uint64_t wrong = 0;
    for (std::uint64_t at = 0; at < map.leaves();) {
      SV_CO_TRY(const auto item, map.at(at));
      REQUIRE(item.first == at);
      REQUIRE(item.count > 0);
      REQUIRE(item.count <= map.leaves() - at);
      if (item.kind == MapReader::Item::Kind::leaf) {
        // A root that is a leaf stands as one even if it is all alike.
        REQUIRE(item.count == 1);
        if (map.height() > 1) wrong += model_.leaves[at] < 2;
        wrong += model_of(*item.leaf) != content_of(model_, at);
      } else {
        const std::uint32_t expected = item.kind == MapReader::Item::Kind::zero ? 1 : 0;
        for (std::uint64_t i = 0; i < item.count; ++i) {
          wrong += model_.leaves[at + i] != expected;
        }
      }
      at += item.count;
    }
    CHECK(wrong == 0);
    co_return Result<void>();
  }

  std::mt19937_64 random_;
  MapWorld world_;
  std::optional<MapSnapshot> last_;
  ModelVolume model_, old_;
  std::vector<ModelLeaf> contents_;
  std::uint64_t operations_ = 0;
  std::uint32_t heights_ = 0;
};

// Puts leaf `at` in a volume that is otherwise kept.
MapWorld::Describe change_one(std::uint64_t at, std::uint64_t number) {
  struct Body {
    static Task<Result<void>> run(MapWriter& writer, MapReader* parent, std::uint64_t at,
                                  std::uint64_t number) {
      SV_CO_CHECK(writer.keep(at));
      auto task = writer.put(numbered_leaf(number), nullptr);
      SV_CO_CHECK(std::move(task));
      SV_CO_CHECK(writer.keep(parent->leaves() - at - 1));
      co_return Result<void>();
    }
  };
  return
      [=](MapWriter& writer, MapReader* parent) { return Body::run(writer, parent, at, number); };
}

Task<Result<void>> keep_all(MapWriter& writer, MapReader* parent) {
  return writer.keep(parent->leaves());
}

// Data in some far places of a volume of `leaves` leaves, holes between.
Task<Result<void>> scatter(MapWriter& writer, std::uint64_t leaves, std::uint64_t every) {
  for (std::uint64_t at = 0; at < leaves;) {
    auto task = writer.put(numbered_leaf(at), nullptr);
    SV_CO_CHECK(std::move(task));
    const std::uint64_t holes = std::min(every - 1, leaves - at - 1);
    SV_CO_CHECK(writer.fill(ChildState::hole, holes));
    at += holes + 1;
  }
  co_return Result<void>();
}

MapWorld::Describe scattered(std::uint64_t leaves, std::uint64_t every) {
  return [=](MapWriter& writer, MapReader*) { return scatter(writer, leaves, every); };
}

}  // namespace

TEST_CASE("random histories of put, keep and fill, growing and shrinking, read back as written") {
  for (const std::uint64_t seed : {1, 2, 3, 4}) {
    CAPTURE(seed);
    History(seed).run(300);
  }
}

TEST_CASE("a map that is kept whole writes nothing, reads nothing and changes no count") {
  MapWorld world;
  for (const std::uint64_t leaves : {1, 64, 65, 4096, 4097, 300'000}) {
    CAPTURE(leaves);
    const auto first = world.take(leaves * kLeafSpan, kBlock, nullptr, scattered(leaves, 50));
    const auto before = world.client.traffic();
    const auto second = world.take(leaves * kLeafSpan, kBlock, &first, keep_all);
    CHECK(second.packs == 0);
    CHECK(world.client.traffic().gets == before.gets);
    CHECK(second.commit.refs->entries.empty());
    CHECK(second.commit.nodes.nodes == first.commit.nodes.nodes);
  }
}

TEST_CASE("leaves that are put as they were are kept") {
  MapWorld world;
  for (const std::uint64_t leaves : {1, 64, 5000}) {
    CAPTURE(leaves);
    const auto first = world.take(leaves * kLeafSpan, kBlock, nullptr, scattered(leaves, 3));
    const auto second = world.take(leaves * kLeafSpan, kBlock, &first, scattered(leaves, 3));
    CHECK(second.packs == 0);
    CHECK(second.commit.refs->entries.empty());
    CHECK(second.commit.nodes.nodes == first.commit.nodes.nodes);
  }
}

TEST_CASE("one changed leaf of a map of 16 TiB reads and writes one path") {
  constexpr std::uint32_t kBlockSize = 64u << 10;
  constexpr std::uint64_t kSize = 16ull << 40;
  constexpr std::uint64_t kLeaves = kSize / kBlockSize / format::kFanout;
  MapWorld world;
  const auto first = world.take(kSize, kBlockSize, nullptr, scattered(kLeaves, 5000));
  REQUIRE(first.commit.manifest.height == 5);
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{5000 * 400}, kLeaves - 1}) {
    CAPTURE(at);
    const auto before = world.client.traffic();
    const auto second = world.take(kSize, kBlockSize, &first, change_one(at, 1u << 30));
    CHECK(second.packs == 1);
    CHECK(second.frames == std::vector<std::uint64_t>{1, 1, 1});
    // The inner node of levels 1 and 2 and the leaf, each a frame and perhaps its pack's header.
    CHECK(world.client.traffic().gets - before.gets <= 6);
    MapWorld::Reading reading(world, second);
    const auto item = world.run(reading.map.at(at));
    REQUIRE(item.leaf);
    CHECK(model_of(*item.leaf) == model_of(numbered_leaf(1u << 30)));
    CHECK(world.run(RefsCount::walk(reading.map)) == as_map(second.full));
  }
}

TEST_CASE("a volume that is filled with zeros over and over leaves no count behind") {
  struct Body {
    static Task<Result<void>> zero(MapWriter& writer, MapReader* parent) {
      return writer.fill(ChildState::zero, parent->leaves());
    }
  };
  MapWorld world;
  for (const std::uint64_t leaves : {1, 64, 65, 5000, 300'000}) {
    CAPTURE(leaves);
    const auto first = world.take(leaves * kLeafSpan, kBlock, nullptr, scattered(leaves, 99));
    const auto second = world.take(leaves * kLeafSpan, kBlock, &first, Body::zero);
    CHECK(second.full.entries.empty());
    CHECK(second.packs == 0);
    MapWorld::Reading reading(world, second);
    const auto item = world.run(reading.map.at(0));
    if (leaves > 1) {
      CHECK(item.kind == MapReader::Item::Kind::zero);
      CHECK(item.count == leaves);
    }
  }
}

TEST_CASE("an empty volume has a map, and may follow and be followed by any other") {
  struct Body {
    static Task<Result<void>> nothing(MapWriter&, MapReader*) { co_return Result<void>(); }
  };
  MapWorld world;
  const auto empty = world.take(0, kBlock, nullptr, Body::nothing);
  CHECK(empty.commit.manifest.height == 1);
  CHECK(empty.commit.nodes.nodes.size() == 1);
  const auto grown = world.take(5000 * kLeafSpan, kBlock, &empty, scattered(5000, 7));
  CHECK(grown.full.entries.size() >= 2);
  const auto shrunk = world.take(0, kBlock, &grown, Body::nothing);
  CHECK(shrunk.full.entries.empty());
}

TEST_CASE("a writer that is used wrongly says so") {
  struct Body {
    static Task<Result<void>> too_much(MapWriter& writer, MapReader* parent) {
      auto fill = writer.fill(ChildState::hole, 100);
      auto filled = co_await std::move(fill);
      CHECK_FALSE(filled);
      auto node = co_await writer.fill(ChildState::node, 1);
      CHECK_FALSE(node);
      auto keep = co_await writer.keep(1);
      CHECK(keep.has_value() == (parent != nullptr));
      auto early = co_await writer.finish();
      CHECK_FALSE(early);
      SV_CO_CHECK(writer.fill(ChildState::hole, 10 - writer.next()));
      auto late = writer.put(format::Leaf(), nullptr);
      auto put = co_await std::move(late);
      CHECK_FALSE(put);
      co_return Result<void>();
    }
  };
  MapWorld world;
  const auto first = world.take(10 * kLeafSpan, kBlock, nullptr, Body::too_much);
  world.take(10 * kLeafSpan, kBlock, &first, Body::too_much);
}

TEST_CASE("a book adds up, leaves out what cancels, and names its base") {
  format::PackId a, b, c;
  b.n = 1;
  c.n = 2;
  RefsBook book;
  book.add(c, 5);
  book.add(a, 2);
  book.add(a, 3);
  book.add(b, 1);
  book.add(b, -1);
  const auto table = book.table();
  CHECK_FALSE(table.base);
  REQUIRE(table.entries.size() == 2);
  CHECK(table.entries[0].pack == a);
  CHECK(table.entries[0].live == 5);
  CHECK(table.entries[1].pack == c);

  format::RefsBase base;
  base.order = 9;
  format::Refs full;
  full.entries = {{a, 7}};
  CHECK(book.delta(full, base).entries.size() == 2);
  format::Refs delta;
  delta.base = base;
  delta.entries = {{a, -5}, {b, 4}};
  const auto sum = book.delta(delta, base);
  REQUIRE(sum.base);
  CHECK(sum.base->order == 9);
  REQUIRE(sum.entries.size() == 2);
  CHECK(sum.entries[0].pack == b);
  CHECK(sum.entries[0].live == 4);
  CHECK(sum.entries[1].live == 5);
}

}  // namespace snapvault::store

TEST_SUITE_END();
