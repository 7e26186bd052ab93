// Key slots: how a master key is locked into an object, and how it is got out again.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "store/repository.hpp"

namespace snapvault::store {

// More are neither made nor looked at.
inline constexpr std::size_t kSlotsMax = 64;

// What an exception of an embedder's callback becomes.
Error callback_threw();
void wipe_text(std::string& text) noexcept;

// How many lanes of scrypt come nearest half a second, given what one takes: 1 to 4.
std::uint32_t lanes_for(base::Nanoseconds one_lane) noexcept;

// Errors: invalid_argument (bad_argument).
Result<void> check_lock(const Lock& lock);

// A slot that is not stored yet.
struct NewSlot {
  base::Bytes object;
  codec::Key kek;  // opens it
  format::SlotKind kind = format::SlotKind::passphrase;
};
// `lock` is no Kind::none. A passphrase is stretched on env.cpu(); a callback runs on env.io().
base::Task<Result<NewSlot>> lock_slot(base::Env& env, const format::KeyRing& keys, Lock& lock);

// Reads a slot back and unwraps what came.
base::Task<Result<void>> check_slot(provider::Client& client, const format::KeyRing& keys,
                                    std::uint32_t number, const NewSlot& slot);

struct StoredSlot {
  std::uint32_t number = 0;
  base::Bytes object;
};
// Tries all slots with what `unlock` gives: the master key, or why there is none.
base::Task<Result<codec::Key>> unlock_slots(base::Env& env, const format::RepositoryId& id,
                                            const std::vector<StoredSlot>& slots, Unlock& unlock);

// What can be shown of the slots, by number; damaged ones are left out.
std::vector<SlotInfo> describe_slots(const std::vector<StoredSlot>& slots);

}  // namespace snapvault::store
