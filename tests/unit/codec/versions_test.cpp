#include "codec/versions.hpp"

#include <doctest/doctest.h>

namespace snapvault::codec {
namespace {

TEST_CASE("the versions name each library that the codecs stand on") {
  const auto text = versions();
  CAPTURE(text);
  CHECK(text.starts_with("OpenSSL 3."));
  CHECK(text.find(", zstd 1.") != std::string::npos);
  CHECK(text.find(", xxHash 0.8.") != std::string::npos);
}

}  // namespace
}  // namespace snapvault::codec
