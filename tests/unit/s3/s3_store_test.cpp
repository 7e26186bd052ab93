#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "fake_s3.hpp"

TEST_SUITE_BEGIN("s3/store");

namespace snapvault::provider {
namespace {

using Calls = std::vector<std::string>;
const std::string kPlain = "?endpoint=host:9000&ssl=false";

Result<std::shared_ptr<Provider>> open(const std::string& url,
                                       std::map<std::string, std::string> variables = {}) {
  Surroundings around;
  around.env = base::make_virtual_env(3);
  around.transport = std::make_shared<FakeS3>(*around.env);
  around.variable = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return {};
    return found->second;
  };
  auto address = parse_address(url, kS3Options);
  if (!address) return std::move(address).error();
  return make_s3(*std::move(address), around);
}

const Finding* find(const Result<std::vector<Finding>>& found, std::string_view topic) {
  for (const auto& one : *found) {
    if (one.topic == topic) return &one;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("an address says what a store needs, or is refused") {
  for (const std::string good :
       {"s3://b", "s3://b?region=eu-west-1", "s3://b?sse=AES256", "s3://b?sse=aws:kms",
        "s3://b?retention_days=1", "s3://b?retention_days=governance:36500",
        "s3://b?storage_class=GLACIER_IR", "s3://b?endpoint=[::1]:9000"}) {
    CAPTURE(good);
    CHECK(open(good));
  }
  for (const std::string bad :
       {"s3://b?region=a.b", "s3://b?region=a%2Fb", "s3://b?sse=none", "s3://b?sse=C",
        "s3://b?sse_kms_key=k", "s3://b?sse=AES256&sse_kms_key=k", "s3://b?retention_days=0",
        "s3://b?retention_days=x", "s3://b?retention_days=40000", "s3://b?storage_class=a%0Db",
        "s3://b?sse=aws:kms&sse_kms_key=a%20b", "s3://bucket?endpoint=[::1]:9000&path_style=false",
        "s3://bucket?endpoint=10.0.0.1&path_style=false", "s3://B_c?path_style=false"}) {
    CAPTURE(bad);
    const auto opened = open(bad);
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code() == Errc::invalid_argument);
    CHECK(opened.error().reason() == reason::bad_url);
  }
}

TEST_CASE("a customer's key is 32 bytes from the environment, and asks for TLS") {
  const std::string key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
  CHECK(open("s3://b?sse=C", {{"SNAPVAULT_S3_SSE_C_KEY", key}}));
  for (const std::string bad : {"short", "MDEyMw==", ""}) {
    const auto opened = open("s3://b?sse=C", {{"SNAPVAULT_S3_SSE_C_KEY", bad}});
    CHECK(opened.error().hint().find("SNAPVAULT_S3_SSE_C_KEY") != std::string::npos);
  }
  const auto plain = open("s3://b" + kPlain + "&sse=C", {{"SNAPVAULT_S3_SSE_C_KEY", key}});
  CHECK(plain.error().message().find("TLS") != std::string::npos);
  CHECK(plain.error().message().find(key) == std::string::npos);
}

TEST_CASE(
    "DC-08: an endpoint of the environment is used, but plain HTTP only if the address says so") {
  S3World world("s3://fromenv", {{"AWS_ENDPOINT_URL", "https://minio.example:9000"}});
  REQUIRE(world.list());
  CHECK(world.server->sent.back().request.origin.url() == "https://minio.example:9000");
  CHECK(world.server->sent.back().request.path == "/fromenv");
  const auto plain = open("s3://b", {{"AWS_ENDPOINT_URL", "http://minio.example"}});
  CHECK(plain.error().reason() == reason::bad_url);
  CHECK(plain.error().hint().find("ssl=false") != std::string::npos);
  CHECK(open("s3://b?ssl=false", {{"AWS_ENDPOINT_URL", "http://minio.example"}}));
  S3World named("s3://fromenv?endpoint=other", {{"AWS_ENDPOINT_URL", "https://minio.example"}});
  REQUIRE(named.list());
  CHECK(named.server->sent.back().request.origin.host == "other");
}

TEST_CASE("the region is the address's, or the environment's, or Amazon's first") {
  S3World named("s3://bucket?region=eu-west-1", {{"AWS_REGION", "eu-west-2"}});
  named.server->region = "eu-west-1";
  CHECK(named.list());
  S3World set("s3://bucket", {{"AWS_REGION", "eu-west-2"}});
  set.server->region = "eu-west-2";
  CHECK(set.list());
  CHECK(set.server->sent.size() == 1);
  CHECK(set.server->sent.back().request.origin.host == "bucket.s3.eu-west-2.amazonaws.com");
}

TEST_CASE("capabilities tell what the store is") {
  S3World world("s3://capable" + kPlain);
  const auto can = world.store->capabilities();
  CHECK(can.kind == "s3");
  CHECK(can.exclusive_create);
  CHECK(can.durable_put);
  CHECK(can.list_is_consistent);
  CHECK_FALSE(can.local);
  CHECK(can.parallel_requests == 24);
  CHECK(can.weak_because.empty());
}

TEST_CASE("a store stays exclusive where racing creates have one winner, tried once a process") {
  S3World world("s3://exclusive" + kPlain);
  REQUIRE(world.prepare());
  CHECK(world.store->capabilities().exclusive_create);
  CHECK(world.server->objects.empty());
  CHECK(world.server->sent.size() == 9);  // 8 creates, and a removal
  for (const auto& sent : world.server->sent) {
    CHECK(sent.request.path.starts_with("/exclusive/doctor/probe-"));
  }
  REQUIRE(world.prepare());
  CHECK(world.server->sent.size() == 9);
  S3World again("s3://exclusive" + kPlain);
  REQUIRE(again.prepare());
  CHECK(again.server->sent.empty());
  S3World amazon("s3://exclusive");
  REQUIRE(amazon.prepare());
  CHECK(amazon.server->sent.empty());
}

TEST_CASE("a store where several racing creates win is weak, and looks before it creates") {
  S3World world("s3://weak" + kPlain);
  world.server->conditions = false;
  REQUIRE(world.prepare());
  const auto can = world.store->capabilities();
  CHECK_FALSE(can.exclusive_create);
  CHECK(can.weak_because.find('8') != std::string::npos);
  world.server->calls();
  REQUIRE(world.put("k", "first"));
  CHECK(world.put("k", "second").error().reason() == reason::object_exists);
  CHECK(*world.get("k") == "first");
  CHECK(world.server->calls() == Calls{"HEAD k", "PUT k", "HEAD k", "GET k"});
  REQUIRE(world.put("k", "third", false));
  CHECK(world.server->calls() == Calls{"PUT k"});
  S3World again("s3://weak" + kPlain);
  REQUIRE(again.prepare());
  CHECK_FALSE(again.store->capabilities().exclusive_create);
}

TEST_CASE("a race that cannot be run says why, and is run again next time") {
  S3World world("s3://raceless" + kPlain);
  world.server->exists = false;
  CHECK(world.prepare().error().reason() == reason::no_bucket);
  world.server->exists = true;
  CHECK(world.prepare());
  S3World lossy("s3://raceless2" + kPlain);
  lossy.server->edit = [&](const net::Exchange& exchange, wire::Response& answer) {
    if (exchange.request.method == "PUT") answer = lossy.server->error(500, "InternalError");
  };
  CHECK(lossy.prepare().error().code() == Errc::unavailable);
  CHECK(lossy.store->capabilities().exclusive_create);
}

TEST_CASE("a bucket is made where it is not, in its region") {
  S3World world("s3://making" + kPlain);
  world.server->exists = false;
  REQUIRE(world.create_root());
  CHECK(world.server->exists);
  CHECK(world.server->sent.back().request.body.size() == 0);
  REQUIRE(world.create_root());  // it is ours
  S3World abroad("s3://making?region=eu-west-1");
  abroad.server->region = "eu-west-1";
  abroad.server->exists = false;
  REQUIRE(abroad.create_root());
  CHECK(text_of(abroad.server->sent.back().request.body)
            .find("<LocationConstraint>eu-west-1</LocationConstraint>") != std::string::npos);
  S3World home("s3://making");
  home.server->exists = false;
  REQUIRE(home.create_root());
  CHECK(home.server->sent.back().request.body.size() == 0);
  S3World locked("s3://making" + kPlain + "&retention_days=3");
  locked.server->exists = false;
  REQUIRE(locked.create_root());
  CHECK(locked.last_field("x-amz-bucket-object-lock-enabled") == "true");
}

TEST_CASE("a bucket of somebody else's is not made") {
  S3World world("s3://theirs" + kPlain);
  world.server->script = [&](const net::Exchange& exchange) {
    return exchange.request.method == "PUT" ? world.server->error(409, "BucketAlreadyExists")
                                            : world.server->error(403, "AccessDenied");
  };
  const auto error = world.create_root().error();
  CHECK(error.code() == Errc::permission_denied);
  CHECK(error.hint().find("another name") != std::string::npos);
  world.server->script = [&](const net::Exchange&) {
    return world.server->error(400, "InvalidBucketName");
  };
  CHECK(world.create_root().error().reason() == reason::bad_url);
}

TEST_CASE("PX-11: the doctor finds everything good on a good store, and leaves nothing") {
  S3World world("s3://healthy/p" + kPlain);
  const auto found = world.examine();
  REQUIRE(found);
  for (const auto* topic :
       {"credentials", "region", "clock", "rights", "capabilities", "throughput", "checksums"}) {
    CAPTURE(topic);
    const auto* finding = find(found, topic);
    REQUIRE(finding);
    CHECK(finding->state == Finding::State::good);
    CHECK(finding->detail.find("secret") == std::string::npos);
  }
  CHECK(find(found, "tls")->state == Finding::State::warning);
  CHECK(find(found, "region")->detail == "us-east-1");
  CHECK(world.server->objects.empty());
  CHECK(world.server->uploads.empty());
}

TEST_CASE("PX-11: the doctor says what is wrong, once, and does not go on where that is useless") {
  struct Row {
    const char* topic;
    std::function<void(FakeS3&)> how;
  };
  const Row rows[] = {
      {"bucket", [](FakeS3& server) { server.exists = false; }},
      {"credentials", [](FakeS3& server) { server.key_id = "OTHER"; }},
      {"credentials", [](FakeS3& server) { server.secret = "other"; }},
      {"tls",
       [](FakeS3& server) {
         server.script = [](const net::Exchange&) {
           return Error(Errc::precondition_failed, reason::tls, "the certificate is not trusted");
         };
       }},
      {"connection",
       [](FakeS3& server) {
         server.script = [](const net::Exchange&) {
           return Error(Errc::unavailable, reason::unreachable, "nothing is there");
         };
       }},
  };
  for (const auto& row : rows) {
    CAPTURE(row.topic);
    S3World world("s3://ill" + kPlain);
    row.how(*world.server);
    const auto found = world.examine();
    REQUIRE(found);
    int bad = 0;
    for (const auto& finding : *found) bad += finding.state == Finding::State::bad;
    CHECK(bad == 1);
    REQUIRE(find(found, row.topic));
    CHECK(find(found, row.topic)->state == Finding::State::bad);
    CHECK_FALSE(find(found, "throughput"));
  }
}

TEST_CASE("PX-11: the doctor tells a clock that differs, and a right that is missing") {
  S3World skewed("s3://skewed" + kPlain);
  skewed.server->clock_ahead = 3 * 3600;
  const auto late = skewed.examine();
  REQUIRE(late);
  CHECK(find(late, "clock")->state == Finding::State::bad);
  CHECK(find(late, "clock")->detail.find("10800 seconds behind") != std::string::npos);
  CHECK(find(late, "rights")->state == Finding::State::good);

  S3World limited("s3://limited" + kPlain);
  limited.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    if (exchange.request.method != "PUT") return {};
    return limited.server->error(403, "AccessDenied");
  };
  const auto found = limited.examine();
  REQUIRE(found);
  CHECK(find(found, "rights")->state == Finding::State::bad);
  CHECK(find(found, "rights")->detail.find("create") != std::string::npos);
  CHECK(find(found, "throughput")->state == Finding::State::untried);

  S3World weak("s3://weakdoctor" + kPlain);
  weak.server->conditions = false;
  const auto weakness = weak.examine();
  REQUIRE(weakness);
  CHECK(find(weakness, "capabilities")->state == Finding::State::warning);
}

TEST_CASE("PX-11: without a credential the doctor says so and sends nothing") {
  S3World world("s3://nobody" + kPlain);
  world.variables = {{"AWS_EC2_METADATA_DISABLED", "true"}};
  const auto found = world.examine();
  REQUIRE(found);
  REQUIRE(found->size() == 1);
  CHECK(found->front().topic == "credentials");
  CHECK(found->front().state == Finding::State::bad);
  CHECK(world.server->sent.empty());
  CHECK(world.get("k").error().reason() == reason::no_credential);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
