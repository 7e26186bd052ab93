#include "store/sources.hpp"

#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/fetch.hpp"
#include "store/log.hpp"

namespace snapvault::store {
namespace {

using Kind = format::SourceEntry::Kind;

std::string entry_name(const SnapshotName& name, Kind kind) {
  format::SourceEntry entry;
  entry.kind = kind;
  entry.tag = name.tag;
  entry.order = name.order;
  entry.session = name.session;
  return format::source_entry_name(entry);
}

// What a listing shows of one session.
struct Shown {
  bool begin = false, commit = false, tomb = false;
};

// Names that are none of ours, or of an order nobody can have reached, are not there.
base::Task<Result<AllSources>> list_below(provider::Client& client, std::string prefix) {
  auto list = client.list(std::move(prefix));
  SV_CO_TRY(const auto objects, std::move(list));
  std::map<SnapshotName, Shown> sessions;
  for (const auto& object : objects) {
    const auto entry = format::parse_source_entry(object.key);
    if (!entry || entry->kind == Kind::heartbeat || entry->order >= kOrderEnd) continue;
    auto& shown = sessions[{.tag = entry->tag, .order = entry->order, .session = entry->session}];
    (entry->kind == Kind::begin    ? shown.begin
     : entry->kind == Kind::commit ? shown.commit
                                   : shown.tomb) = true;
  }
  AllSources out;
  for (auto at = sessions.rbegin(); at != sessions.rend(); ++at) {
    const auto& [name, shown] = *at;
    auto [source, is_new] = out.try_emplace(name.tag);
    auto& listing = source->second;
    if (is_new) listing.greatest_order = name.order;
    if (shown.tomb) continue;
    (shown.commit ? listing.committed : listing.unfinished).push_back(name);
  }
  co_return out;
}

// A listed commit that is not there is damage, not the absence of a snapshot.
Error listed_but_gone(const SnapshotName& name) {
  return Error(Errc::data_loss, reason::object_missing, "a snapshot is listed but not there")
      .with_subject(name.commit());
}

Result<std::optional<Snapshot>> decode_snapshot(const Repository& repository,
                                                const SnapshotName& name, base::ByteView object) {
  const auto key = name.commit();
  if (format::object_type(object) == format::ObjectType::abort) {
    auto abort = format::read_abort(repository.keys, key, object);
    if (!abort) return std::move(abort).error().with_subject(key);
    return std::optional<Snapshot>();
  }
  auto commit = format::read_commit(repository.keys, key, object);
  if (!commit) return std::move(commit).error().with_subject(key);
  if (repository.keys.source_tag(commit->manifest.source) != name.tag) {
    return Error(Errc::data_loss, reason::bad_format, "a snapshot stands under another source")
        .with_subject(key);
  }
  return std::optional<Snapshot>(
      Snapshot{.name = name, .commit = *std::move(commit), .record_bytes = object.size()});
}

// One commit of a list: a snapshot, nothing, or damage.
struct Listed {
  std::optional<Snapshot> snapshot;
  std::optional<Error> damage;
};

// A record may have half a MiB, a list 100,000 of them.
void leave_description(format::Commit& commit) {
  commit.nodes = {};
  commit.refs.reset();
  commit.manifest.samples = {};
  commit.manifest.base_token = {};
  commit.manifest.extra_json = {};
}

base::Task<Result<void>> read_listed(provider::Client& client, const Repository& repository,
                                     SnapshotName name, Listed& into) {
  auto reading = read_snapshot(client, repository, name);
  auto snapshot = co_await std::move(reading);
  if (snapshot) {
    into.snapshot = *std::move(snapshot);
    if (into.snapshot) leave_description(into.snapshot->commit);
    co_return Result<void>();
  }
  const auto code = snapshot.error().code();
  if (code == Errc::not_found) {
    into.damage = listed_but_gone(name);
  } else if (code == Errc::data_loss || code == Errc::unsupported) {
    into.damage = std::move(snapshot).error();
  } else {
    co_return std::move(snapshot).error();
  }
  co_return Result<void>();
}

}  // namespace

std::string SnapshotName::commit() const { return entry_name(*this, Kind::commit); }
std::string SnapshotName::tomb() const { return entry_name(*this, Kind::tomb); }
std::string SnapshotName::begin() const { return entry_name(*this, Kind::begin); }

base::Task<Result<SourceListing>> list_source(provider::Client& client, format::SourceTag tag) {
  auto list = list_below(client, format::source_prefix(tag));
  SV_CO_TRY(auto sources, std::move(list));
  co_return std::move(sources[tag]);
}

base::Task<Result<AllSources>> list_sources(provider::Client& client) {
  return list_below(client, "src/");
}

base::Task<Result<std::optional<Snapshot>>> read_snapshot(provider::Client& client,
                                                          const Repository& repository,
                                                          SnapshotName name) {
  auto get = client.get(name.commit());
  const auto object = co_await std::move(get);
  if (object) co_return decode_snapshot(repository, name, *object);
  if (object.error().code() != Errc::not_found) co_return object.error();
  co_return Error(Errc::not_found, reason::no_snapshot, "there is no such snapshot")
      .with_subject(name.session.hex());
}

base::Task<Result<std::optional<Snapshot>>> latest_snapshot(provider::Client& client,
                                                            const Repository& repository,
                                                            const SourceListing& listing) {
  for (const auto& name : listing.committed) {
    auto reading = read_snapshot(client, repository, name);
    auto snapshot = co_await std::move(reading);
    if (!snapshot && snapshot.error().code() == Errc::not_found) co_return listed_but_gone(name);
    if (!snapshot || *snapshot) co_return snapshot;
  }
  co_return std::optional<Snapshot>();
}

base::Task<Result<AllSnapshots>> read_snapshots(provider::Client& client,
                                                const Repository& repository,
                                                std::vector<SnapshotName> names) {
  std::vector<Listed> listed(names.size());
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < names.size(); ++i) {
      auto one = read_listed(client, repository, names[i], listed[i]);
      auto start = group.spawn(std::move(one));
      co_await std::move(start);
    }
    co_return Result<void>();
  };
  auto all = base::with_group(client.env().loop(), kParallelGets, body);
  SV_CO_CHECK(std::move(all));
  AllSnapshots out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto& one = listed[i];
    if (one.snapshot) out.snapshots.push_back(*std::move(one.snapshot));
    if (one.damage) out.damaged.push_back({.name = names[i], .error = *std::move(one.damage)});
  }
  co_return out;
}

base::Task<Result<AllSnapshots>> list_snapshots(provider::Client& client,
                                                const Repository& repository,
                                                std::optional<std::string> source) {
  std::string prefix = "src/";
  if (source) {
    SV_CO_CHECK_NOW(format::check_source_name(*source));
    prefix = format::source_prefix(repository.keys.source_tag(*source));
  }
  auto list = list_below(client, std::move(prefix));
  SV_CO_TRY(const auto sources, std::move(list));
  std::vector<SnapshotName> names;
  for (const auto& [tag, listing] : sources) {
    names.insert(names.end(), listing.committed.begin(), listing.committed.end());
  }
  auto reading = read_snapshots(client, repository, std::move(names));
  auto all = co_await std::move(reading);
  co_return all;
}

base::Task<Result<void>> bury(provider::Client& client, const Repository& repository,
                              SnapshotName name) {
  SV_CO_CHECK_NOW(check_writable(repository));
  const auto key = name.tomb();
  const auto salt = fresh_salt(client.env());
  format::Tomb tomb;
  tomb.time = client.env().wall_seconds();
  PutBody body(format::build_tomb(repository.keys, key, salt, tomb));
  auto create = client.create(key, std::move(body));
  auto created = co_await std::move(create);
  if (!created && created.error().code() == Errc::already_exists) co_return Result<void>();
  co_return created;
}

}  // namespace snapvault::store
