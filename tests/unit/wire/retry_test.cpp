#include "wire/retry.hpp"

#include <doctest/doctest.h>

#include <limits>

TEST_SUITE_BEGIN("wire/retry");

namespace snapvault::wire {

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

TEST_CASE("a status is worth another try if it says: not now") {
  for (int status = 100; status < 600; ++status) {
    CAPTURE(status);
    const bool expected = status == 408 || status == 425 || status == 429 || status == 500 ||
                          status == 502 || status == 503 || status == 504;
    CHECK(is_passing(status) == expected);
    if (!expected) CHECK_FALSE(may_be_done(status));
  }
  for (const int status : {408, 500, 502, 504}) CHECK(may_be_done(status));
  for (const int status : {425, 429, 503}) CHECK_FALSE(may_be_done(status));
}

TEST_CASE("a pause is anything up to a bound that doubles with each try until it is the most") {
  for (unsigned tried = 1; tried < 100; ++tried) {
    CAPTURE(tried);
    const std::uint64_t bound = tried < 8 ? 100u << (tried - 1) : 12'000;
    CHECK(pause_after(tried, 100, 12'000, bound) == bound);
    CHECK(pause_after(tried, 100, 12'000, bound + 1) == 0);
    CHECK(pause_after(tried, 100, 12'000, 0) == 0);
    CHECK(pause_after(tried, 100, 12'000, bound / 3) == bound / 3);
    CHECK(pause_after(tried, 100, 12'000, kMost) <= bound);
  }
  CHECK(pause_after(1, 0, 0, 7) == 0);
  CHECK(pause_after(3, 500, 100, 100) == 100);
  CHECK(pause_after(60, kMost / 2, kMost - 1, kMost - 1) == kMost - 1);
}

TEST_CASE("Retry-After is a number of seconds or a date") {
  constexpr std::int64_t kNow = 784'111'777;  // Sun, 06 Nov 1994 08:49:37 GMT
  CHECK(*parse_retry_after("0", kNow) == 0);
  CHECK(*parse_retry_after("120", kNow) == 120);
  CHECK(*parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", kNow) == 0);
  CHECK(*parse_retry_after("Sun, 06 Nov 1994 08:50:07 GMT", kNow) == 30);
  CHECK(*parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", kNow) == 0);
  // No more than a day, whatever it says.
  CHECK(*parse_retry_after("18446744073709551615", kNow) == 86'400);
  CHECK(*parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kNow) == 86'400);
  for (const auto* text : {"", "-1", "1.5", "soon", "1 s", "18446744073709551616", "Sunday"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_retry_after(text, kNow));
  }
}

}  // namespace snapvault::wire

TEST_SUITE_END();
