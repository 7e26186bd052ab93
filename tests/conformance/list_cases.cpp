#include <algorithm>

#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

using Names = std::vector<std::string>;

// Names around every character that sorts beside '/'.
const Names& tree() {
  static const Names names = [] {
    Names all = {"a",       "a-b",   "a.b",  "a0",   "a_b/c", "aa/b", "b-/x",    "b./x",  "b/c",
                 "b/c-d/e", "b/c.d", "b/c0", "b/c_", "b/d/e", "b/d-", "c/d/e/f", "c/d-e", "c0"};
    std::sort(all.begin(), all.end());
    return all;
  }();
  return names;
}

Failure plant(Store& store, const Names& names) {
  for (const auto& name : names) {
    if (!store.put(name, name).has_value()) return "put of " + name;
  }
  return {};
}

Names wanted(const Names& names, std::string_view prefix, std::string_view after) {
  Names out;
  for (const auto& name : names) {
    if (name.starts_with(prefix) && name > after) out.push_back(name);
  }
  return out;
}

// All pages of `page_size`; what is wrong with one is in `failure`.
Names read_pages(Store& store, std::uint32_t page_size, Failure& failure) {
  Names all;
  for (int pages = 0;; ++pages) {
    const auto page = store.list("", all.empty() ? "" : all.back(), page_size);
    if (!page) failure = "a page failed: " + std::string(page.error().reason());
    if (page && page->objects.size() > page_size) failure = "a page is too large";
    if (page && page->truncated && page->objects.empty()) failure = "an empty page is truncated";
    if (pages > 5000) failure = "the pages never end";
    if (failure) return all;
    for (auto& name : store.names(*page)) all.push_back(std::move(name));
    if (!page->truncated) return all;
  }
}

Failure absent_prefix(Store& store) {
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(page->objects.empty());
  SV_EXPECT(!page->truncated);
  SV_EXPECT(store.list("no/such/folder/").has_value());
  SV_EXPECT(store.list("no", "nothing").has_value());
  return {};
}

Failure order(Store& store) {
  if (auto failure = plant(store, {"b", "c", "a", "0", "z", "-", "_", ".x"})) return failure;
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"-", ".x", "0", "_", "a", "b", "c", "z"});
  return {};
}

Failure order_of_folders(Store& store) {
  if (auto failure = plant(store, {"a/b", "a-b", "a.b", "a0b"})) return failure;
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"a-b", "a.b", "a/b", "a0b"});
  return {};
}

Failure sizes(Store& store) {
  for (const std::size_t size : {0u, 1u, 100u, 70'000u}) {
    PutRequest request{.key = "s" + std::to_string(100'000 + size), .body = PutBody(Bytes(size))};
    SV_EXPECT(store.put(request).has_value());
  }
  const auto page = store.list();
  SV_EXPECT(page.has_value() && page->objects.size() == 4);
  SV_EXPECT(page->objects[0].size == 0);
  SV_EXPECT(page->objects[1].size == 1);
  SV_EXPECT(page->objects[2].size == 100);
  SV_EXPECT(page->objects[3].size == 70'000);
  return {};
}

Failure prefixes(Store& store) {
  const auto& names = tree();
  if (auto failure = plant(store, names)) return failure;
  for (const char* prefix : {"", "a", "a-", "aa", "aa/", "b", "b/", "b/c", "b/c-", "b/c-d/", "b/d",
                             "b/d/", "c/d", "c/d/e/f", "x", "b/x", "c/d/e/f/g", "a_", "b."}) {
    const auto page = store.list(prefix);
    SV_EXPECT(page.has_value());
    if (store.names(*page) != wanted(names, prefix, "")) {
      return "the keys with prefix '" + std::string(prefix) + "'";
    }
  }
  return {};
}

Failure prefix_is_no_folder(Store& store) {
  if (auto failure = plant(store, {"ab/c", "abc", "b"})) return failure;
  const auto page = store.list("ab");
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"ab/c", "abc"});
  return {};
}

Failure prefix_is_a_key(Store& store) {
  if (auto failure = plant(store, {"key", "key-2", "kez"})) return failure;
  const auto page = store.list("key");
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"key", "key-2"});
  return {};
}

Failure other_folders(Store& store) {
  if (auto failure = plant(store, {"one/a", "one/b", "two/a", "one-a"})) return failure;
  const auto page = store.list("one/");
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"one/a", "one/b"});
  return {};
}

Failure start_after(Store& store) {
  const auto& names = tree();
  if (auto failure = plant(store, names)) return failure;
  for (const char* after : {"a", "a-b", "a.", "a/", "b", "b/", "b/c-d", "b/c-d/e", "b/c0", "b/d",
                            "b/d/", "c", "c/d", "c/d/e/f", "c/d/e/f0", "c0", "zz", "0"}) {
    const auto page = store.list("", after);
    SV_EXPECT(page.has_value());
    if (store.names(*page) != wanted(names, "", after)) {
      return "the keys after '" + std::string(after) + "'";
    }
  }
  return {};
}

Failure start_after_is_excluded(Store& store) {
  if (auto failure = plant(store, {"a", "b", "c"})) return failure;
  const auto page = store.list("", "b");
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"c"});
  return {};
}

Failure start_after_with_prefix(Store& store) {
  const auto& names = tree();
  if (auto failure = plant(store, names)) return failure;
  for (const char* prefix : {"a", "b/", "b/c", "c/d"}) {
    for (const char* after : {"0", "a-b", "b/c", "b/c-d/e", "b/d/e", "c/d-e", "zz"}) {
      const auto page = store.list(prefix, after);
      SV_EXPECT(page.has_value());
      if (store.names(*page) != wanted(names, prefix, after)) {
        return "the keys with prefix '" + std::string(prefix) + "' after '" + after + "'";
      }
    }
  }
  return {};
}

Failure pages(Store& store) {
  const auto& names = tree();
  if (auto failure = plant(store, names)) return failure;
  for (const std::uint32_t page_size : {1u, 2u, 3u, 5u, 16u, 17u, 18u}) {
    Failure failure;
    const auto all = read_pages(store, page_size, failure);
    if (failure) return failure;
    if (all != names) return "all keys in pages of " + std::to_string(page_size);
  }
  return {};
}

Failure full_page(Store& store) {
  if (auto failure = plant(store, {"a", "b", "c"})) return failure;
  const auto exact = store.list("", "", 3);
  SV_EXPECT(exact.has_value());
  SV_EXPECT(exact->objects.size() == 3);
  SV_EXPECT(!exact->truncated);
  const auto more = store.list("", "", 2);
  SV_EXPECT(more.has_value());
  SV_EXPECT(store.names(*more) == Names{"a", "b"});
  SV_EXPECT(more->truncated);
  return {};
}

Failure full_page_before_other_folders(Store& store) {
  if (auto failure = plant(store, {"a/1", "a/2", "b/1"})) return failure;
  const auto page = store.list("a/", "", 2);
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"a/1", "a/2"});
  SV_EXPECT(!page->truncated);
  return {};
}

Failure page_of_one(Store& store) {
  if (auto failure = plant(store, {"a/b/c", "a/b/d"})) return failure;
  const auto page = store.list("", "", 1);
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"a/b/c"});
  SV_EXPECT(page->truncated);
  return {};
}

Failure largest_page(Store& store) {
  Names names;
  for (int i = 0; i < 1030; ++i)
    names.push_back("f" + std::to_string(i / 300) + "/" + std::to_string(10'000 + i));
  if (auto failure = plant(store, names)) return failure;
  const auto page = store.list("", "", 1000);
  SV_EXPECT(page.has_value());
  SV_EXPECT(page->objects.size() == 1000);
  SV_EXPECT(page->truncated);
  Failure failure;
  SV_EXPECT(read_pages(store, 1000, failure) == names);
  SV_EXPECT(read_pages(store, 103, failure) == names);
  return failure;
}

Failure shows_a_put_at_once(Store& store) {
  for (int i = 0; i < 20; ++i) {
    SV_EXPECT(store.put(std::to_string(100 + i), "x").has_value());
    const auto page = store.list();
    SV_EXPECT(page.has_value());
    SV_EXPECT(page->objects.size() == static_cast<std::size_t>(i) + 1);
  }
  return {};
}

Failure forgets_a_remove_at_once(Store& store) {
  if (auto failure = plant(store, {"a", "b", "c"})) return failure;
  SV_EXPECT(store.remove({"b"}).has_value());
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == Names{"a", "c"});
  return {};
}

Failure agrees_with_stat(Store& store) {
  if (auto failure = plant(store, {"a", "bb", "c/cc"})) return failure;
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(page->objects.size() == 3);
  for (const auto& object : page->objects) {
    const auto info = store.stat(object.key.substr(store.folder().size()));
    SV_EXPECT(info.has_value());
    SV_EXPECT(info->size == object.size);
    SV_EXPECT(info->key == object.key);
  }
  return {};
}

constexpr Case kCases[] = {
    {"an absent prefix is an empty page", Needs::nothing, absent_prefix},
    {"a list rises by key, bytewise", Needs::nothing, order},
    {"a slash sorts as the byte it is", Needs::nothing, order_of_folders},
    {"a list gives sizes", Needs::nothing, sizes},
    {"every prefix lists exactly its keys", Needs::nothing, prefixes},
    {"a prefix need not end at a slash", Needs::nothing, prefix_is_no_folder},
    {"a prefix that is a key lists that key", Needs::nothing, prefix_is_a_key},
    {"a prefix leaves other folders out", Needs::nothing, other_folders},
    {"a list starts after any string", Needs::nothing, start_after},
    {"the key to start after is left out", Needs::nothing, start_after_is_excluded},
    {"prefix and start go together", Needs::nothing, start_after_with_prefix},
    {"pages of any size give every key once", Needs::nothing, pages},
    {"a page that is just full is not truncated", Needs::nothing, full_page},
    {"keys of other prefixes do not truncate", Needs::nothing, full_page_before_other_folders},
    {"a page of one key works", Needs::nothing, page_of_one},
    {"a page holds up to 1000 keys", Needs::nothing, largest_page},
    {"a list shows a put at once", Needs::consistent_list, shows_a_put_at_once},
    {"a list forgets a removed object at once", Needs::consistent_list, forgets_a_remove_at_once},
    {"list and stat agree", Needs::nothing, agrees_with_stat},
};

}  // namespace

std::span<const Case> list_cases() { return kCases; }

}  // namespace snapvault::conformance
