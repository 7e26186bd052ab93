#include "store/session.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/log.hpp"

namespace snapvault::store {
namespace {

constexpr std::size_t kInlineRefsMax = 256u << 10;
constexpr int kBeginAttempts = 8;

Error aborted(std::string_view message) {
  return Error(Errc::aborted, reason::session_aborted, message).with_hint("run it again");
}

// Above all names of the source, above the log, and not below what a collection has announced.
Result<std::uint64_t> next_order(const SourceListing& listing, const Log& log) {
  const std::uint64_t newest = log.next > 0 ? log.next - 1 : 0;
  const auto order = std::max({listing.greatest_order + 1, newest << 20, log.watermark});
  if (order >= kOrderEnd) {
    return Error(Errc::data_loss, reason::bad_format,
                 "the store lists a session of an order that none can have");
  }
  return order;
}

// Whether the put that answered so may have taken effect.
bool is_open(const Error& answer) noexcept {
  return answer.code() == Errc::cancelled || answer.code() == Errc::outcome_unknown ||
         answer.code() == Errc::deadline_exceeded;
}

// Cancelled while the commit was put, and the store does not say how that ended.
Error unsettled(const Error& why) {
  return Error(Errc::outcome_unknown, reason::lost_answer, why.message())
      .with_context("cancelled while the snapshot was being made; whether it exists is unknown")
      .with_hint("list the snapshots");
}

bool names_condemned(const format::Refs& refs, const Log& log) {
  return std::ranges::any_of(refs.entries, [&](const format::RefsEntry& entry) {
    return log.condemned.contains(entry.pack);
  });
}

// Whether a snapshot can no longer be built upon: what it needs is condemned, or unknown.
base::Task<Result<bool>> is_lost(provider::Client& client, const Repository& repository,
                                 const Snapshot& parent) {
  if (repository.log.condemned.empty()) co_return false;
  auto reading = read_refs(client, repository, parent);
  const auto refs = co_await std::move(reading);
  if (refs) co_return names_condemned(*refs, repository.log);
  if (refs.error().code() == Errc::data_loss) co_return true;
  co_return refs.error();
}

// Why the register holds what is not ours.
base::Task<Result<void>> explain(provider::Client& client, const Repository& repository,
                                 std::string name) {
  auto get = client.get(name);
  SV_CO_TRY(const auto winner, std::move(get));
  const auto abort = format::read_abort(repository.keys, name, winner);
  if (abort) co_return aborted("a collection ended this session because it seemed dead");
  co_return Error(Errc::data_loss, reason::not_authentic,
                  "the session's commit register holds what nobody wrote")
      .with_subject(name);
}

}  // namespace

std::array<std::byte, 24> Session::salt() {
  std::array<std::byte, 32> fresh;
  env_->random(fresh);
  return format::make_salt(random_, fresh, objects_++, env_->process_nonce());
}

base::Task<Result<void>> Session::put_begin(provider::Client& client,
                                            const Repository& repository) {
  format::Begin begin;
  begin.source = source_;
  begin.time = env_->wall_seconds();
  if (parent_) {
    begin.parent = parent_->name.session;
    begin.parent_order = parent_->name.order;
  }
  const auto key = name_.begin();
  auto object = format::build_begin(repository.keys, key, salt(), begin);
  auto create = client.create_own(key, PutBody(std::move(object)));
  auto created = co_await std::move(create);
  co_return created;
}

base::Task<Result<std::unique_ptr<Session>>> Session::begin(provider::Client& client,
                                                            Repository& repository,
                                                            std::string source,
                                                            const SourceListing& listing,
                                                            std::optional<Snapshot> parent) {
  SV_CO_CHECK_NOW(format::check_source_name(source));
  SV_CO_CHECK_NOW(check_writable(repository));
  auto session = std::unique_ptr<Session>(new Session);
  session->env_ = &client.env();
  session->name_.tag = repository.keys.source_tag(source);
  session->source_ = std::move(source);
  session->parent_ = std::move(parent);
  for (int attempt = 0; attempt < kBeginAttempts; ++attempt) {
    SV_CO_TRY_NOW(session->name_.order, next_order(listing, repository.log));
    client.env().random(session->name_.session.bytes);
    client.env().random(session->random_.mutable_view());
    session->objects_ = 0;
    auto put = session->put_begin(client, repository);
    SV_CO_CHECK(std::move(put));
    auto read = read_log(client, repository);
    SV_CO_CHECK(std::move(read));
    SV_CO_CHECK_NOW(check_writable(repository));
    // A collection may forget sessions below its watermark, and did not see this one.
    if (session->name_.order < repository.log.watermark) continue;
    if (session->parent_) {
      auto look = is_lost(client, repository, *session->parent_);
      SV_CO_TRY(const auto lost, std::move(look));
      if (lost) session->parent_.reset();
    }
    co_return session;
  }
  co_return aborted("collections kept overtaking the start of this session");
}

base::Task<Result<void>> Session::place_refs(provider::Client& client, const Repository& repository,
                                             format::Refs refs, format::Commit& commit) {
  if (!foreign_ && format::encode_refs(refs).size() <= kInlineRefsMax) {
    commit.refs = std::move(refs);
    co_return Result<void>();
  }
  const auto name = format::refs_name(name_.session, 0);
  auto object = build_refs(repository.keys, name, salt(), refs);
  auto create = client.create_own(name, PutBody(std::move(object)));
  SV_CO_CHECK(std::move(create));
  commit.refs_object.emplace();
  commit.refs_object->order = name_.order;
  commit.refs_object->session = name_.session;
  commit.refs_object->n = 0;
  commit.refs_object->entries = static_cast<std::uint32_t>(refs.entries.size());
  co_return Result<void>();
}

base::Task<Result<void>> Session::check_log(provider::Client& client, Repository& repository,
                                            const format::Refs& refs) {
  auto read = read_log(client, repository);
  SV_CO_CHECK(std::move(read));
  SV_CO_CHECK_NOW(check_writable(repository));
  if (repository.log.condemned.empty()) co_return Result<void>();
  auto resolve = full_refs(client, repository, name_.tag, refs);
  SV_CO_TRY(const auto full, std::move(resolve));
  if (names_condemned(full, repository.log)) {
    co_return aborted("a collection condemned data that this session had reused");
  }
  co_return Result<void>();
}

// Takes the register with ABORT, so that a put that is still under way cannot make a snapshot of
// what was said to be cancelled. If the register is taken the commit may have been first.
base::Task<Result<void>> Session::settle_stopped(provider::Client& client,
                                                 const Repository& repository, std::string key,
                                                 PutBody body) {
  client.forget_stop();
  format::Abort abort;
  abort.time = env_->wall_seconds();
  abort.why = "cancelled";
  PutBody end(format::build_abort(repository.keys, key, salt(), abort));
  auto ending = client.create_own(key, std::move(end));
  const auto ended = co_await std::move(ending);
  if (ended) co_return Error(Errc::cancelled, reason::cancelled, "it was cancelled");
  if (ended.error().code() != Errc::already_exists) co_return unsettled(ended.error());
  auto again = client.create_own(key, std::move(body));
  auto created = co_await std::move(again);
  const bool settled = created || created.error().code() == Errc::already_exists;
  if (!settled) co_return unsettled(created.error());
  co_return created;
}

base::Task<Result<void>> Session::commit(provider::Client& client, Repository& repository,
                                         format::Manifest manifest, format::InlineNodes nodes,
                                         format::Refs refs) {
  format::Commit content;
  content.manifest = std::move(manifest);
  content.nodes = std::move(nodes);
  content.manifest.source = source_;
  content.manifest.read_required = repository.log.read_required;
  content.manifest.write_required = repository.log.write_required;
  auto place = place_refs(client, repository, refs, content);
  SV_CO_CHECK(std::move(place));
  auto check = check_log(client, repository, refs);
  SV_CO_CHECK(std::move(check));
  content.manifest.counts.stored_bytes = client.traffic().bytes_up;
  content.manifest.counts.requests = client.traffic().requests();
  const auto key = name_.commit();
  auto object = format::build_commit(repository.keys, key, salt(), content);
  const PutBody body(std::move(object));
  SV_CO_CHECK_NOW(client.check_stop());
  auto create = client.create_own(key, body);
  auto created = co_await std::move(create);
  if (!created && client.stop().stop_requested() && is_open(created.error())) {
    auto settling = settle_stopped(client, repository, key, body);
    created = co_await std::move(settling);
  }
  if (created || created.error().code() != Errc::already_exists) co_return created;
  auto explaining = explain(client, repository, key);
  auto why = co_await std::move(explaining);
  co_return why;
}

}  // namespace snapvault::store
