#include "format/refs.hpp"

#include "unit/format/fixture.hpp"

namespace snapvault::format {
namespace {

PackId pack(unsigned session, std::uint32_t n, PackClass pack_class = PackClass::data) {
  return {session_id(session), pack_class, n};
}

Refs full() {
  Refs refs;
  refs.entries = {
      {pack(1, 0), 10}, {pack(1, 7), 20}, {pack(1, 0, PackClass::map), 5}, {pack(2, 3), 1}};
  return refs;
}
Refs delta() {
  Refs refs;
  refs.base = RefsBase{12, session_id(9), RefsBase::kInline, 4};
  refs.entries = {{pack(0, 1), 2}, {pack(1, 7), -20}, {pack(2, 3), 4}, {pack(3, 0), 9}};
  return refs;
}

void check_equal(const Refs& a, const Refs& b) {
  CHECK(a.base.has_value() == b.base.has_value());
  if (a.base && b.base) {
    CHECK(a.base->order == b.base->order);
    CHECK(a.base->session == b.base->session);
    CHECK(a.base->n == b.base->n);
    CHECK(a.base->entries == b.base->entries);
  }
  REQUIRE(a.entries.size() == b.entries.size());
  for (std::size_t i = 0; i < a.entries.size(); ++i) {
    CHECK(a.entries[i].pack == b.entries[i].pack);
    CHECK(a.entries[i].live == b.entries[i].live);
  }
}

TEST_SUITE("format/refs") {
  TEST_CASE("full tables and deltas read back, and are encoded the same again") {
    for (const auto& refs : {full(), delta(), Refs{}}) {
      const auto bytes = encode_refs(refs);
      const auto back = decode_refs(bytes);
      REQUIRE(back);
      check_equal(*back, refs);
      CHECK(encode_refs(*back) == bytes);
    }
    CHECK(encode_refs(full()).size() == 4 + 4 + 3 * 24 + 4 * 12);
    CHECK(encode_refs(delta()).size() == 4 + 32 + 4 + 4 * 24 + 4 * 12);
  }

  TEST_CASE("refs cut anywhere or too long are refused") {
    for (const auto& refs : {full(), delta()}) {
      const auto bytes = encode_refs(refs);
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        check_malformed(decode_refs(base::ByteView(bytes).first(i)));
      }
      auto longer = bytes;
      longer.push_back(std::byte{0});
      check_malformed(decode_refs(longer));
    }
  }

  TEST_CASE("refs out of order, with wrong counts or flags are refused") {
    const auto refused = [](Refs refs) { check_malformed(decode_refs(encode_refs(refs))); };
    auto refs = full();
    std::swap(refs.entries[0], refs.entries[1]);
    refused(refs);
    refs = full();
    refs.entries[1] = refs.entries[0];
    refused(refs);
    refs = full();
    std::swap(refs.entries[0], refs.entries[3]);
    refused(refs);
    refs = full();
    refs.entries[0].live = 0;
    refused(refs);
    refs.entries[0].live = -1;
    refused(refs);
    refs = delta();
    refs.entries[0].live = 0;
    refused(refs);

    const auto patched = [](std::size_t at, unsigned value) {
      auto bytes = encode_refs(full());
      bytes[at] = static_cast<std::byte>(value);
      return decode_refs(bytes);
    };
    check_newer(patched(0, 2));
    check_newer(patched(3, 1));
    check_malformed(patched(4, 2));
    check_malformed(patched(4, 4));
    check_malformed(patched(7, 1));
    check_malformed(patched(8 + 16, 2));  // class
    check_malformed(patched(8 + 17, 1));  // reserved
    check_malformed(patched(8 + 20, 0));  // entries of the group
    check_malformed(patched(8 + 23, 0xFF));
  }

  TEST_CASE("one group may not be split in two") {
    auto one = full();
    one.entries.resize(1);
    auto bytes = encode_refs(one);
    auto two = one;
    two.entries[0].pack.n = 1;
    const auto second = encode_refs(two);
    bytes.insert(bytes.end(), second.begin() + 8, second.end());
    base::store(bytes.data() + 4, std::uint32_t{2});
    check_malformed(decode_refs(bytes));
  }

  TEST_CASE("a delta applies to its base") {
    const auto out = apply_refs(full(), delta());
    REQUIRE(out);
    Refs expected;
    expected.entries = {{pack(0, 1), 2},
                        {pack(1, 0), 10},
                        {pack(1, 0, PackClass::map), 5},
                        {pack(2, 3), 5},
                        {pack(3, 0), 9}};
    check_equal(*out, expected);
    auto none = delta();
    none.entries.clear();
    check_equal(*apply_refs(full(), none), full());
  }

  TEST_CASE("a delta that does not fit its base is refused") {
    check_malformed(apply_refs(delta(), delta()));
    check_malformed(apply_refs(full(), full()));
    auto other = delta();
    other.base->entries = 5;
    check_malformed(apply_refs(full(), other));
    auto below = delta();
    below.entries[1].live = -21;
    check_malformed(apply_refs(full(), below));
    below = delta();
    below.entries[0].live = -1;
    check_malformed(apply_refs(full(), below));
    auto above = delta();
    above.entries[2].live = INT64_MAX;
    check_malformed(apply_refs(full(), above));
  }
}

}  // namespace
}  // namespace snapvault::format
