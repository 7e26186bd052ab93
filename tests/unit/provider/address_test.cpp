#include "provider/address.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"

TEST_SUITE_BEGIN("provider/address");

namespace snapvault::provider {

TEST_CASE("PX-01: an address is taken apart: store, container, prefix, options") {
  const auto address = parse_address(
      "s3://bucket/a/b?endpoint=one:9000,two:9001&endpoint=[::1]:9002&ssl=false&region=eu%2Dx"
      "&path_style=true&part_mib=16&profile=p&credential=c&ca=/tmp/a%20b",
      {"region"});
  REQUIRE(address);
  CHECK(address->scheme == "s3");
  CHECK(address->container == "bucket");
  CHECK(address->prefix == "a/b/");
  REQUIRE(address->endpoints.size() == 3);
  CHECK(address->endpoints[1].url() == "http://two:9001");
  CHECK(address->endpoints[2].url() == "http://[::1]:9002");
  CHECK_FALSE(address->ssl);
  CHECK(address->path_style);
  CHECK(address->part_size == 16u << 20);
  CHECK(address->option("region") == "eu-x");
  CHECK(address->option("absent").empty());
  CHECK(address->ca == "/tmp/a b");
  CHECK(address->text() == "s3://bucket/a/b");
  CHECK(parse_address("gs://bucket", {})->prefix.empty());
  CHECK(parse_address("gs://bucket/", {})->prefix.empty());
  CHECK(parse_address("gs://bucket/a/", {})->prefix == "a/");
}

TEST_CASE("DC-08: a secret in an address is refused, and not repeated") {
  for (const std::string address :
       {"s3://canary:canary@bucket/p", "s3://canary@bucket", "s3://bucket?secret=canary",
        "s3://bucket?key=canary", "azure://c?sas=canary", "azure://c?sig=canary",
        "s3://bucket?session_token=canary", "swift://c?os_password=canary",
        "s3://bucket?aws_secret_access_key=canary", "gs://bucket?token=canary"}) {
    CAPTURE(address);
    const auto parsed = parse_address(address, {"region", "account"});
    REQUIRE(!parsed);
    CHECK(parsed.error().code() == Errc::invalid_argument);
    CHECK(parsed.error().reason() == reason::bad_url);
    CHECK(parsed.error().message().find("canary") == std::string_view::npos);
    CHECK(parsed.error().hint().find("canary") == std::string_view::npos);
    CHECK(parsed.error().subject().find("canary") == std::string_view::npos);
  }
}

TEST_CASE("TLS is turned off by ssl=false and by nothing else") {
  CHECK(parse_address("s3://bucket", {})->ssl);
  CHECK(parse_address("s3://bucket?endpoint=host:80", {})->endpoints.at(0).tls);
  CHECK(parse_address("s3://bucket?endpoint=http://host", {}).error().reason() == reason::bad_url);
  CHECK(parse_address("s3://bucket?ssl=false&endpoint=https://host", {}).error().reason() ==
        reason::bad_url);
  CHECK(parse_address("s3://bucket?ssl=maybe", {}).error().reason() == reason::bad_url);
}

TEST_CASE("addresses that say nothing, too much or what nobody knows are refused") {
  for (const std::string& address :
       {std::string("s3://"), std::string("s3:///p"), std::string("s3://bucket/../p"),
        std::string("s3://bucket/a/./b"), std::string("s3://bucket/p\n"),
        std::string("s3://bucket/p%2fq"), std::string("s3://bucket/a//b"),
        std::string("s3://bucket?magic=1"), std::string("s3://bucket?region"),
        std::string("s3://bucket?region=%zz"), std::string("s3://bucket?region=%00"),
        std::string("s3://bucket?part_mib=4"), std::string("s3://bucket?part_mib=99999"),
        std::string("s3://bucket?client_cert=a"), std::string("s3://bucket?endpoint=host:0"),
        std::string("s3://bucket?endpoint="), "s3://bucket/" + std::string(801, 'x'),
        "s3://" + std::string(5000, 'x')}) {
    CAPTURE(address.substr(0, 60));
    const auto parsed = parse_address(address, {"region"});
    REQUIRE(!parsed);
    CHECK(parsed.error().reason() == reason::bad_url);
  }
}

}  // namespace snapvault::provider

TEST_SUITE_END();
