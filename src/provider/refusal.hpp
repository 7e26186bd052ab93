// Refusal: how a word by which stores refuse is taken. Each kind of store has a table of them.
#pragma once

#include <span>
#include <string_view>

#include "provider/exchanger.hpp"

namespace snapvault::provider {

struct Refusal {
  std::string_view word;  // a code or reason of the vendor
  Verdict::Action action;
  Errc errc;
  const char* reason;
  const char* message;
  const char* hint = "";

  Error error() const {
    auto out = Error(errc, reason, message);
    return *hint ? std::move(out).with_hint(hint) : out;
  }
};

// nullptr: the table does not have the word.
inline const Refusal* find_refusal(std::span<const Refusal> table, std::string_view word) noexcept {
  for (const auto& one : table) {
    if (one.word == word) return &one;
  }
  return nullptr;
}

}  // namespace snapvault::provider
