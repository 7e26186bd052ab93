#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/slots.hpp"

namespace snapvault::store {
namespace {

constexpr std::uint64_t kScryptLeast = 1u << 14;
constexpr std::uint64_t kScryptMost = 1u << 20;  // 1 GiB with r = 8
constexpr base::Nanoseconds kStretchGoal = base::kSecond / 2;
constexpr std::uint32_t kLanesMax = 4;

codec::Key draw_key(base::Env& env) {
  codec::Key key;
  env.random(key.mutable_view());
  return key;
}

// Stretches a new passphrase and settles the cost: one timing with one lane.
base::Task<Result<codec::Key>> stretch_new(base::Env& env, const std::string& passphrase,
                                           base::ByteView salt, codec::ScryptCost& cost) {
  auto work = [&]() -> Result<codec::Key> {
    const auto start = env.monotonic();
    auto key = codec::scrypt(base::as_bytes(passphrase), salt, cost);
    cost.p = lanes_for(env.monotonic() - start);
    if (!key || cost.p == 1) return key;
    return codec::scrypt(base::as_bytes(passphrase), salt, cost);
  };
  auto run = base::run_on(env, env.cpu(), work);
  auto key = co_await std::move(run);
  co_return key;
}

base::Task<Result<base::Bytes>> call_wrap(base::Env& env, const Lock& lock, const codec::Key& kek) {
  auto work = [&]() -> Result<base::Bytes> {
    try {
      return lock.wrap(kek.view());
    } catch (const std::bad_alloc&) {
      throw;
    } catch (...) {
      return callback_threw();
    }
  };
  auto run = base::run_on(env, env.io(), work);
  auto wrapped = co_await std::move(run);
  co_return wrapped;
}

}  // namespace

std::uint32_t lanes_for(base::Nanoseconds one_lane) noexcept {
  std::uint32_t best = 1;
  base::Nanoseconds least = ~base::Nanoseconds{0};
  for (std::uint32_t p = 1; p <= kLanesMax; ++p) {
    const auto took = p * one_lane;
    const auto off = took > kStretchGoal ? took - kStretchGoal : kStretchGoal - took;
    if (off < least) best = p, least = off;
  }
  return best;
}

void wipe_text(std::string& text) noexcept {
  codec::wipe({reinterpret_cast<std::byte*>(text.data()), text.size()});
}

Error callback_threw() {
  return Error(Errc::unauthenticated, reason::key_callback, "the key callback threw an exception");
}

Lock::~Lock() {
  wipe_text(passphrase);
  if (raw_key) codec::wipe(*raw_key);
}

Result<void> check_lock(const Lock& lock) {
  const auto bad = [](std::string_view message) {
    return Error(Errc::invalid_argument, reason::bad_argument, message);
  };
  if (lock.label.size() > 63 || !format::is_utf8(lock.label)) {
    return bad("the label of a key is UTF-8 of at most 63 bytes");
  }
  switch (lock.kind) {
    case Lock::Kind::none:
      return {};
    case Lock::Kind::passphrase:
      if (lock.passphrase.empty()) return bad("the passphrase is empty");
      if (!std::has_single_bit(lock.scrypt_n) || lock.scrypt_n < kScryptLeast ||
          lock.scrypt_n > kScryptMost) {
        return bad("scrypt's cost is a power of two from 2^14 to 2^20");
      }
      return {};
    case Lock::Kind::raw:
      return lock.raw_key ? Result<void>() : bad("no raw key was given");
    case Lock::Kind::callback:
      return lock.wrap ? Result<void>() : bad("no callback was given that wraps a key");
  }
  return bad("no such kind of key");
}

base::Task<Result<NewSlot>> lock_slot(base::Env& env, const format::KeyRing& keys, Lock& lock) {
  std::array<std::byte, 32> salt;
  env.random(salt);
  NewSlot out;
  format::Slot slot;
  slot.label = lock.label;
  if (lock.kind == Lock::Kind::passphrase) {
    slot.cost.n = lock.scrypt_n;
    auto stretching = stretch_new(env, lock.passphrase, salt, slot.cost);
    SV_CO_TRY(out.kek, std::move(stretching));
  } else if (lock.kind == Lock::Kind::raw) {
    slot.kind = format::SlotKind::raw;
    out.kek = codec::Key(*lock.raw_key);
  } else {
    slot.kind = format::SlotKind::callback;
    out.kek = draw_key(env);
    auto call = call_wrap(env, lock, out.kek);
    SV_CO_TRY(slot.wrapped_kek, std::move(call));
    if (slot.wrapped_kek.empty() || slot.wrapped_kek.size() > 2048) {
      co_return Error(Errc::invalid_argument, reason::key_callback,
                      "a wrapped key has 1 to 2,048 bytes");
    }
  }
  out.kind = slot.kind;
  const auto master = keys.master();
  out.object = format::encode_slot(keys.repository(), slot, salt, out.kek, master);
  co_return out;
}

}  // namespace snapvault::store
