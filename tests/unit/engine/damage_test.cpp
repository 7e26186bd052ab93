#include "engine/damage.hpp"

#include <doctest/doctest.h>

TEST_SUITE_BEGIN("engine/damage");

namespace snapvault::engine {
namespace {

format::PackId pack_of(std::uint32_t n) {
  format::PackId pack;
  pack.n = n;
  return pack;
}
const Error kBroken(Errc::data_loss, "not_authentic", "broken");

TEST_CASE("damage is told in as many records as it takes, and what is known is left out") {
  Damage damage;
  store::Excluded known;
  for (std::uint32_t n = 0; n < 7; ++n) damage.pack(pack_of(n), kBroken);
  for (std::uint32_t n = 0; n < 25; ++n) damage.frame(pack_of(100), 10 * n, kBroken);
  known.add_pack(pack_of(3));
  known.add_frame(pack_of(100), 50);
  const auto records = damage.records(known, 10);
  REQUIRE(records.size() == 3);
  CHECK(records[0].packs.size() == 6);
  CHECK(records[0].frames.size() == 4);
  CHECK(records[1].packs.empty());
  CHECK(records[1].frames.size() == 10);
  CHECK(records[2].frames.size() == 10);
  for (const auto& record : records) {
    for (const auto& pack : record.packs) known.add_pack(pack);
    for (const auto& frame : record.frames) known.add_frame(frame.pack, frame.start16);
  }
  CHECK(damage.records(known, 10).empty());
}

TEST_CASE("more damage than one record of the log may hold is recorded all the same") {
  Damage damage;
  for (std::uint32_t n = 0; n < 120'000; ++n) damage.frame(pack_of(n / 1000), n, kBroken);
  const auto records = damage.records({});
  REQUIRE(records.size() == 3);
  std::size_t frames = 0;
  for (const auto& record : records) frames += record.frames.size();
  CHECK(frames == 120'000);
}

}  // namespace
}  // namespace snapvault::engine

TEST_SUITE_END();
