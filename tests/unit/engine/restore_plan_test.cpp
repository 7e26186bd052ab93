#include "engine/restore_plan.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

namespace snapvault::engine {
namespace {

Need need(std::uint64_t block, std::uint32_t pack, std::uint32_t start16, std::uint32_t stored) {
  Need out;
  out.block = block;
  out.pack = pack;
  out.start16 = start16;
  out.stored = stored;
  return out;
}

std::uint64_t begin_of(const FrameNeeds& frame) { return std::uint64_t{frame.frame.start16} * 16; }

TEST_CASE("blocks of one frame are fetched together, in order of place") {
  std::vector<Need> needs{need(9, 0, 5, 100), need(3, 0, 5, 100), need(1, 1, 5, 100)};
  const auto fetches = plan_fetches(needs, 1 << 20);
  REQUIRE(fetches.size() == 2);
  REQUIRE(fetches[0].frames.size() == 1);
  CHECK(fetches[0].pack == 0);
  CHECK(fetches[0].bytes == 100);
  CHECK(fetches[0].frames[0].needs.size() == 2);
  CHECK(fetches[0].frames[0].needs[0].block == 3);
  CHECK(fetches[0].frames[0].needs[1].block == 9);
  CHECK(fetches[1].pack == 1);
}

TEST_CASE("neighbours join, a wide gap or too many bytes part them") {
  std::vector<Need> near{need(0, 0, 5, 160), need(1, 0, 15, 160)};
  CHECK(plan_fetches(near, 1 << 20).size() == 1);
  std::vector<Need> padded{need(0, 0, 5, 150), need(1, 0, 15, 20)};
  CHECK(plan_fetches(padded, 1 << 20).size() == 1);
  std::vector<Need> small_gap{need(0, 0, 5, 160000), need(1, 0, 10500, 160000)};
  CHECK(plan_fetches(small_gap, 1 << 20).size() == 1);
  std::vector<Need> wide{need(0, 0, 5, 160), need(1, 0, 100, 160)};
  CHECK(plan_fetches(wide, 1 << 20).size() == 2);
  std::vector<Need> many{need(0, 0, 5, 160000), need(1, 0, 10005, 160000)};
  CHECK(plan_fetches(many, 200000).size() == 2);
  std::vector<Need> overlapping{need(0, 0, 5, 160), need(1, 0, 6, 160)};
  CHECK(plan_fetches(overlapping, 1 << 20).size() == 2);
  std::vector<Need> none;
  CHECK(plan_fetches(none, 1 << 20).empty());
}

TEST_CASE("any plan asks for every frame once, within its bounds, with few gaps") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 draw(seed);
    constexpr std::uint64_t kMax = 4u << 20;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> frames;
    for (std::uint32_t pack = 0; pack < 4; ++pack) {
      std::uint32_t start16 = 5;
      for (int i = 0; i < 60; ++i) {
        const auto stored = static_cast<std::uint32_t>(33 + draw() % (i % 2 ? 400000 : 3000));
        if (draw() % 4) frames[{pack, start16}] = stored;
        start16 += (stored + 15) / 16;
      }
    }
    std::vector<Need> needs;
    for (const auto& [place, stored] : frames) {
      const auto count = 1 + draw() % 16;
      for (std::uint64_t i = 0; i < count; ++i) {
        needs.push_back(need(draw() % 10000, place.first, place.second, stored));
      }
    }
    std::shuffle(needs.begin(), needs.end(), draw);
    std::set<std::pair<std::uint32_t, std::uint32_t>> asked;
    std::uint64_t fetched = 0, wanted = 0, blocks = 0;
    const auto fetches = plan_fetches(needs, kMax);
    for (const auto& fetch : fetches) {
      REQUIRE(!fetch.frames.empty());
      CHECK((fetch.bytes <= kMax || fetch.frames.size() == 1));
      const auto& last = fetch.frames.back();
      CHECK(begin_of(last) + last.frame.stored == begin_of(fetch.frames.front()) + fetch.bytes);
      fetched += fetch.bytes;
      for (const auto& frame : fetch.frames) {
        CHECK(asked.emplace(fetch.pack, frame.frame.start16).second);
        CHECK(frames.at({fetch.pack, frame.frame.start16}) == frame.frame.stored);
        wanted += frame.frame.stored;
        blocks += frame.needs.size();
      }
    }
    CHECK(asked.size() == frames.size());
    CHECK(blocks == needs.size());
    CHECK((fetched - wanted) * 20 <= fetched);
  }
}

}  // namespace
}  // namespace snapvault::engine
