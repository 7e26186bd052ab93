#include "engine/damage.hpp"

namespace snapvault::engine {

void Damage::frame(const format::PackId& pack, std::uint32_t start16, const Error& error) {
  if (frames_.emplace(pack, start16).second) object(format::pack_name(pack), error);
}

void Damage::pack(const format::PackId& pack, const Error& error) {
  if (packs_.insert(pack).second) object(format::pack_name(pack), error);
}

// One line an object: its first failure says enough.
void Damage::object(const std::string& key, const Error& error) {
  if (!keys_.insert(key).second) return;
  objects_.push_back({key, std::string(error.reason()), std::string(error.message())});
}

bool Damage::hits(const format::PackId& pack, std::uint32_t start16) const {
  return packs_.contains(pack) || frames_.contains({pack, start16});
}

std::vector<format::DamageRecord> Damage::records(const store::Excluded& known,
                                                  std::size_t items_max) const {
  std::vector<format::DamageRecord> out;
  const auto next = [&]() -> format::DamageRecord& {
    const bool full =
        out.empty() || out.back().packs.size() + out.back().frames.size() == items_max;
    return full ? out.emplace_back() : out.back();
  };
  for (const auto& pack : packs_) {
    if (!known.contains(pack)) next().packs.push_back(pack);
  }
  for (const auto& [pack, start16] : frames_) {
    if (!known.contains(pack, start16)) next().frames.push_back({pack, start16});
  }
  return out;
}

void add_range(std::vector<ByteRange>& ranges, std::uint64_t offset, std::uint64_t length) {
  if (!ranges.empty() && ranges.back().offset + ranges.back().length == offset) {
    ranges.back().length += length;
  } else {
    ranges.push_back({offset, length});
  }
}

}  // namespace snapvault::engine
