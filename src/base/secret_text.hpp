// SecretText: a password, key or token in memory: wiped when it goes, and never printed by
// accident.
#pragma once

#include <string.h>

#include <string>
#include <string_view>
#include <utility>

namespace snapvault::base {

// Overwrites the whole buffer of `text`, then empties it.
inline void wipe(std::string& text) noexcept {
  text.resize(text.capacity());  // never allocates
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

class SecretText {
 public:
  SecretText() noexcept = default;
  // Takes over `text`; a string that was copied from must be wiped by its owner.
  explicit SecretText(std::string text) noexcept : text_(std::move(text)) {}
  SecretText(const SecretText&) = default;
  SecretText(SecretText&& other) noexcept : text_(std::move(other.text_)) { wipe(other.text_); }
  SecretText& operator=(SecretText other) noexcept {
    text_.swap(other.text_);
    return *this;
  }
  ~SecretText() { wipe(text_); }

  // Valid until this object changes. Whoever copies it wipes the copy.
  const std::string& reveal() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace snapvault::base
