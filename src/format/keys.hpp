// Keys: from a passphrase, raw key or callback to the key of one object. FORMAT.md section 2.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/crypto.hpp"
#include "codec/fingerprint.hpp"
#include "format/names.hpp"

namespace snapvault::format {

enum class KeyClass : std::uint8_t { data = 0, meta = 1, index = 2, ctl = 3 };
inline constexpr std::size_t kKeyClasses = 4;

enum class IdType : std::uint8_t { block = 0, node = 1, chunk = 2 };

// All keys of an opened repository. Immutable but for add_epoch; any thread once built.
class KeyRing {
 public:
  KeyRing(const RepositoryId& id, codec::Key master);

  const RepositoryId& repository() const noexcept;
  codec::Key master() const;                            // for wrapping into a new slot
  codec::Digest repo_mac(base::ByteView bytes) const;   // K("repo")
  SourceTag source_tag(std::string_view source) const;  // K("source")
  codec::FingerprintSecret fingerprint_secret() const noexcept;
  // The key of BlockId's HMAC; make a codec::Hmac of it once a thread.
  base::ByteView id_key(IdType type) const noexcept;

  // Object k-e-<epoch>: 32 random bytes wrapped under K("epoch").
  base::Bytes wrap_epoch(std::uint32_t epoch, const codec::Key& secret) const;
  Result<void> add_epoch(std::uint32_t epoch, base::ByteView object);
  // The greatest known; writers use it. Undefined before the first add_epoch.
  std::uint32_t epoch() const noexcept;
  bool has_epoch(std::uint32_t epoch) const noexcept;
  base::ByteView class_key(std::uint32_t epoch, KeyClass key_class) const noexcept;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Computes a block's id: HMAC-SHA-256 cut to 24 bytes. One thread at a time.
class IdHasher {
 public:
  IdHasher(const KeyRing& keys, IdType type) : hmac_(keys.id_key(type)) {}
  BlockId operator()(base::ByteView bytes);

 private:
  codec::Hmac hmac_;
};

// One way into the repository: an object ctl/<repo-id>/k-s-<slot>.
enum class SlotKind : std::uint8_t { passphrase = 1, raw = 2, callback = 3 };
struct Slot {
  SlotKind kind = SlotKind::passphrase;
  codec::ScryptCost cost;   // of a passphrase
  base::Bytes wrapped_kek;  // of a callback, at most 2,048 bytes
  std::string label;        // at most 63 bytes of UTF-8
  base::Bytes sealed;       // salt, commitment and wrapped master key: as stored
};
// `kek`: scrypt's output, the raw key, or the key the callback unwrapped.
base::Bytes encode_slot(const RepositoryId& id, const Slot& slot,
                        std::span<const std::byte, 32> salt, const codec::Key& kek,
                        const codec::Key& master);
// Errors: data_loss (bad_format), unsupported (newer_format); costs outside
// 2^14 <= n, 128*n*r <= 1 GiB, p <= 4 are refused as bad_format.
Result<Slot> decode_slot(base::ByteView object);
std::span<const std::byte, 32> slot_salt(const Slot& slot) noexcept;
// Compares the commitment before unwrapping. Nothing: not the key of this slot.
Result<std::optional<codec::Key>> unwrap_slot(const RepositoryId& id, base::ByteView object,
                                              const codec::Key& kek);

// Whether this version knows every feature of a `read_required` set; format 1 has none so far.
// Errors: unsupported (newer_format).
Result<void> check_features(const std::vector<std::string>& read_required);

// The `repo` object: one line of JSON, LF, 64 hex digits of HMAC, LF.
struct RepoObject {
  RepositoryId id;
  std::uint32_t format = 1;
  std::uint32_t suite = 1;
  std::vector<std::string> read_required, write_required, optional;
  // Set by init without a passphrase: the master key in the clear.
  std::optional<codec::Key> clear_master;
};
base::Bytes encode_repo(const RepoObject& repo, const KeyRing& keys);
// Before unlocking: no MAC is checked. Errors: not_found (not_a_repository), unsupported
// (newer_format), data_loss (bad_format).
Result<RepoObject> decode_repo(base::ByteView object);
// After unlocking. Errors: data_loss (not_authentic).
Result<void> check_repo(base::ByteView object, const KeyRing& keys);

}  // namespace snapvault::format
