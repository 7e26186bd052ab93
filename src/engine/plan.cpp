#include "engine/plan.hpp"

#include <bit>

#include "base/reasons.hpp"
#include "engine/callback.hpp"

namespace snapvault::engine {
namespace {

constexpr std::uint32_t kBlockSizeMin = 4096;
constexpr std::uint32_t kBlockSizeMax = 4u << 20;
constexpr std::uint32_t kBlockSizeDefault = 65536;
constexpr std::size_t kTextsMax = 256u << 10;

// They stand in the snapshot's record, which has a greatest size.
Result<void> check_texts(const char* what, const std::map<std::string, std::string>& texts) {
  std::size_t bytes = 0;
  bool is_text = true;
  for (const auto& [key, value] : texts) {
    bytes += key.size() + value.size();
    is_text = is_text && format::is_utf8(key) && format::is_utf8(value);
  }
  if (bytes <= kTextsMax && is_text) return {};
  return Error(Errc::invalid_argument, reason::bad_argument,
               "keys and values are UTF-8, together of at most 256 KiB")
      .with_context(what);
}

Result<void> check_options(const BackupOptions& options) {
  SV_CHECK(format::check_source_name(options.source));
  const auto size = options.block_size;
  if (size != 0 && (size < kBlockSizeMin || size > kBlockSizeMax || !std::has_single_bit(size))) {
    return Error(Errc::invalid_argument, reason::bad_block_size,
                 "the block size must be a power of two from 4 KiB to 4 MiB");
  }
  SV_CHECK(check_texts("tags", options.tags));
  SV_CHECK(check_texts("attributes", options.attributes));
  if (!(options.audit >= 0 && options.audit <= 100)) {
    return Error(Errc::invalid_argument, reason::bad_argument,
                 "the audit share must be from 0 to 100 percent");
  }
  return {};
}

// Refuses a source that is in use; with `force` that is only told.
Result<void> check_in_use(Plan& plan, const BackupOptions& options) {
  auto& info = plan.info;
  info.in_use = info.in_use || !info.in_use_by.empty();
  if (!info.in_use) return {};
  if (options.force) {
    plan.warnings.emplace_back(reason::source_busy);
    return {};
  }
  std::string text = "the source is in use";
  if (!info.in_use_by.empty()) text += ": " + info.in_use_by;
  return Error(Errc::precondition_failed, reason::source_busy, text)
      .with_hint("back up a snapshot of it, or force a crash-consistent backup");
}

base::Task<Result<BlockInfo>> source_info(Job& job, BlockSource& source) {
  auto call = [&] { return source.info(); };
  auto calling = call_on_io(job.env, reason::source_failed, call);
  auto info = co_await std::move(calling);
  co_return info;
}

// The snapshot the caller named; nothing (and a warning) if it is gone or of another source, so
// that change information against it is not used.
base::Task<Result<std::optional<store::Snapshot>>> named_parent(Job& job, Plan& plan,
                                                                const BackupOptions& options) {
  auto finding = store::find_snapshot(job.client, job.repository, options.parent);
  auto found = co_await std::move(finding);
  std::optional<store::Snapshot> parent;
  if (found && found->commit.manifest.source == options.source) {
    parent = *std::move(found);
  } else if (found) {
    plan.warnings.emplace_back("parent_of_another_source");
  } else if (found.error().reason() == reason::no_snapshot) {
    plan.warnings.emplace_back("parent_gone");
  } else {
    co_return std::move(found).error();
  }
  co_return parent;
}

// Drops the parent if this backup must be full, and says why.
Result<void> choose_mode(const Job& job, Plan& plan, const BackupOptions& options) {
  const bool strict = options.mode == BackupMode::incremental;
  if (!plan.parent) {
    if (strict) {
      return Error(Errc::precondition_failed, reason::no_parent,
                   "there is no snapshot of this source to be incremental to")
          .with_hint("take a full backup first");
    }
    plan.full_reason = "first";
    return {};
  }
  const auto& parent = plan.parent->commit.manifest;
  if (options.block_size != 0 && options.block_size != parent.block_size) {
    if (strict) {
      return Error(Errc::invalid_argument, reason::bad_block_size,
                   "another block size than the parent's makes a full backup");
    }
    plan.full_reason = "block_size";
  } else if (parent.kind != "volume") {
    plan.full_reason = "kind";
  } else if (const auto every = job.repository.log.policy.full_every;
             options.mode == BackupMode::automatic && every != 0 && parent.chain + 1 >= every) {
    plan.full_reason = "full_every";
  }
  if (plan.full_reason != "block_size") plan.block_size = parent.block_size;
  if (!plan.full_reason.empty()) plan.parent.reset();
  return {};
}

}  // namespace

base::Task<Result<Plan>> make_plan(Job& job, BlockSource& source, const BackupOptions& options) {
  SV_CO_CHECK_NOW(check_options(options));
  Plan plan;
  SV_CO_TRY(plan.info, source_info(job, source));
  SV_CO_CHECK_NOW(check_in_use(plan, options));
  if (plan.info.max_concurrency == 0) {
    co_return Error(Errc::invalid_argument, reason::bad_argument,
                    "the source allows no call at all: max_concurrency is 0");
  }
  plan.block_size = options.block_size ? options.block_size : kBlockSizeDefault;
  const auto tag = job.repository.keys.source_tag(options.source);
  SV_CO_TRY(plan.listing, store::list_source(job.client, tag));

  const bool full = options.mode == BackupMode::full || options.mode == BackupMode::full_physical;
  if (full) {
    plan.full_reason = "asked";
    if (options.block_size == 0) {  // left out: as the source's latest has it
      SV_CO_TRY(const auto latest,
                store::latest_snapshot(job.client, job.repository, plan.listing));
      if (latest) plan.block_size = latest->commit.manifest.block_size;
    }
  } else {
    if (!options.parent.empty()) {
      SV_CO_TRY(plan.parent, named_parent(job, plan, options));
    }
    if (!plan.parent) {
      SV_CO_TRY(plan.parent, store::latest_snapshot(job.client, job.repository, plan.listing));
    }
    SV_CO_CHECK_NOW(choose_mode(job, plan, options));
  }
  if (!plan.listing.unfinished.empty()) plan.warnings.emplace_back("unfinished_session");
  co_return plan;
}

}  // namespace snapvault::engine
