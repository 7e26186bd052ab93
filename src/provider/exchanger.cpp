#include "provider/exchanger.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/answer.hpp"
#include "provider/request.hpp"
#include "wire/encode.hpp"
#include "wire/retry.hpp"

namespace snapvault::provider {
namespace {

constexpr base::Nanoseconds kLook = 50 * base::kMillisecond;
constexpr base::Nanoseconds kShunFirst = 1 * base::kSecond;
constexpr base::Nanoseconds kShunMost = 30 * base::kSecond;
constexpr std::uint64_t kRetryAfterMost = 60;  // seconds that a store may ask us to wait

struct Ended {
  const RequestLimits& limits;
  bool operator()() const { return !check(limits); }
};

// The transport's failures after which another try may do better.
bool is_passing(const Error& error) noexcept {
  switch (error.code()) {
    case Errc::unavailable:
    case Errc::outcome_unknown:
    case Errc::deadline_exceeded:
      return true;
    case Errc::data_loss:
      return error.reason() == reason::bad_answer;
    default:
      return false;
  }
}

// Whether nothing of the request reached a server.
bool is_unreached(const Error& error) noexcept { return error.reason() == reason::unreachable; }

// Whether the request may have taken effect although the transport failed so: short memory, for
// one, may have hit the answer.
bool may_have_arrived(const Error& error) noexcept {
  return !is_unreached(error) && (is_passing(error) || error.code() == Errc::resource_exhausted ||
                                  error.code() == Errc::internal);
}

std::uint64_t draw(base::Env& env) {
  std::uint64_t out = 0;
  env.random(std::as_writable_bytes(std::span(&out, 1)));
  return out;
}

// It may be done, or may not: what `error` says is true of the last try only.
Error lost(const Error& error) {
  return Error(Errc::outcome_unknown, reason::lost_answer, error.message())
      .with_hint(error.hint())
      .with_subject(error.subject())
      .with_request_id(error.request_id())
      .with_native(error.native());
}

// `ended`, of a stop or a deadline, says more if a try had failed before.
Error ended_after(Error ended, const std::optional<Error>& last) {
  if (!last || ended.code() == Errc::cancelled) return ended;
  return Error(ended.code(), reason::deadline,
               std::string(ended.message()) + "; the last try: " + std::string(last->message()))
      .with_hint(last->hint())
      .with_request_id(last->request_id())
      .with_native(last->native());
}

struct Start {
  net::Transport& transport;
  net::Exchange exchange;
  void operator()(Completion<wire::Response> done) {
    transport.send(std::move(exchange), std::move(done));
  }
};

}  // namespace

base::Task<Result<wire::Response>> transfer(base::Env& env, net::Transport& transport,
                                            net::Exchange exchange) {
  Start start{transport, std::move(exchange)};
  Answer<wire::Response, Start> answer(env.loop(), std::move(start));
  auto result = co_await answer;
  co_return result;
}

std::string request_id(const wire::Response& response) {
  constexpr std::string_view kNames[] = {
      "x-amz-request-id", "x-ms-request-id",        "x-guploader-uploadid", "x-goog-request-id",
      "x-trans-id",       "x-openstack-request-id", "x-request-id"};
  constexpr std::size_t kLengthMax = 128;
  for (const auto name : kNames) {
    const auto value = response.headers.get(name);
    if (value.empty()) continue;
    std::string out;
    for (const char c : value.substr(0, kLengthMax)) {
      if (c > ' ' && c < 0x7F) out += c;
    }
    return out;
  }
  return {};
}

base::Task<Result<void>> sleep_within(base::Env& env, base::Nanoseconds until,
                                      RequestLimits limits) {
  for (;;) {
    if (auto within = check(limits); !within) co_return within;
    const auto now = env.monotonic();
    if (now >= until) co_return Result<void>();
    const auto next = std::min(until, now + kLook);
    co_await base::sleep_until(env, next);
  }
}

// What is known of one call while it is tried.
struct Exchanger::Progress {
  unsigned tried = 0;
  base::Nanoseconds end = 0;  // when all tries together have taken too long
  bool maybe_done = false;    // some try may have taken effect
  bool renewed = false, clock_set = false;
  // Of the last try:
  std::uint64_t renewals = 0;  // the credential's generation
  std::int64_t ahead = 0;      // the clock of its signature
  bool elsewhere = false;      // its origin cannot be reached, and there is another

  // The answer to the caller of `call`.
  Error finish(const Call& call, Error error, bool gave_up) const {
    if (error.subject().empty()) error = std::move(error).with_subject(call.subject);
    if (gave_up && tried > 1) {
      error = std::move(error).with_context("after " + std::to_string(tried) + " tries");
    }
    if (call.conditional && maybe_done && error.code() != Errc::cancelled) return lost(error);
    return error;
  }
};

Exchanger::Exchanger(base::Env& env, std::shared_ptr<net::Transport> transport, Signer* signer,
                     Judge judge, ExchangerOptions options)
    : env_(env),
      transport_(std::move(transport)),
      signer_(signer),
      judge_(std::move(judge)),
      options_(std::move(options)),
      concurrency_(std::min(options_.parallel_start, options_.parallel_max), options_.parallel_max),
      shunned_(options_.origins.size()) {}

std::int64_t Exchanger::now() const noexcept { return env_.wall_seconds() + ahead_; }

// In turn; one that cannot be reached is passed over for a while, unless none is left.
std::size_t Exchanger::next_origin() noexcept {
  const auto count = options_.origins.size();
  const auto now = env_.monotonic();
  for (std::size_t i = 0; i < count; ++i) {
    const auto index = turn_++ % count;
    if (shunned_[index].until <= now) return index;
  }
  return turn_++ % count;
}

// What a try tells about its origin.
void Exchanger::note_reach(std::size_t origin, const Result<wire::Response>& answer,
                           Progress& progress, const RequestLimits& limits) {
  if (!answer && !check(limits)) return;  // it was not the origin that ended it
  auto& shunned = shunned_[origin];
  if (answer || !is_unreached(answer.error())) {
    shunned = {};
    return;
  }
  const auto now = env_.monotonic();
  // Of many requests that fail together only the first makes the pause longer.
  if (shunned.until <= now) {
    shunned.pause = std::clamp(2 * shunned.pause, kShunFirst, kShunMost);
    shunned.until = now + shunned.pause;
  }
  progress.elsewhere = std::any_of(shunned_.begin(), shunned_.end(),
                                   [now](const Shunned& one) { return one.until <= now; });
}

// What a try tells about the load of the store: one that falls silent has too much to do, too.
void Exchanger::note_load(const Result<Judged>& judged, std::uint64_t sent,
                          base::Nanoseconds started, const RequestLimits& limits) {
  const auto now = env_.monotonic();
  if (judged) {
    concurrency_.ended(judged->verdict.busy, now - started, sent + judged->answer.body.size(), now);
  } else if (judged.error().code() == Errc::deadline_exceeded && !is_unreached(judged.error()) &&
             check(limits)) {
    concurrency_.ended(true, now - started, sent, now);
  }
}

base::Task<Result<Exchanger::Judged>> Exchanger::attempt(const Call& call, Progress& progress,
                                                         RequestLimits limits) {
  progress.elsewhere = false;
  const Ended ended{limits};
  auto entering = concurrency_.enter(env_, ended);
  const auto place = co_await std::move(entering);
  SV_CO_CHECK_NOW(check(limits));
  net::Exchange exchange;
  exchange.request = call.request;
  exchange.answer_max = call.answer_max;
  exchange.expect_continue = call.expect_continue;
  exchange.direct = call.direct;
  exchange.limits = limits;
  const bool own = call.request.origin.host.empty() && !options_.origins.empty();
  const auto origin = own ? next_origin() : 0;
  if (own) exchange.request.origin = options_.origins[origin];
  if (signer_) {
    progress.renewals = renewals_;
    progress.ahead = ahead_;
    auto signing = signer_->sign(exchange.request, now(), limits);
    auto signed_now = co_await std::move(signing);
    if (!signed_now) co_return std::move(signed_now).error();
    SV_CO_CHECK_NOW(check(limits));
  }
  const auto started = env_.monotonic();
  auto transferring = transfer(env_, *transport_, std::move(exchange));
  auto answer = co_await std::move(transferring);
  if (own) note_reach(origin, answer, progress, limits);
  if (!answer) {
    if (may_have_arrived(answer.error())) progress.maybe_done = true;
    Result<Judged> failed(std::move(answer).error());
    note_load(failed, 0, started, limits);
    co_return failed;
  }
  if (const auto date = wire::parse_http_date(answer->headers.get("Date"))) {
    seen_ahead_ = *date - env_.wall_seconds();
  }
  auto verdict = judge_(call.request, *answer);
  if (verdict.maybe_done) progress.maybe_done = true;
  Result<Judged> judged(Judged{*std::move(answer), std::move(verdict)});
  note_load(judged, call.request.body.size(), started, limits);
  co_return judged;
}

// How long to wait before the next try, from what the store says and by chance.
base::Nanoseconds Exchanger::pause(const Progress& progress, const wire::Response* answer) {
  if (progress.elsewhere) return 0;
  auto out =
      wire::pause_after(progress.tried, options_.pause_first, options_.pause_max, draw(env_));
  if (!answer) return out;
  const auto asked = wire::parse_retry_after(answer->headers.get("Retry-After"), now());
  // By chance on top of it: all that were told so shall not come back at once.
  if (asked) out += std::min(*asked, kRetryAfterMost) * base::kSecond;
  return out;
}

// Whether a refused try is worth another at once, with another credential or clock. Another request
// may have taken that already, since this one was signed.
bool Exchanger::mend(Progress& progress, const Judged& judged) {
  if (judged.verdict.action == Verdict::Action::renew && !progress.renewed && signer_) {
    progress.renewed = true;
    if (progress.renewals != renewals_) return true;
    if (!signer_->renew()) return false;
    ++renewals_;
    return true;
  }
  if (judged.verdict.action == Verdict::Action::clock && !progress.clock_set) {
    const auto date = wire::parse_http_date(judged.answer.headers.get("Date"));
    if (!date) return false;
    progress.clock_set = true;
    ahead_ = *date - env_.wall_seconds();
    return ahead_ != progress.ahead;
  }
  return false;
}

base::Task<Result<wire::Response>> Exchanger::send(Call call, RequestLimits limits) {
  Progress progress;
  progress.end = env_.monotonic() + options_.total_max;
  std::optional<Error> last;
  for (;;) {
    ++progress.tried;
    auto trying = attempt(call, progress, limits);
    auto judged = co_await std::move(trying);
    if (judged && judged->verdict.action == Verdict::Action::accept) {
      co_return std::move(judged->answer);
    }
    const auto within = check(limits);
    bool again = false;
    if (judged) {
      if (within && mend(progress, *judged)) continue;
      again = judged->verdict.action == Verdict::Action::repeat;
      last = std::move(judged->verdict.error);
      if (!last) last = Error(Errc::internal, reason::unexpected, "an answer was not understood");
    } else if (within) {
      again = is_passing(judged.error());
      last = std::move(judged).error();
    }
    if (!within && (again || !judged)) {
      co_return progress.finish(call, ended_after(within.error(), last), false);
    }
    const auto now = env_.monotonic();
    if (!again || progress.tried >= options_.tries_max || now >= progress.end) {
      co_return progress.finish(call, *std::move(last), again);
    }
    const auto until =
        std::min(now + pause(progress, judged ? &judged->answer : nullptr), progress.end);
    auto sleeping = sleep_within(env_, until, limits);
    auto slept = co_await std::move(sleeping);
    if (!slept) {
      co_return progress.finish(call, ended_after(std::move(slept).error(), last), false);
    }
  }
}

}  // namespace snapvault::provider
