#include "provider/shortly.hpp"

#include <algorithm>
#include <optional>
#include <stop_token>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/exchanger.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

struct Watched {
  std::stop_source stop;
  std::optional<Result<wire::Response>> answer;
};

base::Task<Result<void>> run(base::Task<Result<wire::Response>> transferring, Watched& watched) {
  auto answer = co_await std::move(transferring);
  watched.answer.emplace(std::move(answer));
  co_return Result<void>();
}

base::Task<Result<void>> watch(base::Env& env, Watched& watched, base::Nanoseconds until,
                               RequestLimits limits) {
  while (!watched.answer && env.monotonic() < until && check(limits)) {
    const auto next = std::min(until, env.monotonic() + 10 * base::kMillisecond);
    co_await base::sleep_until(env, next);
  }
  watched.stop.request_stop();
  co_return Result<void>();
}

}  // namespace

base::Task<Result<wire::Response>> transfer_shortly(base::Env& env, net::Transport& transport,
                                                    net::Exchange exchange, base::Nanoseconds most,
                                                    RequestLimits limits) {
  Watched watched;
  exchange.limits.stop = watched.stop.get_token();
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    auto first = group.spawn(run(transfer(env, transport, std::move(exchange)), watched));
    co_await std::move(first);
    auto second = group.spawn(watch(env, watched, env.monotonic() + most, limits));
    co_await std::move(second);
    co_return Result<void>();
  };
  auto running = base::with_group(env.loop(), 2, body);
  const auto ran = co_await std::move(running);
  if (!ran) co_return ran.error();
  if (!watched.answer) {
    co_return Error(Errc::internal, reason::unexpected, "an exchange ended without an answer");
  }
  co_return *std::move(watched.answer);
}

}  // namespace snapvault::provider
