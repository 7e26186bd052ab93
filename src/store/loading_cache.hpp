// LoadingCache: values by key within a bound, the least recently used dropped first. Who asks for a
// value that is being loaded waits for it, so each is loaded once.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/sync.hpp"

namespace snapvault::store {

// Loop only.
template <class Key, class Value, class Hash = std::hash<Key>>
class LoadingCache {
 public:
  using Pointer = std::shared_ptr<const Value>;
  using Weigh = std::uint64_t (*)(const Value&);

  // `weigh` in any unit; the newest value stays even if it alone is above `weight_max`.
  LoadingCache(base::Executor& loop, std::uint64_t weight_max, Weigh weigh) noexcept
      : loop_(loop), weight_max_(weight_max), weigh_(weigh) {}

  // Null if it is not here.
  Pointer find(const Key& key) noexcept {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    newest_first_.splice(newest_first_.begin(), newest_first_, found->second);
    return found->second->value;
  }

  void put(const Key& key, Pointer value) {
    if (find(key)) return;
    const auto weight = weigh_(*value);
    newest_first_.push_front({key, std::move(value), weight});
    try {
      by_key_.emplace(key, newest_first_.begin());
    } catch (...) {
      newest_first_.pop_front();
      throw;
    }
    weight_ += weight;
    while (weight_ > weight_max_ && newest_first_.size() > 1) {
      weight_ -= newest_first_.back().weight;
      by_key_.erase(newest_first_.back().key);
      newest_first_.pop_back();
    }
  }

  // `load(key)` gives a Task<Result<Pointer>>; it must live until this is awaited.
  template <class Load>
  base::Task<Result<Pointer>> get(Key key, Load& load) {
    for (;;) {
      if (auto known = find(key)) co_return known;
      const auto running = loading_.find(key);
      if (running == loading_.end()) break;
      const auto event = running->second;
      co_await event->wait();
    }
    const Loading loading(*this, key);
    auto task = load(key);
    auto loaded = co_await std::move(task);
    if (loaded) put(key, *loaded);
    co_return loaded;
  }

 private:
  struct Node {
    Key key;
    Pointer value;
    std::uint64_t weight;
  };
  // Stands for a load that runs; wakes those who wait for it, whatever its end.
  class Loading {
   public:
    Loading(LoadingCache& cache, const Key& key)
        : cache_(cache), key_(key), event_(std::make_shared<base::Event>(cache.loop_)) {
      cache_.loading_.emplace(key_, event_);
    }
    Loading(const Loading&) = delete;
    Loading& operator=(const Loading&) = delete;
    ~Loading() {
      cache_.loading_.erase(key_);
      event_->set();
    }

   private:
    LoadingCache& cache_;
    Key key_;
    std::shared_ptr<base::Event> event_;
  };

  base::Executor& loop_;
  std::uint64_t weight_max_;
  std::uint64_t weight_ = 0;
  Weigh weigh_;
  std::list<Node> newest_first_;
  std::unordered_map<Key, typename std::list<Node>::iterator, Hash> by_key_;
  std::unordered_map<Key, std::shared_ptr<base::Event>, Hash> loading_;
};

}  // namespace snapvault::store
