#include "conformance.hpp"

#include <doctest/doctest.h>

#include <set>

#include "broken.hpp"
#include "unit/provider/scratch.hpp"

TEST_SUITE_BEGIN("conformance");

namespace snapvault::conformance {
namespace {

void check_all(Provider& store) {
  std::size_t count = 0;
  for (const auto& what : all_cases()) {
    if (!applies(what, store.capabilities())) continue;
    ++count;
    INFO(what.name);
    const auto failure = run(what, store, std::chrono::seconds(60));
    CHECK_MESSAGE(!failure, failure.value_or(""));
  }
  MESSAGE(store.capabilities().kind << ": " << count << " cases");
  CHECK(count >= 120);
}

// The names of the first cases that fail on `store`.
std::vector<std::string> failing(Provider& store) {
  std::vector<std::string> names;
  for (const auto& what : all_cases()) {
    if (names.size() == 3) break;
    if (run(what, store, std::chrono::milliseconds(300))) names.push_back(what.name);
  }
  return names;
}

}  // namespace

TEST_CASE("the memory provider conforms") { check_all(**Provider::open("memory:conformance")); }

TEST_CASE("the file provider conforms") {
  const provider::Scratch scratch;
  check_all(**Provider::open(scratch / "repository"));
}

TEST_CASE("case names are unique, and needs select cases") {
  std::set<std::string> names;
  for (const auto& what : all_cases()) CHECK(names.insert(what.name).second);
  Capabilities weak;
  weak.list_is_consistent = false;
  std::size_t count = 0;
  for (const auto& what : all_cases()) count += applies(what, weak);
  CHECK(count < all_cases().size());
  CHECK(count >= 110);
}

TEST_CASE("every broken provider makes at least one case fail") {
  std::size_t count = 0;
  for (const auto& group : {broken_writers(), broken_readers()}) {
    for (const auto& broken : group) {
      ++count;
      const auto store = broken.wrap(*Provider::open("memory:" + std::to_string(count)));
      const auto names = failing(*store);
      INFO(broken.name);
      CHECK(!names.empty());
      std::string all;
      for (const auto& name : names) all += "\n    " + name;
      MESSAGE(std::string(broken.name) << " fails:" << all);
    }
  }
  CHECK(count >= 45);
}

}  // namespace snapvault::conformance

TEST_SUITE_END();
