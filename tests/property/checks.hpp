// What a history expects; a failure ends it.
#pragma once

#include <snapvault/result.hpp>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "base/bytes.hpp"

namespace snapvault::test {

class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline void expect(bool holds, const char* what) {
  if (!holds) throw Failure(what);
}
template <class T>
T must(Result<T> result, const char* what) {
  if (!result) {
    throw Failure(std::string(what) + ": " + std::string(result.error().reason()) + ": " +
                  std::string(result.error().message()));
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

inline std::string first_difference(base::ByteView got, base::ByteView want) {
  if (got.size() != want.size()) {
    return "size " + std::to_string(got.size()) + " instead of " + std::to_string(want.size());
  }
  const auto at = std::mismatch(got.begin(), got.end(), want.begin()).first - got.begin();
  return "differs at byte " + std::to_string(at) + " of " + std::to_string(want.size());
}
inline void expect_equal(base::ByteView got, base::ByteView want, const char* what) {
  const bool sizes = got.size() == want.size();
  if (sizes && (got.empty() || std::memcmp(got.data(), want.data(), got.size()) == 0)) return;
  throw Failure(what + (" " + first_difference(got, want)));
}

}  // namespace snapvault::test
