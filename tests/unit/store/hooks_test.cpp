#include "store/hooks.hpp"

#include <doctest/doctest.h>

#include "unit/store/pack_world.hpp"

namespace snapvault::store {
namespace {

format::BlockPrefix prefix(std::uint64_t number) { return format::prefix_of(block_id(number)); }

TEST_SUITE("store/hooks") {
  TEST_CASE("while memory lasts every block has its hook, and others have none") {
    Hooks hooks(1u << 20);
    for (std::uint32_t i = 0; i < 50'000; ++i) hooks.add(prefix(i), i / 100);
    CHECK(hooks.is_exact());
    std::uint64_t wrong = 0, caught = 0;
    for (std::uint32_t i = 0; i < 50'000; ++i) {
      REQUIRE(hooks.is_sampled(prefix(i)));
      wrong += hooks.segment_of(prefix(i)) == i / 100 ? 0 : 1;
      caught += hooks.segment_of(prefix(1'000'000 + i)) ? 1 : 0;
    }
    CHECK(wrong <= 2);  // two blocks in 2^32 share a hook
    CHECK(caught <= 2);
  }

  TEST_CASE("then the sample is halved, and all that is left of it still answers") {
    Hooks hooks(64u << 10);  // 8,192 slots
    for (std::uint32_t i = 0; i < 50'000; ++i) hooks.add(prefix(i), i / 100);
    CHECK_FALSE(hooks.is_exact());
    std::uint64_t sampled = 0, answered = 0, right = 0;
    for (std::uint32_t i = 0; i < 50'000; ++i) {
      if (!hooks.is_sampled(prefix(i))) continue;
      ++sampled;
      const auto segment = hooks.segment_of(prefix(i));
      answered += segment ? 1 : 0;
      right += segment == i / 100 ? 1 : 0;
    }
    CHECK(sampled > 50'000 / 16 - 400);  // 3/4 of the slots hold an eighth of the blocks at most
    CHECK(sampled < 50'000 / 8 + 400);
    CHECK(answered == sampled);
    CHECK(right >= sampled - 2);
  }

  TEST_CASE("of equal prefixes the last one counts") {
    Hooks hooks(0);
    hooks.add(prefix(7), 1);
    hooks.add(prefix(7), 2);
    CHECK(hooks.segment_of(prefix(7)) == 2u);
  }
}

}  // namespace
}  // namespace snapvault::store
