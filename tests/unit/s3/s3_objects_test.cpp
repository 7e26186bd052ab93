#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "fake_s3.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("s3/objects");

namespace snapvault::provider {
namespace {

using Calls = std::vector<std::string>;

const std::string kPlain = "?endpoint=host:9000&ssl=false";

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 7;
  for (auto& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

// An answer of the server itself with another body or head.
void edit_gets(S3World& world, std::function<void(wire::Response&)> how) {
  world.server->edit = [how](const net::Exchange& exchange, wire::Response& answer) {
    if (exchange.request.method == "GET") how(answer);
  };
}

}  // namespace

TEST_CASE(
    "DC-02: objects are put, read, listed and removed below the prefix, each request signed") {
  for (const std::string url : {"s3://round/trip/a?endpoint=host:9000&ssl=false",
                                "s3://round/trip/a?endpoint=host", "s3://round/trip/a"}) {
    CAPTURE(url);
    S3World world(url);
    REQUIRE(world.put("k/one", "first"));
    REQUIRE(world.put("k/two", ""));
    CHECK(world.server->objects.count("trip/a/k/one") == 1);
    CHECK(*world.get("k/one") == "first");
    CHECK(*world.get("k/two") == "");
    const auto info = world.stat("k/one");
    REQUIRE(info);
    CHECK(info->key == "k/one");
    CHECK(info->size == 5);
    CHECK(info->modified == wire::parse_iso_date("2026-01-02T03:04:05Z"));
    const auto page = world.list("k/");
    REQUIRE(page);
    REQUIRE(page->objects.size() == 2);
    CHECK(page->objects[0].key == "k/one");
    CHECK(page->objects[0].size == 5);
    CHECK(page->objects[0].modified == info->modified);
    CHECK_FALSE(page->truncated);
    REQUIRE(world.remove({"k/one", "k/two", "k/three"}));
    CHECK(world.server->objects.empty());
    CHECK(world.server->calls() == Calls{"PUT trip/a/k/one", "PUT trip/a/k/two", "GET trip/a/k/one",
                                         "GET trip/a/k/two", "HEAD trip/a/k/one",
                                         "GET  list-type encoding-type max-keys prefix",
                                         "POST  delete"});
    for (const auto& sent : world.server->sent) {
      CHECK(sent.request.headers.find("Authorization"));
      CHECK_FALSE(sent.direct);
    }
  }
}

TEST_CASE("DC-02: the bucket stands before Amazon's host, and in the path elsewhere") {
  struct Row {
    std::string url, host, path;
  };
  const Row rows[] = {
      {"s3://bucket/p", "bucket.s3.us-east-1.amazonaws.com", "/p/k"},
      {"s3://bucket/p?region=eu-west-1", "bucket.s3.eu-west-1.amazonaws.com", "/p/k"},
      {"s3://bucket?region=cn-north-1", "bucket.s3.cn-north-1.amazonaws.com.cn", "/k"},
      {"s3://bucket?path_style=true", "s3.us-east-1.amazonaws.com", "/bucket/k"},
      {"s3://with.dot", "s3.us-east-1.amazonaws.com", "/with.dot/k"},
      {"s3://with.dot?ssl=false", "with.dot.s3.us-east-1.amazonaws.com", "/k"},
      {"s3://Old_One", "s3.us-east-1.amazonaws.com", "/Old_One/k"},
      {"s3://bucket?endpoint=s3.us-east-1.amazonaws.com", "bucket.s3.us-east-1.amazonaws.com",
       "/k"},
      {"s3://bucket/p?endpoint=host:9000", "host", "/bucket/p/k"},
      {"s3://bucket?endpoint=host&path_style=false", "bucket.host", "/k"},
      {"s3://bucket?endpoint=10.0.0.1", "10.0.0.1", "/bucket/k"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.url);
    S3World world(row.url);
    world.server->script = [](const net::Exchange&) { return response_of(200, "x"); };
    REQUIRE(world.get("k"));
    CHECK(world.server->sent.back().request.origin.host == row.host);
    CHECK(world.server->sent.back().request.path == row.path);
  }
}

TEST_CASE("a body is hashed for its signature, but a long one under TLS is guarded by that") {
  const auto small = noise(16 << 10), large = noise((16 << 10) + 1);
  S3World plain("s3://hashed" + kPlain), tls("s3://hashed?endpoint=host");
  REQUIRE(plain.put("small", small));
  REQUIRE(plain.put("large", large));  // the server compares the hash
  CHECK(plain.last_field("X-Amz-Content-Sha256").size() == 64);
  REQUIRE(tls.put("small", small));
  CHECK(tls.last_field("X-Amz-Content-Sha256").size() == 64);
  REQUIRE(tls.put("large", large));
  CHECK(tls.last_field("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD");
}

TEST_CASE("leave to send a body is asked for from a megabyte on") {
  S3World world("s3://leave" + kPlain);
  REQUIRE(world.put("small", noise((1 << 20) - 1)));
  CHECK_FALSE(world.server->sent.back().expect_continue);
  REQUIRE(world.put("large", noise(1 << 20)));
  CHECK(world.server->sent.back().expect_continue);
}

TEST_CASE("a range is asked for as such, and gives its bytes or an error") {
  S3World world("s3://ranges" + kPlain);
  REQUIRE(world.put("k", "0123456789"));
  REQUIRE(world.put("none", ""));
  CHECK(*world.get("k", 2, 3) == "234");
  CHECK(world.last_field("Range") == "bytes=2-4");
  CHECK(*world.get("k", 7) == "789");
  CHECK(world.last_field("Range") == "bytes=7-");
  CHECK(*world.get("k", 0, 10) == "0123456789");
  const auto refused = [&](const std::string& key, std::uint64_t offset, std::uint64_t length) {
    const auto got = world.get(key, offset, length);
    CHECK(got.error().code() == Errc::invalid_argument);
    CHECK(got.error().reason() == reason::range);
  };
  refused("k", 5, 6);   // the server gives what there is
  refused("k", 10, 1);  // 416
  refused("k", 11, 0);  // 416
  refused("none", 0, 1);
  refused("k", 1, ~0ull);
  refused("k", ~0ull, 1);
}

TEST_CASE("a server that answers 200 to a range is taken at its word") {
  S3World world("s3://wholes" + kPlain);
  REQUIRE(world.put("k", "0123456789"));
  SUBCASE("with all of the object") {
    world.server->ranges = false;
    CHECK(*world.get("k", 2, 3) == "234");
    CHECK(*world.get("k", 7) == "789");
    CHECK(world.get("k", 8, 3).error().reason() == reason::range);
    CHECK(world.get("k", 10, 1).error().reason() == reason::range);
  }
  SUBCASE("with the range, and Content-Range says so") {
    edit_gets(world, [](wire::Response& answer) { answer.status = 200; });
    CHECK(*world.get("k", 2, 3) == "234");
    CHECK(world.get("k", 8, 3).error().reason() == reason::range);
  }
}

TEST_CASE("an answer with another range than asked for is refused") {
  S3World world("s3://others" + kPlain);
  REQUIRE(world.put("k", "0123456789"));
  for (const std::string said : {"bytes 3-5/10", "bytes 2-3/10", "bytes 2-5/10", "bytes */10",
                                 "2-4/10", "bytes 2-4", "bytes 4-2/10", "bytes 2-4/4", ""}) {
    CAPTURE(said);
    edit_gets(world, [&](wire::Response& answer) { answer.headers.set("Content-Range", said); });
    const auto got = world.get("k", 2, 3);
    CHECK(got.error().code() == Errc::data_loss);
    CHECK(got.error().reason() == reason::bad_answer);
    CHECK_FALSE(got.error().request_id().empty());
  }
  edit_gets(world, [](wire::Response& answer) {
    answer.headers.set("Content-Range", "bytes 2-3/10");
    answer.body.resize(2);
  });
  CHECK(world.get("k", 2, 3).error().reason() == reason::bad_answer);
  edit_gets(world, [](wire::Response& answer) {
    answer.headers.set("Content-Range", "bytes 2-4/*");  // the size is not told
  });
  CHECK(*world.get("k", 2, 3) == "234");
}

TEST_CASE("the answer to a range is bounded by it") {
  S3World world("s3://bounds" + kPlain);
  REQUIRE(world.put("k", "0123456789"));
  REQUIRE(world.get("k", 2, 3));
  CHECK(world.server->sent.back().answer_max == 1 << 20);
  world.server->script = [](const net::Exchange&) { return response_of(404); };
  CHECK_FALSE(world.get("k", 2, 5 << 20));
  CHECK(world.server->sent.back().answer_max == 5 << 20);
  CHECK_FALSE(world.get("k"));
  CHECK(world.server->sent.back().answer_max == 512 << 20);
}

TEST_CASE("an object that is not there is told apart from a bucket that is not") {
  S3World world("s3://missing" + kPlain);
  CHECK(world.get("k").error().reason() == reason::no_object);
  CHECK(world.get("k").error().code() == Errc::not_found);
  CHECK(world.get("k").error().subject() == "k");
  CHECK(world.stat("k").error().reason() == reason::no_object);
  world.server->calls();
  REQUIRE(world.list());
  CHECK(world.stat("k").error().reason() == reason::no_object);
  CHECK(world.server->calls() ==
        Calls{"GET  list-type encoding-type max-keys prefix", "HEAD k"});  // the bucket is known

  S3World gone("s3://missing2" + kPlain);
  gone.server->exists = false;
  for (const auto& error : {gone.get("k").error(), gone.stat("k").error(), gone.list().error(),
                            gone.put("k", "x").error()}) {
    CHECK(error.code() == Errc::not_found);
    CHECK(error.reason() == reason::no_bucket);
    CHECK(error.hint().find("--create-bucket") != std::string::npos);
    CHECK_FALSE(error.request_id().empty());
  }
}

TEST_CASE("a HEAD that is refused is explained by a GET") {
  S3World world("s3://heads" + kPlain);
  REQUIRE(world.put("k", "12345"));
  REQUIRE(world.put("none", ""));
  SUBCASE("the clock differs: it is corrected, and the object looked at") {
    world.server->clock_ahead = 3 * 3600;
    const auto info = world.stat("k");
    REQUIRE(info);
    CHECK(info->size == 5);
    CHECK(world.stat("none")->size == 0);
  }
  SUBCASE("the clock differs, and the object is empty") {
    world.server->clock_ahead = -3 * 3600;
    const auto info = world.stat("none");
    REQUIRE(info);
    CHECK(info->size == 0);
  }
  SUBCASE("the key is unknown") {
    world.server->key_id = "OTHER";
    CHECK(world.stat("k").error().reason() == reason::bad_credential);
  }
  SUBCASE("the secret is another one") {
    world.server->secret = "other";
    const auto error = world.stat("k").error();
    CHECK(error.code() == Errc::unauthenticated);
    CHECK(error.reason() == reason::bad_credential);
    CHECK_FALSE(error.hint().empty());
  }
  SUBCASE("the object is not there, which only a GET may be told") {
    world.server->edit = [](const net::Exchange& exchange, wire::Response& answer) {
      if (exchange.request.method == "HEAD") answer.status = 403;
    };
    CHECK(world.stat("other").error().reason() == reason::no_object);
  }
}

TEST_CASE("an object without a size is no answer") {
  S3World world("s3://sizes" + kPlain);
  world.server->script = [](const net::Exchange&) { return response_of(200); };
  const auto error = world.stat("k").error();
  CHECK(error.code() == Errc::data_loss);
  CHECK(error.reason() == reason::bad_answer);
}

TEST_CASE("a put creates only if absent, or replaces where that is asked for") {
  S3World world("s3://creates" + kPlain);
  REQUIRE(world.put("k", "first"));
  CHECK(world.last_field("If-None-Match") == "*");
  const auto second = world.put("k", "second");
  CHECK(second.error().code() == Errc::already_exists);
  CHECK(second.error().reason() == reason::object_exists);
  CHECK(*world.get("k") == "first");
  REQUIRE(world.put("k", "third", false));
  CHECK(world.last_field("If-None-Match").empty());
  CHECK(*world.get("k") == "third");
}

TEST_CASE("a create whose answer was lost is not told to exist already by itself") {
  S3World world("s3://lost" + kPlain);
  bool lost = false;
  world.server->script = [&](const net::Exchange&) -> std::optional<Result<wire::Response>> {
    if (std::exchange(lost, true)) return {};
    world.server->objects["k"] = {"x", {}};
    return Error(Errc::outcome_unknown, reason::lost_answer, "the connection broke");
  };
  const auto put = world.put("k", "x");
  CHECK(put.error().code() == Errc::outcome_unknown);
  CHECK(put.error().reason() == reason::lost_answer);
}

TEST_CASE("a race that the server is settling is waited for") {
  S3World world("s3://settling" + kPlain);
  int answers = 0;
  world.server->script = [&](const net::Exchange&) -> std::optional<Result<wire::Response>> {
    if (++answers > 2) return {};
    return world.server->error(409, "ConditionalRequestConflict");
  };
  CHECK(world.put("k", "x"));
  CHECK(answers == 3);
}

TEST_CASE("a server in a file system that stumbles over a folder's end is asked again") {
  S3World world("s3://stumbles" + kPlain);
  int answers = 0;
  int status = 403;
  std::string code = "AccessDenied";
  world.server->script = [&](const net::Exchange&) -> std::optional<Result<wire::Response>> {
    if (++answers > 3) return {};
    return world.server->error(status, code);
  };
  CHECK(world.put("a", "x"));
  CHECK(answers == 4);
  answers = 0;
  status = 409;
  code = "ExistingObjectIsDirectory";
  CHECK(world.put("b", "x"));
  answers = -100;
  CHECK(world.put("c", "x").error().native() == 409);
  CHECK(answers == -96);
  S3World amazon("s3://stumbles");
  amazon.server->script = [&](const net::Exchange&) {
    return amazon.server->error(403, "AccessDenied");
  };
  CHECK(amazon.put("a", "x").error().reason() == reason::permission);
  CHECK(amazon.server->sent.size() == 1);
}

TEST_CASE("several endpoints are used in turn, and one that is dead is passed over") {
  S3World world("s3://turns?endpoint=one:1,two:2&ssl=false");
  for (const auto* key : {"a", "b", "c", "d"}) REQUIRE(world.put(key, "x"));
  std::map<std::string, int> hosts;
  for (const auto& sent : world.server->sent) ++hosts[sent.request.origin.host];
  CHECK(hosts == std::map<std::string, int>{{"one", 2}, {"two", 2}});
  world.server->script =
      [](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    if (exchange.request.origin.host == "two") return {};
    return Error(Errc::unavailable, reason::unreachable, "nothing is there");
  };
  for (const auto* key : {"e", "f", "g", "h"}) CHECK(world.put(key, "x"));
}

TEST_CASE("a request that is stopped ends as such") {
  S3World world("s3://stopped" + kPlain);
  std::stop_source source;
  world.server->script = [&](const net::Exchange&) {
    source.request_stop();
    return world.server->error(503, "SlowDown");
  };
  RequestLimits limits;
  limits.stop = source.get_token();
  CHECK(world.get("k", 0, 0, limits).error().code() == Errc::cancelled);
  CHECK(world.server->sent.size() == 1);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
