#include "engine/fetcher.hpp"

#include <algorithm>
#include <cstring>

#include "base/reasons.hpp"
#include "engine/damage.hpp"

namespace snapvault::engine {
namespace {

using base::Task;

// Frames hold blocks of one window of this size, or one block.
constexpr std::uint64_t kFrameWindow = 1u << 20;

}  // namespace

// What one thread needs to open frames.
struct Fetcher::Opener {
  explicit Opener(const format::KeyRing& keys) : ids(keys, format::IdType::block) {}
  format::RecordReader reader;
  base::Bytes plain;
  format::IdHasher ids;
};

struct Fetcher::Outcome {
  struct Loss {
    const Need* need;
    Error why;
  };
  std::vector<Loss> losses;
  std::vector<std::pair<const Need*, FrameCache::Pointer>> shared;  // frames worth keeping
};

Fetcher::Fetcher(Job& job, const Planner& planner, Target& target, const RestoreOptions& options)
    : job_(job),
      planner_(planner),
      target_(target),
      options_(options),
      packs_(job.client, job.repository.keys),
      rescue_(job.client, job.repository, packs_, job.memory_bytes_max / 16),
      shared_frames_(job.env.loop(), job.memory_bytes_max / 16, frame_weight),
      workers_(job.env.loop(), job.env.cpu_threads() + 1) {}
Fetcher::~Fetcher() = default;

Task<Result<void>> Fetcher::run(const Batch& batch, const Fetch& fetch, Destination to) {
  SV_CO_CHECK_NOW(job_.check());
  const auto& pack = batch.packs[fetch.pack];
  Fetch known{fetch.pack, 0, {}}, wanted{fetch.pack, fetch.bytes, {}};
  std::vector<store::FrameRequest> requests;
  for (const auto& frame : fetch.frames) {
    const FrameKey key{pack, frame.frame.start16, frame.frame.stored};
    (shared_frames_.find(key) ? known : wanted).frames.push_back(frame);
  }
  if (!known.frames.empty()) SV_CO_CHECK(use(batch, known, nullptr, to));
  if (wanted.frames.empty()) co_return Result<void>();
  for (const auto& frame : wanted.frames) requests.push_back(frame.frame);

  auto fetching = packs_.fetch(pack, std::move(requests));
  auto fetched = co_await std::move(fetching);
  job_.meter.stored = job_.client.traffic().bytes_down;
  if (fetched) {
    auto using_it = use(batch, wanted, &*fetched, to);
    auto done = co_await std::move(using_it);
    co_return done;
  }
  if (fetched.error().code() != Errc::data_loss) co_return std::move(fetched).error();
  if (wanted.frames.size() > 1) {
    // The pack may be cut short: what stands before the cut can still be read.
    auto one_by_one = run_each(batch, wanted, to);
    auto done = co_await std::move(one_by_one);
    co_return done;
  }
  Outcome outcome;
  for (const auto& need : wanted.frames.front().needs) {
    outcome.losses.push_back({&need, fetched.error()});
  }
  auto settling = settle(batch, outcome, to);
  auto settled = co_await std::move(settling);
  co_return settled;
}

Task<Result<void>> Fetcher::run_each(const Batch& batch, const Fetch& fetch, Destination to) {
  for (const auto& frame : fetch.frames) {
    const Fetch one{fetch.pack, frame.frame.stored, {frame}};
    auto running = run(batch, one, to);
    auto done = co_await std::move(running);
    if (!done) co_return done;
  }
  co_return Result<void>();
}

// Opens the frames of `fetched`, or, without it, takes them from the cache.
Task<Result<void>> Fetcher::use(const Batch& batch, const Fetch& fetch,
                                const store::PackReader::Fetched* fetched, Destination to) {
  Outcome outcome;
  std::vector<FrameCache::Pointer> cached;
  if (!fetched) {
    for (const auto& frame : fetch.frames) {
      const FrameKey key{batch.packs[fetch.pack], frame.frame.start16, frame.frame.stored};
      cached.push_back(shared_frames_.find(key));
    }
  }
  {
    base::Semaphore::Ticket slot;
    if (to.buffer.empty()) slot = co_await target_.slots().acquire(1);
    const auto worker = co_await workers_.acquire(1);
    std::unique_ptr<Opener> opener;
    if (!idle_.empty()) {
      opener = std::move(idle_.back());
      idle_.pop_back();
    } else {
      opener = std::make_unique<Opener>(job_.repository.keys);
    }
    auto work = [&]() -> Result<void> {
      if (fetched) return open_now(fetch, fetched, to, outcome, *opener);
      for (std::size_t i = 0; i < cached.size(); ++i) {
        SV_CHECK(put_blocks_now(*cached[i], fetch.frames[i].needs, to, outcome, *opener));
      }
      return {};
    };
    auto working = base::run_on(job_.env, job_.env.io(), work);
    auto done = co_await std::move(working);
    idle_.push_back(std::move(opener));
    if (!done) co_return done;
  }
  for (auto& [need, frame] : outcome.shared) {
    const FrameKey key{batch.packs[need->pack], need->start16, need->stored};
    shared_frames_.put(key, std::move(frame));
  }
  auto settling = settle(batch, outcome, to);
  auto settled = co_await std::move(settling);
  co_return settled;
}

Result<void> Fetcher::open_now(const Fetch& fetch, const store::PackReader::Fetched* fetched,
                               const Destination& to, Outcome& outcome, Opener& opener) {
  for (const auto& frame : fetch.frames) {
    SV_CHECK(job_.check());
    const auto opened = fetched->open(frame.frame, opener.reader, opener.plain);
    if (!opened) {
      for (const auto& need : frame.needs) outcome.losses.push_back({&need, opened.error()});
      continue;
    }
    SV_CHECK(put_blocks_now(opener.plain, frame.needs, to, outcome, opener));
    if (!is_shared(frame.needs)) continue;
    outcome.shared.emplace_back(&frame.needs.front(),
                                std::make_shared<const base::Bytes>(opener.plain));
  }
  return {};
}

// Checks blocks of one frame and puts them where they belong, in runs as long as possible.
Result<void> Fetcher::put_blocks_now(base::ByteView plain, std::span<const Need> needs,
                                     const Destination& to, Outcome& outcome, Opener& opener) {
  const auto secret = job_.repository.keys.fingerprint_secret();
  std::uint64_t run_offset = 0;
  base::ByteView run;
  for (const auto& need : needs) {
    const auto check = planner_.check_of(need);
    const auto bytes = find_block(plain, check, secret);
    const bool wrong_id = !bytes.empty() && options_.check_ids && opener.ids(bytes) != need.id;
    if (bytes.empty() || wrong_id) {
      outcome.losses.push_back({&need, wrong_id
                                           ? Error(Errc::data_loss, reason::id_mismatch,
                                                   "a block's content does not match its id")
                                           : Error(Errc::data_loss, reason::fingerprint_mismatch,
                                                   "a block is not the one that was backed up")});
      continue;
    }
    const auto begin = need.block * planner_.block_size();
    const auto inside = planner_.clip(begin, begin + check.length);
    const auto part = bytes.subspan(inside.offset - begin, inside.length);
    if (!run.empty() && run_offset + run.size() == inside.offset &&
        run.data() + run.size() == part.data()) {
      run = {run.data(), run.size() + part.size()};
      continue;
    }
    if (!run.empty()) SV_CHECK(put_now(run_offset, run, to));
    run_offset = inside.offset;
    run = part;
  }
  if (!run.empty()) SV_CHECK(put_now(run_offset, run, to));
  return {};
}

Result<void> Fetcher::put_now(std::uint64_t offset, base::ByteView bytes, const Destination& to) {
  if (to.buffer.empty()) return write_now(offset, bytes);
  std::memcpy(to.buffer.data() + (offset - to.offset), bytes.data(), bytes.size());
  return {};
}

Result<void> Fetcher::write_now(std::uint64_t offset, base::ByteView bytes) {
  SV_CHECK(target_.write_now(offset, bytes));
  written_ += bytes.size();
  job_.meter.changed += bytes.size();
  job_.meter.done += bytes.size();
  return {};
}

Task<Result<void>> Fetcher::settle(const Batch& batch, Outcome& outcome, Destination to) {
  for (auto& loss : outcome.losses) {
    SV_CO_CHECK_NOW(job_.check());
    auto losing = lose(batch, *loss.need, std::move(loss.why), to);
    auto settled = co_await std::move(losing);
    if (!settled) co_return settled;
  }
  co_return Result<void>();
}

// A block is not where the map says, or not whole: another copy is as good, if there is one.
Task<Result<void>> Fetcher::lose(const Batch& batch, const Need& need, Error why, Destination to) {
  if (why.code() != Errc::data_loss) co_return why;
  const auto begin = need.block * planner_.block_size();
  const auto inside = planner_.clip(begin, begin + planner_.length_of(need.block));
  const FrameKey broken{batch.packs[need.pack], need.start16, need.stored};
  auto rescuing = rescue_.read(planner_.check_of(need), broken);
  auto copy = co_await std::move(rescuing);
  if (!copy) co_return std::move(copy).error();
  if (*copy) {
    const auto part = base::ByteView(**copy).subspan(inside.offset - begin, inside.length);
    base::Semaphore::Ticket slot;
    if (to.buffer.empty()) slot = co_await target_.slots().acquire(1);
    auto work = [&] { return put_now(inside.offset, part, to); };
    auto putting = base::run_on(job_.env, job_.env.io(), work);
    auto put = co_await std::move(putting);
    co_return put;
  }
  if (why.subject().empty()) why = std::move(why).with_subject(format::pack_name(broken.pack));
  if (!options_.keep_going) co_return lost_range(inside, why);
  to.bad.push_back(inside);
  co_return Result<void>();
}

// Blocks of more than one window refer to it, so others that come later may do so as well.
bool Fetcher::is_shared(std::span<const Need> needs) const noexcept {
  const auto window = std::max(kFrameWindow, planner_.block_size()) / planner_.block_size();
  return needs.front().block / window != needs.back().block / window;
}

}  // namespace snapvault::engine
