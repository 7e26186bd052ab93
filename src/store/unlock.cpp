#include <algorithm>
#include <array>
#include <new>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/slots.hpp"

namespace snapvault::store {
namespace {

struct SecretText {
  SecretText() = default;
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { wipe_text(value); }
  std::string value;
};

// One attempt to open a repository: what was asked for and what was tried.
struct Attempt {
  explicit Attempt(Unlock& with) noexcept : unlock(with) {}
  Unlock& unlock;
  SecretText passphrase;
  bool asked = false;
  bool tried_passphrase = false, tried_key = false;
  std::size_t damaged = 0;
  std::optional<Error> damage, callback_failure;
  std::array<bool, 4> kinds{};  // of the slots, by SlotKind
};

base::Task<Result<void>> ask_passphrase(base::Env& env, Attempt& attempt) {
  if (attempt.asked) co_return Result<void>();
  auto work = [&]() -> Result<void> {
    try {
      auto answer = attempt.unlock.passphrase();
      if (!answer) return std::move(answer).error();
      attempt.passphrase.value.assign(*answer);
      wipe_text(*answer);
      return {};
    } catch (const std::bad_alloc&) {
      throw;
    } catch (...) {
      return callback_threw();
    }
  };
  auto run = base::run_on(env, env.io(), work);
  SV_CO_CHECK(std::move(run));
  attempt.asked = true;
  co_return Result<void>();
}

base::Task<Result<codec::Key>> stretch(base::Env& env, const Attempt& attempt,
                                       const format::Slot& slot) {
  auto work = [&] {
    return codec::scrypt(base::as_bytes(attempt.passphrase.value), format::slot_salt(slot),
                         slot.cost);
  };
  auto run = base::run_on(env, env.cpu(), work);
  auto key = co_await std::move(run);
  co_return key;
}

base::Task<Result<codec::Key>> call_unwrap(base::Env& env, const Attempt& attempt,
                                           const format::Slot& slot) {
  codec::Key key;
  auto work = [&]() -> Result<void> {
    try {
      auto answer = attempt.unlock.unwrap(slot.wrapped_kek);
      if (!answer) return std::move(answer).error();
      std::copy(answer->begin(), answer->end(), key.mutable_view().begin());
      codec::wipe(*answer);
      return {};
    } catch (const std::bad_alloc&) {
      throw;
    } catch (...) {
      return callback_threw();
    }
  };
  auto run = base::run_on(env, env.io(), work);
  SV_CO_CHECK(std::move(run));
  co_return key;
}

// The key that should open `slot`. Nothing: nothing that fits was given, or the callback failed,
// which another slot may make good.
base::Task<Result<std::optional<codec::Key>>> key_for(base::Env& env, const format::Slot& slot,
                                                      Attempt& attempt) {
  attempt.kinds[static_cast<std::size_t>(slot.kind) % attempt.kinds.size()] = true;
  if (slot.kind == format::SlotKind::passphrase && attempt.unlock.passphrase) {
    auto ask = ask_passphrase(env, attempt);
    SV_CO_CHECK(std::move(ask));
    attempt.tried_passphrase = true;
    auto stretching = stretch(env, attempt, slot);
    SV_CO_TRY(auto key, std::move(stretching));
    co_return std::optional<codec::Key>(std::move(key));
  }
  if (slot.kind == format::SlotKind::raw && attempt.unlock.raw_key) {
    attempt.tried_key = true;
    co_return std::optional<codec::Key>(codec::Key(*attempt.unlock.raw_key));
  }
  if (slot.kind == format::SlotKind::callback && attempt.unlock.unwrap) {
    auto call = call_unwrap(env, attempt, slot);
    auto key = co_await std::move(call);
    if (key) {
      attempt.tried_key = true;
      co_return std::optional<codec::Key>(*std::move(key));
    }
    if (!attempt.callback_failure) attempt.callback_failure = std::move(key).error();
  }
  co_return std::optional<codec::Key>();
}

Error key_required(const Attempt& attempt) {
  const auto has = [&](format::SlotKind kind) {
    return attempt.kinds[static_cast<std::size_t>(kind)];
  };
  std::string needs;
  const auto name = [&](bool there, const char* what) {
    if (there) needs += (needs.empty() ? "" : " or ") + std::string(what);
  };
  name(has(format::SlotKind::passphrase), "a passphrase");
  name(has(format::SlotKind::raw), "a raw key");
  name(has(format::SlotKind::callback), "its key service");
  return Error(Errc::unauthenticated, reason::key_required, "this repository opens with " + needs);
}

// Why no slot opened.
Error no_key(Attempt& attempt, std::size_t slots) {
  if (slots == 0) {
    return Error(Errc::data_loss, reason::object_missing, "the repository has no key slot");
  }
  if (attempt.damaged == slots) return *std::move(attempt.damage);
  const auto damaged = attempt.damaged == 0
                           ? std::string()
                           : "; " + std::to_string(attempt.damaged) + " more cannot be read";
  if (attempt.tried_passphrase) {
    return Error(Errc::unauthenticated, reason::wrong_passphrase,
                 "the passphrase opens no key slot of this repository" + damaged);
  }
  if (attempt.callback_failure) return *std::move(attempt.callback_failure);
  if (attempt.tried_key) {
    return Error(Errc::unauthenticated, reason::wrong_key,
                 "the key opens no key slot of this repository" + damaged);
  }
  return key_required(attempt);
}

}  // namespace

Unlock::~Unlock() {
  if (raw_key) codec::wipe(*raw_key);
}

base::Task<Result<codec::Key>> unlock_slots(base::Env& env, const format::RepositoryId& id,
                                            const std::vector<StoredSlot>& slots, Unlock& unlock) {
  Attempt attempt(unlock);
  for (const auto& stored : slots) {
    auto slot = format::decode_slot(stored.object);
    if (slot) {
      auto ask = key_for(env, *slot, attempt);
      SV_CO_TRY(const auto kek, std::move(ask));
      if (!kek) continue;
      auto master = format::unwrap_slot(id, stored.object, *kek);
      if (master && *master) co_return **std::move(master);
      if (master) continue;
      slot = std::move(master).error();
    }
    ++attempt.damaged;
    if (!attempt.damage) attempt.damage = std::move(slot).error();
  }
  co_return no_key(attempt, slots.size());
}

}  // namespace snapvault::store
