#include "provider/probe.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"

namespace snapvault::provider {
namespace {

using State = Finding::State;

constexpr std::size_t kBulk = 4 << 20;
constexpr std::int64_t kClockMost = 5;  // seconds that nobody minds

std::string new_name(base::Env& env) {
  std::array<std::byte, 8> random;
  env.random(random);
  return "doctor/probe-" + base::hex(random);
}

PutBody text_body(std::string_view text) {
  const auto bytes = base::as_bytes(text);
  return PutBody(base::Bytes(bytes.begin(), bytes.end()));
}

PutRequest make_put(std::string key, PutBody body, const RequestLimits& limits) {
  PutRequest out;
  out.key = std::move(key);
  out.body = std::move(body);
  out.limits = limits;
  return out;
}

// What the racers found.
struct Race {
  unsigned winners = 0, losers = 0;
  std::optional<Error> error;
};

base::Task<Result<void>> run_racer(const ProbeCalls& calls, PutRequest request, Race& race) {
  auto putting = calls.put(std::move(request));
  auto put = co_await std::move(putting);
  if (put) {
    ++race.winners;
  } else if (put.error().code() == Errc::already_exists ||
             put.error().code() == Errc::outcome_unknown) {
    ++race.losers;
  } else if (!race.error) {
    race.error = put.error();
  }
  co_return Result<void>();
}

base::Task<Result<void>> remove_one(const ProbeCalls& calls, std::string key,
                                    RequestLimits limits) {
  RemoveRequest request;
  request.keys.push_back(std::move(key));
  request.limits = std::move(limits);
  auto removing = calls.remove(std::move(request));
  auto removed = co_await std::move(removing);
  co_return removed;
}

std::string show_rate(std::size_t bytes, base::Nanoseconds took) {
  const auto mib = static_cast<double>(bytes) / (1 << 20);
  const auto rate = mib / (static_cast<double>(std::max<base::Nanoseconds>(took, 1)) / 1e9);
  return std::to_string(static_cast<long>(rate + 0.5)) + " MiB/s";
}

class Examination {
 public:
  Examination(base::Env& env, ProbeCalls calls, RequestLimits limits)
      : env_(env), calls_(std::move(calls)), limits_(std::move(limits)) {}

  base::Task<std::vector<Finding>> run(std::string declared_weak) {
    auto rights = look_at_rights();
    const bool may_write = co_await std::move(rights);
    if (!may_write) {
      add("capabilities", State::untried, "nothing may be written here");
      add("throughput", State::untried, "nothing may be written here");
      co_return std::move(found_);
    }
    auto racing = look_at_races(std::move(declared_weak));
    co_await std::move(racing);
    auto moving = look_at_throughput();
    co_await std::move(moving);
    co_return std::move(found_);
  }

 private:
  void add(std::string topic, State state, std::string detail, std::string hint = {}) {
    found_.push_back({std::move(topic), state, std::move(detail), std::move(hint)});
  }

  // One right: a finding of its own if it is missing.
  template <class T>
  bool note(const char* right, const Result<T>& result) {
    if (result) {
      rights_ += (rights_.empty() ? "" : ", ") + std::string(right);
      return true;
    }
    auto finding = failure_finding("rights", result.error());
    finding.detail = std::string(right) + ": " + finding.detail;
    found_.push_back(std::move(finding));
    return false;
  }

  base::Task<bool> look_at_rights() {
    ListRequest all;
    all.max_keys = 1;
    all.limits = limits_;
    auto listing = calls_.list(std::move(all));
    const auto listed = co_await std::move(listing);
    note("list", listed);
    const auto name = new_name(env_);
    auto putting = calls_.put(make_put(name, text_body("probe"), limits_));
    const auto put = co_await std::move(putting);
    const bool created = note("create", put);
    if (created) {
      GetRequest request;
      request.key = name;
      request.limits = limits_;
      auto getting = calls_.get(std::move(request));
      const auto got = co_await std::move(getting);
      note("read", got);
      auto removing = remove_one(calls_, name, limits_);
      const auto removed = co_await std::move(removing);
      note("remove", removed);
    }
    if (!rights_.empty()) add("rights", State::good, "granted: " + rights_);
    co_return created;
  }

  base::Task<void> look_at_races(std::string declared_weak) {
    auto racing = race_creates(env_, calls_, limits_);
    const auto winners = co_await std::move(racing);
    const std::string one_writer = "one writer at a time";
    if (!winners) {
      found_.push_back(failure_finding("capabilities", winners.error()));
    } else if (!declared_weak.empty()) {
      add("capabilities", State::warning, "weak: " + declared_weak, one_writer);
    } else if (*winners == 1) {
      add("capabilities", State::good, "racing creates have one winner");
    } else {
      add("capabilities", State::warning, "weak: " + weak_because(*winners), one_writer);
    }
  }

  base::Task<void> look_at_throughput() {
    base::Bytes bytes(kBulk);
    env_.random(bytes);
    const auto name = new_name(env_);
    const auto started = env_.monotonic();
    auto putting = calls_.put(make_put(name, PutBody(std::move(bytes)), limits_));
    const auto put = co_await std::move(putting);
    const auto sent = env_.monotonic();
    GetRequest request;
    request.key = name;
    request.limits = limits_;
    auto getting = calls_.get(std::move(request));
    const auto got = co_await std::move(getting);
    const auto received = env_.monotonic();
    auto removing = remove_one(calls_, name, limits_);
    const auto removed = co_await std::move(removing);
    base::permit_unchecked(removed, "the right to remove was looked at before");
    if (put && got) {
      add("throughput", State::good,
          "one object of 4 MiB: up " + show_rate(kBulk, sent - started) + ", down " +
              show_rate(kBulk, received - sent));
    } else {
      found_.push_back(failure_finding("throughput", put ? got.error() : put.error()));
    }
  }

  base::Env& env_;
  const ProbeCalls calls_;
  const RequestLimits limits_;
  std::string rights_;
  std::vector<Finding> found_;
};

}  // namespace

base::Task<Result<unsigned>> race_creates(base::Env& env, ProbeCalls calls, RequestLimits limits) {
  const auto name = new_name(env);
  Race race;
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (unsigned i = 0; i < kRacers; ++i) {
      // Bodies differ, so that nobody can say that all created the same object.
      auto request = make_put(name, text_body("racer " + std::to_string(i)), limits);
      auto spawning = group.spawn(run_racer(calls, std::move(request), race));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto racing = base::with_group(env.loop(), kRacers, body);
  const auto raced = co_await std::move(racing);
  auto removing = remove_one(calls, name, limits);
  const auto removed = co_await std::move(removing);
  base::permit_unchecked(removed, "a probe that stays is an object of a few bytes");
  if (!raced) co_return raced.error();
  if (race.error) co_return *std::move(race.error);
  co_return race.winners;
}

std::string weak_because(unsigned winners) {
  return "of " + std::to_string(kRacers) + " racing creates of one object " +
         std::to_string(winners) + " were told that they won";
}

base::Task<std::vector<Finding>> probe(base::Env& env, ProbeCalls calls, std::string declared_weak,
                                       RequestLimits limits) {
  Examination examination(env, std::move(calls), std::move(limits));
  auto running = examination.run(std::move(declared_weak));
  auto found = co_await std::move(running);
  co_return found;
}

Finding credentials_finding(const std::string& source) {
  return {"credentials", State::good, "from " + source, {}};
}

Finding clock_finding(std::optional<std::int64_t> ahead) {
  if (!ahead) return {"clock", State::untried, "the store does not tell its time", {}};
  if (std::abs(*ahead) <= kClockMost) {
    return {"clock", State::good, "agrees with the store's within a few seconds", {}};
  }
  const auto seconds = std::to_string(std::abs(*ahead));
  return {"clock", std::abs(*ahead) < 600 ? State::warning : State::bad,
          "this machine's clock is " + seconds + " seconds " +
              (*ahead > 0 ? "behind" : "ahead of") + " the store's",
          "set the clock, for example by NTP: stores refuse requests of another time"};
}

Finding tls_finding(bool tls) {
  if (tls) return {"tls", State::good, "TLS 1.2 or later, and the server's certificate holds", {}};
  return {"tls", State::warning, "plain HTTP: whoever is on the way can read and change it",
          "leave ssl=false out of the address where the server has TLS"};
}

Finding failure_finding(std::string topic, const Error& error) {
  std::string detail(error.message());
  if (!error.request_id().empty()) detail += " (request " + std::string(error.request_id()) + ")";
  return {std::move(topic), State::bad, detail + " (" + std::string(error.reason()) + ")",
          std::string(error.hint())};
}

}  // namespace snapvault::provider
