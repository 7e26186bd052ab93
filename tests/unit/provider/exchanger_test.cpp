#include "provider/exchanger.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "exchange.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("provider/exchanger");

namespace snapvault::provider {
namespace {

using base::kMillisecond;
using base::kSecond;

wire::Response busy() { return answer_of(503); }

ExchangerOptions tries(unsigned most) {
  ExchangerOptions out;
  out.tries_max = most;
  return out;
}

// "host" of each request that was sent.
std::vector<std::string> hosts_of(const ExchangeWorld& world) {
  std::vector<std::string> out;
  for (const auto& sent : world.transport->sent) {
    out.push_back(sent.exchange.request.origin.host);
  }
  return out;
}

std::vector<base::Nanoseconds> pauses_of(const ExchangeWorld& world) {
  std::vector<base::Nanoseconds> out;
  const auto& sent = world.transport->sent;
  for (std::size_t i = 1; i < sent.size(); ++i) out.push_back(sent[i].at - sent[i - 1].at);
  return out;
}

std::string date_in(ExchangeWorld& world, std::int64_t ahead) {
  return wire::http_date(world.env->wall_seconds() + ahead);
}

}  // namespace

TEST_CASE("an answer that is accepted comes back as it is") {
  ExchangeWorld world;
  const std::byte* sent = nullptr;
  world.transport->script = [&](const net::Exchange&, std::size_t) {
    auto out = answer_of(200);
    out.body.resize(1000);
    sent = out.body.data();
    return out;
  };
  auto call = ExchangeWorld::call_of();
  call.answer_max = 5000;
  call.expect_continue = call.direct = true;
  const auto answer = world.send(std::move(call));
  REQUIRE(answer);
  CHECK(answer->body.data() == sent);  // moved all the way
  REQUIRE(world.tries() == 1);
  const auto& exchange = world.transport->sent[0].exchange;
  CHECK(exchange.answer_max == 5000);
  CHECK(exchange.expect_continue);
  CHECK(exchange.direct);
  CHECK(exchange.request.origin.host == "one");
  CHECK(world.field(0, "Signature") == "1");
  CHECK(world.exchanger->concurrency().in_flight() == 0);
}

TEST_CASE("each failure of the transport is repeated where that can help") {
  struct Row {
    Error error;
    std::size_t tries;
  };
  const Row rows[] = {
      {unreachable(), 4},
      {lost_answer(), 4},
      {silent(), 4},
      {Error(Errc::data_loss, reason::bad_answer, "no HTTP"), 4},
      {Error(Errc::data_loss, reason::store_failed, "other bytes"), 1},
      {Error(Errc::precondition_failed, reason::tls, "not trusted"), 1},
      {Error(Errc::invalid_argument, reason::bad_argument, "a line's end"), 1},
      {Error(Errc::resource_exhausted, reason::no_memory, "no memory"), 1},
      {Error(Errc::cancelled, reason::cancelled, "stopped"), 1},
  };
  for (const auto& row : rows) {
    CAPTURE(row.error.message());
    ExchangeWorld world(tries(4));
    world.answers({row.error});
    const auto failed = world.send();
    REQUIRE_FALSE(failed);
    CHECK(world.tries() == row.tries);
    CHECK(failed.error().code() == row.error.code());
    CHECK(failed.error().reason() == row.error.reason());
    CHECK(failed.error().subject() == "object");
    const auto text = (row.tries > 1 ? "after 4 tries: " : "") + std::string(row.error.message());
    CHECK(failed.error().message() == text);
  }
}

TEST_CASE("each failure is forgotten once a later try succeeds") {
  ExchangeWorld world;
  world.answers({unreachable(), busy(), lost_answer(), answer_of(500), answer_of(200)});
  REQUIRE(world.send());
  CHECK(world.tries() == 5);
}

TEST_CASE("every try is made from the request as it was before it was signed") {
  ExchangeWorld world;
  world.answers({busy(), busy(), answer_of(200)});
  auto call = ExchangeWorld::call_of();
  call.request.headers.add("X", "1");
  REQUIRE(world.send(std::move(call)));
  for (const auto& sent : world.transport->sent) CHECK(sent.exchange.request.headers.size() == 3);
}

TEST_CASE("PX-11: what the store says last is the answer, with its id and status") {
  ExchangeWorld world(tries(3));
  world.answers({busy()});
  world.exchanger = std::make_unique<Exchanger>(
      *world.env, world.transport, nullptr,
      [](const wire::Request&, const wire::Response& answer) {
        Verdict out{Verdict::Action::repeat,
                    Error(Errc::unavailable, reason::busy, "too much to do")};
        out.error = std::move(*out.error).with_native(answer.status).with_request_id("id-7");
        return out;
      },
      tries(3));
  const auto failed = world.send();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message() == "after 3 tries: too much to do");
  CHECK(failed.error().request_id() == "id-7");
  CHECK(failed.error().native() == 503);
}

TEST_CASE("pauses are drawn from all of a bound that doubles up to the most") {
  unsigned high = 0, low = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto options = tries(12);
    options.pause_first = 100 * kMillisecond;
    options.pause_max = 5 * kSecond;
    ExchangeWorld world(options, seed);
    world.answers({busy()});
    REQUIRE_FALSE(world.send());
    const auto pauses = pauses_of(world);
    REQUIRE(pauses.size() == 11);
    for (std::size_t i = 0; i < pauses.size(); ++i) {
      const auto bound = std::min(5 * kSecond, (100 * kMillisecond) << i);
      CHECK(pauses[i] <= bound);
      (pauses[i] > bound / 2 ? high : low) += 1;
    }
  }
  // Of 220 fair coins.
  CHECK(high > 80);
  CHECK(low > 80);
}

TEST_CASE("Retry-After is obeyed on top of the pause, up to a minute") {
  struct Row {
    std::function<std::string(ExchangeWorld&)> text;
    base::Nanoseconds least;
  };
  const Row rows[] = {
      {[](ExchangeWorld&) { return std::string("7"); }, 7 * kSecond},
      {[](ExchangeWorld& world) { return date_in(world, 9); }, 9 * kSecond},
      {[](ExchangeWorld&) { return std::string("4000"); }, 60 * kSecond},
      {[](ExchangeWorld& world) { return date_in(world, -9); }, 0},
      {[](ExchangeWorld&) { return std::string("never"); }, 0},
  };
  for (const auto& row : rows) {
    ExchangeWorld world;
    CAPTURE(row.least);
    world.answers({answer_of(503, {{"Retry-After", row.text(world)}}), answer_of(200)});
    REQUIRE(world.send());
    const auto pauses = pauses_of(world);
    REQUIRE(pauses.size() == 1);
    CHECK(pauses[0] >= row.least);
    CHECK(pauses[0] <= row.least + 100 * kMillisecond);
  }
}

TEST_CASE("all tries of a call together end in time, with the last one at the end") {
  auto options = tries(1000);
  options.total_max = 100 * kSecond;
  ExchangeWorld world(options);
  world.answers({answer_of(503, {{"Retry-After", "30"}})});
  const auto failed = world.send();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().reason() == reason::busy);
  CHECK(world.tries() >= 4);
  CHECK(world.tries() <= 5);
  CHECK(world.transport->sent.back().at == 100 * kSecond);
  CHECK(world.env->monotonic() == 100 * kSecond);
}

TEST_CASE("DC-02: a refused credential is renewed once in a call") {
  ExchangeWorld world;
  world.answers({answer_of(401), answer_of(200)});
  REQUIRE(world.send());
  CHECK(world.field(0, "Signature") == "1");
  CHECK(world.field(1, "Signature") == "2");
  CHECK(world.env->monotonic() == 0);  // at once

  ExchangeWorld refused;
  refused.answers({answer_of(401)});
  CHECK(refused.send().error().reason() == reason::bad_credential);
  CHECK(refused.tries() == 2);
  CHECK(refused.signer.renewals == 1);

  ExchangeWorld fixed;
  fixed.signer.renewable = false;
  fixed.answers({answer_of(401)});
  CHECK(fixed.send().error().code() == Errc::unauthenticated);
  CHECK(fixed.tries() == 1);
}

TEST_CASE("many calls that are refused at once renew the credential once") {
  ExchangeWorld world;
  world.transport->delay = kSecond;
  world.transport->script = [](const net::Exchange& exchange, std::size_t) {
    return answer_of(exchange.request.headers.get("Signature") == "1" ? 401 : 200);
  };
  CHECK(world.send_many(20) == 20);
  CHECK(world.signer.renewals == 1);
  CHECK(world.tries() == 40);
}

TEST_CASE("a refused time is corrected by the store's own, for all calls that follow") {
  for (const std::int64_t ahead : {std::int64_t{-86'400}, std::int64_t{7'200}}) {
    CAPTURE(ahead);
    ExchangeWorld world;
    const auto ours = world.env->wall_seconds();
    world.transport->script = [&](const net::Exchange& exchange, std::size_t) {
      const bool right = exchange.request.headers.get("Signed-At") == std::to_string(ours + ahead);
      return answer_of(right ? 200 : 403, {{"Date", date_in(world, ahead)}});
    };
    // Those that are under way with the wrong time are corrected too.
    CHECK(world.send_many(10) == 10);
    CHECK(world.tries() <= 20);
    const auto before = world.tries();
    REQUIRE(world.send());
    CHECK(world.tries() == before + 1);
    CHECK(world.exchanger->now() == ours + ahead);
    CHECK(*world.exchanger->clock_ahead() == ahead);
  }
}

TEST_CASE("a time that is refused again, or without the store's own, is an error") {
  ExchangeWorld again;
  again.answers({answer_of(403, {{"Date", date_in(again, 500)}})});
  CHECK(again.send().error().reason() == reason::clock_skew);
  CHECK(again.tries() == 2);

  ExchangeWorld without;
  without.answers({answer_of(403)});
  CHECK(without.send().error().reason() == reason::clock_skew);
  CHECK(without.tries() == 1);
  CHECK_FALSE(without.exchanger->clock_ahead());

  ExchangeWorld same;
  same.answers({answer_of(403, {{"Date", date_in(same, 0)}})});
  CHECK(same.send().error().reason() == reason::clock_skew);
  CHECK(same.tries() == 1);
}

TEST_CASE("the store's clock is noted from any answer, but used only when ours was refused") {
  ExchangeWorld world;
  const auto ours = world.env->wall_seconds();
  world.answers({answer_of(200, {{"Date", date_in(world, 40)}})});
  REQUIRE(world.send());
  CHECK(*world.exchanger->clock_ahead() == 40);
  CHECK(world.exchanger->now() == ours);
}

TEST_CASE("what a create that was lost before hears of the object says nothing") {
  const Error bad_answer(Errc::data_loss, reason::bad_answer, "no HTTP");
  const std::vector<Result<wire::Response>> maybe_done[] = {
      {lost_answer()}, {silent()}, {bad_answer}, {answer_of(500)}, {answer_of(500), busy()}};
  for (const auto& before : maybe_done) {
    for (const int status : {409, 412, 400, 503}) {
      CAPTURE(status);
      ExchangeWorld world(tries(5));
      auto script = before;
      script.push_back(answer_of(status));
      world.answers(script);
      const auto failed = world.create();
      REQUIRE_FALSE(failed);
      CHECK(failed.error().code() == Errc::outcome_unknown);
      CHECK(failed.error().reason() == reason::lost_answer);
      CHECK(failed.error().subject() == "object");
      CHECK_FALSE(failed.error().message().empty());
    }
    ExchangeWorld world;
    auto script = before;
    script.push_back(answer_of(200));
    world.answers(script);
    CHECK(world.create());
  }
}

TEST_CASE("a create that cannot have taken effect before is told the truth") {
  for (const auto& before :
       {std::vector<Result<wire::Response>>{}, std::vector<Result<wire::Response>>{unreachable()},
        std::vector<Result<wire::Response>>{busy(), answer_of(401)}}) {
    ExchangeWorld world;
    auto script = before;
    script.push_back(answer_of(409));
    world.answers(script);
    const auto failed = world.create();
    CHECK(failed.error().code() == Errc::already_exists);
    CHECK(failed.error().reason() == reason::object_exists);
  }
  for (const auto& error :
       {unreachable(), Error(Errc::precondition_failed, reason::tls, "not trusted"),
        Error(Errc::unauthenticated, reason::bad_credential, "the proxy asks who")}) {
    ExchangeWorld world(tries(3));
    world.answers({error});
    CHECK(world.create().error().code() == error.code());
  }
  ExchangeWorld world(tries(3));  // one that may be repeated
  world.answers({lost_answer(), answer_of(409)});
  CHECK(world.send().error().code() == Errc::already_exists);
}

TEST_CASE("a create whose tries run out after it may have taken effect has no known outcome") {
  for (const auto& last : {lost_answer(), silent(), unreachable()}) {
    ExchangeWorld world(tries(3));
    world.answers({lost_answer(), last});
    CHECK(world.create().error().code() == Errc::outcome_unknown);
    CHECK(world.tries() == 3);
  }
}

TEST_CASE("a signer that fails for now counts as a failed try; another failure ends the call") {
  ExchangeWorld world;
  world.signer.failures = {unreachable(), silent(), lost_answer()};
  REQUIRE(world.create());
  CHECK(world.tries() == 1);  // nothing was sent unsigned

  ExchangeWorld refused;
  refused.signer.failures = {Error(Errc::unauthenticated, reason::no_credential, "none")};
  CHECK(refused.send().error().reason() == reason::no_credential);
  CHECK(refused.tries() == 0);

  // Whatever the signer met, nothing of the request was sent.
  ExchangeWorld never(tries(2));
  never.signer.failures = {lost_answer(), lost_answer()};
  never.answers({answer_of(409)});
  CHECK(never.create().error().code() == Errc::outcome_unknown);
  CHECK(never.create().error().code() == Errc::already_exists);
}

TEST_CASE("DE-05: endpoints are used in turn") {
  ExchangerOptions options;
  options.origins = {{true, "a", 443}, {true, "b", 443}, {true, "c", 443}};
  ExchangeWorld world(options);
  for (int i = 0; i < 6; ++i) REQUIRE(world.send());
  CHECK(hosts_of(world) == std::vector<std::string>{"a", "b", "c", "a", "b", "c"});

  auto call = ExchangeWorld::call_of();
  call.request.origin = {false, "metadata", 80};
  REQUIRE(world.send(std::move(call)));
  CHECK(hosts_of(world).back() == "metadata");
}

TEST_CASE("an endpoint that cannot be reached is passed over, for twice as long each time") {
  ExchangerOptions options;
  options.origins = {{true, "good", 443}, {true, "gone", 443}};
  ExchangeWorld world(options);
  world.transport->script = [](const net::Exchange& exchange, std::size_t) {
    if (exchange.request.origin.host == "gone") return Result<wire::Response>(unreachable());
    return Result<wire::Response>(answer_of(200));
  };
  // A request every tenth of a second, for two minutes.
  auto ask = [](ExchangeWorld& of) -> base::Task<Result<void>> {
    while (of.env->monotonic() < 120 * kSecond) {
      auto sending = of.exchanger->send(ExchangeWorld::call_of(), {});
      const auto answer = co_await std::move(sending);
      if (!answer) co_return answer.error();
      co_await base::sleep_until(*of.env, of.env->monotonic() + 100 * kMillisecond);
    }
    co_return Result<void>();
  };
  REQUIRE(run(*world.env, ask(world)));
  std::vector<std::uint64_t> tenths;
  for (const auto& sent : world.transport->sent) {
    if (sent.exchange.request.origin.host == "gone") tenths.push_back(sent.at / (kSecond / 10));
  }
  // Each try at it costs no pause: the call goes on to the other one.
  REQUIRE(tenths.size() >= 7);
  for (std::size_t i = 1; i < tenths.size(); ++i) {
    CAPTURE(i);
    const auto shunned = std::min<std::uint64_t>(300, 10u << (i - 1));
    CHECK(tenths[i] - tenths[i - 1] >= shunned);
    CHECK(tenths[i] - tenths[i - 1] <= shunned + 2);
  }
  CHECK(world.tries() == 1200 + tenths.size());
}

TEST_CASE("an endpoint counts as good again once it answers") {
  ExchangerOptions options;
  options.origins = {{true, "a", 443}, {true, "b", 443}};
  ExchangeWorld world(options);
  world.answers({unreachable(), answer_of(200)});
  REQUIRE(world.send());
  REQUIRE(world.send());
  CHECK(hosts_of(world) == std::vector<std::string>{"a", "b", "b"});
  pass(*world.env, kSecond);
  REQUIRE(world.send());
  REQUIRE(world.send());
  REQUIRE(world.send());
  CHECK(hosts_of(world) == std::vector<std::string>{"a", "b", "b", "a", "b", "a"});
}

TEST_CASE("an endpoint that answered in between is shut out for the first time again") {
  ExchangerOptions options;
  options.origins = {{true, "a", 443}, {true, "b", 443}};
  ExchangeWorld world(options);
  bool good = false;
  world.transport->script = [&](const net::Exchange& exchange, std::size_t) {
    if (exchange.request.origin.host == "b" || good) return Result<wire::Response>(answer_of(200));
    return Result<wire::Response>(unreachable());
  };
  for (int i = 0; i < 4; ++i) {
    good = false;
    const auto before = world.tries();
    for (int n = 0; n < 4; ++n) REQUIRE(world.send());
    CHECK(world.tries() == before + 5);  // one of them met the bad one
    pass(*world.env, kSecond);
    good = true;
    REQUIRE(world.send());
    REQUIRE(world.send());
  }
}

TEST_CASE("an endpoint is not to blame for a request that was stopped before it came there") {
  ExchangerOptions options;
  options.origins = {{true, "a", 443}, {true, "b", 443}};
  ExchangeWorld world(options);
  std::stop_source stop;
  world.transport->script = [&](const net::Exchange&, std::size_t number) {
    if (number > 1) return Result<wire::Response>(answer_of(200));
    stop.request_stop();
    return Result<wire::Response>(unreachable());
  };
  const auto stopped = world.send(ExchangeWorld::call_of(), {{}, stop.get_token()});
  CHECK(stopped.error().code() == Errc::cancelled);
  for (int i = 0; i < 3; ++i) REQUIRE(world.send());
  CHECK(hosts_of(world) == std::vector<std::string>{"a", "b", "a", "b"});
}

TEST_CASE("endpoints of which none can be reached are all tried all the same") {
  ExchangerOptions options = tries(6);
  options.origins = {{true, "a", 443}, {true, "b", 443}, {true, "c", 443}};
  ExchangeWorld world(options);
  world.answers({unreachable()});
  const auto failed = world.send();
  CHECK(failed.error().reason() == reason::unreachable);
  const auto hosts = hosts_of(world);
  REQUIRE(hosts.size() == 6);
  for (const auto* host : {"a", "b", "c"}) {
    CHECK(std::count(hosts.begin(), hosts.end(), std::string(host)) == 2);
  }
}

TEST_CASE("many requests that fail together shut an endpoint out no longer than one") {
  ExchangerOptions options;
  options.origins = {{true, "a", 443}, {true, "b", 443}};
  ExchangeWorld world(options);
  world.transport->delay = kMillisecond;
  world.transport->script = [](const net::Exchange& exchange, std::size_t) {
    if (exchange.request.origin.host == "a") return Result<wire::Response>(unreachable());
    return Result<wire::Response>(answer_of(200));
  };
  CHECK(world.send_many(20) == 20);
  CHECK(world.tries() == 30);
  pass(*world.env, kSecond);
  CHECK(world.send_many(2) == 2);
  CHECK(world.tries() == 33);
}

TEST_CASE("no more requests are in flight than the limit says") {
  ExchangerOptions options;
  options.parallel_start = options.parallel_max = 4;
  ExchangeWorld world(options);
  world.transport->delay = 10 * kMillisecond;
  CHECK(world.send_many(50) == 50);
  CHECK(world.transport->under_way_most == 4);
}

TEST_CASE("DE-05: a busy or silent store gets fewer requests at once") {
  for (const bool says_so : {true, false}) {
    ExchangeWorld world;
    world.answers({says_so ? Result<wire::Response>(busy()) : Result<wire::Response>(silent()),
                   answer_of(200)});
    CHECK(world.exchanger->concurrency().limit() == 24);
    REQUIRE(world.send());
    CHECK(world.exchanger->concurrency().limit() == 12);
  }
  ExchangeWorld world;
  world.answers({answer_of(500), lost_answer(), unreachable(), answer_of(200)});
  REQUIRE(world.send());
  CHECK(world.exchanger->concurrency().limit() == 24);
}

TEST_CASE("a start above the most parallel requests is the most") {
  ExchangerOptions options;
  options.parallel_max = 3;
  ExchangeWorld world(options);
  CHECK(world.exchanger->concurrency().limit() == 3);
}

TEST_CASE("the id of a request is found under each vendor's name, and holds nothing odd") {
  for (const auto* name :
       {"x-amz-request-id", "X-Ms-Request-Id", "X-GUploader-UploadID", "X-Trans-Id",
        "X-Openstack-Request-Id", "x-goog-request-id", "x-request-id"}) {
    CAPTURE(name);
    CHECK(request_id(answer_of(200, {{"Server", "x"}, {name, "Ab-1=\x01\xff z"}})) == "Ab-1=z");
  }
  CHECK(request_id(answer_of(200)).empty());
  CHECK(request_id(answer_of(200, {{"x-trans-id", std::string(5000, 'x')}})).size() == 128);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
