#include <algorithm>

#include "store/map_writer.hpp"

namespace snapvault::store {
namespace {

using Counts = std::unordered_map<format::PackId, std::int64_t, format::PackIdHash>;

std::vector<format::RefsEntry> sorted(const Counts& counts) {
  std::vector<format::RefsEntry> entries;
  entries.reserve(counts.size());
  for (const auto& [pack, live] : counts) {
    if (live != 0) entries.push_back({pack, live});
  }
  std::sort(entries.begin(), entries.end(),
            [](const format::RefsEntry& a, const format::RefsEntry& b) { return a.pack < b.pack; });
  return entries;
}

}  // namespace

void RefsBook::add(const format::PackId& pack, std::int64_t change) { counts_[pack] += change; }

format::Refs RefsBook::table() const {
  format::Refs refs;
  refs.entries = sorted(counts_);
  return refs;
}

format::Refs RefsBook::delta(const format::Refs& parent_delta, const format::RefsBase& base) const {
  Counts sum = counts_;
  // A parent with a full table is itself the base.
  if (parent_delta.base) {
    for (const format::RefsEntry& entry : parent_delta.entries) sum[entry.pack] += entry.live;
  }
  format::Refs refs;
  refs.base = base;
  refs.entries = sorted(sum);
  return refs;
}

}  // namespace snapvault::store
