#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

using Names = std::vector<std::string>;

Failure plant(Store& store, const Names& names) {
  for (const auto& name : names) SV_EXPECT(store.put(name, name).has_value());
  return {};
}

Names left(Store& store) {
  const auto page = store.list();
  return page ? store.names(*page) : Names{"the list failed"};
}

Failure is_gone(Store& store) {
  if (auto failure = plant(store, {"object"})) return failure;
  SV_EXPECT(store.remove({"object"}).has_value());
  SV_EXPECT(failed(store.get("object"), Errc::not_found, "no_object"));
  SV_EXPECT(failed(store.stat("object"), Errc::not_found, "no_object"));
  SV_EXPECT(left(store).empty());
  return {};
}

Failure missing(Store& store) {
  SV_EXPECT(store.remove({"missing"}).has_value());
  SV_EXPECT(store.remove({"no/such/folder"}).has_value());
  return {};
}

Failure again(Store& store) {
  if (auto failure = plant(store, {"a/object", "b"})) return failure;
  for (int i = 0; i < 3; ++i) SV_EXPECT(store.remove({"a/object"}).has_value());
  SV_EXPECT(left(store) == Names{"b"});
  return {};
}

Failure neighbours(Store& store) {
  const Names names = {"a", "a-", "a-b", "a0", "aa", "b", "c/a", "c/b", "c0"};
  if (auto failure = plant(store, names)) return failure;
  SV_EXPECT(store.remove({"a"}).has_value());
  SV_EXPECT(store.remove({"c/a"}).has_value());
  SV_EXPECT(left(store) == Names{"a-", "a-b", "a0", "aa", "b", "c/b", "c0"});
  return {};
}

Failure folder_name(Store& store) {
  if (auto failure = plant(store, {"a/b/c", "a/d"})) return failure;
  SV_EXPECT(store.remove({"a"}).has_value());
  SV_EXPECT(store.remove({"a/b", "a"}).has_value());
  SV_EXPECT(left(store) == Names{"a/b/c", "a/d"});
  return {};
}

Failure several(Store& store) {
  if (auto failure = plant(store, {"a", "b", "c", "d/e", "d/f"})) return failure;
  SV_EXPECT(store.remove({"a", "missing", "c", "d/e", "no/such"}).has_value());
  SV_EXPECT(left(store) == Names{"b", "d/f"});
  return {};
}

Failure twice_in_one(Store& store) {
  if (auto failure = plant(store, {"a", "b"})) return failure;
  SV_EXPECT(store.remove({"a", "a"}).has_value());
  SV_EXPECT(left(store) == Names{"b"});
  return {};
}

Failure thousand(Store& store) {
  Names names;
  for (int i = 0; i < 1000; ++i) names.push_back(std::to_string(i % 10) + "/" + std::to_string(i));
  // One in ten is there; the last one among them.
  for (std::size_t i = 9; i < names.size(); i += 10) {
    SV_EXPECT(store.put(names[i], "x").has_value());
  }
  SV_EXPECT(store.put("other", "x").has_value());
  SV_EXPECT(store.remove(names).has_value());
  SV_EXPECT(left(store) == Names{"other"});
  return {};
}

Failure put_again(Store& store) {
  for (int i = 0; i < 5; ++i) {
    const auto text = "round " + std::to_string(i);
    SV_EXPECT(store.put("a/b/c", text).has_value());
    SV_EXPECT(text_of(store.get("a/b/c").value_or(Bytes())) == text);
    SV_EXPECT(store.remove({"a/b/c"}).has_value());
  }
  return {};
}

Failure sync_nothing(Store& store) {
  SV_EXPECT(store.sync().has_value());
  SV_EXPECT(store.sync().has_value());
  return {};
}

Failure sync_puts(Store& store) {
  for (int i = 0; i < 100; ++i) {
    SV_EXPECT(
        store.put(std::to_string(i % 3) + "/" + std::to_string(i), "x", i % 10 == 0).has_value());
  }
  SV_EXPECT(store.sync().has_value());
  SV_EXPECT(left(store).size() == 100);
  return {};
}

Failure sync_removed(Store& store) {
  if (auto failure = plant(store, {"a/one", "b/two"})) return failure;
  SV_EXPECT(store.remove({"a/one"}).has_value());
  SV_EXPECT(store.sync().has_value());
  SV_EXPECT(left(store) == Names{"b/two"});
  return {};
}

constexpr Case kCases[] = {
    {"a removed object is gone", Needs::nothing, is_gone},
    {"a missing object counts as removed", Needs::nothing, missing},
    {"remove can be repeated", Needs::nothing, again},
    {"remove leaves neighbours alone", Needs::nothing, neighbours},
    {"remove of a folder's name removes nothing in it", Needs::nothing, folder_name},
    {"several objects go at once, missing ones among them", Needs::nothing, several},
    {"a key may stand twice in one remove", Needs::nothing, twice_in_one},
    {"a remove takes a thousand keys", Needs::nothing, thousand},
    {"an object may come again", Needs::nothing, put_again},
    {"sync of nothing succeeds", Needs::nothing, sync_nothing},
    {"sync after puts succeeds", Needs::nothing, sync_puts},
    {"sync after a remove succeeds", Needs::nothing, sync_removed},
};

}  // namespace

std::span<const Case> remove_cases() { return kCases; }

}  // namespace snapvault::conformance
