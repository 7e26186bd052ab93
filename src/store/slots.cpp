#include "store/slots.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/fetch.hpp"
#include "store/log.hpp"

namespace snapvault::store {
namespace {

// Numbers of the slots that are there, rising.
base::Task<Result<std::vector<std::uint32_t>>> list_slots(provider::Client& client,
                                                          const format::RepositoryId& id) {
  auto list = client.list(format::control_prefix(id) + "k-s-");
  SV_CO_TRY(const auto objects, std::move(list));
  std::vector<std::uint32_t> numbers;
  for (const auto& object : objects) {
    const auto entry = format::parse_control_name(id, object.key);
    if (entry && entry->kind == format::ControlEntry::Kind::slot) numbers.push_back(entry->n);
  }
  co_return numbers;
}

base::Task<Result<std::vector<StoredSlot>>> read_slots(provider::Client& client,
                                                       const format::RepositoryId& id) {
  auto list = list_slots(client, id);
  SV_CO_TRY(const auto numbers, std::move(list));
  std::vector<std::string> names;
  for (const auto number : numbers) names.push_back(format::slot_name(id, number));
  auto fetching = fetch(client, std::move(names));
  SV_CO_TRY(auto objects, std::move(fetching));
  std::vector<StoredSlot> slots;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (objects[i]) slots.push_back({.number = numbers[i], .object = *std::move(objects[i])});
  }
  co_return slots;
}

}  // namespace

base::Task<Result<void>> check_slot(provider::Client& client, const format::KeyRing& keys,
                                    std::uint32_t number, const NewSlot& slot) {
  const auto name = format::slot_name(keys.repository(), number);
  auto get = client.get(name);
  SV_CO_TRY(const auto object, std::move(get));
  SV_CO_TRY_NOW(const auto master, format::unwrap_slot(keys.repository(), object, slot.kek));
  const auto expected = keys.master();
  if (!master || !codec::equal_in_constant_time(master->view(), expected.view())) {
    co_return Error(Errc::data_loss, reason::not_authentic,
                    "the store returned another key slot than was written")
        .with_subject(name);
  }
  co_return Result<void>();
}

std::vector<SlotInfo> describe_slots(const std::vector<StoredSlot>& slots) {
  std::vector<SlotInfo> out;
  for (const auto& stored : slots) {
    const auto slot = format::decode_slot(stored.object);
    if (slot) out.push_back({.slot = stored.number, .kind = slot->kind, .label = slot->label});
  }
  return out;
}

base::Task<Result<std::uint32_t>> add_slot(provider::Client& client, Repository& repository,
                                           Lock lock) {
  SV_CO_CHECK_NOW(check_lock(lock));
  if (lock.kind == Lock::Kind::none) {
    co_return Error(Errc::invalid_argument, reason::bad_argument, "no key was given");
  }
  SV_CO_CHECK_NOW(check_writable(repository));
  auto list = list_slots(client, repository.id);
  SV_CO_TRY(const auto taken, std::move(list));
  if (taken.size() >= kSlotsMax) {
    co_return Error(Errc::resource_exhausted, reason::bad_argument,
                    "the repository has 64 keys, and no more are possible");
  }
  auto locking = lock_slot(client.env(), repository.keys, lock);
  SV_CO_TRY(const auto slot, std::move(locking));
  // Drawn, not counted: a late repeat of the request that removed an earlier slot must not hit it.
  std::uint32_t number = 0;
  for (int attempts = 0;; ++attempts) {
    std::array<std::byte, 2> drawn;
    client.env().random(drawn);
    number = base::load<std::uint16_t>(drawn.data());
    if (number == 0 || std::binary_search(taken.begin(), taken.end(), number)) continue;
    auto create = client.create_own(format::slot_name(repository.id, number), PutBody(slot.object));
    const auto created = co_await std::move(create);
    if (created) break;
    if (created.error().code() != Errc::already_exists || attempts == 8) co_return created.error();
  }
  auto check = check_slot(client, repository.keys, number, slot);
  auto checked = co_await std::move(check);
  if (!checked) {
    auto remove = client.remove({format::slot_name(repository.id, number)});
    base::permit_unchecked(co_await std::move(remove), "the first error is the one to report");
    co_return std::move(checked).error();
  }
  SlotInfo info{.slot = number, .kind = slot.kind, .label = lock.label};
  const auto at = std::ranges::lower_bound(repository.slots, number, {}, &SlotInfo::slot);
  repository.slots.insert(at, std::move(info));
  co_return number;
}

base::Task<Result<void>> remove_slot(provider::Client& client, Repository& repository,
                                     std::uint32_t slot) {
  SV_CO_CHECK_NOW(check_writable(repository));
  auto reading = read_slots(client, repository.id);
  SV_CO_TRY(auto slots, std::move(reading));
  const auto found = std::ranges::find(slots, slot, &StoredSlot::number);
  if (found == slots.end()) {
    co_return Error(Errc::not_found, reason::no_object, "the repository has no such key")
        .with_subject(std::to_string(slot));
  }
  const auto kept = std::move(found->object);
  slots.erase(found);
  if (describe_slots(slots).empty() && !repository.without_passphrase) {
    co_return Error(Errc::precondition_failed, reason::last_key,
                    "without this key nobody could open the repository any more")
        .with_hint("add another key first");
  }
  const auto name = format::slot_name(repository.id, slot);
  auto remove = client.remove({name});
  SV_CO_CHECK(std::move(remove));
  std::erase_if(repository.slots, [&](const SlotInfo& info) { return info.slot == slot; });
  // Two who each remove the other's key would lock the repository: whoever sees that undoes it.
  auto again = read_slots(client, repository.id);
  SV_CO_TRY(const auto left, std::move(again));
  if (!describe_slots(left).empty() || repository.without_passphrase) co_return Result<void>();
  auto restore = client.create_own(name, PutBody(kept));
  SV_CO_CHECK(std::move(restore));
  co_return Error(Errc::precondition_failed, reason::last_key,
                  "another program removed the other keys meanwhile: this one was put back");
}

}  // namespace snapvault::store
