#include <snapvault/repository.hpp>

#include <algorithm>

#include "api/inventory.hpp"
#include "api/run_job.hpp"
#include "codec/crypto.hpp"
#include "engine/backup.hpp"
#include "engine/describe.hpp"
#include "engine/verify.hpp"
#include "store/slots.hpp"

namespace snapvault {
namespace {

using base::Task;

constexpr std::uint64_t kPackMin = 1u << 20;
constexpr std::uint64_t kPackMax = 512u << 20;

Result<Runtime> runtime_of(const std::optional<Runtime>& given) {
  return given ? Result<Runtime>(*given) : Runtime::shared();
}

// The passphrase of a new slot, or its other lock.
Result<store::Lock> make_lock(const InitOptions& options) {
  store::Lock lock;
  const int given = static_cast<int>(static_cast<bool>(options.passphrase)) +
                    static_cast<int>(options.raw_key.has_value()) +
                    static_cast<int>(static_cast<bool>(options.key.wrap)) +
                    static_cast<int>(options.no_passphrase);
  if (given != 1) {
    return Error(Errc::invalid_argument, reason::key_required,
                 "give exactly one of a passphrase, a raw key, a key callback or no_passphrase");
  }
  using Kind = store::Lock::Kind;
  if (options.no_passphrase) lock.kind = Kind::none;
  if (options.raw_key) {
    lock.kind = Kind::raw;
    lock.raw_key = *options.raw_key;
  }
  if (options.key.wrap) {
    lock.kind = Kind::callback;
    lock.wrap = options.key.wrap;
  }
  if (options.passphrase) {
    SV_TRY(lock.passphrase, options.passphrase.get());
  }
  return lock;
}

Result<store::Policy> make_policy(const InitOptions& options) {
  if (options.pack_size < kPackMin || options.pack_size > kPackMax) {
    return Error(Errc::invalid_argument, reason::bad_pack_size,
                 "the pack size must be from 1 to 512 MiB");
  }
  SV_CHECK(engine::check_compression(options.compression));
  store::Policy policy;
  policy.pack_size = options.pack_size;
  policy.compression = options.compression;
  policy.full_every = options.full_every;
  policy.protect_parents = options.protect_parents;
  return policy;
}

// A store is asked what it can do only by those who are going to write.
Task<Result<store::Repository>> open_on_loop(Runtime::State& runtime,
                                             std::shared_ptr<Provider> provider,
                                             store::Unlock unlock, Access access) {
  auto client = runtime.client(provider, {});
  auto opening = store::open(client, std::move(unlock));
  auto opened = co_await std::move(opening);
  if (!opened || access == Access::read) co_return opened;
  auto preparing = client.prepare();
  SV_CO_CHECK(std::move(preparing));
  co_return opened;
}

Task<Result<store::Repository>> init_on_loop(Runtime::State& runtime,
                                             std::shared_ptr<Provider> provider, store::Lock lock,
                                             store::Policy policy, bool create_bucket) {
  auto client = runtime.client(provider, {});
  if (create_bucket) {
    auto creating = client.create_root();
    SV_CO_CHECK(std::move(creating));
  }
  auto preparing = client.prepare();
  SV_CO_CHECK(std::move(preparing));
  auto making = store::init(client, std::move(lock), std::move(policy));
  auto made = co_await std::move(making);
  co_return made;
}

Task<Result<void>> find_on_loop(Repository::State& state, std::string name, Snapshot::State& into) {
  auto client = state.client();
  auto finding = store::find_among(client, state.repository, std::move(name));
  auto found = co_await std::move(finding);
  if (!found) co_return std::move(found).error();
  into.info = engine::describe(found->snapshot);
  into.stored = std::move(found->snapshot);
  auto reading = store::read_snapshots(client, state.repository, std::move(found->newer));
  const auto newer = co_await std::move(reading);
  if (!newer) co_return newer.error();
  const auto names_it = [&into](const store::Snapshot& one) {
    return engine::describe(one).parent == into.info.id;
  };
  into.info.has_dependents = std::ranges::any_of(newer->snapshots, names_it);
  co_return Result<void>();
}

}  // namespace

Passphrase::Passphrase(const char* text) : Passphrase(std::string(text)) {}
Passphrase::Passphrase(std::string text)
    : ask_([kept = std::shared_ptr<std::string>(
                new std::string(std::move(text)), [](std::string* gone) {
                  codec::wipe(std::as_writable_bytes(std::span(*gone)));
                  delete gone;
                })]() -> Result<std::string> { return *kept; }) {}
Passphrase::Passphrase(std::function<Result<std::string>()> ask) : ask_(std::move(ask)) {}

Result<std::string> Passphrase::get() const {
  try {
    if (ask_) return ask_();
    return Error(Errc::unauthenticated, reason::key_required, "no passphrase was given");
  } catch (const std::bad_alloc&) {
    return base::error_from(std::current_exception());
  } catch (...) {
    return store::callback_threw();
  }
}

Result<void> Repository::State::check(Access needed) const {
  SV_CHECK(runtime->check_alive());
  if (access < needed) {
    return Error(Errc::permission_denied, reason::access,
                 "the repository was opened without the right to do this");
  }
  if (needed != Access::read && repository.log.read_only) {
    return Error(Errc::permission_denied, reason::newer_format,
                 "a newer program set a feature that this one cannot write");
  }
  return {};
}

Repository::Repository(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}
Repository::Repository(Repository&&) noexcept = default;
Repository& Repository::operator=(Repository&&) noexcept = default;
Repository::~Repository() = default;

Result<Repository> Repository::init(const std::string& url, const InitOptions& options) {
  return base::answer([&]() -> Result<Repository> {
    SV_TRY(auto provider, Provider::open(url, options.store));
    SV_TRY(auto repository, init(std::move(provider), options));
    repository.state_->url = url;
    return repository;
  });
}

Result<Repository> Repository::init(std::shared_ptr<Provider> provider,
                                    const InitOptions& options) {
  return base::answer([&]() -> Result<Repository> {
    SV_TRY(auto policy, make_policy(options));
    SV_TRY(const auto runtime, runtime_of(options.runtime));
    SV_CHECK(runtime.state()->check_alive());
    SV_TRY(auto lock, make_lock(options));
    auto& shared = *runtime.state();
    SV_TRY(auto made,
           base::run_sync(*shared.env, init_on_loop(shared, provider, std::move(lock),
                                                    std::move(policy), options.create_bucket)));
    return Repository(std::make_shared<State>(
        State{runtime.state(), std::move(provider), Access::manage, std::move(made)}));
  });
}

Result<Repository> Repository::open(const std::string& url, const OpenOptions& options) {
  return base::answer([&]() -> Result<Repository> {
    SV_TRY(auto provider, Provider::open(url, options.store));
    SV_TRY(auto repository, open(std::move(provider), options));
    repository.state_->url = url;
    return repository;
  });
}

Result<Repository> Repository::open(std::shared_ptr<Provider> provider,
                                    const OpenOptions& options) {
  return base::answer([&]() -> Result<Repository> {
    SV_TRY(const auto runtime, runtime_of(options.runtime));
    SV_CHECK(runtime.state()->check_alive());
    store::Unlock unlock;
    if (options.passphrase) {
      unlock.passphrase = [asked = options.passphrase] { return asked.get(); };
    }
    unlock.raw_key = options.raw_key;
    if (options.key.unwrap) unlock.unwrap = options.key.unwrap;
    auto& shared = *runtime.state();
    SV_TRY(auto opened,
           base::run_sync(*shared.env,
                          open_on_loop(shared, provider, std::move(unlock), options.access)));
    return Repository(std::make_shared<State>(
        State{runtime.state(), std::move(provider), options.access, std::move(opened)}));
  });
}

Result<std::vector<Finding>> examine_store(const std::string& url, const StoreOptions& options,
                                           std::stop_token stop) {
  return base::answer([&]() -> Result<std::vector<Finding>> {
    SV_TRY(auto provider, Provider::open(url, options));
    SV_TRY(const auto runtime, Runtime::shared());
    auto client = runtime.state()->client(provider, std::move(stop));
    return base::run_sync(*runtime.state()->env, client.examine());
  });
}

Result<BackupReport> Repository::backup(BlockSource& source, const BackupOptions& options) {
  SV_CHECK(state_->check(Access::append));
  auto work = [&](engine::Job& job) { return engine::backup(job, source, options); };
  return run_job<BackupReport>(*state_, options, work);
}

Result<VerifyReport> Repository::verify(const VerifyOptions& options) {
  SV_CHECK(state_->check(options.record_damage ? Access::append : Access::read));
  auto work = [&](engine::Job& job) { return engine::verify(job, options); };
  return run_job<VerifyReport>(*state_, options, work);
}

Result<Snapshot> Repository::snapshot(const std::string& name) const {
  return base::answer([&]() -> Result<Snapshot> {
    SV_CHECK(state_->check(Access::read));
    auto state = std::make_shared<Snapshot::State>();
    state->repository = state_;
    SV_CHECK(base::run_sync(state_->env(), find_on_loop(*state_, name, *state)));
    return Snapshot(std::move(state));
  });
}

Result<std::vector<SnapshotInfo>> Repository::snapshots(const SnapshotFilter& filter) const {
  return base::answer([&]() -> Result<std::vector<SnapshotInfo>> {
    SV_CHECK(state_->check(Access::read));
    return base::run_sync(state_->env(), api::list(*state_, filter));
  });
}

std::string Repository::weak_because() const {
  auto because = base::answer([&]() -> Result<std::string> {
    const auto capabilities = state_->provider->capabilities();
    if (capabilities.exclusive_create) return std::string();
    return capabilities.weak_because.empty() ? "it has no exclusive create"
                                             : capabilities.weak_because;
  });
  return because ? *std::move(because) : "unknown";  // short enough to need no memory
}

Result<RepositoryInfo> Repository::info() const {
  return base::answer([&]() -> Result<RepositoryInfo> {
    SV_CHECK(state_->check(Access::read));
    return base::run_sync(state_->env(), api::describe(*state_));
  });
}

Result<std::vector<ByteRange>> Repository::diff(const std::string& a, const std::string& b) const {
  return base::answer([&]() -> Result<std::vector<ByteRange>> {
    SV_CHECK(state_->check(Access::read));
    return base::run_sync(state_->env(), api::diff(*state_, a, b));
  });
}

Result<std::vector<SnapshotInfo>> Repository::remove(const std::vector<std::string>& names,
                                                     bool dry_run) {
  return base::answer([&]() -> Result<std::vector<SnapshotInfo>> {
    SV_CHECK(state_->check(dry_run ? Access::read : Access::manage));
    return base::run_sync(state_->env(), api::remove(*state_, names, dry_run));
  });
}

Result<void> Repository::set_policy(const Policy& policy) {
  return base::answer([&]() -> Result<void> {
    SV_CHECK(state_->check(Access::manage));
    return base::run_sync(state_->env(), api::set_policy(*state_, policy));
  });
}

Result<std::uint32_t> Repository::add_key(const Passphrase& passphrase, const std::string& label) {
  return base::answer([&]() -> Result<std::uint32_t> {
    SV_CHECK(state_->check(Access::manage));
    store::Lock lock;
    SV_TRY(lock.passphrase, passphrase.get());
    lock.label = label;
    return base::run_sync(state_->env(), api::add_key(*state_, std::move(lock)));
  });
}

Result<std::uint32_t> Repository::add_key(const RawKey& key, const std::string& label) {
  return base::answer([&]() -> Result<std::uint32_t> {
    SV_CHECK(state_->check(Access::manage));
    store::Lock lock;
    lock.kind = store::Lock::Kind::raw;
    lock.raw_key = key;
    lock.label = label;
    return base::run_sync(state_->env(), api::add_key(*state_, std::move(lock)));
  });
}

Result<void> Repository::remove_key(std::uint32_t slot) {
  return base::answer([&]() -> Result<void> {
    SV_CHECK(state_->check(Access::manage));
    return base::run_sync(state_->env(), api::remove_key(*state_, slot));
  });
}

}  // namespace snapvault
