#include "net/client.hpp"

#include <unistd.h>

#include <mutex>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/strand.hpp>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "net/converse.hpp"
#include "net/dial.hpp"
#include "net/engine.hpp"
#include "net/make_client.hpp"
#include "net/pool.hpp"
#include "net/request_head.hpp"
#include "net/tls.hpp"

namespace snapvault::net {
namespace {

// What is decided when a client is made.
struct Settings {
  ClientOptions options;
  LookUp look_up;
  std::shared_ptr<TlsContext> tls;
  std::optional<Proxy> http_proxy, https_proxy;
};

// What starts with the first request; every exchange keeps it alive.
struct Live {
  explicit Live(const Settings& settings)
      : engine(Engine::shared()),
        dialler(engine, settings.tls, settings.look_up, settings.options.connect_timeout),
        pool(std::make_shared<Pool>(engine->io().get_executor(), settings.options.connections_max,
                                    settings.options.idle_timeout)) {}

  const pid_t process = ::getpid();
  const std::shared_ptr<Engine> engine;  // first: it goes after the sockets, which live in it
  Dialler dialler;
  const std::shared_ptr<Pool> pool;
};

// One request on its way.
struct Job {
  Job(std::shared_ptr<const Settings> set, std::shared_ptr<Live> running,
      const asio::any_io_executor& strand, Exchange what, Completion<wire::Response> then)
      : settings(std::move(set)),
        live(std::move(running)),
        watch(std::make_shared<Watch>(strand, what.limits)),
        exchange(std::move(what)),
        done(std::move(then)) {}

  Result<wire::Response> settle(std::exception_ptr failure);
  Error explain(std::exception_ptr failure) const;
  void finish(std::exception_ptr failure) {
    auto answer = base::answer([&] { return settle(failure); });
    watch->end();
    const auto then = std::move(done);
    result.reset();
    exchange = {};
    // Before the one who waits hears of it, so that the last client to go finds nobody here.
    settings.reset();
    live.reset();
    then(std::move(answer));
  }

  std::shared_ptr<const Settings> settings;
  std::shared_ptr<Live> live;
  std::shared_ptr<Watch> watch;
  Exchange exchange;
  Completion<wire::Response> done;
  Conversation so_far;
  std::optional<Result<wire::Response>> result;
};

Route route_of(const Settings& settings, const Exchange& exchange) {
  Route route{exchange.request.origin, {}};
  const auto& proxy = route.origin.tls ? settings.https_proxy : settings.http_proxy;
  if (proxy && !exchange.direct && !is_excluded(settings.options.no_proxy, route.origin)) {
    route.proxy = proxy;
  }
  return route;
}

// A server may close a connection that waits at the very moment when it is used again. A request
// that cannot have taken effect, or may be repeated (RFC 9110 section 9.2.2), is then sent once
// more, on a new one.
bool is_stale(const Job& job, const Result<wire::Response>& answer) {
  if (answer || job.so_far.answered) return false;
  if (!job.so_far.sent) return answer.error().reason() == reason::unreachable;
  if (answer.error().reason() != reason::lost_answer) return false;
  const auto& request = job.exchange.request;
  if (request.body.size() > 0) return !job.so_far.body_begun;
  return request.method == "GET" || request.method == "HEAD" || request.method == "DELETE";
}

// One try: on a connection that waits, or on a new one.
Awaitable<Result<wire::Response>> attempt(Job& job, const Route& route, bool fresh, bool& reused) {
  const auto key = route.key();
  const bool forwarded = route.proxy && !route.origin.tls;
  const base::SecretText none;
  auto head = build_head(job.exchange, forwarded, forwarded ? route.proxy->authorization : none);
  if (!head) co_return std::move(head).error();
  auto stream = fresh ? nullptr : job.live->pool->take(key);
  reused = stream != nullptr;
  if (!stream) {
    auto dialling = job.live->dialler.dial(*job.watch, route);
    auto made = co_await std::move(dialling);
    if (!made) co_return std::move(made).error();
    stream = *std::move(made);
  }
  job.so_far = {};
  auto talking = converse(*stream, *job.watch, job.exchange, head->reveal(),
                          job.settings->options.step_timeout, job.so_far);
  auto answer = co_await std::move(talking);
  if (job.so_far.reusable) job.live->pool->give(key, std::move(stream));
  if (answer && answer->status == 407 && forwarded) co_return proxy_denied(*route.proxy);
  co_return answer;
}

Awaitable<void> run(std::shared_ptr<Job> job) {
  if (!job->watch->begin()) co_return;
  job->watch->expect("waiting for a free connection", {});
  const auto route = route_of(*job->settings, job->exchange);
  auto entering = job->live->pool->enter(route.key());
  const auto slot = co_await std::move(entering);
  bool reused = false;
  auto attempting = attempt(*job, route, false, reused);
  auto answer = co_await std::move(attempting);
  // A server that does not know Expect says 417, and is asked without (RFC 9110 section 10.1.1).
  const bool unexpected = answer && answer->status == 417 && job->exchange.expect_continue;
  if (unexpected) job->exchange.expect_continue = false;
  if (unexpected || (reused && is_stale(*job, answer))) {
    auto again = attempt(*job, route, true, reused);
    answer = co_await std::move(again);
  }
  job->result.emplace(std::move(answer));
}

// Why a wait was ended from outside.
Error Job::explain(std::exception_ptr failure) const {
  const auto host = exchange.request.origin.host_field();
  const auto doing = std::string(" while ") + watch->doing();
  switch (watch->why()) {
    case Watch::Why::stopped:
      return Error(Errc::cancelled, reason::cancelled, "the request was cancelled");
    case Watch::Why::deadline:
    case Watch::Why::step:
      return Error(Errc::deadline_exceeded, so_far.sent ? reason::deadline : reason::unreachable,
                   (watch->why() == Watch::Why::deadline ? "the time of the request was over"
                                                         : "the server did not answer in time") +
                       doing)
          .with_subject(host);
    case Watch::Why::nothing:
      break;
  }
  auto error = failure ? base::error_from(failure)
                       : Error(Errc::internal, reason::unexpected, "an exchange without a result");
  if (error.code() != Errc::internal) return error;
  return Error(
             so_far.sent ? Errc::outcome_unknown : Errc::unavailable,
             so_far.sent ? reason::lost_answer : reason::unreachable,
             "the exchange with the server broke off" + doing + ": " + std::string(error.message()))
      .with_subject(host);
}

// When the wait was ended from outside, a result that came all the same is kept only if it is an
// answer.
Result<wire::Response> Job::settle(std::exception_ptr failure) {
  if (result && *result) return *std::move(result);
  if (failure || !result || watch->why() != Watch::Why::nothing) return explain(failure);
  auto error = std::move(*result).error();
  if (!error.subject().empty()) return error;
  return std::move(error).with_subject(exchange.request.origin.host_field());
}

class Client final : public Transport {
 public:
  explicit Client(std::shared_ptr<const Settings> settings) : settings_(std::move(settings)) {}
  ~Client() override {
    if (live_ && live_->process != ::getpid()) abandon();
  }

  void send(Exchange exchange, Completion<wire::Response> done) override {
    try {
      start(std::move(exchange), done);
    } catch (...) {
      done(base::error_from(std::current_exception()));
    }
  }

 private:
  void start(Exchange exchange, const Completion<wire::Response>& done) {
    auto running = live();
    const asio::any_io_executor strand = asio::make_strand(running->engine->io());
    const auto job =
        std::make_shared<Job>(settings_, std::move(running), strand, std::move(exchange), done);
    auto ended = [job](std::exception_ptr failure) { job->finish(failure); };
    asio::co_spawn(strand, run(job), asio::bind_cancellation_slot(job->watch->slot(), ended));
  }

  std::shared_ptr<Live> live() {
    const std::lock_guard lock(mutex_);
    if (live_ && live_->process != ::getpid()) abandon();
    if (!live_) live_ = std::make_shared<Live>(*settings_);
    return live_;
  }

  // In a forked child: the threads are not here, and to close what waits would take it from the
  // parent's epoll. So all of it stays as it is.
  void abandon() noexcept {
    static std::mutex mutex;
    static std::vector<std::shared_ptr<Live>>* const left = new std::vector<std::shared_ptr<Live>>;
    try {
      const std::lock_guard lock(mutex);
      left->reserve(left->size() + 1);
      left->push_back(std::move(live_));
    } catch (...) {  // no memory: then without a trace
      alignas(std::shared_ptr<Live>) std::byte place[sizeof(std::shared_ptr<Live>)];
      new (place) std::shared_ptr<Live>(std::move(live_));
    }
  }

  std::mutex mutex_;
  const std::shared_ptr<const Settings> settings_;
  std::shared_ptr<Live> live_;
};

}  // namespace

Result<std::shared_ptr<Transport>> make_client(ClientOptions options) {
  return make_client(std::move(options), ask_system);
}

Result<std::shared_ptr<Transport>> make_client(ClientOptions options, LookUp look_up) {
  auto settings = std::make_shared<Settings>();
  settings->look_up = std::move(look_up);
  SV_TRY(settings->tls, TlsContext::make(options));
  if (!options.http_proxy.empty()) {
    SV_TRY(settings->http_proxy, parse_proxy(options.http_proxy));
  }
  if (!options.https_proxy.empty()) {
    SV_TRY(settings->https_proxy, parse_proxy(options.https_proxy));
  }
  base::wipe(options.http_proxy);
  base::wipe(options.https_proxy);
  settings->options = std::move(options);
  return std::make_shared<Client>(std::move(settings));
}

}  // namespace snapvault::net
