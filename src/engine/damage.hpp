// Damage: what verify has found broken, and what that means for snapshots.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <snapvault/repository.hpp>

#include "format/control.hpp"
#include "format/names.hpp"
#include "store/repository.hpp"

namespace snapvault::engine {

// Frames (by start) and whole packs that cannot be used.
class Damage {
 public:
  void frame(const format::PackId& pack, std::uint32_t start16, const Error& error);
  void pack(const format::PackId& pack, const Error& error);
  void object(const std::string& key, const Error& error);

  bool hits(const format::PackId& pack, std::uint32_t start16) const;
  bool hits(const format::PackId& pack) const { return packs_.contains(pack); }
  bool empty() const noexcept { return objects_.empty(); }
  const std::vector<DamagedObject>& objects() const noexcept { return objects_; }
  // What the control log should say besides what it says already: records of at most `items_max`
  // frames and packs, as one may hold 100,000 of each.
  std::vector<format::DamageRecord> records(const store::Excluded& known,
                                            std::size_t items_max = 50'000) const;

 private:
  std::set<format::PackId> packs_;
  std::set<std::pair<format::PackId, std::uint32_t>> frames_;
  std::set<std::string> keys_;
  std::vector<DamagedObject> objects_;
};

// Adds a range, joining it with the last one if they touch.
void add_range(std::vector<ByteRange>& ranges, std::uint64_t offset, std::uint64_t length);

}  // namespace snapvault::engine
