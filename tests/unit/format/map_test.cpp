#include "format/map.hpp"

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

PackId pack(std::uint32_t n, PackClass pack_class = PackClass::data) {
  return {session_id(), pack_class, n};
}

Leaf mixed_leaf() {
  Leaf leaf;
  leaf.packs = {pack(1), pack(2)};
  leaf.blocks[1].state = BlockState::zero;
  leaf.blocks[2].state = BlockState::bad;
  for (const unsigned i : {0u, 5u, 63u}) {
    auto& block = leaf.blocks[i];
    block.state = BlockState::data;
    block.id = {rising<24>(i)};
    block.fingerprint = {i, ~std::uint64_t{i}};
    block.place = {static_cast<std::uint8_t>(i == 5), static_cast<std::uint8_t>(255 - i), 5 + i,
                   33 + i};
  }
  return leaf;
}

Inner mixed_inner() {
  Inner inner;
  inner.packs = {pack(1, PackClass::map)};
  inner.children[1].state = ChildState::zero;
  for (const unsigned i : {0u, 62u}) {
    inner.children[i] = {ChildState::node, {rising<24>(i)}, {0, 3, 0x1FFFFFF, 33}};
  }
  return inner;
}

void check_equal(const Leaf& a, const Leaf& b) {
  CHECK(a.packs == b.packs);
  for (std::size_t i = 0; i < kFanout; ++i) {
    CHECK(a.blocks[i].state == b.blocks[i].state);
    CHECK(a.blocks[i].id == b.blocks[i].id);
    CHECK(a.blocks[i].fingerprint == b.blocks[i].fingerprint);
    CHECK(a.blocks[i].place == b.blocks[i].place);
  }
}

TEST_SUITE("format/map") {
  TEST_CASE("a leaf reads back, and is encoded the same again") {
    const auto bytes = encode_leaf(mixed_leaf());
    CHECK(bytes.size() == 16 + 1 + 2 * 21 + 3 * 48);
    const auto back = decode_leaf(bytes);
    REQUIRE(back);
    check_equal(*back, mixed_leaf());
    CHECK(encode_leaf(*back) == bytes);
  }

  TEST_CASE("a leaf: known answer") {
    Leaf leaf;
    leaf.packs = {{session_id(0), PackClass::map, 0x01020304}};
    leaf.blocks[1] = {BlockState::data, {rising<24>(0x10)}, {0x1122334455667788, 1}, {0, 2, 5, 33}};
    leaf.blocks[2].state = BlockState::bad;
    leaf.blocks[3].state = BlockState::zero;
    // place = slot 2 << 6 | start 5 << 14 | stored 33 << 39
    CHECK(base::hex(encode_leaf(leaf)) ==
          "78000000000000000000000000000000"
          "00"
          "000102030405060708090a0b0c0d0e0f"
          "01"
          "04030201"
          "101112131415161718191a1b1c1d1e1f2021222324252627"
          "8877665544332211"
          "0100000000000000"
          "8040010080100000");
  }

  TEST_CASE("a leaf without data is 16 bytes") {
    Leaf leaf;
    leaf.blocks[9].state = BlockState::zero;
    const auto bytes = encode_leaf(leaf);
    CHECK(bytes.size() == 16);
    check_equal(*decode_leaf(bytes), leaf);
    auto longer = bytes;
    longer.push_back(std::byte{0});
    check_malformed(decode_leaf(longer));
  }

  TEST_CASE("a full leaf with 64 packs reads back") {
    Leaf leaf;
    for (std::uint32_t i = 0; i < kFanout; ++i) {
      const auto index = intern_pack(leaf.packs, pack(i));
      leaf.blocks[i] = {
          BlockState::data, {rising<24>(i)}, {i, i}, {index, 255, 0x1FFFFFF, kPlainMax + 32}};
    }
    const auto back = decode_leaf(encode_leaf(leaf));
    REQUIRE(back);
    check_equal(*back, leaf);
  }

  TEST_CASE("an inner node reads back, and is encoded the same again") {
    const auto bytes = encode_inner(mixed_inner());
    CHECK(bytes.size() == 16 + 1 + 21 + 2 * 32);
    const auto back = decode_inner(bytes);
    REQUIRE(back);
    CHECK(back->packs == mixed_inner().packs);
    for (std::size_t i = 0; i < kFanout; ++i) {
      CHECK(back->children[i].state == mixed_inner().children[i].state);
      CHECK(back->children[i].id == mixed_inner().children[i].id);
      CHECK(back->children[i].place == mixed_inner().children[i].place);
    }
    CHECK(encode_inner(*back) == bytes);
    CHECK(decode_inner(encode_inner(Inner{})));
  }

  TEST_CASE("children that stand inline have no place and no packs") {
    Inner inner;
    inner.children[3] = {ChildState::node, {rising<24>(1)}, {}};
    compact_packs(inner);
    const auto bytes = encode_inner(inner);
    CHECK(bytes.size() == 16 + 1 + 32);
    CHECK(bytes[16] == std::byte{0xFF});
    const auto back = decode_inner(bytes);
    REQUIRE(back);
    CHECK(back->packs.empty());
    CHECK(encode_inner(*back) == bytes);
    auto bad = bytes;
    bad.back() = std::byte{1};
    check_malformed(decode_inner(bad));
  }

  TEST_CASE("nodes cut anywhere or too long are refused") {
    const auto leaf = encode_leaf(mixed_leaf());
    const auto inner = encode_inner(mixed_inner());
    for (std::size_t i = 0; i < leaf.size(); ++i) {
      check_malformed(decode_leaf(base::ByteView(leaf).first(i)));
    }
    for (std::size_t i = 0; i < inner.size(); ++i) {
      check_malformed(decode_inner(base::ByteView(inner).first(i)));
    }
    for (auto bytes : {leaf, inner}) {
      bytes.push_back(std::byte{0});
      check_malformed(decode_leaf(bytes));
      check_malformed(decode_inner(bytes));
    }
  }

  // The leaf or inner node with the byte at `at` set to `value`.
  base::Bytes patched(base::Bytes bytes, std::size_t at, unsigned value) {
    bytes[at] = static_cast<std::byte>(value);
    return bytes;
  }

  TEST_CASE("malformed states, pack tables and places are refused") {
    const auto leaf = encode_leaf(mixed_leaf());
    const auto inner = encode_inner(mixed_inner());
    check_malformed(decode_inner(patched(inner, 0, 0x3F)));  // state 3
    check_malformed(decode_leaf(patched(leaf, 16, 2)));      // a pack more
    check_malformed(decode_leaf(patched(leaf, 16, 0)));      // a pack less
    check_malformed(decode_leaf(patched(leaf, 16, 64)));
    check_malformed(decode_leaf(patched(leaf, 16, 0xFF)));
    check_malformed(decode_inner(patched(inner, 16, 0xFF)));
    check_malformed(decode_leaf(patched(leaf, 33, 2)));  // class of the first pack
    check_malformed(decode_leaf(patched(leaf, 34, 2)));  // the same pack twice
    const std::size_t place = 16 + 1 + 42 + 40;
    check_malformed(decode_leaf(patched(leaf, place, 0xC2)));  // a pack beyond the table
    check_malformed(decode_leaf(patched(patched(leaf, place + 1, 0), place + 2, 0)));  // start 0
    check_malformed(decode_leaf(patched(leaf, place + 4, 0)));  // stored 32 or less
    check_malformed(decode_leaf(patched(leaf, place + 7, 0xFF)));
    check_malformed(decode_leaf(patched(leaf, 16 + 1 + 42 + 48 + 40, 0)));  // pack 1 unused
    Inner unused = mixed_inner();
    unused.packs.push_back(pack(9));
    check_malformed(decode_inner(encode_inner(unused)));
  }

  TEST_CASE("a pack table is made of what is used, in order of use") {
    auto leaf = mixed_leaf();
    leaf.blocks[0].place.pack = 1;
    leaf.blocks[5].state = BlockState::hole;
    leaf.packs.push_back(pack(3));
    compact_packs(leaf);
    CHECK(leaf.packs == std::vector{pack(2), pack(1)});
    CHECK(leaf.blocks[0].place.pack == 0);
    CHECK(leaf.blocks[63].place.pack == 1);
    CHECK(decode_leaf(encode_leaf(leaf)));
    auto inner = mixed_inner();
    inner.packs.push_back(pack(3));
    compact_packs(inner);
    CHECK(inner.packs.size() == 1);
    std::vector<PackId> packs;
    CHECK(intern_pack(packs, pack(1)) == 0);
    CHECK(intern_pack(packs, pack(2)) == 1);
    CHECK(intern_pack(packs, pack(1)) == 0);
  }

  TEST_CASE("a frame of nodes gives back its nodes") {
    const std::vector<base::Bytes> nodes = {encode_leaf(mixed_leaf()), encode_inner(mixed_inner()),
                                            encode_leaf(Leaf{})};
    const auto bytes = encode_node_frame(nodes);
    const auto back = decode_node_frame(bytes);
    REQUIRE(back);
    REQUIRE(back->size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(base::Bytes((*back)[i].begin(), (*back)[i].end()) == nodes[i]);
    }
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      check_malformed(decode_node_frame(base::ByteView(bytes).first(i)));
    }
    auto longer = bytes;
    longer.push_back(std::byte{0});
    check_malformed(decode_node_frame(longer));
    const std::vector<base::Bytes> many(256, base::Bytes(16));
    CHECK(decode_node_frame(encode_node_frame(many))->size() == 256);
    auto more = encode_node_frame(many);
    base::store(more.data(), std::uint16_t{257});
    check_malformed(decode_node_frame(more));
    for (const std::uint32_t end : {0u, 15u, 0xFFFFFFFFu}) {
      auto bad = bytes;
      base::store(bad.data() + 2, end);
      check_malformed(decode_node_frame(bad));
    }
    auto falling = bytes;
    base::store(falling.data() + 6, std::uint32_t{1});
    check_malformed(decode_node_frame(falling));
    check_malformed(decode_node_frame(unhexed("0000")));
  }

  TEST_CASE("inline nodes read back, at most 65 of them") {
    InlineNodes nodes;
    nodes.nodes.assign(65, encode_leaf(mixed_leaf()));
    const auto bytes = encode_inline_nodes(nodes);
    const auto back = decode_inline_nodes(bytes);
    REQUIRE(back);
    CHECK(back->nodes == nodes.nodes);
    CHECK(encode_inline_nodes(*back) == bytes);
    const std::vector<base::Bytes> many(66, base::Bytes(16));
    check_malformed(decode_inline_nodes(encode_node_frame(many)));
    check_malformed(decode_inline_nodes({}));
  }

  TEST_CASE("the height of a map is the least that holds the volume") {
    const std::uint64_t leaf = 64ull * 65536;
    CHECK(map_height(0, 65536) == 1);
    CHECK(map_height(1, 65536) == 1);
    CHECK(map_height(leaf, 65536) == 1);
    CHECK(map_height(leaf + 1, 65536) == 2);
    CHECK(map_height(leaf * 64, 65536) == 2);
    CHECK(map_height(leaf * 64 + 1, 65536) == 3);
    CHECK(map_height(UINT64_MAX, 4096) == 9);
    CHECK(map_height(UINT64_MAX, 4u << 20) == 7);
    CHECK(node_span(0, 4096) == 262144);
    CHECK(node_span(1, 65536) == leaf * 64);
    CHECK(node_span(9, 4096) == UINT64_MAX);
    CHECK(node_span(100, 4096) == UINT64_MAX);
  }
}

}  // namespace
}  // namespace snapvault::format
