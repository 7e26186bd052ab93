// Recent: the entries used last, bounded by number and by weight. For a few dozen of them: a scan
// is as fast as a table.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace snapvault::store {

template <class Key, class Value>
class Recent {
 public:
  Recent(std::size_t count_max, std::uint64_t weight_max)
      : count_max_(count_max), weight_max_(weight_max) {}

  // Null if it is not kept. Valid until the next add().
  const Value* find(const Key& key) {
    for (Slot& slot : slots_) {
      if (slot.key != key) continue;
      slot.used = ++clock_;
      return &slot.value;
    }
    return nullptr;
  }

  // Keeps `value`, whatever its weight, and lets go of the ones longest unused.
  void add(const Key& key, Value value, std::uint64_t weight = 1) {
    while (!slots_.empty() && (slots_.size() >= count_max_ || weight_ > weight_max_ ||
                               weight > weight_max_ - weight_)) {
      const auto oldest =
          std::min_element(slots_.begin(), slots_.end(),
                           [](const Slot& a, const Slot& b) { return a.used < b.used; });
      weight_ -= oldest->weight;
      *oldest = std::move(slots_.back());
      slots_.pop_back();
    }
    slots_.push_back(Slot{key, std::move(value), weight, ++clock_});
    weight_ += weight;
  }

 private:
  struct Slot {
    Key key;
    Value value;
    std::uint64_t weight = 0;
    std::uint64_t used = 0;
  };
  std::size_t count_max_;
  std::uint64_t weight_max_;
  std::uint64_t weight_ = 0;
  std::uint64_t clock_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace snapvault::store
