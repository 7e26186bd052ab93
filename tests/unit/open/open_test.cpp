#include <doctest/doctest.h>

#include <stdlib.h>

#include "base/reasons.hpp"
#include "unit/provider/scratch.hpp"

TEST_SUITE_BEGIN("open");

namespace snapvault::provider {

TEST_CASE("DC-02: stores open by address") {
  CHECK((*Provider::open("memory:x"))->capabilities().kind == "memory");
  CHECK((*Provider::open("file:///nowhere/x"))->capabilities().kind == "file");
  CHECK((*Provider::open("/nowhere/x"))->capabilities().kind == "file");
  CHECK((*Provider::open("nowhere/a://b"))->capabilities().kind == "file");
  CHECK((*Provider::open("C:/x"))->capabilities().kind == "file");
  for (const auto& url : {std::string(), std::string("memory:"), std::string("file://host/x"),
                          std::string("file:x"), std::string("a\0b", 3)}) {
    CAPTURE(url);
    CHECK(Provider::open(url).error().reason() == reason::bad_url);
    CHECK(Provider::open(url).error().code() == Errc::invalid_argument);
  }
  const auto unknown = Provider::open("ftp://user:secret@host/x");
  CHECK(unknown.error().code() == Errc::unsupported);
  CHECK(unknown.error().subject() == "ftp");
}

TEST_CASE("a memory store lives while somebody holds it") {
  auto first = *Provider::open("memory:held");
  CHECK(first == *Provider::open("memory:held"));
  CHECK(first != *Provider::open("memory:other"));
  REQUIRE(blocking(first)->put_now(put_of("k", "v")));
  CHECK(*text_of(*blocking(*Provider::open("memory:held")), "k") == "v");
  first.reset();
  CHECK_FALSE(text_of(*blocking(*Provider::open("memory:held")), "k"));
}

TEST_CASE("an address of the network is checked before anything else is") {
  for (const std::string scheme : {"s3", "azure"}) {
    CAPTURE(scheme);
    for (const std::string rest :
         {"://", "://bucket?colour=red", "://user:word@bucket", "://bucket?password=word",
          "://bucket?ssl=maybe", "://bucket/../x", "://bucket?endpoint=http://host"}) {
      CAPTURE(rest);
      const auto opened = Provider::open(scheme + rest);
      REQUIRE_FALSE(opened);
      CHECK(opened.error().code() == Errc::invalid_argument);
      CHECK(opened.error().reason() == reason::bad_url);
      CHECK(opened.error().message().find("word") == std::string_view::npos);
      CHECK(opened.error().subject().find("word") == std::string_view::npos);
    }
    const auto opened = Provider::open(scheme + "://bucket?ca=/nowhere/ca.pem");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().reason() == reason::bad_argument);
  }
}

TEST_CASE("DE-01: a store of one's own opens without being touched") {
  ::setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
  const auto store = Provider::open("s3://bucket/pre/fix?endpoint=127.0.0.1:1&ssl=false");
  REQUIRE(store);
  CHECK((*store)->capabilities().kind == "s3");
}

}  // namespace snapvault::provider

TEST_SUITE_END();
