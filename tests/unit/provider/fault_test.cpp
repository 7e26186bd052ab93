#include "provider/fault.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "provider/memory.hpp"
#include "scratch.hpp"

TEST_SUITE_BEGIN("provider/fault");

namespace snapvault::provider {
namespace {

// One of each call, in this order: put, get, stat, list, remove, sync.
std::vector<std::optional<Errc>> one_of_each(BlockingProvider& store) {
  std::vector<std::optional<Errc>> codes;
  const auto note = [&](const auto& result) {
    codes.push_back(result ? std::nullopt : std::optional(result.error().code()));
  };
  note(store.put_now(put_of("a/new", "new")));
  note(store.get_now({.key = "a/old"}));
  note(store.stat_now({.key = "a/old"}));
  note(store.list_now({.prefix = "a/"}));
  note(store.remove_now({.keys = {"a/gone"}}));
  note(store.sync_now({}));
  return codes;
}

std::shared_ptr<FaultProvider> faulty() {
  auto memory = blocking(make_memory());
  REQUIRE(memory->put_now(put_of("a/old", "old")));
  REQUIRE(memory->put_now(put_of("a/gone", "gone")));
  return *FaultProvider::wrap(memory);
}

constexpr std::nullopt_t ok = std::nullopt;

}  // namespace

TEST_CASE("without a fault every call passes and counts") {
  const auto store = faulty();
  for (const auto& code : one_of_each(*store)) CHECK(code == ok);
  CHECK(store->calls() == 6);
  CHECK(store->fired() == 0);
  CHECK(store->capabilities().kind == "memory");
}

TEST_CASE("each kind of fault answers as it says") {
  using E = Errc;
  const auto answers = [](Fault fault) {
    const auto store = faulty();
    store->arm(fault, 1, true);
    return one_of_each(*store);
  };
  using Codes = std::vector<std::optional<Errc>>;
  const E u = E::unavailable;
  CHECK(answers(Fault::lost_before) == Codes{E::outcome_unknown, u, u, u, u, u});
  CHECK(answers(Fault::lost_after) == Codes{E::outcome_unknown, u, u, u, u, u});
  CHECK(answers(Fault::unavailable) == Codes{u, u, u, u, u, u});
  const E d = E::deadline_exceeded;
  CHECK(answers(Fault::deadline) == Codes{d, d, d, d, d, d});
  const E p = E::permission_denied;
  CHECK(answers(Fault::permission) == Codes{p, p, p, p, p, p});
  const E s = E::resource_exhausted;
  CHECK(answers(Fault::no_space) == Codes{s, ok, ok, ok, ok, s});
  CHECK(answers(Fault::corrupt_read) == Codes{ok, ok, ok, ok, ok, ok});
  CHECK(answers(Fault::stale_list) == Codes{ok, ok, ok, ok, ok, ok});
}

TEST_CASE("a lost put took effect or not, as the fault says") {
  for (const auto fault : kFaults) {
    CAPTURE(to_string(fault));
    const auto store = faulty();
    store->arm(fault, 1, false);
    const bool answered = store->put_now(put_of("a/new", "new")).has_value();
    const bool there = store->stat_now({.key = "a/new"}).has_value();
    const bool effect = fault == Fault::lost_after || fault == Fault::deadline;
    CHECK(there == (answered || effect));
  }
}

TEST_CASE("a fault happens once, or from its call on") {
  const auto store = faulty();
  store->arm(Fault::unavailable, 2, false);
  for (const bool passes : {true, false, true}) {
    CHECK(store->stat_now({.key = "a/old"}).has_value() == passes);
  }
  CHECK(store->fired() == 1);
  store->arm(Fault::unavailable, 2, true);
  for (const bool passes : {true, false, false}) {
    CHECK(store->stat_now({.key = "a/old"}).has_value() == passes);
  }
  CHECK(store->fired() == 2);
  store->disarm();
  CHECK(store->stat_now({.key = "a/old"}));
}

TEST_CASE("a corrupt read differs in one bit, a short one in its length") {
  const auto store = faulty();
  store->arm(Fault::corrupt_read, 1, false);
  const auto wrong = store->get_now({.key = "a/old"});
  REQUIRE(wrong);
  int bits = 0;
  const auto right = bytes_of("old");
  REQUIRE(wrong->size() == right.size());
  for (std::size_t i = 0; i < right.size(); ++i) {
    bits += __builtin_popcount(std::to_integer<unsigned>((*wrong)[i] ^ right[i]));
  }
  CHECK(bits == 1);
  store->arm(Fault::short_read, 1, false);
  CHECK(*text_of(*store, "a/old") == "ol");
  CHECK(*text_of(*store, "a/old") == "old");
  REQUIRE(store->put_now(put_of("a/empty", "")));
  store->arm(Fault::short_read, 1, false);
  CHECK(*text_of(*store, "a/empty") == "");
  store->arm(Fault::short_read, 1, false);
  CHECK(text_of(*store, "a/none").error().code() == Errc::not_found);
}

TEST_CASE("a stale list leaves out what was put last, and still lets paging go on") {
  const auto store = faulty();
  for (int i = 0; i < 6; ++i) REQUIRE(store->put_now(put_of("b/" + std::to_string(i), "")));
  store->arm(Fault::stale_list, 1, true);
  CHECK(keys_of(*store->list_now({.prefix = "b/"})) == std::vector<std::string>{"b/0", "b/1"});
  const auto page = store->list_now({.prefix = "b/", .start_after = "b/2", .max_keys = 2});
  CHECK(page->truncated);
  CHECK(keys_of(*page) == std::vector<std::string>{"b/4"});
}

TEST_CASE("only a blocking provider can be wrapped") {
  CHECK(FaultProvider::wrap(nullptr).error().code() == Errc::invalid_argument);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
