#include <array>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/log.hpp"
#include "store/repository.hpp"
#include "store/slots.hpp"

namespace snapvault::store {
namespace {

Error repository_exists() {
  return Error(Errc::already_exists, reason::repository_exists,
               "there is a repository here already")
      .with_hint("choose another place, or use the one that is there");
}

base::Task<Result<void>> expect_none(provider::Client& client) {
  auto stat = client.stat(std::string(format::kRepoName));
  auto found = co_await std::move(stat);
  if (found) co_return repository_exists();
  if (found.error().code() != Errc::not_found) co_return std::move(found).error();
  co_return Result<void>();
}

// Puts an object that only we know the name of, and notes the name.
base::Task<Result<void>> put_control(provider::Client& client, std::string name, base::Bytes object,
                                     std::vector<std::string>& written) {
  written.push_back(name);
  auto create = client.create_own(std::move(name), PutBody(std::move(object)));
  auto created = co_await std::move(create);
  co_return created;
}

base::Task<Result<void>> write_epoch(provider::Client& client, Repository& repository,
                                     std::vector<std::string>& written) {
  codec::Key secret;
  client.env().random(secret.mutable_view());
  const auto name = format::epoch_name(repository.id, 0);
  auto put = put_control(client, name, repository.keys.wrap_epoch(0, secret), written);
  SV_CO_CHECK(std::move(put));
  auto get = client.get(name);
  SV_CO_TRY(const auto stored, std::move(get));
  co_return repository.keys.add_epoch(0, stored);
}

base::Task<Result<void>> write_slot(provider::Client& client, Repository& repository, Lock& lock,
                                    std::vector<std::string>& written) {
  auto locking = lock_slot(client.env(), repository.keys, lock);
  SV_CO_TRY(const auto slot, std::move(locking));
  auto put = put_control(client, format::slot_name(repository.id, 0), slot.object, written);
  SV_CO_CHECK(std::move(put));
  auto check = check_slot(client, repository.keys, 0, slot);
  SV_CO_CHECK(std::move(check));
  SlotInfo info{.slot = 0, .kind = slot.kind, .label = lock.label};
  repository.slots.push_back(std::move(info));
  co_return Result<void>();
}

// All that stands below ctl/<repo-id>/: without `repo` it is nothing but garbage.
base::Task<Result<void>> write_control(provider::Client& client, Repository& repository, Lock& lock,
                                       const Policy& policy, std::vector<std::string>& written) {
  if (!repository.without_passphrase) {
    auto slot = write_slot(client, repository, lock, written);
    SV_CO_CHECK(std::move(slot));
  }
  auto epoch = write_epoch(client, repository, written);
  SV_CO_CHECK(std::move(epoch));
  if (policy == Policy()) co_return Result<void>();
  format::PolicyRecord settings{.full_every = policy.full_every,
                                .protect_parents = policy.protect_parents,
                                .compression = policy.compression,
                                .pack_size = policy.pack_size};
  const format::LogRecord record = std::move(settings);
  written.push_back(format::log_name(repository.id, 0));
  auto append = append_log(client, repository, record);
  auto appended = co_await std::move(append);
  co_return appended;
}

base::Task<void> clean_up(provider::Client& client, const std::vector<std::string>& written) {
  if (written.empty()) co_return;
  auto remove = client.remove(written);
  base::permit_unchecked(co_await std::move(remove), "what stays is garbage nobody refers to");
}

// The commit of init.
base::Task<Result<void>> publish(provider::Client& client, const Repository& repository,
                                 const std::vector<std::string>& written) {
  format::RepoObject repo;
  repo.id = repository.id;
  if (repository.without_passphrase) repo.clear_master = repository.keys.master();
  auto object = format::encode_repo(repo, repository.keys);
  auto create = client.create_own(std::string(format::kRepoName), PutBody(std::move(object)));
  auto created = co_await std::move(create);
  // A put that failed otherwise may still arrive: then its control objects must be there.
  if (created || created.error().code() != Errc::already_exists) co_return created;
  auto clean = clean_up(client, written);
  co_await std::move(clean);
  co_return repository_exists();
}

}  // namespace

base::Task<Result<Repository>> init(provider::Client& client, Lock lock, Policy policy) {
  SV_CO_CHECK_NOW(check_lock(lock));
  auto expect = expect_none(client);
  SV_CO_CHECK(std::move(expect));
  format::RepositoryId id;
  codec::Key master;
  client.env().random(id.bytes);
  client.env().random(master.mutable_view());
  Repository repository{.id = id, .keys = format::KeyRing(id, std::move(master))};
  repository.without_passphrase = lock.kind == Lock::Kind::none;
  std::vector<std::string> written;
  auto write = write_control(client, repository, lock, policy, written);
  auto wrote = co_await std::move(write);
  if (!wrote) {
    auto clean = clean_up(client, written);
    co_await std::move(clean);
    co_return std::move(wrote).error();
  }
  auto publishing = publish(client, repository, written);
  SV_CO_CHECK(std::move(publishing));
  co_return repository;
}

}  // namespace snapvault::store
