#include "api/inventory.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "engine/describe.hpp"
#include "engine/reading.hpp"

namespace snapvault::api {
namespace {

using base::Task;

std::string_view to_string(format::SlotKind kind) noexcept {
  switch (kind) {
    case format::SlotKind::passphrase:
      return "passphrase";
    case format::SlotKind::raw:
      return "raw";
    case format::SlotKind::callback:
      return "callback";
  }
  return "unknown";
}

bool matches(const SnapshotInfo& info, const SnapshotFilter& filter) {
  if (info.finished < filter.since) return false;
  return std::all_of(filter.tags.begin(), filter.tags.end(), [&info](const auto& tag) {
    const auto found = info.tags.find(tag.first);
    return found != info.tags.end() && found->second == tag.second;
  });
}

// Descriptions of stored snapshots, knowing which of them are parents of others.
std::vector<SnapshotInfo> describe_all(const std::vector<store::Snapshot>& snapshots) {
  std::set<std::string> parents;
  std::vector<SnapshotInfo> out;
  out.reserve(snapshots.size());
  for (const auto& snapshot : snapshots) {
    out.push_back(engine::describe(snapshot));
    if (out.back().parent) parents.insert(*out.back().parent);
  }
  for (auto& info : out) info.has_dependents = parents.contains(info.id);
  return out;
}

}  // namespace

Task<Result<std::vector<SnapshotInfo>>> list(Repository::State& state, SnapshotFilter filter) {
  auto client = state.client();
  std::optional<std::string> source;
  if (!filter.source.empty()) source = filter.source;
  auto listing = store::list_snapshots(client, state.repository, std::move(source));
  auto all = co_await std::move(listing);
  if (!all) co_return std::move(all).error();
  auto infos = describe_all(all->snapshots);
  std::erase_if(infos, [&filter](const SnapshotInfo& info) { return !matches(info, filter); });
  // Newest first: by the writers' clocks across sources, by the repository's order within one.
  std::stable_sort(infos.begin(), infos.end(), [](const SnapshotInfo& a, const SnapshotInfo& b) {
    return a.source != b.source && a.finished > b.finished;
  });
  if (filter.limit != 0 && infos.size() > filter.limit) infos.resize(filter.limit);
  co_return infos;
}

Task<Result<RepositoryInfo>> describe(Repository::State& state) {
  auto client = state.client();
  auto reading = store::read_log(client, state.repository);
  auto read = co_await std::move(reading);
  if (!read) co_return std::move(read).error();
  const auto& repository = state.repository;
  RepositoryInfo info;
  info.id = repository.id.hex();
  info.url = state.url;
  const auto capabilities = state.provider->capabilities();
  info.weak = !capabilities.exclusive_create;
  info.weak_because = capabilities.weak_because;
  info.no_passphrase = repository.without_passphrase;
  info.read_only = repository.log.read_only;
  for (const auto& slot : repository.slots) {
    info.keys.push_back({slot.slot, std::string(to_string(slot.kind)), slot.label});
  }
  const auto& policy = repository.log.policy;
  info.pack_size = policy.pack_size;
  info.compression = policy.compression;
  info.full_every = policy.full_every;
  info.protect_parents = policy.protect_parents;
  info.damaged_frames = repository.log.damaged.size();

  auto listing = store::list_snapshots(client, repository, std::nullopt);
  auto all = co_await std::move(listing);
  if (!all) co_return std::move(all).error();
  info.snapshots = all->snapshots.size();
  info.damaged_commits = all->damaged.size();
  std::set<std::string> sources;
  for (const auto& snapshot : all->snapshots) {
    sources.insert(snapshot.commit.manifest.source);
    info.logical_bytes += snapshot.commit.manifest.size;
  }
  info.sources = sources.size();
  auto listing_objects = client.list("");
  auto objects = co_await std::move(listing_objects);
  if (!objects) co_return std::move(objects).error();
  info.objects = objects->size();
  for (const auto& object : *objects) info.stored_bytes += object.size;
  co_return info;
}

Task<Result<std::vector<ByteRange>>> diff(Repository::State& state, std::string a, std::string b) {
  auto client = state.client();
  auto repository = state.repository;
  auto finding_a = store::find_snapshot(client, repository, std::move(a));
  auto first = co_await std::move(finding_a);
  if (!first) co_return std::move(first).error();
  auto finding_b = store::find_snapshot(client, repository, std::move(b));
  auto second = co_await std::move(finding_b);
  if (!second) co_return std::move(second).error();
  engine::Job job{state.env(), client, repository, state.runtime->memory_max};
  auto comparing = engine::diff(job, *first, *second);
  auto ranges = co_await std::move(comparing);
  co_return ranges;
}

Task<Result<std::vector<SnapshotInfo>>> remove(Repository::State& state,
                                               std::vector<std::string> names, bool dry_run) {
  auto client = state.client();
  auto reading = store::read_log(client, state.repository);
  auto read = co_await std::move(reading);
  if (!read) co_return std::move(read).error();
  std::vector<store::Snapshot> doomed;
  for (const auto& name : names) {
    auto finding = store::find_snapshot(client, state.repository, name);
    auto found = co_await std::move(finding);
    if (!found) co_return std::move(found).error();
    doomed.push_back(*std::move(found));
  }
  std::set<std::string> going;
  for (const auto& snapshot : doomed) going.insert(snapshot.name.session.hex());
  auto infos = describe_all(doomed);
  if (state.repository.log.policy.protect_parents) {
    auto listing = store::list_snapshots(client, state.repository, std::nullopt);
    auto all = co_await std::move(listing);
    if (!all) co_return std::move(all).error();
    for (const auto& info : describe_all(all->snapshots)) {
      if (!info.parent || !going.contains(*info.parent) || going.contains(info.id)) continue;
      co_return Error(Errc::precondition_failed, reason::has_dependents,
                      "incremental snapshots depend on it, and the policy protects parents")
          .with_subject(info.name)
          .with_hint("delete its dependents too, or set protect-parents=off");
    }
  }
  if (dry_run) co_return infos;
  for (const auto& snapshot : doomed) {
    auto burying = store::bury(client, state.repository, snapshot.name);
    auto buried = co_await std::move(burying);
    if (!buried) co_return std::move(buried).error();
  }
  co_return infos;
}

Task<Result<void>> set_policy(Repository::State& state, Policy policy) {
  auto client = state.client();
  format::PolicyRecord record;
  record.full_every = policy.full_every;
  record.protect_parents = policy.protect_parents;
  const format::LogRecord entry = std::move(record);
  auto appending = store::append_log(client, state.repository, entry);
  auto done = co_await std::move(appending);
  co_return done;
}

Task<Result<std::uint32_t>> add_key(Repository::State& state, store::Lock lock) {
  auto client = state.client();
  auto adding = store::add_slot(client, state.repository, std::move(lock));
  auto slot = co_await std::move(adding);
  co_return slot;
}

Task<Result<void>> remove_key(Repository::State& state, std::uint32_t slot) {
  auto client = state.client();
  auto removing = store::remove_slot(client, state.repository, slot);
  auto done = co_await std::move(removing);
  co_return done;
}

}  // namespace snapvault::api
