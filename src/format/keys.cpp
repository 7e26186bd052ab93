#include "format/keys.hpp"

#include <algorithm>
#include <array>

#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "format/errors.hpp"
#include "format/json.hpp"

namespace snapvault::format {
namespace {

using base::append;
using base::as_bytes;

constexpr std::string_view kContext = "snapvault/1/";
constexpr std::uint8_t kSuite = 1;

// "snapvault/1/" || label || 00 || repository id
base::Bytes context_of(std::string_view label, const RepositoryId& id) {
  base::Bytes info;
  info.reserve(64);
  append(info, as_bytes(kContext));
  append(info, as_bytes(label));
  append(info, std::uint8_t{0});
  append(info, id.view());
  return info;
}

template <std::size_t N>
codec::Secret<N> derive(base::ByteView input, base::ByteView salt, base::ByteView info) {
  codec::Secret<N> out;
  codec::hkdf(input, salt, info, out.mutable_view());
  return out;
}

// A 32-byte secret sealed under a key that is derived for this one use, with its commitment.
constexpr std::size_t kCommitmentSize = 32;
constexpr std::size_t kSealedKey = 32 + codec::Aead::kTag;
constexpr std::array<std::byte, codec::Aead::kNonce> kZeroNonce{};

void seal_key(const codec::Secret<64>& wrapping, base::ByteView aad, const codec::Key& secret,
              base::Bytes& out) {
  const auto at = out.size();
  out.resize(at + kSealedKey);
  codec::Aead aead(wrapping.view().first<32>());
  aead.seal(kZeroNonce, aad, secret.view(), base::MutableBytes(out).subspan(at));
}

std::optional<codec::Key> open_key(const codec::Secret<64>& wrapping, base::ByteView aad,
                                   base::ByteView sealed) {
  codec::Key secret;
  codec::Aead aead(wrapping.view().first<32>());
  if (!aead.open(kZeroNonce, aad, sealed, secret.mutable_view())) return std::nullopt;
  return secret;
}

bool commits(const codec::Secret<64>& wrapping, base::ByteView commitment) {
  return codec::equal_in_constant_time(wrapping.view().last<32>(), commitment);
}

}  // namespace

struct KeyRing::State {
  RepositoryId id;
  codec::Key master, repo, source, epoch;
  std::array<codec::Key, 3> ids;
  codec::Secret<192> fingerprint;
  std::map<std::uint32_t, std::array<codec::Key, kKeyClasses>> epochs;
};

KeyRing::KeyRing(const RepositoryId& id, codec::Key master) : state_(std::make_shared<State>()) {
  auto& state = *state_;
  state.id = id;
  state.master = std::move(master);
  const auto key = [&](std::string_view label) {
    return derive<32>(state.master.view(), {}, context_of(label, id));
  };
  state.repo = key("repo");
  state.source = key("source");
  state.epoch = key("epoch");
  state.ids = {key("id-block"), key("id-node"), key("id-chunk")};
  state.fingerprint = derive<192>(state.master.view(), {}, context_of("fingerprint", id));
}

const RepositoryId& KeyRing::repository() const noexcept { return state_->id; }
codec::Key KeyRing::master() const { return state_->master.clone(); }
codec::Digest KeyRing::repo_mac(base::ByteView bytes) const {
  return codec::hmac(state_->repo.view(), bytes);
}
SourceTag KeyRing::source_tag(std::string_view source) const {
  const auto digest = codec::hmac(state_->source.view(), as_bytes(source));
  SourceTag tag;
  std::copy_n(digest.begin(), tag.bytes.size(), tag.bytes.begin());
  return tag;
}
codec::FingerprintSecret KeyRing::fingerprint_secret() const noexcept {
  return state_->fingerprint.view();
}
base::ByteView KeyRing::id_key(IdType type) const noexcept {
  return state_->ids[static_cast<std::size_t>(type)].view();
}

// An epoch object: magic 8 | suite u8 | 0 u8 | flags u16 | epoch u32 | salt 24 | commitment 32 |
// sealed secret 48. The salt is made of the secret: two secrets never share a key and nonce.
namespace {

constexpr std::string_view kEpochMagic = "SNPVEPK1";
constexpr std::size_t kEpochFixed = 40;
constexpr std::size_t kEpochSize = kEpochFixed + kCommitmentSize + kSealedKey;

codec::Secret<64> epoch_wrapping(const codec::Key& key, const RepositoryId& id,
                                 base::ByteView fixed) {
  auto info = context_of("epoch-wrap", id);
  append(info, fixed);
  return derive<64>(key.view(), fixed.last(24), info);
}

}  // namespace

base::Bytes KeyRing::wrap_epoch(std::uint32_t epoch, const codec::Key& secret) const {
  auto salted = context_of("epoch-salt", state_->id);
  append(salted, epoch);
  append(salted, secret.view());
  const auto salt = codec::hmac(state_->epoch.view(), salted);
  codec::wipe(salted);

  base::Bytes out;
  append(out, as_bytes(kEpochMagic));
  append(out, kSuite);
  append(out, std::uint8_t{0});
  append(out, std::uint16_t{0});
  append(out, epoch);
  append(out, base::ByteView(salt).first(24));
  const auto wrapping = epoch_wrapping(state_->epoch, state_->id, out);
  append(out, wrapping.view().last<32>());
  const auto aad = out;
  seal_key(wrapping, aad, secret, out);
  return out;
}

Result<void> KeyRing::add_epoch(std::uint32_t epoch, base::ByteView object) {
  base::ByteReader reader(object);
  if (base::as_text(reader.take(kEpochMagic.size())) != kEpochMagic) {
    return bad_format("the object is not an epoch key");
  }
  const auto suite = reader.read<std::uint8_t>();
  const auto reserved = reader.read<std::uint8_t>();
  const auto flags = reader.read<std::uint16_t>();
  if (object.size() < kEpochFixed) return bad_format("the epoch key is cut short");
  if (suite != kSuite || (flags & 0xFF) != 0) {
    return newer_format("the epoch key needs a newer version");
  }
  if (reserved != 0 || reader.read<std::uint32_t>() != epoch || object.size() != kEpochSize) {
    return bad_format("the epoch key is malformed");
  }
  const auto wrapping = epoch_wrapping(state_->epoch, state_->id, object.first(kEpochFixed));
  if (!commits(wrapping, object.subspan(kEpochFixed, kCommitmentSize))) {
    return not_authentic("the epoch key does not belong to this repository or is damaged");
  }
  const auto secret =
      open_key(wrapping, object.first(kEpochSize - kSealedKey), object.last(kSealedKey));
  if (!secret) return not_authentic("the epoch key is damaged");

  auto info = context_of("class", state_->id);
  append(info, epoch);
  append(info, std::uint8_t{0});
  std::array<codec::Key, kKeyClasses> classes;
  for (std::size_t i = 0; i < kKeyClasses; ++i) {
    info.back() = static_cast<std::byte>(i);
    classes[i] = derive<32>(secret->view(), {}, info);
  }
  state_->epochs.insert_or_assign(epoch, std::move(classes));
  return {};
}

std::uint32_t KeyRing::epoch() const noexcept { return state_->epochs.rbegin()->first; }
bool KeyRing::has_epoch(std::uint32_t epoch) const noexcept {
  return state_->epochs.contains(epoch);
}
base::ByteView KeyRing::class_key(std::uint32_t epoch, KeyClass key_class) const noexcept {
  const auto found = state_->epochs.find(epoch);
  if (found == state_->epochs.end()) return {};
  return found->second[static_cast<std::size_t>(key_class)].view();
}

BlockId IdHasher::operator()(base::ByteView bytes) {
  const auto digest = hmac_(bytes);
  BlockId id;
  std::copy_n(digest.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

// A slot: magic 8 | suite u8 | kind u8 | flags u16 | wrapped size u16 | label size u8 | 0 u8 |
// n u64 | r u32 | p u32 | wrapped kek | label | salt 32 | commitment 32 | sealed master 48 | CRC 8.
namespace {

constexpr std::string_view kSlotMagic = "SNPVSLT1";
constexpr std::size_t kSlotFixed = 32;
constexpr std::size_t kSlotSealed = 32 + kCommitmentSize + kSealedKey;
constexpr std::size_t kSlotCrc = 8;
constexpr std::size_t kWrappedMax = 2048;
constexpr std::size_t kLabelMax = 63;

codec::Secret<64> slot_wrapping(const codec::Key& kek, const RepositoryId& id,
                                base::ByteView salt) {
  return derive<64>(kek.view(), salt, context_of("slot", id));
}

// All that stands before the commitment, bound to the repository.
base::Bytes slot_aad(const RepositoryId& id, base::ByteView before) {
  base::Bytes aad(id.bytes.begin(), id.bytes.end());
  append(aad, before);
  return aad;
}

bool is_sane(const codec::ScryptCost& cost) noexcept {
  constexpr std::uint64_t kMemoryMax = std::uint64_t{1} << 30;
  return cost.n >= (1u << 14) && cost.n <= kMemoryMax && (cost.n & (cost.n - 1)) == 0 &&
         cost.r >= 1 && cost.p >= 1 && cost.p <= 4 && cost.r <= kMemoryMax / 128 / cost.n;
}

Result<void> check_slot(const Slot& slot) {
  const bool is_passphrase = slot.kind == SlotKind::passphrase;
  const bool is_callback = slot.kind == SlotKind::callback;
  const bool has_cost = slot.cost.n != 0 || slot.cost.r != 0 || slot.cost.p != 0;
  if (is_passphrase ? !is_sane(slot.cost) : has_cost) {
    return bad_format("the cost of the passphrase is out of range");
  }
  if (is_callback == slot.wrapped_kek.empty() || slot.wrapped_kek.size() > kWrappedMax ||
      slot.label.size() > kLabelMax || !is_utf8(slot.label)) {
    return bad_format("the key slot is malformed");
  }
  return {};
}

}  // namespace

base::Bytes encode_slot(const RepositoryId& id, const Slot& slot,
                        std::span<const std::byte, 32> salt, const codec::Key& kek,
                        const codec::Key& master) {
  const bool has_cost = slot.kind == SlotKind::passphrase;
  const auto cost = has_cost ? slot.cost : codec::ScryptCost{0, 0, 0};
  base::Bytes out;
  append(out, as_bytes(kSlotMagic));
  append(out, kSuite);
  append(out, static_cast<std::uint8_t>(slot.kind));
  append(out, std::uint16_t{0});
  append(out, static_cast<std::uint16_t>(slot.wrapped_kek.size()));
  append(out, static_cast<std::uint8_t>(slot.label.size()));
  append(out, std::uint8_t{0});
  append(out, cost.n);
  append(out, cost.r);
  append(out, cost.p);
  append(out, slot.wrapped_kek);
  append(out, as_bytes(slot.label));
  append(out, salt);
  const auto wrapping = slot_wrapping(kek, id, salt);
  const auto aad = slot_aad(id, out);
  append(out, wrapping.view().last<32>());
  seal_key(wrapping, aad, master, out);
  append(out, codec::crc64(out));
  return out;
}

Result<Slot> decode_slot(base::ByteView object) {
  base::ByteReader reader(object);
  if (base::as_text(reader.take(kSlotMagic.size())) != kSlotMagic) {
    return bad_format("the object is not a key slot");
  }
  if (object.size() < kSlotFixed + kSlotSealed + kSlotCrc) {
    return bad_format("the key slot is cut short");
  }
  // Damage must not pass for a newer version, or for a wrong passphrase.
  const auto body = object.first(object.size() - kSlotCrc);
  if (base::load<std::uint64_t>(body.data() + body.size()) != codec::crc64(body)) {
    return bad_format("the key slot is damaged");
  }
  const auto suite = reader.read<std::uint8_t>();
  const auto kind = reader.read<std::uint8_t>();
  const auto flags = reader.read<std::uint16_t>();
  if (suite != kSuite || (flags & 0xFF) != 0 || kind < 1 || kind > 3) {
    return newer_format("the key slot needs a newer version");
  }
  Slot slot;
  slot.kind = static_cast<SlotKind>(kind);
  const auto wrapped_size = reader.read<std::uint16_t>();
  const auto label_size = reader.read<std::uint8_t>();
  const auto reserved = reader.read<std::uint8_t>();
  slot.cost.n = reader.read<std::uint64_t>();
  slot.cost.r = reader.read<std::uint32_t>();
  slot.cost.p = reader.read<std::uint32_t>();
  const auto wrapped = reader.take(wrapped_size);
  const auto label = reader.take(label_size);
  const auto sealed = reader.take(kSlotSealed);
  if (reserved != 0 || !reader.ok() || reader.rest().size() != kSlotCrc) {
    return bad_format("the key slot has another size than it states");
  }
  slot.wrapped_kek.assign(wrapped.begin(), wrapped.end());
  slot.label = base::as_text(label);
  slot.sealed.assign(sealed.begin(), sealed.end());
  SV_CHECK(check_slot(slot));
  if (slot.kind != SlotKind::passphrase) slot.cost = {};
  return slot;
}

std::span<const std::byte, 32> slot_salt(const Slot& slot) noexcept {
  return base::ByteView(slot.sealed).first<32>();
}

Result<std::optional<codec::Key>> unwrap_slot(const RepositoryId& id, base::ByteView object,
                                              const codec::Key& kek) {
  SV_TRY(const auto slot, decode_slot(object));
  const base::ByteView sealed = slot.sealed;
  const auto wrapping = slot_wrapping(kek, id, sealed.first(32));
  if (!commits(wrapping, sealed.subspan(32, kCommitmentSize))) return std::optional<codec::Key>();
  const auto before = object.first(object.size() - kSlotCrc - kSealedKey - kCommitmentSize);
  auto master = open_key(wrapping, slot_aad(id, before), sealed.last(kSealedKey));
  if (!master) return not_authentic("the key slot is damaged");
  return master;
}

Result<void> check_features(const std::vector<std::string>& read_required) {
  if (read_required.empty()) return {};
  return newer_format("it needs a feature that this version does not know");
}

namespace {

constexpr std::string_view kRepoStart = "{\"snapvault\":";
constexpr std::size_t kRepoMax = 64u << 10;
constexpr std::size_t kMacDigits = 64;

// The line of JSON with its LF, and the digits of the MAC.
struct RepoParts {
  base::ByteView line, mac;
};
Result<RepoParts> split_repo(base::ByteView object) {
  const auto text = base::as_text(object);
  if (!text.starts_with(kRepoStart)) {
    return Error(Errc::not_found, reason::not_a_repository, "there is no repository here");
  }
  const auto end = text.find('\n');
  if (object.size() > kRepoMax || end == text.npos || text.back() != '\n' ||
      text.size() != end + 1 + kMacDigits + 1) {
    return bad_format("the object repo is malformed");
  }
  return RepoParts{object.first(end + 1), object.subspan(end + 1, kMacDigits)};
}

}  // namespace

base::Bytes encode_repo(const RepoObject& repo, const KeyRing& keys) {
  JsonWriter json;
  json.number("snapvault", repo.format).hex("id", repo.id.view()).number("suite", repo.suite);
  json.texts("read_required", repo.read_required);
  json.texts("write_required", repo.write_required).texts("optional", repo.optional);
  if (repo.clear_master) json.hex("key", repo.clear_master->view());
  auto text = std::move(json).finish();
  text += '\n';
  const auto mac = keys.repo_mac(as_bytes(text));
  text += base::hex(mac);
  text += '\n';
  const auto bytes = as_bytes(text);
  return base::Bytes(bytes.begin(), bytes.end());
}

Result<RepoObject> decode_repo(base::ByteView object) {
  SV_TRY(const auto parts, split_repo(object));
  SV_TRY(const auto json, parse_json(parts.line));
  JsonReader reader(json);
  RepoObject repo;
  repo.format = static_cast<std::uint32_t>(reader.number("snapvault", UINT32_MAX));
  repo.suite = static_cast<std::uint32_t>(reader.number("suite", UINT32_MAX));
  if (repo.format > 1 || repo.suite > 1) {
    return newer_format("the repository was made by a newer version");
  }
  if (repo.format != 1 || repo.suite != 1) reader.fail("snapvault");
  reader.hex("id", repo.id.bytes);
  repo.read_required = reader.texts("read_required");
  repo.write_required = reader.texts("write_required");
  repo.optional = reader.texts("optional");
  if (reader.has("key")) {
    codec::Key master;
    reader.hex("key", master.mutable_view());
    repo.clear_master = std::move(master);
  }
  SV_CHECK(reader.finish());
  SV_CHECK(check_features(repo.read_required));
  return repo;
}

Result<void> check_repo(base::ByteView object, const KeyRing& keys) {
  SV_TRY(const auto parts, split_repo(object));
  codec::Digest mac;
  if (!base::unhex(base::as_text(parts.mac), mac) ||
      !codec::equal_in_constant_time(mac, keys.repo_mac(parts.line))) {
    return not_authentic("the object repo was changed or is damaged");
  }
  return {};
}

}  // namespace snapvault::format
