#include "store/repository.hpp"

#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/fetch.hpp"
#include "store/log.hpp"
#include "store/slots.hpp"

namespace snapvault::store {
namespace {

constexpr std::size_t kEpochsMax = 256;

// What stands in ctl/<repo-id>/, as listed and then as read.
struct Control {
  std::vector<ObjectInfo> listing;
  std::vector<std::uint32_t> slots, epochs, records;
  std::vector<std::optional<base::Bytes>> objects;  // slots, then epochs, then records
};

Result<Control> sort_listing(const format::RepositoryId& id,
                             const std::vector<ObjectInfo>& listing) {
  Control out;
  for (const auto& object : listing) {
    const auto entry = format::parse_control_name(id, object.key);
    if (!entry) continue;
    if (entry->kind == format::ControlEntry::Kind::slot && out.slots.size() < kSlotsMax) {
      out.slots.push_back(entry->n);
    }
    if (entry->kind == format::ControlEntry::Kind::epoch) out.epochs.push_back(entry->n);
  }
  if (out.epochs.empty() || out.epochs.size() > kEpochsMax) {
    return Error(Errc::data_loss, reason::object_missing,
                 "the repository's control objects are missing, or are not its own")
        .with_subject(format::control_prefix(id));
  }
  SV_TRY(out.records, new_records(id, 0, listing));
  return out;
}

base::Task<Result<Control>> read_control(provider::Client& client, format::RepositoryId id) {
  auto list = client.list(format::control_prefix(id));
  SV_CO_TRY(const auto listing, std::move(list));
  SV_CO_TRY_NOW(auto control, sort_listing(id, listing));
  std::vector<std::string> names;
  for (const auto n : control.slots) names.push_back(format::slot_name(id, n));
  for (const auto n : control.epochs) names.push_back(format::epoch_name(id, n));
  for (const auto n : control.records) names.push_back(format::log_name(id, n));
  auto fetching = fetch(client, std::move(names));
  SV_CO_TRY(control.objects, std::move(fetching));
  co_return control;
}

// A slot that is gone since the listing was removed by somebody.
std::vector<StoredSlot> take_slots(Control& control) {
  std::vector<StoredSlot> slots;
  for (std::size_t i = 0; i < control.slots.size(); ++i) {
    auto& object = control.objects[i];
    if (object) slots.push_back({.number = control.slots[i], .object = *std::move(object)});
  }
  return slots;
}

Result<void> add_epochs(Repository& repository, const Control& control) {
  for (std::size_t i = 0; i < control.epochs.size(); ++i) {
    const auto epoch = control.epochs[i];
    const auto name = format::epoch_name(repository.id, epoch);
    const auto& object = control.objects[control.slots.size() + i];
    if (!object) {
      return Error(Errc::data_loss, reason::object_missing,
                   "a key of the repository is listed but not there")
          .with_subject(name);
    }
    auto added = repository.keys.add_epoch(epoch, *object);
    if (!added) return std::move(added).error().with_subject(name);
  }
  return {};
}

base::Task<Result<base::Bytes>> read_repo(provider::Client& client) {
  auto get = client.get(std::string(format::kRepoName));
  auto object = co_await std::move(get);
  const bool missing = !object && object.error().code() == Errc::not_found;
  if (missing && object.error().reason() != reason::no_bucket) {
    co_return Error(Errc::not_found, reason::not_a_repository, "there is no repository here")
        .with_hint("check the address, or make a repository there with init");
  }
  co_return object;
}

// The keys and the log, once the master key is there. Nothing read before was authentic until here.
Result<Repository> assemble(base::ByteView object, const format::RepoObject& repo,
                            const Control& control, codec::Key master) {
  Repository repository{.id = repo.id, .keys = format::KeyRing(repo.id, std::move(master))};
  SV_CHECK(format::check_repo(object, repository.keys));
  SV_CHECK(
      require_features(repository.log, repo.read_required, repo.write_required, repo.optional));
  SV_CHECK(add_epochs(repository, control));
  const auto before = control.slots.size() + control.epochs.size();
  SV_CHECK(fold_records(repository, control.records, std::span(control.objects).subspan(before)));
  repository.without_passphrase = repo.clear_master.has_value();
  return repository;
}

}  // namespace

void Excluded::add_frame(const format::PackId& pack, std::uint32_t start16) {
  frames_.emplace(pack, start16);
}

void Excluded::add_pack(const format::PackId& pack) { packs_.insert(pack); }

bool Excluded::contains(const format::PackId& pack, std::uint32_t start16) const noexcept {
  return contains(pack) || frames_.contains({pack, start16});
}

bool Excluded::contains(const format::PackId& pack) const noexcept { return packs_.contains(pack); }

std::array<std::byte, 24> fresh_salt(base::Env& env) {
  codec::Key random;
  std::array<std::byte, 32> fresh;
  env.random(random.mutable_view());
  env.random(fresh);
  return format::make_salt(random, fresh, 0, env.process_nonce());
}

base::Task<Result<Repository>> open(provider::Client& client, Unlock unlock) {
  auto reading = read_repo(client);
  SV_CO_TRY(const auto object, std::move(reading));
  SV_CO_TRY_NOW(auto repo, format::decode_repo(object));
  auto control_task = read_control(client, repo.id);
  SV_CO_TRY(auto control, std::move(control_task));
  const auto slots = take_slots(control);
  codec::Key master;
  if (repo.clear_master) {
    master = repo.clear_master->clone();
  } else {
    auto unlocking = unlock_slots(client.env(), repo.id, slots, unlock);
    SV_CO_TRY(master, std::move(unlocking));
  }
  SV_CO_TRY_NOW(auto repository, assemble(object, repo, control, std::move(master)));
  repository.slots = describe_slots(slots);
  co_return repository;
}

}  // namespace snapvault::store
