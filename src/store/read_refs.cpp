// The refs of a snapshot: where they stand, and a delta over its base.
#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/as_damage.hpp"
#include "store/sources.hpp"

namespace snapvault::store {
namespace {

Error bad_refs(const std::string& name, std::string_view message) {
  return Error(Errc::data_loss, reason::bad_format, message).with_subject(name);
}

Error missing(const std::string& name) {
  return Error(Errc::data_loss, reason::object_missing,
               "the list of packs that a snapshot needs is missing")
      .with_subject(name);
}

Result<format::Refs> decode_object(const format::KeyRing& keys, const std::string& name,
                                   base::ByteView object) {
  auto records = format::read_object(keys, format::ObjectType::refs, name, object);
  if (!records) return as_damage(std::move(records).error()).with_subject(name);
  base::Bytes bytes;
  for (const auto& record : *records) {
    if (record.kind != format::RecordKind::refs) return bad_refs(name, "refs hold another record");
    base::append(bytes, base::ByteView(record.plain));
  }
  auto refs = format::decode_refs(bytes);
  if (!refs) return std::move(refs).error().with_subject(name);
  return refs;
}

}  // namespace

base::Task<Result<format::Refs>> read_refs_object(provider::Client& client,
                                                  const Repository& repository,
                                                  format::SessionId session, std::uint32_t n) {
  const auto name = format::refs_name(session, n);
  auto get = client.get(name);
  const auto object = co_await std::move(get);
  if (object) co_return decode_object(repository.keys, name, *object);
  if (object.error().code() != Errc::not_found) co_return object.error();
  co_return missing(name);
}

namespace {

// The full table that a delta counts from. A tomb beside it does not matter.
base::Task<Result<format::Refs>> read_base(provider::Client& client, const Repository& repository,
                                           format::SourceTag tag, format::RefsBase base) {
  if (base.n != format::RefsBase::kInline) {
    auto reading = read_refs_object(client, repository, base.session, base.n);
    auto refs = co_await std::move(reading);
    co_return refs;
  }
  const SnapshotName name{.tag = tag, .order = base.order, .session = base.session};
  auto reading = read_snapshot(client, repository, name);
  auto snapshot = co_await std::move(reading);
  if (!snapshot && snapshot.error().code() == Errc::not_found) co_return missing(name.commit());
  if (!snapshot) co_return as_damage(std::move(snapshot).error());
  if (!*snapshot || !(*snapshot)->commit.refs) {
    co_return bad_refs(name.commit(), "a snapshot holds no refs, but another builds on them");
  }
  co_return *std::move((*snapshot)->commit.refs);
}

}  // namespace

base::Bytes build_refs(const format::KeyRing& keys, std::string_view name, format::Salt salt,
                       const format::Refs& refs) {
  format::ObjectBuilder builder(keys, format::ObjectType::refs, name, salt);
  const auto bytes = format::encode_refs(refs);
  // A record has a greatest size; the table goes on in the next one.
  for (base::ByteView rest = bytes; !rest.empty();) {
    const auto part = rest.first(std::min<std::size_t>(rest.size(), format::kPlainMax));
    builder.add(format::RecordKind::refs, part);
    rest = rest.subspan(part.size());
  }
  return std::move(builder).finish();
}

base::Task<Result<format::Refs>> full_refs(provider::Client& client, const Repository& repository,
                                           format::SourceTag tag, format::Refs refs) {
  if (!refs.base) co_return refs;
  const auto where = *refs.base;
  auto reading = read_base(client, repository, tag, where);
  SV_CO_TRY(const auto base, std::move(reading));
  auto table = format::apply_refs(base, refs);
  if (!table) co_return std::move(table).error().with_subject(where.session.hex());
  co_return table;
}

base::Task<Result<format::Refs>> read_refs(provider::Client& client, const Repository& repository,
                                           const Snapshot& snapshot) {
  format::Refs refs;
  if (snapshot.commit.refs) {
    refs = *snapshot.commit.refs;
  } else if (const auto& where = snapshot.commit.refs_object) {
    auto reading = read_refs_object(client, repository, where->session, where->n);
    SV_CO_TRY(refs, std::move(reading));
  } else {
    co_return bad_refs(snapshot.name.commit(), "a snapshot says nothing of its packs");
  }
  auto full = full_refs(client, repository, snapshot.name.tag, std::move(refs));
  auto table = co_await std::move(full);
  co_return table;
}

}  // namespace snapvault::store
