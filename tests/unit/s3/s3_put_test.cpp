#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "codec/digest.hpp"
#include "fake_s3.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("s3/put");

namespace snapvault::provider {
namespace {

using Calls = std::vector<std::string>;

constexpr std::size_t kMib = 1 << 20;
const std::string kPlain = "?endpoint=host:9000&ssl=false";
const std::string kParts = kPlain + "&part_mib=5";

std::string noise(std::size_t size) {
  std::string out(size, '\0');
  std::uint32_t state = 9;
  for (auto& c : out) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  return out;
}

// Requests by what they are for; those of probes apart.
std::map<std::string, int> kinds(S3World& world) {
  std::map<std::string, int> out;
  for (const auto& line : world.server->calls()) {
    const auto space = line.find(' ', line.find(' ') + 1);
    const bool probe = line.find(" doctor/") != line.npos;
    ++out[(probe ? "probe " : "") + line.substr(0, line.find(' ')) +
          (space == line.npos ? "" : line.substr(space))];
  }
  return out;
}
using Kinds = std::map<std::string, int>;

const Kinds kProbe{{"probe PUT", 1},
                   {"probe POST uploads", 1},
                   {"probe PUT partNumber uploadId", 1},
                   {"probe POST uploadId", 1},
                   {"probe DELETE", 1}};
// One that is conditional is given up.
const Kinds kGivenUp{{"probe DELETE uploadId", 1}};
Kinds with(Kinds more, const Kinds& base = {}) {
  more.insert(base.begin(), base.end());
  return more;
}

}  // namespace

TEST_CASE("a put carries the CRC64NVME of its body") {
  S3World world("s3://crc" + kPlain);
  REQUIRE(world.put("k", "123456789"));
  CHECK(world.last_field("x-amz-checksum-crc64nvme") == "rosUhgp5mIg=");
  CHECK(world.last_field("Content-MD5").empty());
}

TEST_CASE("a server that refuses the checksum gets MD5 from then on") {
  for (const int status : {400, 501}) {
    CAPTURE(status);
    S3World world("s3://refuses" + kPlain);
    world.server->refuse_checksums = status;
    REQUIRE(world.put("a", "x"));
    REQUIRE(world.put("b", "x"));
    CHECK(world.server->calls() == Calls{"PUT a", "PUT a", "PUT b"});
    CHECK(world.last_field("Content-MD5") == "ndTkYSaMgDT1yFZOFVxnpg==");
    CHECK(world.last_field("x-amz-checksum-crc64nvme").empty());
  }
}

TEST_CASE("what is refused with MD5 too was not refused for the checksum") {
  S3World world("s3://both" + kPlain);
  world.server->script = [&](const net::Exchange&) {
    return world.server->error(400, "InvalidStorageClass");
  };
  const auto error = world.put("a", "x").error();
  CHECK(error.code() == Errc::precondition_failed);
  CHECK(error.message().find("InvalidStorageClass: no: InvalidStorageClass") != std::string::npos);
  CHECK(world.server->sent.size() == 2);
  world.server->script = nullptr;
  REQUIRE(world.put("b", "x"));
  CHECK_FALSE(world.last_field("x-amz-checksum-crc64nvme").empty());
}

TEST_CASE("a server that says nothing of the checksum does not keep it, and gets MD5") {
  S3World world("s3://silent" + kPlain);
  world.server->checksums = false;
  REQUIRE(world.put("a", "x"));
  CHECK(world.last_field("Content-MD5").empty());
  REQUIRE(world.put("b", "x"));
  CHECK_FALSE(world.last_field("Content-MD5").empty());
}

TEST_CASE("a server that keeps another checksum lost bytes") {
  S3World world("s3://wrong" + kPlain);
  world.server->edit = [](const net::Exchange&, wire::Response& answer) {
    answer.headers.set("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=");
  };
  const auto error = world.put("a", "x").error();
  CHECK(error.code() == Errc::data_loss);
  CHECK(error.reason() == reason::store_failed);
  CHECK_FALSE(error.request_id().empty());
}

TEST_CASE("storage class and encryption go with each new object") {
  S3World world("s3://kept" + kPlain +
                "&storage_class=STANDARD_IA&sse=aws:kms&sse_kms_key=arn:aws:kms:eu:1:key/2");
  REQUIRE(world.put("k", "x"));
  CHECK(world.last_field("x-amz-storage-class") == "STANDARD_IA");
  CHECK(world.last_field("x-amz-server-side-encryption") == "aws:kms");
  CHECK(world.last_field("x-amz-server-side-encryption-aws-kms-key-id") ==
        "arn:aws:kms:eu:1:key/2");
  REQUIRE(world.get("k"));
  CHECK(world.last_field("x-amz-storage-class").empty());
  CHECK(world.last_field("x-amz-server-side-encryption").empty());
  S3World own("s3://kept" + kPlain + "&sse=AES256");
  REQUIRE(own.put("k", "x"));
  CHECK(own.last_field("x-amz-server-side-encryption") == "AES256");
}

TEST_CASE("a key of the customer goes with each request of an object, under TLS only") {
  const std::string key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
  S3World world("s3://customer?endpoint=host&sse=C&part_mib=5", {{"SNAPVAULT_S3_SSE_C_KEY", key}});
  REQUIRE(world.put("k", "x"));
  REQUIRE(world.put("parts", noise(6 * kMib)));
  REQUIRE(world.get("k"));
  REQUIRE(world.stat("k"));
  for (const auto& sent : world.server->sent) {
    const auto& request = sent.request;
    if (request.method == "DELETE") continue;
    CAPTURE(request.method);
    CAPTURE(request.target());
    CHECK(request.origin.tls);
    CHECK(request.headers.get("x-amz-server-side-encryption-customer-algorithm") == "AES256");
    CHECK(request.headers.get("x-amz-server-side-encryption-customer-key") == key);
    CHECK(request.headers.get("x-amz-server-side-encryption-customer-key-MD5") ==
          wire::base64(codec::md5(base::as_bytes("01234567890123456789012345678901"))));
  }
  REQUIRE(world.list());
  CHECK(world.last_field("x-amz-server-side-encryption-customer-key").empty());
}

TEST_CASE("retention is asked for each new object, but for probes") {
  S3World world("s3://locked" + kParts + "&retention_days=30");
  REQUIRE(world.prepare());
  REQUIRE(world.put("k", "x"));
  CHECK(world.last_field("x-amz-object-lock-mode") == "GOVERNANCE");
  CHECK(world.last_field("x-amz-object-lock-retain-until-date") == "2026-01-31T00:00:00Z");
  REQUIRE(world.put("parts", noise(6 * kMib)));
  CHECK(world.server->objects["parts"].headers.get("x-amz-object-lock-mode") == "GOVERNANCE");
  for (const auto& sent : world.server->sent) {
    if (sent.request.path.find("/doctor/") == std::string::npos) continue;
    CHECK_FALSE(sent.request.headers.find("x-amz-object-lock-mode"));
  }
  S3World strict("s3://locked" + kPlain + "&retention_days=compliance:1");
  REQUIRE(strict.put("k", "x"));
  CHECK(strict.last_field("x-amz-object-lock-mode") == "COMPLIANCE");
  CHECK(strict.last_field("x-amz-object-lock-retain-until-date") == "2026-01-02T00:00:00Z");
}

TEST_CASE("DE-06: what is larger than a part goes in parts, on one that settles their races") {
  S3World world("s3://parts" + kParts);
  const auto bytes = noise(12 * kMib + 5);
  REQUIRE(world.put("k", bytes));
  CHECK(world.server->objects.at("k").bytes == bytes);
  CHECK(world.server->uploads.empty());
  CHECK(kinds(world) ==
        with(Kinds{{"POST uploads", 1}, {"PUT partNumber uploadId", 3}, {"POST uploadId", 1}},
             with(kProbe, kGivenUp)));
  CHECK(world.last_field("If-None-Match") == "*");
  CHECK(world.server->conditional_parts);
  // What was found out is not looked for again, and what is there is not replaced.
  const auto again = world.put("k", bytes);
  CHECK(again.error().code() == Errc::already_exists);
  CHECK(world.server->uploads.empty());  // given up
  CHECK(kinds(world) == Kinds{{"POST uploads", 1},
                              {"PUT partNumber uploadId", 3},
                              {"POST uploadId", 1},
                              {"DELETE uploadId", 1}});
  REQUIRE(world.put("k", noise(6 * kMib), false));
  CHECK(world.last_field("If-None-Match").empty());
  CHECK(world.server->objects.at("k").bytes.size() == 6 * kMib);
}

TEST_CASE("Amazon's parts need no look") {
  S3World world("s3://amazon?part_mib=5");
  REQUIRE(world.put("k", noise(6 * kMib)));
  CHECK(kinds(world) ==
        Kinds{{"POST uploads", 1}, {"PUT partNumber uploadId", 2}, {"POST uploadId", 1}});
}

TEST_CASE("where a completion takes no condition, a large object is created in one request") {
  S3World world("s3://careless" + kParts);
  world.server->conditional_parts = false;
  const auto bytes = noise(6 * kMib);
  REQUIRE(world.put("k", bytes));
  CHECK(kinds(world) == with(Kinds{{"HEAD", 1}, {"PUT", 1}}, kProbe));
  CHECK(world.put("k", bytes).error().code() == Errc::already_exists);
  CHECK(kinds(world) == Kinds{{"HEAD", 1}});
  REQUIRE(world.put("k", noise(6 * kMib), false));  // nothing to settle
  CHECK(kinds(world) ==
        Kinds{{"POST uploads", 1}, {"PUT partNumber uploadId", 2}, {"POST uploadId", 1}});
}

TEST_CASE("a look at parts that fails costs nothing but itself") {
  S3World world("s3://failing" + kParts);
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    if (exchange.request.path.find("/doctor/") == std::string::npos) return {};
    return world.server->error(400, "InvalidArgument");
  };
  CHECK(world.put("a", noise(6 * kMib)));
  world.server->script = nullptr;
  world.server->calls();
  CHECK(world.put("b", noise(6 * kMib)));
  CHECK(kinds(world).at("probe POST uploads") == 1);
}

TEST_CASE("DE-06: the size of parts is learnt from what is too large") {
  S3World world("s3://learns?part_mib=64");  // Amazon's
  world.server->body_max = 10 * kMib;
  const auto bytes = noise(50 * kMib);
  REQUIRE(world.put("k", bytes));
  CHECK(world.server->objects.at("k").bytes == bytes);
  CHECK(world.server->uploads.empty());
  // 50 whole, parts of 25, of 12.5, of 6.25.
  world.server->calls();
  REQUIRE(world.put("l", bytes));
  CHECK(kinds(world) ==
        Kinds{{"POST uploads", 1}, {"PUT partNumber uploadId", 8}, {"POST uploadId", 1}});
  world.server->body_max = 4 * kMib;
  const auto error = world.put("m", noise(5 * kMib)).error();
  CHECK(error.code() == Errc::resource_exhausted);
  CHECK(error.reason() == reason::too_large);
  CHECK(error.native() == 413);
  CHECK(world.put("n", bytes).error().reason() == reason::too_large);
  CHECK(world.server->uploads.empty());
}

TEST_CASE("what one request does not take is sent in parts even where they take no condition") {
  S3World world("s3://careless2" + kParts);
  world.server->conditional_parts = false;
  world.server->body_max = 5 * kMib;
  REQUIRE(world.put("k", noise(6 * kMib)));
  CHECK(world.server->objects.count("k") == 1);
}

TEST_CASE("parts go with MD5 where the server keeps no checksum of theirs") {
  S3World silent("s3://silentparts" + kParts);
  silent.server->checksums = false;
  REQUIRE(silent.put("k", noise(6 * kMib), false));
  S3World refusing("s3://refusingparts" + kParts);
  refusing.server->refuse_checksums = 400;
  REQUIRE(refusing.put("k", noise(6 * kMib), false));
  for (const auto* world : {&silent, &refusing}) {
    for (const auto& sent : world->server->sent) {
      const auto& request = sent.request;
      CHECK_FALSE(request.headers.find("x-amz-checksum-crc64nvme"));
      if (request.method == "PUT") CHECK(request.headers.find("Content-MD5"));
    }
  }
}

TEST_CASE("a 200 with an error in it completes nothing") {
  for (const std::string body :
       {"<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>",
        "<Error><Code>SlowDown</Code></Error>", "<Error><Code>NeverHeardOf</Code></Error>", "  ",
        "", "<Other/>"}) {
    CAPTURE(body);
    S3World world("s3://hidden?part_mib=5");
    int completions = 0, wrong = 1;
    world.server->script =
        [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
      const bool completion = exchange.request.method == "POST" &&
                              !FakeS3::query_of(exchange.request, "uploadId").empty();
      if (!completion || ++completions > wrong) return {};
      return response_of(200, body);
    };
    REQUIRE(world.put("k", noise(6 * kMib)));
    CHECK(completions == 2);
    CHECK(world.server->objects.count("k") == 1);
    // If it goes on so, it may be complete or not.
    wrong = 100;
    const auto error = world.put("l", noise(6 * kMib)).error();
    CHECK(error.code() == Errc::outcome_unknown);
    CHECK(error.reason() == reason::lost_answer);
  }
}

TEST_CASE("a 200 that says why not is believed") {
  S3World world("s3://hiddenwhy?part_mib=5");
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    const bool completion = exchange.request.method == "POST" &&
                            !FakeS3::query_of(exchange.request, "uploadId").empty();
    if (!completion) return {};
    return world.server->error(200, "PreconditionFailed");
  };
  CHECK(world.put("k", noise(6 * kMib)).error().code() == Errc::already_exists);
  CHECK(world.server->uploads.empty());
}

TEST_CASE("a completion that finds its upload gone after a lost answer may have succeeded") {
  S3World world("s3://gone?part_mib=5");
  bool lost = false;
  world.server->edit = [&](const net::Exchange& exchange, wire::Response& answer) {
    const bool completion = exchange.request.method == "POST" &&
                            !FakeS3::query_of(exchange.request, "uploadId").empty();
    if (completion && !std::exchange(lost, true))
      answer = world.server->error(500, "InternalError");
  };
  const auto error = world.put("k", noise(6 * kMib)).error();
  CHECK(error.code() == Errc::outcome_unknown);
  CHECK(world.server->objects.count("k") == 1);
  CHECK(kinds(world).count("DELETE uploadId") == 0);
}

TEST_CASE("an upload that fails is given up") {
  S3World world("s3://givenup?part_mib=5");
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    if (FakeS3::query_of(exchange.request, "partNumber") != "2") return {};
    return world.server->error(403, "QuotaExceeded");
  };
  const auto error = world.put("k", noise(6 * kMib)).error();
  CHECK(error.code() == Errc::resource_exhausted);
  CHECK(error.reason() == reason::no_space);
  CHECK(world.server->uploads.empty());
}

TEST_CASE("an upload that is stopped is given up, which is not waited for long") {
  S3World world("s3://stopped?part_mib=5");
  std::stop_source source;
  bool stuck = false;
  SUBCASE("and the server takes that") {}
  SUBCASE("and the server is busy") { stuck = true; }
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    if (exchange.request.method == "DELETE") {
      if (stuck) return world.server->error(503, "SlowDown");
      return {};
    }
    if (FakeS3::query_of(exchange.request, "partNumber").empty()) return {};
    source.request_stop();
    return world.server->error(503, "SlowDown");
  };
  RequestLimits limits;
  limits.stop = source.get_token();
  const auto began = world.env->monotonic();
  CHECK(world.put("k", noise(6 * kMib), true, limits).error().code() == Errc::cancelled);
  CHECK(world.env->monotonic() - began < 4 * base::kSecond);
  CHECK(world.server->uploads.size() == (stuck ? 1 : 0));
}

TEST_CASE("a part without a name is no answer") {
  S3World world("s3://nameless?part_mib=5");
  world.server->edit = [](const net::Exchange& exchange, wire::Response& answer) {
    if (!FakeS3::query_of(exchange.request, "partNumber").empty()) answer.headers.remove("ETag");
  };
  CHECK(world.put("k", noise(6 * kMib)).error().reason() == reason::bad_answer);
  CHECK(world.server->uploads.empty());
}

}  // namespace snapvault::provider

TEST_SUITE_END();
