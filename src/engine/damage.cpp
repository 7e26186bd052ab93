#include "engine/damage.hpp"

namespace snapvault::engine {
namespace {

constexpr std::size_t kFramesMax = 100'000;

}  // namespace

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

format::DamageRecord Damage::record() const {
  format::DamageRecord out;
  out.packs.assign(packs_.begin(), packs_.end());
  for (const auto& [pack, start16] : frames_) {
    if (out.frames.size() == kFramesMax) break;
    out.frames.push_back({pack, start16});
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
