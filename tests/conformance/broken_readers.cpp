// Defects of get, stat and list.
#include <algorithm>
#include <map>
#include <mutex>

#include "broken.hpp"
#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

struct RangeOffByOne : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    if (request.offset > 0) --request.offset;
    good_->get(std::move(request), std::move(done));
  }
};

// The classic: the last byte of an HTTP range is inclusive.
struct RangeOneTooLong : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    auto longer = request;
    if (longer.length > 0 && longer.length + 1 != 0) ++longer.length;
    good_->get(longer, [this, request, done](Result<Bytes> got) {
      if (!got) return good_->get(request, done);
      done(std::move(got));
    });
  }
};

struct RangeIgnoresOffset : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    request.offset = 0;
    good_->get(std::move(request), std::move(done));
  }
};

struct RangeIsIgnored : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    request.offset = request.length = 0;
    good_->get(std::move(request), std::move(done));
  }
};

struct GetPastTheEndIsShort : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    good_->get(request, [this, request, done](Result<Bytes> got) {
      if (got || got.error().reason() != "range") return done(std::move(got));
      good_->get({.key = request.key}, [request, done](Result<Bytes> whole) {
        if (!whole) return done(std::move(whole));
        const auto from = std::min<std::uint64_t>(request.offset, whole->size());
        done(Bytes(whole->begin() + static_cast<std::ptrdiff_t>(from), whole->end()));
      });
    });
  }
};

struct WrongRangeCode : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    good_->get(std::move(request), [done](Result<Bytes> got) {
      if (got || got.error().reason() != "range") return done(std::move(got));
      done(Error(Errc::not_found, "no_object", "416"));
    });
  }
};

struct GetOfMissingIsEmpty : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    good_->get(std::move(request), [done](Result<Bytes> got) {
      if (!got && got.error().code() == Errc::not_found) return done(Bytes());
      done(std::move(got));
    });
  }
};

struct WrongMissingCode : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    good_->get(std::move(request), [done](Result<Bytes> got) {
      if (got || got.error().code() != Errc::not_found) return done(std::move(got));
      done(Error(Errc::unavailable, "store_failed", "404"));
    });
  }
};

struct FlipsABitOfLargeReads : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    good_->get(std::move(request), [done](Result<Bytes> got) {
      if (got && got->size() > 8u << 20) (*got)[7'654'321] ^= std::byte{1};
      done(std::move(got));
    });
  }
};

struct GetIsCached : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    const auto name =
        request.key + "?" + std::to_string(request.offset) + "+" + std::to_string(request.length);
    {
      const std::lock_guard lock(mutex);
      if (const auto found = cache.find(name); found != cache.end()) {
        if (!request.limits.stop.stop_requested() && !request.limits.deadline) {
          return done(found->second);
        }
      }
    }
    good_->get(std::move(request), [this, name, done](Result<Bytes> got) {
      if (got && got->size() < 1000) {
        const std::lock_guard lock(mutex);
        cache.emplace(name, *got);
      }
      done(std::move(got));
    });
  }
  std::mutex mutex;
  std::map<std::string, Bytes> cache;
};

struct MissingIsCached : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    const auto key = request.key;
    {
      const std::lock_guard lock(mutex);
      if (missing.contains(key)) return done(Error(Errc::not_found, "no_object", "cached"));
    }
    good_->get(std::move(request), [this, key, done](Result<Bytes> got) {
      if (!got && got.error().code() == Errc::not_found) {
        const std::lock_guard lock(mutex);
        missing.emplace(key, true);
      }
      done(std::move(got));
    });
  }
  std::mutex mutex;
  std::map<std::string, bool> missing;
};

struct StatLiesAboutSize : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(std::move(request), [done](Result<ObjectInfo> info) {
      if (info) info->size = (info->size + 511) / 512 * 512;
      done(std::move(info));
    });
  }
};

struct StatOfMissingIsEmpty : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(request, [request, done](Result<ObjectInfo> info) {
      if (!info && info.error().code() == Errc::not_found) return done(ObjectInfo{request.key});
      done(std::move(info));
    });
  }
};

struct StatFindsFolders : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(request, [this, request, done](Result<ObjectInfo> info) {
      if (info || info.error().code() != Errc::not_found) return done(std::move(info));
      good_->list({.prefix = request.key + "/"}, [request, done, info](Result<ListPage> page) {
        if (page && !page->objects.empty()) return done(ObjectInfo{request.key, 4096});
        done(info);
      });
    });
  }
};

struct StatForgetsTheKey : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(std::move(request), [done](Result<ObjectInfo> info) {
      if (info) info->key.clear();
      done(std::move(info));
    });
  }
};

struct TimesAreMilliseconds : Wrapper {
  using Wrapper::Wrapper;
  void stat(StatRequest request, Completion<ObjectInfo> done) override {
    good_->stat(std::move(request), [done](Result<ObjectInfo> info) {
      if (info) info->modified = 12345;
      done(std::move(info));
    });
  }
};

// Edits each page that a list gives.
struct EditsPages : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    good_->list(request, [this, request, done](Result<ListPage> page) {
      if (page) edit(request, *page);
      done(std::move(page));
    });
  }
  virtual void edit(const ListRequest& request, ListPage& page) = 0;
};

struct PageDropsAKey : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest&, ListPage& page) override {
    if (page.truncated && page.objects.size() > 1) page.objects.erase(page.objects.begin());
  }
};

struct PageRepeatsAKey : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest& request, ListPage& page) override {
    if (request.start_after.starts_with(request.prefix) && !page.objects.empty() &&
        !request.start_after.empty()) {
      page.objects.insert(page.objects.begin(), {.key = request.start_after});
    }
  }
};

struct PageIsOutOfOrder : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest&, ListPage& page) override {
    if (page.objects.size() > 2) std::swap(page.objects[0], page.objects[1]);
  }
};

// The order of a walk through folders: "a/b" before "a-b".
struct OrderOfFolders : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest&, ListPage& page) override {
    const auto less = [](char a, char b) { return a != b && (a == '/' || (b != '/' && a < b)); };
    std::sort(page.objects.begin(), page.objects.end(), [&](const auto& a, const auto& b) {
      return std::lexicographical_compare(a.key.begin(), a.key.end(), b.key.begin(), b.key.end(),
                                          less);
    });
  }
};

struct ListLiesAboutSizes : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest&, ListPage& page) override {
    for (auto& object : page.objects) object.size = 0;
  }
};

struct NeverTruncated : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest&, ListPage& page) override { page.truncated = false; }
};

struct FullPageIsTruncated : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest& request, ListPage& page) override {
    page.truncated = page.objects.size() == request.max_keys;
  }
};

struct StaleList : EditsPages {
  using EditsPages::EditsPages;
  void put(PutRequest request, Completion<void> done) override {
    {
      const std::lock_guard lock(mutex);
      newest = request.key;
    }
    good_->put(std::move(request), std::move(done));
  }
  void edit(const ListRequest&, ListPage& page) override {
    const std::lock_guard lock(mutex);
    std::erase_if(page.objects, [&](const ObjectInfo& object) { return object.key == newest; });
    if (page.objects.empty()) page.truncated = false;
  }
  std::mutex mutex;
  std::string newest;
};

struct GhostsInTheList : EditsPages {
  using EditsPages::EditsPages;
  void remove(RemoveRequest request, Completion<void> done) override {
    {
      const std::lock_guard lock(mutex);
      ghost = request.keys.empty() ? "" : request.keys.back();
    }
    good_->remove(std::move(request), std::move(done));
  }
  void edit(const ListRequest& request, ListPage& page) override {
    const std::lock_guard lock(mutex);
    if (ghost.empty() || !ghost.starts_with(request.prefix) || ghost <= request.start_after) return;
    const auto at = std::lower_bound(
        page.objects.begin(), page.objects.end(), ghost,
        [](const ObjectInfo& object, const std::string& key) { return object.key < key; });
    if (at == page.objects.end() || at->key != ghost) page.objects.insert(at, {.key = ghost});
  }
  std::mutex mutex;
  std::string ghost;
};

struct ListsTemporaryNames : EditsPages {
  using EditsPages::EditsPages;
  void edit(const ListRequest&, ListPage& page) override {
    if (page.objects.size() == 1 && !page.truncated) {
      page.objects.push_back({.key = page.objects[0].key + ".tmp"});
    }
  }
};

struct IgnoresStartAfter : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    request.start_after.clear();
    good_->list(std::move(request), std::move(done));
  }
};

struct StartAfterIsInclusive : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    if (!request.start_after.empty()) --request.start_after.back();
    good_->list(std::move(request), std::move(done));
  }
};

struct IgnoresPrefix : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    const auto slash = request.prefix.rfind('/');
    request.prefix.resize(slash == std::string::npos ? 0 : slash + 1);
    good_->list(std::move(request), std::move(done));
  }
};

struct PrefixIsAFolder : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    if (!request.prefix.empty() && !request.prefix.ends_with('/')) request.prefix += '/';
    good_->list(std::move(request), std::move(done));
  }
};

struct IgnoresPageSize : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    if (request.max_keys > 0 && request.max_keys < 1000) request.max_keys = 1000;
    good_->list(std::move(request), std::move(done));
  }
};

struct SmallPages : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    if (request.max_keys == 1000) request.max_keys = 999;
    good_->list(std::move(request), std::move(done));
  }
};

struct AbsentPrefixFails : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    good_->list(std::move(request), [done](Result<ListPage> page) {
      if (page && page->objects.empty()) return done(Error(Errc::not_found, "no_object", "404"));
      done(std::move(page));
    });
  }
};

struct AnyPageSize : Wrapper {
  using Wrapper::Wrapper;
  void list(ListRequest request, Completion<ListPage> done) override {
    request.max_keys = std::clamp(request.max_keys, 1u, 1000u);
    good_->list(std::move(request), std::move(done));
  }
};

struct ErrorsWithoutWords : Wrapper {
  using Wrapper::Wrapper;
  void get(GetRequest request, Completion<Bytes> done) override {
    good_->get(std::move(request), [done](Result<Bytes> got) {
      if (got) return done(std::move(got));
      done(Error(got.error().code(), got.error().reason().data(), ""));
    });
  }
};

struct CapabilitiesLie : Wrapper {
  using Wrapper::Wrapper;
  Capabilities capabilities() const override {
    auto out = good_->capabilities();
    out.weak_because = "says one thing and its opposite";
    return out;
  }
};

constexpr Broken kBroken[] = {
    {"range begins one too early", wrap_in<RangeOffByOne>},
    {"range is one too long", wrap_in<RangeOneTooLong>},
    {"range ignores the offset", wrap_in<RangeIgnoresOffset>},
    {"range is ignored", wrap_in<RangeIsIgnored>},
    {"get past the end is short", wrap_in<GetPastTheEndIsShort>},
    {"range error has the wrong code", wrap_in<WrongRangeCode>},
    {"get of a missing object is empty", wrap_in<GetOfMissingIsEmpty>},
    {"missing object has the wrong code", wrap_in<WrongMissingCode>},
    {"flips a bit of large reads", wrap_in<FlipsABitOfLargeReads>},
    {"get is cached", wrap_in<GetIsCached>},
    {"a miss is cached", wrap_in<MissingIsCached>},
    {"stat lies about the size", wrap_in<StatLiesAboutSize>},
    {"stat of a missing object is empty", wrap_in<StatOfMissingIsEmpty>},
    {"stat finds folders", wrap_in<StatFindsFolders>},
    {"stat forgets the key", wrap_in<StatForgetsTheKey>},
    {"stat gives times in no known unit", wrap_in<TimesAreMilliseconds>},
    {"page drops a key", wrap_in<PageDropsAKey>},
    {"page repeats a key", wrap_in<PageRepeatsAKey>},
    {"page is out of order", wrap_in<PageIsOutOfOrder>},
    {"pages come in the order of folders", wrap_in<OrderOfFolders>},
    {"list lies about sizes", wrap_in<ListLiesAboutSizes>},
    {"pages are never truncated", wrap_in<NeverTruncated>},
    {"a page that is just full is truncated", wrap_in<FullPageIsTruncated>},
    {"list is stale", wrap_in<StaleList>},
    {"list shows ghosts", wrap_in<GhostsInTheList>},
    {"list shows temporary names", wrap_in<ListsTemporaryNames>},
    {"list ignores start_after", wrap_in<IgnoresStartAfter>},
    {"start_after is inclusive", wrap_in<StartAfterIsInclusive>},
    {"list ignores the prefix", wrap_in<IgnoresPrefix>},
    {"prefix is taken for a folder", wrap_in<PrefixIsAFolder>},
    {"list ignores the size of a page", wrap_in<IgnoresPageSize>},
    {"pages are smaller than asked for", wrap_in<SmallPages>},
    {"an absent prefix fails", wrap_in<AbsentPrefixFails>},
    {"any page size is taken", wrap_in<AnyPageSize>},
    {"errors come without words", wrap_in<ErrorsWithoutWords>},
    {"capabilities contradict themselves", wrap_in<CapabilitiesLie>},
};

}  // namespace

std::span<const Broken> broken_readers() { return kBroken; }

}  // namespace snapvault::conformance
