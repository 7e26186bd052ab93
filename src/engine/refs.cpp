#include "engine/refs.hpp"

#include "base/reasons.hpp"

namespace snapvault::engine {
namespace {

// As stored in its object: the base, if it names one, is not applied.
base::Task<Result<format::Refs>> read_refs_object(provider::Client& client,
                                                  const store::Repository& repository,
                                                  format::RefsBase where) {
  const auto name = format::refs_name(where.session, where.n);
  auto getting = client.get(name);
  auto object = co_await std::move(getting);
  if (!object) co_return std::move(object).error();
  SV_CO_TRY_NOW(const auto records, format::read_object(repository.keys, format::ObjectType::refs,
                                                        name, *object));
  if (records.size() != 1 || records.front().kind != format::RecordKind::refs) {
    co_return Error(Errc::data_loss, reason::bad_format, "a refs object holds something else")
        .with_subject(name);
  }
  co_return format::decode_refs(records.front().plain);
}

}  // namespace

base::Task<Result<format::Refs>> build_refs(provider::Client& client,
                                            const store::Repository& repository,
                                            const std::optional<store::Snapshot>& parent,
                                            const store::RefsBook& book) {
  if (!parent) co_return book.table();
  const auto& commit = parent->commit;
  format::Refs parent_delta;
  format::RefsBase base;
  if (commit.refs && commit.refs->base) {
    parent_delta = *commit.refs;
    base = *commit.refs->base;
  } else if (commit.refs) {  // a full table in the parent's commit: that becomes the base
    base.order = parent->name.order;
    base.session = parent->name.session;
    base.entries = static_cast<std::uint32_t>(commit.refs->entries.size());
  } else {
    SV_CO_TRY(auto stored, read_refs_object(client, repository, *commit.refs_object));
    if (stored.base) {
      base = *stored.base;
      parent_delta = std::move(stored);
    } else {
      base = *commit.refs_object;
      base.entries = static_cast<std::uint32_t>(stored.entries.size());
    }
  }
  auto delta = book.delta(parent_delta, base);
  if (delta.entries.size() <= std::max<std::size_t>(base.entries / 4, 16)) co_return delta;
  SV_CO_TRY(const auto full, store::read_refs(client, repository, *parent));
  auto changes = book.delta({}, {});
  co_return format::apply_refs(full, changes);
}

}  // namespace snapvault::engine
