// An opened repository: keys, policy, what is damaged; and how one is made and opened.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "format/control.hpp"
#include "format/keys.hpp"
#include "format/names.hpp"
#include "provider/client.hpp"

namespace snapvault::store {

// How to unlock: each slot is tried with what fits it. The callbacks run on env.io(): they may
// block.
struct Unlock {
  ~Unlock();                                        // wipes; copies are wiped too
  std::function<Result<std::string>()> passphrase;  // asked once, if a slot needs it
  std::optional<std::array<std::byte, 32>> raw_key;
  std::function<Result<std::array<std::byte, 32>>(base::ByteView wrapped)> unwrap;  // callback
};
// How a new slot is locked.
struct Lock {
  ~Lock();  // wipes; copies are wiped too
  enum class Kind : std::uint8_t { none, passphrase, raw, callback } kind = Kind::passphrase;
  std::string passphrase;
  std::optional<std::array<std::byte, 32>> raw_key;
  std::function<Result<base::Bytes>(std::span<const std::byte, 32> kek)> wrap;
  std::string label;
  std::uint64_t scrypt_n = 1u << 16;  // p is chosen to come nearest 0.5 s
};

// Settings of a repository, folded from its log.
struct Policy {
  std::uint32_t full_every = 7;
  bool protect_parents = false;
  std::string compression = "zstd:3";
  std::uint64_t pack_size = 32u << 20;
  bool operator==(const Policy&) const = default;
};

// Frames and packs that must not be used: found bad by verify, or condemned by a collection.
class Excluded {
 public:
  void add_frame(const format::PackId& pack, std::uint32_t start16);
  void add_pack(const format::PackId& pack);
  bool contains(const format::PackId& pack, std::uint32_t start16) const noexcept;
  bool contains(const format::PackId& pack) const noexcept;  // the whole pack
  bool empty() const noexcept { return packs_.empty() && frames_.empty(); }
  std::uint64_t size() const noexcept { return packs_.size() + frames_.size(); }

 private:
  std::unordered_set<format::PackId, format::PackIdHash> packs_;
  std::set<std::pair<format::PackId, std::uint32_t>> frames_;
};

// What the control log says, folded up to `next`.
struct Log {
  std::uint32_t next = 0;  // number of the next record: newest + 1
  Policy policy;
  Excluded damaged, condemned;
  std::uint64_t watermark = 0;  // greatest announced: sessions of a lower order start again
  std::vector<std::string> read_required, write_required, optional_features;
  bool read_only = false;  // a write-required feature is unknown
};

struct SlotInfo {
  std::uint32_t slot = 0;
  format::SlotKind kind = format::SlotKind::passphrase;
  std::string label;
};

// An opened repository. Loop only, but for `keys`, which any thread may read.
struct Repository {
  format::RepositoryId id;
  format::KeyRing keys;
  Log log = {};
  std::vector<SlotInfo> slots = {};
  bool without_passphrase = false;  // the key stands in `repo`
};

// Makes a repository at the provider's root; the put of `repo` is the commit. Errors:
// already_exists (repository_exists): also for the loser of two at once, who cleans up after
// itself.
base::Task<Result<Repository>> init(provider::Client& client, Lock lock, Policy policy);

// Errors: not_found (not_a_repository), unauthenticated (wrong_passphrase, wrong_key,
// key_required), unsupported (newer_format), data_loss.
base::Task<Result<Repository>> open(provider::Client& client, Unlock unlock);

// Lists the log and folds what is new. Errors: data_loss, unsupported (newer_format).
base::Task<Result<void>> read_log(provider::Client& client, Repository& repository);

// Appends a record at the next free number and folds it. Errors: permission_denied (access),
// resource_exhausted (log_full).
base::Task<Result<void>> append_log(provider::Client& client, Repository& repository,
                                    format::LogRecord record);

// Key slots. A new one is read back and unwrapped before success. The last one that can be read
// cannot be removed (precondition_failed, last_key). Errors: not_found (no_object): no such slot.
base::Task<Result<std::uint32_t>> add_slot(provider::Client& client, Repository& repository,
                                           Lock lock);
base::Task<Result<void>> remove_slot(provider::Client& client, Repository& repository,
                                     std::uint32_t slot);

// A salt for an object that no session writes (slots apart).
std::array<std::byte, 24> fresh_salt(base::Env& env);

}  // namespace snapvault::store
