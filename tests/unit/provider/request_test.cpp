#include "provider/request.hpp"

#include <doctest/doctest.h>

#include <limits>

#include "base/reasons.hpp"
#include "scratch.hpp"

TEST_SUITE_BEGIN("provider/request");

namespace snapvault::provider {

TEST_CASE("a key is lower-case components between single slashes") {
  const std::string long_key(kKeySizeMax, 'k');
  for (const std::string& key : {std::string("a"), std::string("a/b/c"), std::string("0-9_a.z"),
                                 std::string("..."), std::string(".a/..b"), long_key}) {
    CAPTURE(key);
    CHECK(is_key(key));
    CHECK(is_prefix(key));
  }
  for (const std::string& key :
       {std::string(), std::string("/"), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("."), std::string(".."), std::string("a/./b"), std::string("a/.."),
        std::string("A"), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3),
        std::string("\xc3\xa4"), std::string("a+b"), long_key + "k"}) {
    CAPTURE(key);
    CHECK_FALSE(is_key(key));
  }
}

TEST_CASE("a prefix is how a key may begin") {
  for (const char* prefix : {"", "a/", "a/b-", "a/.", "a/..", ".", "a/b/"}) {
    CAPTURE(prefix);
    CHECK(is_prefix(prefix));
  }
  const std::string long_prefix(kKeySizeMax + 1, 'k');
  for (const char* prefix : {"/", "a//", "./", "a/../", "A", "a/B", "a b", long_prefix.c_str()}) {
    CAPTURE(prefix);
    CHECK_FALSE(is_prefix(prefix));
  }
}

TEST_CASE("a range lies inside of the object") {
  struct Case {
    std::uint64_t offset, length, size;
    std::int64_t answer;  // -1: refused
  };
  const auto most = std::numeric_limits<std::uint64_t>::max();
  for (const Case& c :
       {Case{0, 0, 10, 10}, Case{0, 10, 10, 10}, Case{9, 1, 10, 1}, Case{9, 0, 10, 1},
        Case{0, 0, 0, 0}, Case{0, 11, 10, -1}, Case{9, 2, 10, -1}, Case{10, 0, 10, -1},
        Case{10, 1, 10, -1}, Case{11, 0, 10, -1}, Case{0, 1, 0, -1}, Case{1, 0, 0, -1},
        Case{5, most, 10, -1}, Case{most, most, 10, -1}, Case{most, 1, 10, -1}}) {
    CAPTURE(c.offset);
    CAPTURE(c.length);
    CAPTURE(c.size);
    GetRequest request{.key = "k", .offset = c.offset, .length = c.length};
    const auto got = range_length(request, c.size);
    CHECK((got ? static_cast<std::int64_t>(*got) : -1) == c.answer);
    if (!got) CHECK(got.error().reason() == reason::range);
  }
}

TEST_CASE("limits end a request") {
  RequestLimits limits;
  CHECK(check(limits));
  limits.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  CHECK(check(limits));
  limits.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  CHECK(check(limits).error().code() == Errc::deadline_exceeded);
  std::stop_source stop;
  stop.request_stop();
  limits.stop = stop.get_token();
  CHECK(check(limits).error().code() == Errc::cancelled);
}

TEST_CASE("a body is the sum of its parts") {
  CHECK(PutBody().size() == 0);
  const PutBody one(bytes_of("123456789"));
  CHECK(one.size() == 9);
  CHECK(one.crc64_nvme() == 0xAE8B14860A799888);
  const auto part = [](std::string_view text) {
    return std::make_shared<const base::Bytes>(bytes_of(text));
  };
  const PutBody many({part("12"), nullptr, part(""), part("345")}, 7);
  CHECK(many.size() == 5);
  CHECK(many.parts().size() == 3);
  CHECK(many.crc64_nvme() == 7);
}

}  // namespace snapvault::provider

TEST_SUITE_END();
