#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "fake_s3.hpp"
#include "provider/s3/judge.hpp"

TEST_SUITE_BEGIN("s3/refusals");

namespace snapvault::provider {
namespace {

using Action = Verdict::Action;
const std::string kPlain = "?endpoint=host:9000&ssl=false";

Verdict judge(int status, const std::string& code, const std::string& method = "GET") {
  wire::Request request;
  request.method = method;
  auto response =
      response_of(status, code.empty() ? "" : "<Error><Code>" + code + "</Code></Error>");
  response.headers.add("x-amz-request-id", "ID1");
  return judge_s3(request, response, [](const std::string&) {});
}

struct Refusal {
  int status;
  const char* code;
  Action action;
  Errc errc;
  const char* why;
  bool busy = false, maybe_done = false;
};
const Refusal kRefusals[] = {
    {403, "AccessDenied", Action::refuse, Errc::permission_denied, reason::permission},
    {403, "", Action::refuse, Errc::permission_denied, reason::permission},
    {403, "InvalidAccessKeyId", Action::renew, Errc::unauthenticated, reason::bad_credential},
    {403, "SignatureDoesNotMatch", Action::renew, Errc::unauthenticated, reason::bad_credential},
    {401, "", Action::renew, Errc::unauthenticated, reason::bad_credential},
    {400, "ExpiredToken", Action::renew, Errc::unauthenticated, reason::expired_credential},
    {400, "TokenRefreshRequired", Action::renew, Errc::unauthenticated, reason::expired_credential},
    {400, "InvalidToken", Action::renew, Errc::unauthenticated, reason::bad_credential},
    {403, "InvalidTokenId", Action::renew, Errc::unauthenticated, reason::bad_credential},
    {403, "RequestTimeTooSkewed", Action::clock, Errc::unauthenticated, reason::clock_skew},
    {404, "NoSuchBucket", Action::refuse, Errc::not_found, reason::no_bucket},
    {404, "NoSuchKey", Action::refuse, Errc::not_found, reason::no_object},
    {404, "", Action::refuse, Errc::not_found, reason::no_object},
    {412, "PreconditionFailed", Action::refuse, Errc::already_exists, reason::object_exists},
    {412, "", Action::refuse, Errc::already_exists, reason::object_exists},
    {416, "InvalidRange", Action::refuse, Errc::invalid_argument, reason::range},
    {416, "", Action::refuse, Errc::invalid_argument, reason::range},
    {409, "ConditionalRequestConflict", Action::repeat, Errc::unavailable, reason::busy},
    {409, "OperationAborted", Action::repeat, Errc::unavailable, reason::busy},
    {409, "SomethingElse", Action::refuse, Errc::precondition_failed, reason::store_failed},
    {400, "RequestTimeout", Action::repeat, Errc::unavailable, reason::busy},
    {400, "BadDigest", Action::repeat, Errc::data_loss, reason::store_failed},
    {400, "XAmzContentSHA256Mismatch", Action::repeat, Errc::data_loss, reason::store_failed},
    {400, "IncompleteBody", Action::repeat, Errc::unavailable, reason::lost_answer},
    {503, "SlowDown", Action::repeat, Errc::unavailable, reason::busy, true},
    {503, "ServiceUnavailable", Action::repeat, Errc::unavailable, reason::busy, true},
    {503, "", Action::repeat, Errc::unavailable, reason::busy, true},
    {429, "TooManyRequests", Action::repeat, Errc::unavailable, reason::busy, true},
    {429, "", Action::repeat, Errc::unavailable, reason::busy, true},
    {500, "InternalError", Action::repeat, Errc::unavailable, reason::store_failed, false, true},
    {500, "", Action::repeat, Errc::unavailable, reason::store_failed, false, true},
    {502, "", Action::repeat, Errc::unavailable, reason::store_failed, false, true},
    {504, "", Action::repeat, Errc::unavailable, reason::store_failed, false, true},
    {413, "EntityTooLarge", Action::refuse, Errc::resource_exhausted, reason::too_large},
    {413, "", Action::refuse, Errc::resource_exhausted, reason::too_large},
    {403, "QuotaExceeded", Action::refuse, Errc::resource_exhausted, reason::no_space},
    {400, "XMinioAdminBucketQuotaExceeded", Action::refuse, Errc::resource_exhausted,
     reason::no_space},
    {507, "XMinioStorageFull", Action::refuse, Errc::resource_exhausted, reason::no_space},
    {507, "", Action::refuse, Errc::resource_exhausted, reason::no_space},
    {403, "InvalidObjectState", Action::refuse, Errc::precondition_failed, reason::store_failed},
    {400, "KeyTooLongError", Action::refuse, Errc::invalid_argument, reason::bad_name},
    {400, "InvalidBucketName", Action::refuse, Errc::invalid_argument, reason::bad_url},
    {400, "AuthorizationHeaderMalformed", Action::refuse, Errc::unauthenticated,
     reason::bad_credential},
    {301, "PermanentRedirect", Action::refuse, Errc::invalid_argument, reason::wrong_region},
    {302, "", Action::refuse, Errc::precondition_failed, reason::store_failed},
    {301, "", Action::refuse, Errc::precondition_failed, reason::store_failed},
    {501, "NotImplemented", Action::refuse, Errc::precondition_failed, reason::store_failed},
    {400, "NeverHeardOf", Action::refuse, Errc::precondition_failed, reason::store_failed},
};

}  // namespace

TEST_CASE("PX-11: each refusal has its own reason, what is done about it, and its request's id") {
  for (const auto& row : kRefusals) {
    CAPTURE(row.status);
    CAPTURE(row.code);
    const auto verdict = judge(row.status, row.code);
    CHECK(verdict.action == row.action);
    CHECK(verdict.busy == row.busy);
    CHECK(verdict.maybe_done == row.maybe_done);
    REQUIRE(verdict.error);
    CHECK(verdict.error->code() == row.errc);
    CHECK(verdict.error->reason() == row.why);
    CHECK(verdict.error->native() == row.status);
    CHECK(verdict.error->request_id() == "ID1");
    CHECK_FALSE(verdict.error->message().empty());
  }
}

TEST_CASE("a success is one, unless it may hold an error and does") {
  CHECK(judge(200, "").action == Action::accept);
  CHECK(judge(204, "").action == Action::accept);
  CHECK(judge(206, "").action == Action::accept);
  CHECK(judge(200, "SlowDown").action == Action::accept);  // the bytes of an object
  const auto hidden = judge(200, "SlowDown", "POST");
  CHECK(hidden.action == Action::repeat);
  CHECK(hidden.busy);
  CHECK(hidden.maybe_done);
  CHECK(judge(200, "NeverHeardOf", "POST").action == Action::repeat);
  CHECK(judge(200, "AccessDenied", "POST").action == Action::refuse);
}

TEST_CASE("what a server says is shown, but no more of it than a line") {
  wire::Request request;
  const auto response =
      response_of(400, "<Error><Code>Odd</Code><Message>one&#10;two \xC3\xA9" +
                           std::string(1000, 'x') + "</Message><RequestId>a b\xC3\xA9" +
                           std::string(1000, 'i') + "</RequestId></Error>");
  const auto verdict = judge_s3(request, response, [](const std::string&) {});
  CHECK(verdict.error->message().starts_with("the store answered Odd: onetwo xxx"));
  CHECK(verdict.error->message().size() < 250);
  CHECK(verdict.error->request_id().starts_with("abiii"));
  CHECK(verdict.error->request_id().size() <= 128);
}

TEST_CASE("a clock that differs is corrected by the store's") {
  S3World world("s3://clocks" + kPlain);
  world.server->clock_ahead = -2 * 86400;
  REQUIRE(world.put("k", "x"));
  CHECK(world.server->sent.size() == 2);
  REQUIRE(world.get("k"));
  CHECK(world.server->sent.size() == 3);
  S3World timeless("s3://clocks" + kPlain);
  timeless.server->clock_ahead = 3600;
  timeless.server->edit = [](const net::Exchange&, wire::Response& answer) {
    answer.headers.remove("Date");
  };
  const auto error = timeless.put("k", "x").error();
  CHECK(error.code() == Errc::unauthenticated);
  CHECK(error.reason() == reason::clock_skew);
  CHECK_FALSE(error.hint().empty());
}

TEST_CASE("a credential that is refused is fetched once more, and then reported") {
  S3World world("s3://renews" + kPlain, {{"AWS_SESSION_TOKEN", "old"}});
  world.server->token = "new";
  int refused = 0;
  world.server->edit = [&](const net::Exchange&, wire::Response& answer) {
    if (answer.status != 200) ++refused;
    world.variables["AWS_SESSION_TOKEN"] = "new";
  };
  CHECK(world.put("k", "x"));
  CHECK(refused == 1);
  CHECK(world.last_field("X-Amz-Security-Token") == "new");
  world.server->token = "other";
  const auto error = world.put("l", "x").error();
  CHECK(error.code() == Errc::unauthenticated);
  CHECK(error.reason() == reason::expired_credential);
  CHECK(refused == 3);
  CHECK(error.message().find("new") == std::string::npos);
}

TEST_CASE("DC-02: another region is found out and kept") {
  struct Row {
    const char* what;
    int status;
    const char* code;
    bool in_body;
  };
  const Row rows[] = {
      {"by the error", 400, "AuthorizationHeaderMalformed", true},
      {"by a redirect's head", 301, "PermanentRedirect", false},
      {"by a redirect's body", 301, "PermanentRedirect", true},
      {"by a redirect for a while", 307, "TemporaryRedirect", false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    S3World world("s3://bucket");
    world.server->region = "eu-central-1";
    world.server->edit = [&](const net::Exchange& exchange, wire::Response& answer) {
      const auto& host = exchange.request.origin.host;
      if (host == "bucket.s3.eu-central-1.amazonaws.com") return;
      CHECK(host == "bucket.s3.us-east-1.amazonaws.com");
      answer = world.server->error(row.status, row.code,
                                   row.in_body ? "<Region>eu-central-1</Region>" : "");
      answer.headers.add("Location", "https://elsewhere.example/");
      if (!row.in_body) answer.headers.add("x-amz-bucket-region", "eu-central-1");
    };
    REQUIRE(world.put("k", "x"));
    CHECK(world.server->sent.size() == 2);
    REQUIRE(world.get("k"));
    CHECK(world.server->sent.size() == 3);
  }
}

TEST_CASE("another region is found out by a HEAD, and at an endpoint that stays what it is") {
  S3World world("s3://regional" + kPlain);
  world.server->region = "eu-central-1";
  CHECK(world.stat("k").error().reason() == reason::no_object);
  for (const auto& sent : world.server->sent) CHECK(sent.request.origin.host == "host");
}

TEST_CASE("a region that no server may name is not followed") {
  for (const auto& region : {std::string("evil.example/"), std::string("a.b"), std::string("x@y"),
                             std::string(), std::string(41, 'r')}) {
    CAPTURE(region);
    S3World world("s3://bucket");
    world.server->edit = [&](const net::Exchange&, wire::Response& answer) {
      answer = world.server->error(301, "PermanentRedirect", "<Region>" + region + "</Region>");
    };
    const auto error = world.get("k").error();
    CHECK(error.code() == Errc::invalid_argument);
    CHECK(error.reason() == reason::wrong_region);
    CHECK(error.hint().find("region=") != std::string::npos);
    CHECK(world.server->sent.size() <= 2);
    for (const auto& sent : world.server->sent) {
      CHECK(sent.request.origin.host == "bucket.s3.us-east-1.amazonaws.com");
    }
  }
}

TEST_CASE("a server that sends us from region to region is not followed for long") {
  S3World world("s3://bucket");
  int count = 0;
  world.server->edit = [&](const net::Exchange&, wire::Response& answer) {
    answer = world.server->error(301, "PermanentRedirect",
                                 "<Region>r-" + std::to_string(++count) + "</Region>");
  };
  CHECK(world.get("k").error().reason() == reason::wrong_region);
  CHECK(world.server->sent.size() == 2);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
