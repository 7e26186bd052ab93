#include "engine/restore.hpp"

#include <algorithm>
#include <memory>
#include <stop_token>

#include "base/reasons.hpp"
#include "engine/damage.hpp"
#include "engine/fetcher.hpp"
#include "engine/in_place.hpp"
#include "engine/turn.hpp"

namespace snapvault::engine {
namespace {

using base::Task;

constexpr std::uint64_t kRequestMax = 4u << 20;  // bytes fetched by one request
constexpr std::uint64_t kRequests = 16;          // in flight
constexpr std::uint64_t kWindow = 4u << 20;      // written in one go by an ordered restore
constexpr std::uint64_t kZeroRun = 1u << 30;     // merged into one call

// One restore on its way. Everything here lives on the loop.
class Restore {
 public:
  Restore(Job& job, const store::Snapshot& snapshot, BlockSink& sink, const RestoreOptions& options,
          ByteRange range)
      : job_(job),
        options_(options),
        manifest_(snapshot.commit.manifest),
        range_(range),
        target_(job, sink),
        nodes_(job.client, job.repository.keys),
        map_(snapshot.commit, nodes_, job.repository.keys),
        planner_(job, manifest_, map_, range, options.keep_going),
        fetcher_(job, planner_, target_, options),
        in_place_(job, target_, planner_, report_),
        memory_(job.env.loop(), job.memory_bytes_max / 4),
        turn_(job.env.loop()) {}

  Task<Result<RestoreReport>> run();

 private:
  struct Window;

  Task<Result<void>> work();
  Task<Result<void>> fill(base::TaskGroup& group);
  Task<Result<void>> fill_batch(base::TaskGroup& group, std::shared_ptr<Batch> batch);
  Task<Result<void>> fill_at_any_place(base::TaskGroup& group, std::shared_ptr<Batch> batch);
  Task<Result<void>> fill_in_order(base::TaskGroup& group, std::shared_ptr<Batch> batch);
  Task<Result<void>> run_fetch(std::shared_ptr<Batch> batch, Fetch fetch,
                               base::Semaphore::Ticket memory);
  Task<Result<void>> run_window(std::shared_ptr<Batch> batch, Window window, std::uint64_t number,
                                base::Semaphore::Ticket memory);
  Task<Result<void>> fetch_window(const Batch& batch, Window& window);
  Task<Result<void>> write_window(Window& window);
  Task<Result<void>> make_zero(base::TaskGroup& group, ByteRange range);
  Task<Result<void>> flush_zeros(base::TaskGroup& group);
  Task<Result<void>> zero(ByteRange range);
  Task<Result<void>> close(Result<void> done);
  void count();

  Job& job_;
  const RestoreOptions& options_;
  const format::Manifest& manifest_;
  ByteRange range_;
  RestoreReport report_;
  Target target_;
  store::PackReader nodes_;
  store::MapReader map_;
  Planner planner_;
  Fetcher fetcher_;
  InPlace in_place_;
  base::Semaphore memory_;
  Turn turn_;
  std::uint64_t numbers_ = 0;  // of turns given out
  bool broken_ = false;        // a window failed: nothing is written after it
  ByteRange zeros_;            // not yet made zero
  std::vector<base::Bytes> buffers_;
};

// A part of the volume that is written from start to end.
struct Restore::Window {
  std::uint64_t begin = 0, end = 0;
  std::span<Need> needs;
  std::vector<ByteRange> empty, bad;  // rising
  base::Bytes buffer;
};

Task<Result<RestoreReport>> Restore::run() {
  SV_CO_CHECK_NOW(job_.check());
  report_.bytes_total = range_.length;
  job_.meter.total = range_.length;
  Result<void> done;
  std::exception_ptr failure;
  try {
    auto working = work();
    done = co_await std::move(working);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) done = base::error_from(failure);
  auto closing = close(std::move(done));
  auto closed = co_await std::move(closing);
  if (!closed && job_.stopped()) SV_CO_CHECK_NOW(job_.check());
  if (!closed) co_return std::move(closed).error();
  count();
  co_return std::move(report_);
}

Task<Result<void>> Restore::work() {
  SV_CO_CHECK(target_.open(manifest_.size, options_.range));
  auto body = [&](base::TaskGroup& group) { return fill(group); };
  auto filling = base::with_group(job_.env.loop(), kRequests, body);
  SV_CO_CHECK(std::move(filling));
  SV_CO_CHECK_NOW(job_.check());
  job_.meter.finishing = true;
  auto flushing = target_.flush();
  auto flushed = co_await std::move(flushing);
  co_return flushed;
}

// Tells the target how it ended. A stream cannot leave out what is damaged: then that is the error.
Task<Result<void>> Restore::close(Result<void> done) {
  if (!target_.opened()) co_return done;
  auto finishing = target_.finish(done.has_value());
  auto finished = co_await std::move(finishing);
  if (done) done = std::move(finished);
  const bool left_out = target_.ordered() && !report_.bad.empty();
  if (!done && left_out &&
      (done.error().reason() == reason::range || done.error().code() == Errc::internal)) {
    co_return lost_range(report_.bad.front(), Error(Errc::data_loss, reason::bad_extents,
                                                    "a stream cannot leave them out"));
  }
  co_return done;
}

void Restore::count() {
  report_.written_bytes = fetcher_.written_bytes();
  report_.fetched_bytes = job_.client.traffic().bytes_down;
  report_.traffic = job_.client.traffic();
  report_.requests = report_.traffic.requests();
  report_.frames = fetcher_.frames_read();
  report_.gap_bytes = fetcher_.gap_bytes();
  std::sort(report_.bad.begin(), report_.bad.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  std::vector<ByteRange> merged;
  for (const auto& range : report_.bad) add_range(merged, range.offset, range.length);
  report_.bad = std::move(merged);
}

// Plans a batch while requests of the ones before are still under way.
Task<Result<void>> Restore::fill(base::TaskGroup& group) {
  while (!planner_.done() && !group.failed()) {
    auto planning = planner_.next();
    auto planned = co_await std::move(planning);
    if (!planned) co_return std::move(planned).error();
    auto batch = std::make_shared<Batch>(*std::move(planned));
    auto filling = fill_batch(group, std::move(batch));
    SV_CO_CHECK(std::move(filling));
  }
  auto flushing = flush_zeros(group);
  auto flushed = co_await std::move(flushing);
  co_return flushed;
}

Task<Result<void>> Restore::fill_batch(base::TaskGroup& group, std::shared_ptr<Batch> batch) {
  report_.bad.insert(report_.bad.end(), batch->bad.begin(), batch->bad.end());
  if (options_.in_place) SV_CO_CHECK(in_place_.settle(*batch));
  // Only a new stream needs order: what can be read back can be written anywhere.
  const bool in_order = target_.ordered() && !options_.in_place;
  auto filling = in_order ? fill_in_order(group, batch) : fill_at_any_place(group, batch);
  auto filled = co_await std::move(filling);
  co_return filled;
}

Task<Result<void>> Restore::fill_at_any_place(base::TaskGroup& group,
                                              std::shared_ptr<Batch> batch) {
  for (const auto& range : batch->empty) SV_CO_CHECK(make_zero(group, range));
  auto fetches = plan_fetches(batch->needs, kRequestMax);
  for (auto& fetch : fetches) {
    if (group.failed()) break;
    SV_CO_CHECK_NOW(job_.check());
    auto memory = co_await memory_.acquire(fetch.bytes);
    auto running = run_fetch(batch, std::move(fetch), std::move(memory));
    auto spawning = group.spawn(std::move(running));
    co_await std::move(spawning);
  }
  co_return Result<void>();
}

Task<Result<void>> Restore::run_fetch(std::shared_ptr<Batch> batch, Fetch fetch,
                                      base::Semaphore::Ticket memory) {
  Destination to{{}, 0, report_.bad};
  auto running = fetcher_.run(*batch, fetch, to);
  auto done = co_await std::move(running);
  { auto gone = std::move(memory); }
  co_return done;
}

// Collects neighbours, so that a run of many leaves is one call.
Task<Result<void>> Restore::make_zero(base::TaskGroup& group, ByteRange range) {
  const bool joins = zeros_.length > 0 && zeros_.offset + zeros_.length == range.offset;
  if (joins && zeros_.length < kZeroRun) {
    zeros_.length += range.length;
    co_return Result<void>();
  }
  SV_CO_CHECK(flush_zeros(group));
  zeros_ = range;
  co_return Result<void>();
}

Task<Result<void>> Restore::flush_zeros(base::TaskGroup& group) {
  if (zeros_.length == 0) co_return Result<void>();
  auto zeroing = zero(std::exchange(zeros_, {}));
  auto spawning = group.spawn(std::move(zeroing));
  co_await std::move(spawning);
  co_return Result<void>();
}

Task<Result<void>> Restore::zero(ByteRange range) {
  SV_CO_CHECK_NOW(job_.check());
  if (!target_.starts_zero()) {
    auto zeroing = target_.zero(range);
    auto zeroed = co_await std::move(zeroing);
    if (!zeroed) co_return std::move(zeroed).error();
    if (*zeroed) job_.meter.changed += range.length;
  }
  report_.zeroed_bytes += range.length;
  job_.meter.done += range.length;
  co_return Result<void>();
}

// Cuts the batch into windows with data and what lies between them; each waits for its turn.
Task<Result<void>> Restore::fill_in_order(base::TaskGroup& group, std::shared_ptr<Batch> batch) {
  const auto block_size = planner_.block_size();
  const auto span = std::max(kWindow, block_size);
  const std::span<Need> needs(batch->needs);
  std::size_t need = 0;
  for (auto at = batch->begin; at < batch->end && !group.failed();) {
    SV_CO_CHECK_NOW(job_.check());
    const auto next = need < needs.size() ? needs[need].block * block_size : batch->end;
    Window window;
    window.begin = at;
    window.end = at / span < next / span ? std::min(batch->end, next / span * span)
                                         : std::min(batch->end, (at / span + 1) * span);
    const auto first = need;
    while (need < needs.size() && needs[need].block * block_size < window.end) ++need;
    window.needs = needs.subspan(first, need - first);
    const auto cut = [&](const std::vector<ByteRange>& from, std::vector<ByteRange>& to) {
      for (const auto& range : from) {
        const auto begin = std::max(range.offset, window.begin);
        const auto end = std::min(range.offset + range.length, window.end);
        if (begin < end) to.push_back({begin, end - begin});
      }
    };
    cut(batch->empty, window.empty);
    cut(batch->bad, window.bad);
    at = window.end;
    const auto bytes = window.needs.empty() ? 0 : window.end - window.begin + kRequestMax;
    auto memory = co_await memory_.acquire(bytes);
    auto running = run_window(batch, std::move(window), numbers_++, std::move(memory));
    auto spawning = group.spawn(std::move(running));
    co_await std::move(spawning);
  }
  co_return Result<void>();
}

// Whatever happens, the turn is taken and passed on.
Task<Result<void>> Restore::run_window(std::shared_ptr<Batch> batch, Window window,
                                       std::uint64_t number, base::Semaphore::Ticket memory) {
  Result<void> done;
  std::exception_ptr failure;
  try {
    auto fetching = fetch_window(*batch, window);
    done = co_await std::move(fetching);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await turn_.wait(number);
  try {
    if (!failure && done && !broken_) {
      auto writing = write_window(window);
      done = co_await std::move(writing);
    }
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) done = base::error_from(failure);
  if (!done) broken_ = true;
  turn_.pass();
  { auto gone = std::move(memory); }
  co_return done;
}

Task<Result<void>> Restore::fetch_window(const Batch& batch, Window& window) {
  if (window.needs.empty()) co_return Result<void>();
  if (!buffers_.empty()) {
    window.buffer = std::move(buffers_.back());
    buffers_.pop_back();
  }
  window.buffer.resize(window.end - window.begin);
  std::vector<ByteRange> lost;
  const auto fetches = plan_fetches(window.needs, kRequestMax);
  for (const auto& fetch : fetches) {
    Destination to{window.buffer, window.begin, lost};
    auto running = fetcher_.run(batch, fetch, to);
    SV_CO_CHECK(std::move(running));
  }
  report_.bad.insert(report_.bad.end(), lost.begin(), lost.end());
  window.bad.insert(window.bad.end(), lost.begin(), lost.end());
  std::sort(window.bad.begin(), window.bad.end(),
            [](const ByteRange& a, const ByteRange& b) { return a.offset < b.offset; });
  co_return Result<void>();
}

// Data, zeros and data again; what is bad is left out.
Task<Result<void>> Restore::write_window(Window& window) {
  std::size_t empty = 0, bad = 0;
  for (auto at = window.begin; at < window.end;) {
    SV_CO_CHECK_NOW(job_.check());
    if (bad < window.bad.size() && window.bad[bad].offset == at) {
      at += window.bad[bad++].length;
      continue;
    }
    if (empty < window.empty.size() && window.empty[empty].offset == at) {
      const auto& range = window.empty[empty++];
      at += range.length;
      auto zeroing = zero(range);
      SV_CO_CHECK(std::move(zeroing));
      continue;
    }
    auto end = window.end;
    if (bad < window.bad.size()) end = std::min(end, window.bad[bad].offset);
    if (empty < window.empty.size()) end = std::min(end, window.empty[empty].offset);
    const auto data = base::ByteView(window.buffer).subspan(at - window.begin, end - at);
    const auto slot = co_await target_.slots().acquire(1);
    auto work = [&] { return fetcher_.write_now(at, data); };
    auto writing = base::run_on(job_.env, job_.env.io(), work);
    SV_CO_CHECK(std::move(writing));
    at = end;
  }
  if (!window.buffer.empty()) buffers_.push_back(std::move(window.buffer));
  co_return Result<void>();
}

}  // namespace

Task<Result<RestoreReport>> restore(Job& job, const store::Snapshot& snapshot, BlockSink& sink,
                                    const RestoreOptions& options) {
  const auto size = snapshot.commit.manifest.size;
  const auto range = options.range.value_or(ByteRange{0, size});
  if (range.offset > size || range.length > size - range.offset) {
    co_return Error(Errc::invalid_argument, reason::range,
                    "the range reaches past the end of the volume");
  }
  const std::stop_callback interrupt(job.stop, [&sink] { sink.interrupt(); });
  Restore work(job, snapshot, sink, options, range);
  auto running = work.run();
  auto report = co_await std::move(running);
  co_return report;
}

}  // namespace snapvault::engine
