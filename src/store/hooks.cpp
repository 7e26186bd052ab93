#include "store/hooks.hpp"

#include <algorithm>
#include <bit>

namespace snapvault::store {
namespace {

constexpr std::size_t kSlotsMin = 1024;

}  // namespace

Hooks::Hooks(std::uint64_t bytes_max)
    : slots_max_(std::max<std::size_t>(kSlotsMin, std::bit_floor(bytes_max / sizeof(Slot)))),
      slots_(kSlotsMin) {}

std::uint32_t Hooks::tag_of(const format::BlockPrefix& prefix) noexcept {
  return base::load<std::uint32_t>(prefix.bytes.data());
}

bool Hooks::takes(std::uint32_t tag) const noexcept {
  return (tag & ((std::uint64_t{1} << halvings_) - 1)) == 0;
}

bool Hooks::is_sampled(const format::BlockPrefix& prefix) const noexcept {
  return takes(tag_of(prefix));
}

// Where the tag stands, or the free slot where it would. The low bits choose the sample, so the
// place follows from the high ones.
std::size_t Hooks::slot_of(const std::vector<Slot>& slots, std::uint32_t tag) const noexcept {
  const auto mask = slots.size() - 1;
  auto at = static_cast<std::size_t>(std::uint64_t{tag} * slots.size() >> 32);
  while (slots[at].segment != 0 && slots[at].tag != tag) at = (at + 1) & mask;
  return at;
}

// Twice the slots, or half the sample.
void Hooks::make_room() {
  const bool grows = slots_.size() < slots_max_;
  std::vector<Slot> slots(grows ? 2 * slots_.size() : slots_.size());
  if (!grows) ++halvings_;
  used_ = 0;
  for (const auto& slot : slots_) {
    if (slot.segment == 0 || !takes(slot.tag)) continue;
    slots[slot_of(slots, slot.tag)] = slot;
    ++used_;
  }
  slots_ = std::move(slots);
}

void Hooks::add(const format::BlockPrefix& prefix, std::uint32_t segment) {
  const auto tag = tag_of(prefix);
  while (takes(tag) && used_ >= slots_.size() / 4 * 3 && halvings_ < 31) make_room();
  if (!takes(tag)) return;
  auto& slot = slots_[slot_of(slots_, tag)];
  if (slot.segment == 0) ++used_;
  slot = {tag, segment + 1};
}

std::optional<std::uint32_t> Hooks::segment_of(const format::BlockPrefix& prefix) const noexcept {
  const auto& slot = slots_[slot_of(slots_, tag_of(prefix))];
  if (slot.segment == 0) return std::nullopt;
  return slot.segment - 1;
}

}  // namespace snapvault::store
