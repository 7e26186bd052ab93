#include "engine/backup.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <stop_token>

#include "base/reasons.hpp"
#include "engine/audit.hpp"
#include "engine/callback.hpp"
#include "engine/claims.hpp"
#include "engine/describe.hpp"
#include "engine/map_walk.hpp"
#include "engine/plan.hpp"
#include "engine/refs.hpp"
#include "engine/turn.hpp"
#include "engine/unit.hpp"
#include "engine/workspace.hpp"
#include "store/map_writer.hpp"
#include "store/session.hpp"

namespace snapvault::engine {
namespace {

using base::Task;
using format::ChildState;

constexpr std::uint64_t kMapPackMax = 4u << 20;
constexpr std::size_t kBadMax = 100'000;  // ranges that a snapshot's record has room for

// Level of zstd, or 0 for none. Errors: invalid_argument (bad_argument).
Result<int> compression_level(const std::string& text) {
  if (text == "none") return 0;
  constexpr std::string_view prefix = "zstd:";
  int level = 0;
  const auto* end = text.data() + text.size();
  if (text.starts_with(prefix)) {
    const auto parsed = std::from_chars(text.data() + prefix.size(), end, level);
    if (parsed.ec == std::errc() && parsed.ptr == end && level >= 1 && level <= 19) return level;
  }
  return Error(Errc::invalid_argument, reason::bad_argument,
               "compression must be none or zstd:1 to zstd:19");
}

// One backup on its way. Everything here lives on the loop until the commit is done.
class Backup {
 public:
  Backup(Job& job, BlockSource& source, const BackupOptions& options, Plan plan, int level)
      : job_(job),
        source_(source),
        options_(options),
        plan_(std::move(plan)),
        level_(level),
        turn_(job.env.loop()),
        reader_(job.client, job.repository.keys) {}

  Task<Result<BackupReport>> run();

 private:
  std::uint64_t size() const noexcept { return plan_.info.size; }
  std::uint64_t leaf_span() const noexcept {
    return std::uint64_t{format::kFanout} * plan_.block_size;
  }
  std::uint64_t unit_span() const noexcept { return std::max(kWindow, leaf_span()); }

  Task<Result<void>> begin();
  Task<Result<void>> settle_ladder();
  Task<Result<bool>> open_base();
  Task<Result<void>> make_map();
  Task<Result<void>> walk();
  Task<Result<void>> walk_units(base::TaskGroup& group, Workspaces& workspaces);
  Task<Result<bool>> walk_run(base::TaskGroup& group, std::uint64_t& at);
  Task<Result<std::uint64_t>> emptied_bytes(std::uint64_t at, std::uint64_t bytes);
  Task<Result<Unit>> make_unit(std::uint64_t at, std::uint64_t end);
  Task<Result<void>> run_unit(UnitContext& context, Unit unit, Workspaces::Lease lease,
                              std::uint64_t number);
  Task<Result<void>> put_leaves(Unit& unit);
  Task<Result<void>> run_keep(std::uint64_t count, std::uint64_t number);
  Task<Result<void>> run_fill(ChildState state, std::uint64_t count, std::uint64_t number);
  Task<Result<void>> close_packs();
  Task<Result<BackupReport>> commit();
  format::Manifest manifest();
  void drop_parent(const char* why);
  std::uint64_t pack_size() const noexcept;

  Job& job_;
  BlockSource& source_;
  const BackupOptions& options_;
  Plan plan_;
  int level_;
  std::int64_t started_ = 0;
  std::string mode_, mode_reason_;
  bool audit_failed_ = false;
  std::uint64_t audited_ = 0;
  bool wide_ = false;  // runs that the source claims unchanged are kept without a look at the map
  bool broken_ = false;
  Turn turn_;
  store::PackReader reader_;
  std::unique_ptr<store::Session> session_;
  std::unique_ptr<store::Index> index_;
  std::unique_ptr<store::PackWriter> data_, map_;
  std::unique_ptr<store::MapReader> old_map_, writer_old_map_;
  std::unique_ptr<store::MapWriter> map_writer_;
  std::optional<ClaimCursor> claims_;
  std::optional<Sampler> sampler_;
  std::optional<UnitContext> context_;
  std::uint64_t numbers_ = 0;  // of turns given out
  format::Manifest::Counts counts_;
  std::vector<format::BadExtent> bad_;
  format::InlineNodes nodes_;
  format::Refs refs_;
  std::vector<store::FinishedPack> finished_;  // up, not yet in the index
  std::vector<std::string> warnings_;
};

// A full backup reads everything and trusts no earlier fingerprint; the index still knows its
// blocks.
void Backup::drop_parent(const char* why) {
  plan_.parent.reset();
  if (session_) session_->parent().reset();
  plan_.full_reason = why;
}

// Two packs in flight and one open are 3/8 of the memory; map packs, units and index stay below
// 3/16. The largest frame, with its directory, fits into any pack.
std::uint64_t Backup::pack_size() const noexcept {
  constexpr std::uint64_t kBesideFrame = 64u << 10;
  const auto least = std::max<std::uint64_t>(kFrameWindow, plan_.block_size) + kBesideFrame;
  const auto wanted = std::min(job_.repository.log.policy.pack_size, job_.memory_bytes_max / 8);
  return std::max(wanted, least);
}

Task<Result<BackupReport>> Backup::run() {
  started_ = job_.env.wall_seconds();
  job_.meter.total = size();
  SV_CO_CHECK(begin());
  auto walking = make_map();
  auto walked = co_await std::move(walking);
  const bool map_damaged = !walked && plan_.parent && !job_.stopped() &&
                           walked.error().code() == Errc::data_loss &&
                           walked.error().reason() != reason::source_failed;
  if (map_damaged) {
    drop_parent("parent_damaged");  // what it shares is lost to this backup, not the backup
    warnings_.emplace_back("parent_damaged");
    auto again = make_map();
    walked = co_await std::move(again);
  }
  // Also after a failure: nothing may be in flight when this object goes.
  auto closing = close_packs();
  auto closed = co_await std::move(closing);
  if (!walked) co_return std::move(walked).error();
  if (!closed) co_return std::move(closed).error();
  auto committing = commit();
  co_return co_await std::move(committing);
}

Task<Result<void>> Backup::begin() {
  auto beginning = store::Session::begin(job_.client, job_.repository, options_.source,
                                         plan_.listing, plan_.parent);
  SV_CO_TRY(session_, std::move(beginning));
  if (plan_.parent && !session_->parent()) drop_parent("parent_condemned");

  store::IndexOptions index;
  index.memory_bytes_max = job_.memory_bytes_max / 16;
  index.own_only = options_.mode == BackupMode::full_physical;
  index_ = std::make_unique<store::Index>(job_.client, job_.repository, *session_, reader_, index);

  store::PackWriterOptions packs;
  packs.pack_size = pack_size();
  packs.on_finished = [this](store::FinishedPack pack) { finished_.push_back(std::move(pack)); };
  data_ = std::make_unique<store::PackWriter>(job_.client, job_.repository.keys, *session_, packs);
  packs.pack_class = format::PackClass::map;
  packs.pack_size = std::min(pack_size(), kMapPackMax);
  packs.uploads_max = 1;
  packs.on_finished = nullptr;
  map_ = std::make_unique<store::PackWriter>(job_.client, job_.repository.keys, *session_, packs);

  if (index.own_only) co_return Result<void>();
  for (const auto& dead : plan_.listing.unfinished) {
    const bool settled =
        !plan_.listing.committed.empty() && dead.order < plan_.listing.committed.front().order;
    if (settled) break;  // a later commit has taken in what it left
    SV_CO_CHECK(index_->adopt(dead.session));
  }
  co_return Result<void>();
}

// changed -> allocated -> scan. Only the first two need the source's word; it is checked first.
Task<Result<void>> Backup::settle_ladder() {
  bool base = false;
  mode_ = "scan";
  mode_reason_ = plan_.full_reason;
  if (plan_.parent) {
    SV_CO_TRY(base, open_base());
    // Nothing is lost where nobody ever gave change information.
    const bool expected =
        !plan_.parent->commit.manifest.base_token.empty() || !options_.parent.empty();
    mode_reason_ = base ? "base_accepted" : expected ? "base_lost" : "no_base";
  }
  if (base) {
    const auto& parent = plan_.parent->commit.manifest;
    auto auditing = audit(job_, source_, size(), parent, *old_map_, options_.audit);
    auto audited = co_await std::move(auditing);
    if (!audited) co_return std::move(audited).error();
    audited_ = audited->blocks;
    counts_.read_bytes += audited->read_bytes;
    if (!audited->passed) {
      base = false;
      audit_failed_ = true;
      mode_reason_ = "audit";
      warnings_.emplace_back("audit_failed");
    }
  }
  if (base) mode_ = "changed";
  const auto old_size = plan_.parent ? plan_.parent->commit.manifest.size : 0;
  const auto common = std::min(size(), old_size);
  const auto unchanged_end =
      size() == old_size ? size() : common / plan_.block_size * plan_.block_size;
  claims_.emplace(job_.env, source_, size(), base, unchanged_end);
  const auto& log = job_.repository.log;
  wide_ = base && log.damaged.empty() && log.condemned.empty() &&
          plan_.parent->commit.manifest.bad.empty();
  co_return Result<void>();
}

// The parent's token, or its id in hex where the source gave none (then only a caller who named
// that snapshot can accept it).
Task<Result<bool>> Backup::open_base() {
  const auto& manifest = plan_.parent->commit.manifest;
  const auto id = plan_.parent->name.session.hex();
  const base::ByteView token =
      manifest.base_token.empty() ? base::as_bytes(id) : base::ByteView(manifest.base_token);
  auto call = [&] { return source_.open_base(token); };
  auto calling = call_on_io(job_.env, reason::source_failed, call);
  auto accepted = co_await std::move(calling);
  co_return accepted;
}

// The map and the refs, which both build on the parent's.
Task<Result<void>> Backup::make_map() {
  auto walking = walk();
  auto walked = co_await std::move(walking);
  if (!walked) co_return walked;
  auto building = build_refs(job_.client, job_.repository, plan_.parent, map_writer_->book());
  auto refs = co_await std::move(building);
  if (!refs) co_return std::move(refs).error();
  refs_ = *std::move(refs);
  co_return Result<void>();
}

Task<Result<void>> Backup::walk() {
  counts_ = {};
  bad_.clear();
  auto& meter = job_.meter;
  for (auto* counter : {&meter.done, &meter.fresh, &meter.changed, &meter.unchanged}) *counter = 0;
  turn_.restart();
  numbers_ = 0;
  broken_ = false;
  old_map_.reset();
  writer_old_map_.reset();
  if (plan_.parent) {
    const auto& commit = plan_.parent->commit;
    const auto& keys = job_.repository.keys;
    old_map_ = std::make_unique<store::MapReader>(commit, reader_, keys);
    writer_old_map_ = std::make_unique<store::MapReader>(commit, reader_, keys);
  }
  map_writer_ = std::make_unique<store::MapWriter>(size(), plan_.block_size, writer_old_map_.get(),
                                                   *map_, job_.repository.keys, job_.env);
  sampler_.emplace(job_.env, plan_.block_size);
  if (plan_.parent) sampler_->inherit(plan_.parent->commit.manifest, size());
  SV_CO_CHECK(settle_ladder());

  context_.emplace(UnitContext{job_, source_, *index_, *data_, *sampler_, counts_, job_.repository,
                               size(), plan_.block_size, 0, 0});
  context_->io_bytes = std::clamp(plan_.info.io_optimal, 65536u, 4u << 20);
  context_->old_size = plan_.parent ? plan_.parent->commit.manifest.size : 0;
  context_->trust_fingerprints = plan_.parent.has_value();
  context_->mark_unreadable = options_.mark_unreadable;
  context_->verify_data = !options_.verify_metadata_only;
  context_->compress = level_ > 0;

  const auto frame = std::max<std::uint64_t>(kFrameWindow, plan_.block_size);
  context_->piece_bytes = std::max(frame, context_->io_bytes / frame * frame);
  const auto window = std::max(kWindow, context_->piece_bytes);
  const auto fit = job_.memory_bytes_max / 8 / (window + 2 * frame);
  const auto wanted =
      std::min<std::uint64_t>(job_.env.cpu_threads() + 2, std::max(plan_.info.max_concurrency, 1u));
  const auto count = std::clamp<std::uint64_t>(fit, 1, wanted);
  Workspaces workspaces(job_.env.loop(), count);
  for (std::uint64_t i = 0; i < count; ++i) {
    workspaces.add(
        std::make_unique<Workspace>(job_.repository.keys, window, frame, std::max(level_, 1)));
  }
  auto body = [&](base::TaskGroup& group) { return walk_units(group, workspaces); };
  auto walking = base::with_group(job_.env.loop(), 2 * count + 2, body);
  SV_CO_CHECK(std::move(walking));
  auto finishing = map_writer_->finish();
  auto finished = co_await std::move(finishing);
  if (!finished) co_return std::move(finished).error();
  nodes_ = std::move(finished->nodes);
  co_return Result<void>();
}

// Gives out the volume in order: runs that need no look, and units.
Task<Result<void>> Backup::walk_units(base::TaskGroup& group, Workspaces& workspaces) {
  for (std::uint64_t at = 0; at < size() && !group.failed();) {
    SV_CO_CHECK_NOW(job_.check());
    SV_CO_TRY(const auto skipped, walk_run(group, at));
    if (skipped) continue;
    const auto end = std::min(size(), (at / unit_span() + 1) * unit_span());
    auto leasing = workspaces.lease();
    auto lease = co_await std::move(leasing);
    if (group.failed()) break;
    auto making = make_unit(at, end);
    auto unit = co_await std::move(making);
    if (!unit) co_return std::move(unit).error();
    auto running = run_unit(*context_, *std::move(unit), std::move(lease), numbers_++);
    auto spawning = group.spawn(std::move(running));
    co_await std::move(spawning);
    at = end;
  }
  co_return Result<void>();
}

// A run of whole leaves at `at` that the source claims empty, or unchanged and to be believed.
Task<Result<bool>> Backup::walk_run(base::TaskGroup& group, std::uint64_t& at) {
  SV_CO_TRY(const auto run, claims_->at(at));
  const auto span = leaf_span();
  // The last leaf may be short; only a run to the very end covers it.
  const auto end = run.end == size() ? base::round_up(size(), span) : run.end / span * span;
  if (at % span != 0 || end <= at || run.claim == Claim::unknown) co_return false;
  if (run.claim == Claim::unchanged && !wide_) co_return false;
  const auto count = (end - at) / span;
  const auto bytes = std::min(end, size()) - at;
  const auto blocks = (bytes + plan_.block_size - 1) / plan_.block_size;
  const auto number = numbers_++;
  if (run.claim == Claim::unchanged) {
    counts_.unchanged += blocks;
    job_.meter.unchanged += bytes;
    auto keeping = run_keep(count, number);
    auto spawning = group.spawn(std::move(keeping));
    co_await std::move(spawning);
  } else {
    const bool hole = run.claim == Claim::hole;
    (hole ? counts_.hole : counts_.zero) += blocks;
    SV_CO_TRY(const auto emptied, emptied_bytes(at, bytes));
    counts_.changed_bytes += emptied;
    job_.meter.changed += emptied;
    sampler_->no_data(at, bytes);
    auto filling = run_fill(hole ? ChildState::hole : ChildState::zero, count, number);
    auto spawning = group.spawn(std::move(filling));
    co_await std::move(spawning);
  }
  job_.meter.done += bytes;
  at += bytes;
  co_return true;
}

// Bytes of a range, empty now, that were not so in the parent or lie behind its end.
Task<Result<std::uint64_t>> Backup::emptied_bytes(std::uint64_t at, std::uint64_t bytes) {
  if (!old_map_) co_return 0;
  const auto old_size = plan_.parent->commit.manifest.size, end = at + bytes;
  const auto known = size() == old_size ? old_size : old_size / plan_.block_size * plan_.block_size;
  SV_CO_TRY(const auto held, held_bytes(*old_map_, plan_.block_size, at, std::min(end, known)));
  co_return held + (end > known ? end - std::max(at, known) : 0);
}

Task<Result<Unit>> Backup::make_unit(std::uint64_t at, std::uint64_t end) {
  Unit unit;
  const std::uint64_t block = plan_.block_size;
  unit.first_block = at / block;
  for (auto begin = at; begin < end;) {
    const auto stop = std::min(end, begin + block);
    SV_CO_TRY(auto run, claims_->at(begin));
    auto claim = run.claim;
    bool uniform = true;  // a block is only what all of it is claimed to be
    bool unchanged = run.unchanged;
    while (run.end < stop) {
      SV_CO_TRY(run, claims_->at(run.end));
      uniform = uniform && run.claim == claim;
      unchanged = unchanged && run.unchanged;
    }
    if (!uniform) claim = unchanged ? Claim::unchanged : Claim::unknown;
    const auto blocks =
        uniform ? std::max<std::uint64_t>(1, (std::min(run.end, end) - begin) / block) : 1;
    unit.claims.insert(unit.claims.end(), blocks, claim);
    begin += blocks * block;
  }
  if (end == size()) unit.claims.resize((end - at + block - 1) / block, Claim::unknown);
  if (!old_map_) co_return unit;
  for (auto leaf = at / leaf_span(); leaf * leaf_span() < end; ++leaf) {
    if (leaf >= old_map_->leaves()) {
      unit.old.push_back(nullptr);
      unit.old_fill.push_back(format::BlockState::hole);
      continue;
    }
    SV_CO_TRY(const auto item, old_map_->at(leaf));
    unit.old.push_back(item.leaf);
    unit.old_fill.push_back(item.kind == store::MapReader::Item::Kind::zero
                                ? format::BlockState::zero
                                : format::BlockState::hole);
  }
  co_return unit;
}

// Whatever happens, the turn is passed on: those behind must not wait for ever.
Task<Result<void>> Backup::run_unit(UnitContext& context, Unit unit, Workspaces::Lease lease,
                                    std::uint64_t number) {
  std::exception_ptr failure;
  Result<void> result;
  try {
    auto processing = process(context, unit, *lease);
    result = co_await std::move(processing);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) result = base::error_from(failure);
  co_await turn_.wait(number);
  failure = nullptr;
  if (result && !broken_) {
    try {
      auto putting = put_leaves(unit);
      result = co_await std::move(putting);
    } catch (...) {
      failure = std::current_exception();
    }
  }
  if (failure) result = base::error_from(failure);
  broken_ = broken_ || !result;
  turn_.pass();
  co_return result;
}

Task<Result<void>> Backup::put_leaves(Unit& unit) {
  for (const auto& bad : unit.bad) {
    const bool joins = !bad_.empty() && bad_.back().offset + bad_.back().length == bad.offset;
    if (joins) bad_.back().length += bad.length;
    if (!joins) bad_.push_back(bad);
  }
  if (bad_.size() > kBadMax) {
    co_return Error(Errc::unavailable, reason::source_failed,
                    "more than 100,000 ranges of the source cannot be read");
  }
  for (std::size_t first = 0; first < unit.blocks.size(); first += format::kFanout) {
    format::Leaf leaf;
    const auto count = std::min<std::size_t>(format::kFanout, unit.blocks.size() - first);
    for (std::size_t i = 0; i < count; ++i) {
      const auto& block = unit.blocks[first + i];
      auto& entry = leaf.blocks[i];
      entry.state = block.state;
      if (block.state != format::BlockState::data) continue;
      entry.id = block.id;
      entry.fingerprint = block.fingerprint;
      entry.place.pack = format::intern_pack(leaf.packs, block.place.frame.pack);
      entry.place.slot = block.place.slot;
      entry.place.start16 = block.place.frame.start16;
      entry.place.stored = block.place.frame.stored;
    }
    std::shared_ptr<const format::Leaf> old;
    if (!unit.old.empty()) old = unit.old[first / format::kFanout];
    auto putting = map_writer_->put(std::move(leaf), std::move(old));
    SV_CO_CHECK(std::move(putting));
  }
  while (!finished_.empty()) {
    auto pack = std::move(finished_.back());
    finished_.pop_back();
    auto adding = index_->add_pack(std::move(pack));
    SV_CO_CHECK(std::move(adding));
  }
  job_.meter.stored = data_->stored_bytes();
  co_return Result<void>();
}

Task<Result<void>> Backup::run_keep(std::uint64_t count, std::uint64_t number) {
  co_await turn_.wait(number);
  std::exception_ptr failure;
  Result<void> result;
  try {
    if (!broken_) result = co_await map_writer_->keep(count);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) result = base::error_from(failure);
  broken_ = broken_ || !result;
  turn_.pass();
  co_return result;
}

Task<Result<void>> Backup::run_fill(ChildState state, std::uint64_t count, std::uint64_t number) {
  co_await turn_.wait(number);
  std::exception_ptr failure;
  Result<void> result;
  try {
    if (!broken_) result = co_await map_writer_->fill(state, count);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) result = base::error_from(failure);
  broken_ = broken_ || !result;
  turn_.pass();
  co_return result;
}

// A pack's index segment only after the pack; both before anything that refers to them.
Task<Result<void>> Backup::close_packs() {
  job_.meter.finishing = true;
  auto finishing = data_->finish();
  auto data = co_await std::move(finishing);
  auto finishing_map = map_->finish();
  auto map = co_await std::move(finishing_map);
  if (!data) co_return std::move(data).error();
  if (!map) co_return std::move(map).error();
  while (!finished_.empty()) {
    auto pack = std::move(finished_.back());
    finished_.pop_back();
    auto adding = index_->add_pack(std::move(pack));
    SV_CO_CHECK(std::move(adding));
  }
  co_return co_await index_->flush();
}

format::Manifest Backup::manifest() {
  format::Manifest out;
  out.source = options_.source;
  out.size = size();
  out.block_size = plan_.block_size;
  out.height = format::map_height(size(), plan_.block_size);
  out.started = started_;
  out.finished = job_.env.wall_seconds();
  if (plan_.parent) {
    out.parent = {plan_.parent->name.order, plan_.parent->name.session};
    out.chain = plan_.parent->commit.manifest.chain + 1;
  }
  out.mode = mode_ == "scan" && claims_->knows_allocation() ? "allocated" : mode_;
  out.mode_reason = mode_reason_;
  out.crash_consistent = plan_.info.in_use;
  out.file_system = plan_.info.file_system;
  out.tags = options_.tags;
  out.attributes = options_.attributes;
  out.bad = bad_;
  out.samples = std::move(*sampler_).take();
  counts_.total = (size() + plan_.block_size - 1) / plan_.block_size;
  out.counts = counts_;
  out.dedup = index_->is_exact() ? "exact" : "sampled";
  return out;
}

Task<Result<BackupReport>> Backup::commit() {
  SV_CO_CHECK_NOW(job_.check());
  auto call = [&] { return source_.token(); };
  auto calling = call_on_io(job_.env, reason::source_failed, call);
  auto token = co_await std::move(calling);
  if (!token) co_return std::move(token).error().with_context("the source's token");
  if (token->size() > 4096) {
    co_return Error(Errc::invalid_argument, reason::bad_argument,
                    "the source's token is longer than 4,096 bytes");
  }
  auto record = manifest();
  record.base_token = *std::move(token);
  BackupReport report;  // all but numbers first: nothing may fail once the snapshot exists
  store::Snapshot taken{session_->name(), {}};
  taken.commit.manifest = record;
  report.snapshot = describe(taken);
  report.pack_size = pack_size();
  report.dedup = record.dedup;
  report.audit_failed = audit_failed_;
  report.audit_chance = audited_ ? 1 - std::pow(0.99, static_cast<double>(audited_)) : 0;
  report.warnings = plan_.warnings;
  report.warnings.insert(report.warnings.end(), warnings_.begin(), warnings_.end());
  auto committing = session_->commit(job_.client, job_.repository, std::move(record),
                                     std::move(nodes_), std::move(refs_));
  SV_CO_CHECK(std::move(committing));
  report.traffic = job_.client.traffic();
  report.snapshot.stored_bytes = report.traffic.bytes_up;
  report.requests = report.traffic.requests();
  co_return report;
}

}  // namespace

Result<void> check_compression(const std::string& text) {
  SV_CHECK(compression_level(text));
  return {};
}

Task<Result<BackupReport>> backup(Job& job, BlockSource& source, const BackupOptions& options) {
  const auto& compression =
      options.compression.empty() ? job.repository.log.policy.compression : options.compression;
  SV_CO_TRY_NOW(const auto level, compression_level(compression));
  auto planning = make_plan(job, source, options);
  auto plan = co_await std::move(planning);
  if (!plan) co_return std::move(plan).error();
  const std::stop_callback interrupt(job.stop, [&source] { source.interrupt(); });
  Backup work(job, source, options, *std::move(plan), level);
  auto running = work.run();
  auto report = co_await std::move(running);
  co_return report;
}

}  // namespace snapvault::engine
