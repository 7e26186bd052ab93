// The C ABI over the public C++ API: checks what came in, calls, and copies what goes out into
// structs of C. No exception leaves guard().
#include "snapvault.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/snapvault.hpp>

#include "callbacks.hpp"
#include "reports.hpp"

// Returns the error of a Result, or goes on.
#define SV_CAPI_CHECK(expression) \
  if (auto checked = (expression); !checked) return std::move(checked).error()

namespace sv = snapvault;

struct sv_error {
  sv_code code;
  std::int32_t native;
  std::string reason, message, hint, subject, request_id;
};

struct sv_rates {
  sv::JobRates rates;
};

struct sv_cancel {
  std::stop_source source;
};

struct sv_repository {
  std::optional<sv::Repository> opened;  // always set once it was given out
};

namespace {

using sv::Errc;
using sv::Error;
using sv::Result;
using sv::capi::KeptSnapshot;
using sv::capi::OwnedBackupReport;
using sv::capi::OwnedRestoreReport;

static_assert(SV_VERSION_MAJOR == SNAPVAULT_VERSION_MAJOR);
static_assert(SV_VERSION_MINOR == SNAPVAULT_VERSION_MINOR);
static_assert(SV_VERSION_PATCH == SNAPVAULT_VERSION_PATCH);
static_assert(SV_CANCELLED == static_cast<sv_code>(Errc::cancelled));
static_assert(SV_INVALID_ARGUMENT == static_cast<sv_code>(Errc::invalid_argument));
static_assert(SV_NOT_FOUND == static_cast<sv_code>(Errc::not_found));
static_assert(SV_ALREADY_EXISTS == static_cast<sv_code>(Errc::already_exists));
static_assert(SV_PERMISSION_DENIED == static_cast<sv_code>(Errc::permission_denied));
static_assert(SV_UNAUTHENTICATED == static_cast<sv_code>(Errc::unauthenticated));
static_assert(SV_UNAVAILABLE == static_cast<sv_code>(Errc::unavailable));
static_assert(SV_OUTCOME_UNKNOWN == static_cast<sv_code>(Errc::outcome_unknown));
static_assert(SV_DATA_LOSS == static_cast<sv_code>(Errc::data_loss));
static_assert(SV_ABORTED == static_cast<sv_code>(Errc::aborted));
static_assert(SV_PRECONDITION_FAILED == static_cast<sv_code>(Errc::precondition_failed));
static_assert(SV_DEADLINE_EXCEEDED == static_cast<sv_code>(Errc::deadline_exceeded));
static_assert(SV_RESOURCE_EXHAUSTED == static_cast<sv_code>(Errc::resource_exhausted));
static_assert(SV_UNSUPPORTED == static_cast<sv_code>(Errc::unsupported));
static_assert(SV_INTERNAL == static_cast<sv_code>(Errc::internal));
static_assert(SV_PHASE_DONE == static_cast<std::uint32_t>(sv::Progress::Phase::done));
static_assert(SV_EXTENT_UNCHANGED == static_cast<std::uint32_t>(sv::ExtentFlags::unchanged));
static_assert(SV_GAPS_UNCHANGED == static_cast<std::uint32_t>(sv::Gaps::unchanged));
static_assert(SV_BACKUP_FULL_PHYSICAL == static_cast<std::uint32_t>(sv::BackupMode::full_physical));

// No options of any release come near; a larger struct_size was never initialised.
constexpr std::size_t kStructMax = 4096;

// What the caller of a C function is told, in both ways. Without memory the code must do.
sv_code answer(sv_error** error, const Error& failed) noexcept {
  const auto code = static_cast<sv_code>(failed.code());
  if (error == nullptr) return code;
  *error = nullptr;
  try {
    *error = new sv_error{code,
                          failed.native(),
                          std::string(failed.reason()),
                          std::string(failed.message()),
                          std::string(failed.hint()),
                          std::string(failed.subject()),
                          std::string(failed.request_id())};
  } catch (...) {  // *error stays NULL, as the header says.
  }
  return code;
}

// The body of every function that can fail.
template <class Body>
sv_code guard(sv_error** error, Body&& body) noexcept {
  try {
    const Result<void> done = body();
    if (!done) return answer(error, done.error());
    if (error != nullptr) *error = nullptr;
    return SV_OK;
  } catch (const std::bad_alloc&) {
    return answer(error, Error(Errc::resource_exhausted, "no_memory", "out of memory"));
  } catch (const std::exception& thrown) {
    return answer(error, Error(Errc::internal, "unexpected", thrown.what()));
  } catch (...) {
    return answer(error, Error(Errc::internal, "unexpected", "an unknown exception was thrown"));
  }
}

// The same for functions that answer through *out, which is NULL unless they succeed.
template <class T, class Body>
sv_code guard_out(T** out, sv_error** error, Body&& body) noexcept {
  if (out != nullptr) *out = nullptr;
  return guard(error, body);
}

Error bad_argument(std::string_view message) {
  return Error(Errc::invalid_argument, "bad_argument", message);
}

Result<void> need(const void* given, const char* name) {
  if (given == nullptr) return bad_argument(std::string(name) + " must not be NULL");
  return {};
}

// A copy of the struct a caller gave, who may have been compiled against a newer header. `oldest`
// is its size in release 1.0 once it has grown since; what an older caller leaves out is 0. It
// grows by members that end at a multiple of 8.
template <class T>
Result<T> take(const T* given, const char* name, std::size_t oldest = sizeof(T)) {
  if (auto done = need(given, name); !done) return std::move(done).error();
  const auto size = given->struct_size;
  if (size < oldest || size > kStructMax || size % 8 != 0) {
    return bad_argument(std::string(name) + ": struct_size is wrong: start with its _INIT macro");
  }
  T known = {};
  std::memcpy(&known, given, std::min(size, sizeof(T)));
  bool unknown = false;
  if constexpr (requires { known.reserved; }) unknown = known.reserved != 0;
  if constexpr (requires { known.reserved_2; }) unknown |= known.reserved_2 != 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (auto i = sizeof(T); i < size; ++i) unknown |= bytes[i] != 0;
  if (unknown) {
    return bad_argument(std::string(name) + ": it sets what this release does not know");
  }
  return known;
}

std::string text(const char* given) { return given == nullptr ? std::string() : given; }

sv::RawKey raw_key(const std::uint8_t* given) {
  sv::RawKey key;
  std::memcpy(key.data(), given, key.size());
  return key;
}

// What stops one job: its cancel token, or its progress callback.
class JobControl {
 public:
  template <class Options>
  explicit JobControl(const Options& options)
      : on_progress_(options.on_progress), user_data_(options.progress_data) {
    if (options.cancel != nullptr) link_.emplace(options.cancel->source.get_token(), Stop{this});
    if (options.rates != nullptr) rates_ = options.rates->rates;
  }

  template <class Options>
  void apply(Options& options, std::uint32_t period_ms) {
    options.stop = own_.get_token();
    options.rates = rates_;
    if (period_ms != 0) options.progress_period_ms = period_ms;
    if (on_progress_ == nullptr) return;
    options.on_progress = [this](const sv::Progress& progress) { report(progress); };
  }

 private:
  struct Stop {
    JobControl* control;
    void operator()() const noexcept { control->own_.request_stop(); }
  };

  void report(const sv::Progress& from) noexcept {
    sv_progress progress = {};
    progress.struct_size = sizeof(progress);
    progress.phase = static_cast<std::uint32_t>(from.phase);
    progress.bytes_total = from.bytes_total;
    progress.bytes_done = from.bytes_done;
    progress.new_bytes = from.new_bytes;
    progress.changed_bytes = from.changed_bytes;
    progress.unchanged_bytes = from.unchanged_bytes;
    progress.stored_bytes = from.stored_bytes;
    progress.seconds = from.seconds;
    try {
      if (on_progress_(&progress, user_data_) == 0) return;
    } catch (...) {  // An embedder who writes C++: as if it had answered "stop".
    }
    own_.request_stop();
  }

  std::stop_source own_;
  sv_progress_fn on_progress_;
  void* user_data_;
  std::optional<sv::JobRates> rates_;
  std::optional<std::stop_callback<Stop>> link_;
};

// The job is done and durable: without memory for its report it still succeeded.
template <class Owned, class Report, class From>
void give(Report** report, From&& from) noexcept {
  if (report == nullptr) return;
  try {
    *report = new Owned(std::forward<From>(from));
  } catch (const std::bad_alloc&) {  // *report stays NULL, as the header says.
  }
}

Result<void> backup(sv_repository& repository, sv::BlockSource& source,
                    const sv_backup_options& given, sv_backup_report** report) {
  if (auto done = need(given.source, "options.source"); !done) return done;
  if (given.mode > SV_BACKUP_FULL_PHYSICAL) return bad_argument("options.mode is unknown");
  sv::BackupOptions options;
  options.source = given.source;
  options.parent = text(given.parent);
  options.compression = text(given.compression);
  options.mode = static_cast<sv::BackupMode>(given.mode);
  options.block_size = given.block_size;
  options.force = given.force != 0;
  options.mark_unreadable = given.mark_unreadable != 0;
  JobControl control(given);
  control.apply(options, given.progress_period_ms);
  auto made = repository.opened->backup(source, options);
  if (!made) return std::move(made).error();
  give<OwnedBackupReport>(report, *std::move(made));
  return {};
}

Result<void> restore(sv_repository& repository, const sv::Snapshot& snapshot, sv::BlockSink& sink,
                     const sv_restore_options& given, sv_restore_report** report) {
  sv::RestoreOptions options;
  if (given.range.length != 0) options.range = {given.range.offset, given.range.length};
  options.in_place = given.in_place != 0;
  options.check_ids = given.check_ids != 0;
  options.keep_going = given.keep_going != 0;
  JobControl control(given);
  control.apply(options, given.progress_period_ms);
  auto made = sv::Restorer(*repository.opened).restore(snapshot, sink, options);
  if (!made) return std::move(made).error();
  give<OwnedRestoreReport>(report, *made);
  return {};
}

// The snapshot to restore, found before a target is touched.
Result<sv::Snapshot> find(const sv_repository& repository, const sv_restore_options& given) {
  if (auto done = need(given.snapshot, "options.snapshot"); !done) return std::move(done).error();
  if (given.range.length == 0 && given.range.offset != 0) {
    return bad_argument("options.range has an offset but no length");
  }
  return repository.opened->snapshot(given.snapshot);
}

Result<sv::InitOptions> from_c(const sv_init_options& given) {
  sv::InitOptions options;
  if (given.passphrase != nullptr) options.passphrase = given.passphrase;
  if (given.raw_key != nullptr) options.raw_key = raw_key(given.raw_key);
  options.no_passphrase = given.no_passphrase != 0;
  if (given.full_every != 0) options.full_every = given.full_every;
  if (given.full_every == SV_FULL_NEVER) options.full_every = 0;
  if (given.pack_size != 0) options.pack_size = given.pack_size;
  if (given.compression != nullptr) options.compression = given.compression;
  options.protect_parents = given.protect_parents != 0;
  options.create_bucket = given.create_bucket != 0;
  return options;
}

Result<sv::OpenOptions> from_c(const sv_open_options& given) {
  sv::OpenOptions options;
  if (given.passphrase != nullptr) options.passphrase = given.passphrase;
  if (given.raw_key != nullptr) options.raw_key = raw_key(given.raw_key);
  switch (given.access) {
    case SV_ACCESS_READ:
      options.access = sv::Access::read;
      break;
    case SV_ACCESS_DEFAULT:
    case SV_ACCESS_APPEND:
      options.access = sv::Access::append;
      break;
    case SV_ACCESS_MANAGE:
      options.access = sv::Access::manage;
      break;
    default:
      return bad_argument("options.access is unknown");
  }
  return options;
}

Result<sv::Rates> rates_of(const sv_rate_limits* limits) {
  const sv_rate_limits none = SV_RATE_LIMITS_INIT;
  const auto given = take(limits == nullptr ? &none : limits, "limits");
  if (!given) return given.error();
  return sv::Rates{given->upload, given->download, given->read, given->requests};
}

// The sizes in release 1.0 of what has grown since.
constexpr auto kInitOptions = offsetof(sv_init_options, create_bucket);
constexpr auto kBackupOptions = offsetof(sv_backup_options, rates);
constexpr auto kRestoreOptions = offsetof(sv_restore_options, rates);

}  // namespace

struct sv_snapshot_list {
  std::deque<KeptSnapshot> snapshots;
};

extern "C" {

std::int32_t sv_version_number(void) { return SV_VERSION_NUMBER; }

const char* sv_version_string(void) { return SNAPVAULT_VERSION_STRING; }

const char* sv_code_name(sv_code code) {
  if (code == SV_OK) return "ok";
  if (code < SV_CANCELLED || code > SV_INTERNAL) return "unknown";
  return sv::to_string(static_cast<Errc>(code)).data();  // A literal: it ends at a NUL.
}

sv_code sv_error_code(const sv_error* error) { return error == nullptr ? SV_OK : error->code; }
const char* sv_error_reason(const sv_error* error) {
  return error == nullptr ? "" : error->reason.c_str();
}
const char* sv_error_message(const sv_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}
const char* sv_error_hint(const sv_error* error) {
  return error == nullptr ? "" : error->hint.c_str();
}
const char* sv_error_subject(const sv_error* error) {
  return error == nullptr ? "" : error->subject.c_str();
}
std::int32_t sv_error_native(const sv_error* error) { return error == nullptr ? 0 : error->native; }
const char* sv_error_request_id(const sv_error* error) {
  return error == nullptr ? "" : error->request_id.c_str();
}
void sv_error_free(sv_error* error) { delete error; }

sv_code sv_rates_create(const sv_rate_limits* limits, sv_rates** out, sv_error** error) {
  return guard_out(out, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(out, "out"));
    const auto rates = rates_of(limits);
    if (!rates) return rates.error();
    *out = new sv_rates{sv::JobRates(*rates)};
    return {};
  });
}

sv_code sv_rates_set(sv_rates* rates, const sv_rate_limits* limits, sv_error** error) {
  return guard(error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(rates, "rates"));
    SV_CAPI_CHECK(need(limits, "limits"));
    const auto wanted = rates_of(limits);
    if (!wanted) return wanted.error();
    rates->rates.set(*wanted);
    return {};
  });
}

void sv_rates_free(sv_rates* rates) { delete rates; }

sv_code sv_cancel_create(sv_cancel** out, sv_error** error) {
  return guard_out(out, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(out, "out"));
    *out = new sv_cancel;
    return {};
  });
}

void sv_cancel_request(sv_cancel* cancel) {
  if (cancel != nullptr) cancel->source.request_stop();
}

void sv_cancel_free(sv_cancel* cancel) { delete cancel; }

sv_code sv_repository_init(const char* url, const sv_init_options* options, sv_repository** out,
                           sv_error** error) {
  return guard_out(out, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(url, "url"));
    SV_CAPI_CHECK(need(out, "out"));
    const auto given = take(options, "options", kInitOptions);
    if (!given) return given.error();
    const auto wanted = from_c(*given);
    if (!wanted) return wanted.error();
    auto handle = std::make_unique<sv_repository>();  // First: nothing may fail after the init.
    auto made = sv::Repository::init(url, *wanted);
    if (!made) return std::move(made).error();
    handle->opened = *std::move(made);
    *out = handle.release();
    return {};
  });
}

sv_code sv_repository_open(const char* url, const sv_open_options* options, sv_repository** out,
                           sv_error** error) {
  return guard_out(out, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(url, "url"));
    SV_CAPI_CHECK(need(out, "out"));
    const sv_open_options none = SV_OPEN_OPTIONS_INIT;
    const auto given = take(options == nullptr ? &none : options, "options");
    if (!given) return given.error();
    const auto wanted = from_c(*given);
    if (!wanted) return wanted.error();
    auto opened = sv::Repository::open(url, *wanted);
    if (!opened) return std::move(opened).error();
    *out = new sv_repository{*std::move(opened)};
    return {};
  });
}

void sv_repository_free(sv_repository* repository) { delete repository; }

sv_code sv_repository_list(sv_repository* repository, const sv_list_options* options,
                           sv_snapshot_list** out, sv_error** error) {
  return guard_out(out, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(repository, "repository"));
    SV_CAPI_CHECK(need(out, "out"));
    const sv_list_options all = SV_LIST_OPTIONS_INIT;
    const auto given = take(options == nullptr ? &all : options, "options");
    if (!given) return given.error();
    sv::SnapshotFilter filter;
    filter.source = text(given->source);
    filter.since = given->since;
    filter.limit = given->limit;
    auto found = repository->opened->snapshots(filter);
    if (!found) return std::move(found).error();
    auto list = std::make_unique<sv_snapshot_list>();
    for (auto& info : *found) list->snapshots.emplace_back(std::move(info));
    *out = list.release();
    return {};
  });
}

std::size_t sv_snapshot_list_count(const sv_snapshot_list* list) {
  return list == nullptr ? 0 : list->snapshots.size();
}

const sv_snapshot_info* sv_snapshot_list_at(const sv_snapshot_list* list, std::size_t index) {
  return index < sv_snapshot_list_count(list) ? &list->snapshots[index].view : nullptr;
}

void sv_snapshot_list_free(sv_snapshot_list* list) { delete list; }

sv_code sv_repository_backup(sv_repository* repository, const sv_source* source, void* user_data,
                             const sv_backup_options* options, sv_backup_report** report,
                             sv_error** error) {
  return guard_out(report, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(repository, "repository"));
    const auto table = take(source, "source");
    if (!table) return table.error();
    SV_CAPI_CHECK(sv::capi::check(*table));
    const auto given = take(options, "options", kBackupOptions);
    if (!given) return given.error();
    sv::capi::CallbackSource volume(*table, user_data);
    return backup(*repository, volume, *given, report);
  });
}

sv_code sv_repository_backup_path(sv_repository* repository, const char* path,
                                  const sv_backup_options* options, sv_backup_report** report,
                                  sv_error** error) {
  return guard_out(report, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(repository, "repository"));
    SV_CAPI_CHECK(need(path, "path"));
    const auto given = take(options, "options", kBackupOptions);
    if (!given) return given.error();
    auto volume = sv::VolumeFile::open(path);
    if (!volume) return std::move(volume).error();
    return backup(*repository, **volume, *given, report);
  });
}

void sv_backup_report_free(sv_backup_report* report) {
  delete static_cast<OwnedBackupReport*>(report);
}

sv_code sv_repository_restore(sv_repository* repository, const sv_sink* sink, void* user_data,
                              const sv_restore_options* options, sv_restore_report** report,
                              sv_error** error) {
  return guard_out(report, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(repository, "repository"));
    const auto table = take(sink, "sink");
    if (!table) return table.error();
    SV_CAPI_CHECK(sv::capi::check(*table));
    const auto given = take(options, "options", kRestoreOptions);
    if (!given) return given.error();
    if (given->overwrite != 0) return bad_argument("options.overwrite is for a path only");
    const auto snapshot = find(*repository, *given);
    if (!snapshot) return snapshot.error();
    sv::capi::CallbackSink target(*table, user_data);
    return restore(*repository, *snapshot, target, *given, report);
  });
}

sv_code sv_repository_restore_path(sv_repository* repository, const char* path,
                                   const sv_restore_options* options, sv_restore_report** report,
                                   sv_error** error) {
  return guard_out(report, error, [&]() -> Result<void> {
    SV_CAPI_CHECK(need(repository, "repository"));
    SV_CAPI_CHECK(need(path, "path"));
    const auto given = take(options, "options", kRestoreOptions);
    if (!given) return given.error();
    if (given->overwrite != 0 && given->in_place != 0) {
      return bad_argument("options.overwrite and options.in_place exclude each other");
    }
    auto mode = sv::TargetMode::create;
    if (given->overwrite != 0) mode = sv::TargetMode::overwrite;
    if (given->in_place != 0) mode = sv::TargetMode::in_place;
    const auto snapshot = find(*repository, *given);
    if (!snapshot) return snapshot.error();
    auto target = sv::VolumeTarget::open(path, mode);
    if (!target) return std::move(target).error();
    return restore(*repository, *snapshot, **target, *given, report);
  });
}

void sv_restore_report_free(sv_restore_report* report) {
  delete static_cast<OwnedRestoreReport*>(report);
}

}  // extern "C"
