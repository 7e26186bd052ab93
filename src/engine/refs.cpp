#include "engine/refs.hpp"

namespace snapvault::engine {

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
    SV_CO_TRY(auto stored, store::read_refs_object(client, repository, commit.refs_object->session,
                                                   commit.refs_object->n));
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
  format::RefsBase over;
  over.entries = static_cast<std::uint32_t>(full.entries.size());
  const auto changes = book.delta({}, over);
  co_return format::apply_refs(full, changes);
}

}  // namespace snapvault::engine
