#include "store/log.hpp"

#include <string>
#include <utility>
#include <variant>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/fetch.hpp"

namespace snapvault::store {
namespace {

constexpr int kAppendAttempts = 16;

void append_all(std::vector<std::string>& to, std::vector<std::string> from) {
  for (auto& feature : from) to.push_back(std::move(feature));
}

// What one record does to the log.
struct Fold {
  Log& log;

  Result<void> operator()(const format::PolicyRecord& record) const {
    auto& policy = log.policy;
    if (record.full_every) policy.full_every = *record.full_every;
    if (record.protect_parents) policy.protect_parents = *record.protect_parents;
    if (record.compression) policy.compression = *record.compression;
    if (record.pack_size) policy.pack_size = *record.pack_size;
    return {};
  }
  Result<void> operator()(const format::DamageRecord& record) const {
    for (const auto& frame : record.frames) log.damaged.add_frame(frame.pack, frame.start16);
    for (const auto& pack : record.packs) log.damaged.add_pack(pack);
    return {};
  }
  Result<void> operator()(const format::FeaturesRecord& record) const {
    return require_features(log, record.read_required, record.write_required, record.optional);
  }
  Result<void> operator()(const format::CondemnRecord& record) const {
    for (const auto& pack : record.packs) log.condemned.add_pack(pack);
    if (record.watermark > log.watermark) log.watermark = record.watermark;
    return {};
  }
  // A kind that matters comes with a feature that says so.
  Result<void> operator()(const format::UnknownRecord&) const { return {}; }
};

}  // namespace

Result<void> check_writable(const Repository& repository) {
  if (!repository.log.read_only) return {};
  return Error(Errc::permission_denied, reason::access,
               "the repository uses features that this program can read but not write")
      .with_hint("use the newer program that set them");
}

Result<void> require_features(Log& log, std::vector<std::string> read_required,
                              std::vector<std::string> write_required,
                              std::vector<std::string> optional) {
  // Format 1 knows no feature yet.
  if (!read_required.empty()) {
    return Error(Errc::unsupported, reason::newer_format,
                 "the repository needs a feature that this program does not know: " +
                     read_required.front())
        .with_hint("use a newer program");
  }
  log.read_only = log.read_only || !write_required.empty();
  append_all(log.write_required, std::move(write_required));
  append_all(log.optional_features, std::move(optional));
  return {};
}

Result<std::vector<std::uint32_t>> new_records(const format::RepositoryId& id, std::uint32_t next,
                                               const std::vector<ObjectInfo>& listing) {
  std::vector<std::uint32_t> numbers;
  for (const auto& object : listing) {
    const auto entry = format::parse_control_name(id, object.key);
    if (!entry || entry->kind != format::ControlEntry::Kind::log || entry->n < next) continue;
    if (entry->n != next + numbers.size()) {
      return Error(Errc::data_loss, reason::list_incomplete,
                   "a record of the repository's log is missing before this one")
          .with_subject(object.key);
    }
    if (entry->n >= kLogMax) {
      return Error(Errc::data_loss, reason::bad_format, "the repository's log is too long")
          .with_subject(object.key);
    }
    numbers.push_back(entry->n);
  }
  return numbers;
}

Result<void> fold_records(Repository& repository, std::span<const std::uint32_t> numbers,
                          std::span<const std::optional<base::Bytes>> objects) {
  if (numbers.empty()) return {};
  auto log = repository.log;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto name = format::log_name(repository.id, numbers[i]);
    if (!objects[i]) {
      return Error(Errc::data_loss, reason::object_missing,
                   "a record of the repository's log is listed but not there")
          .with_subject(name);
    }
    auto record = format::read_log(repository.keys, name, *objects[i]);
    if (!record) return std::move(record).error().with_subject(name);
    SV_CHECK(std::visit(Fold{log}, *record));
    log.next = numbers[i] + 1;
  }
  repository.log = std::move(log);
  return {};
}

base::Task<Result<void>> read_log(provider::Client& client, Repository& repository) {
  const auto next = repository.log.next;
  auto list = client.list(format::control_prefix(repository.id) + "log-",
                          next > 0 ? format::log_name(repository.id, next - 1) : std::string());
  SV_CO_TRY(const auto listing, std::move(list));
  SV_CO_TRY_NOW(const auto numbers, new_records(repository.id, next, listing));
  if (numbers.empty()) co_return Result<void>();
  std::vector<std::string> names;
  for (const auto n : numbers) names.push_back(format::log_name(repository.id, n));
  auto fetching = fetch(client, std::move(names));
  SV_CO_TRY(const auto objects, std::move(fetching));
  co_return fold_records(repository, numbers, objects);
}

base::Task<Result<void>> append_log(provider::Client& client, Repository& repository,
                                    format::LogRecord record) {
  for (int attempt = 0; attempt < kAppendAttempts; ++attempt) {
    SV_CO_CHECK_NOW(check_writable(repository));
    const auto n = repository.log.next;
    if (n >= kLogMax) {
      co_return Error(Errc::resource_exhausted, reason::log_full,
                      "the repository's log holds as many records as it can");
    }
    const auto name = format::log_name(repository.id, n);
    const auto salt = fresh_salt(client.env());
    auto object = format::build_log(repository.keys, name, salt, record);
    auto create = client.create_own(name, PutBody(std::move(object)));
    auto created = co_await std::move(create);
    if (created) {
      SV_CO_CHECK_NOW(std::visit(Fold{repository.log}, record));
      repository.log.next = n + 1;
      co_return Result<void>();
    }
    if (created.error().code() != Errc::already_exists) co_return created;
    auto read = read_log(client, repository);
    SV_CO_CHECK(std::move(read));
    if (repository.log.next == n) {
      co_return Error(Errc::data_loss, reason::list_incomplete,
                      "the store does not list a record of the repository's log")
          .with_subject(name);
    }
  }
  co_return Error(Errc::aborted, reason::unexpected,
                  "other programs kept writing to the repository's log");
}

}  // namespace snapvault::store
