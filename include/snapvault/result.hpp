// Result<T> and Error: how every function of snapvault answers.
//
// No exception crosses the API, except from Result::value(), which throws on purpose for those who
// prefer that. Names follow std::expected (C++23), so that Result can become an alias of it.
#pragma once

#include <cassert>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include <snapvault/config.hpp>

namespace snapvault {

// What the caller can do about a failure. The numbers are frozen and equal to the C ABI's sv_code.
enum class Errc : std::int32_t {
  cancelled = 1,             // asked for by the caller
  invalid_argument = 2,      // change the call
  not_found = 3,             // it is not there
  already_exists = 4,        // it is there already
  permission_denied = 5,     // ask for more rights
  unauthenticated = 6,       // wrong or missing credential, key or passphrase
  unavailable = 7,           // try the same call again later
  outcome_unknown = 8,       // a write may have happened: look, then decide
  data_loss = 9,             // bytes are missing, wrong or not authentic
  aborted = 10,              // start the whole operation again
  precondition_failed = 11,  // change the state of things first; a repeat fails the same way
  deadline_exceeded = 12,    // it took longer than allowed
  resource_exhausted = 13,   // no memory, no space, no quota
  unsupported = 14,          // this build, store or source cannot do it
  internal = 15,             // a defect of snapvault: report it
};

// The frozen lower-case name of a code, such as "data_loss". Never null.
SNAPVAULT_EXPORT std::string_view to_string(Errc code) noexcept;

// A failure: a code to act on, a reason to match on, a sentence to show.
//
// Copies share one immutable record. Thread safety: immutable, any thread.
class [[nodiscard]] SNAPVAULT_EXPORT Error {
 public:
  // `reason` is a frozen slug such as "wrong_passphrase" (src/base/reasons.hpp lists them); it must
  // be a string literal. `message` is one sentence without a secret. Never throws: when memory is
  // short the message is dropped and the code and reason stay.
  Error(Errc code, const char* reason, std::string_view message) noexcept;

  Errc code() const noexcept { return code_; }
  // The frozen slug, the same in C++, C, JSON and on the command line. Never empty.
  std::string_view reason() const noexcept { return reason_; }
  // One sentence a person can act on. May be empty when memory was short.
  std::string_view message() const noexcept;
  // What to try next, or empty.
  std::string_view hint() const noexcept;
  // The object, path or source concerned, or empty.
  std::string_view subject() const noexcept;
  // The provider's id of the failed request, or empty.
  std::string_view request_id() const noexcept;
  // errno of the failed system call or the HTTP status; 0 if there was none.
  int native() const noexcept { return native_; }

  Error&& with_hint(std::string_view hint) && noexcept;
  Error&& with_subject(std::string_view subject) && noexcept;
  Error&& with_request_id(std::string_view id) && noexcept;
  Error&& with_native(int native) && noexcept;
  // Puts "context: " before the message.
  Error&& with_context(std::string_view context) && noexcept;

 private:
  struct Detail;
  void edit(std::string Detail::*field, std::string_view text) noexcept;

  Errc code_;
  int native_ = 0;
  const char* reason_;
  std::shared_ptr<const Detail> detail_;
};

// Thrown by Result::value() only.
class SNAPVAULT_EXPORT Exception : public std::exception {
 public:
  explicit Exception(Error error) noexcept : error_(std::move(error)) {}
  const char* what() const noexcept override;
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
};

// A value or an Error. Ignoring one is a compiler warning (an error in our own build).
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  using error_type = Error;

  // Implicit, like std::expected: `return value;` and `return Error{...};` both read well.
  template <class U = T>
  requires std::is_constructible_v<T, U&&> &&(!std::is_same_v<std::remove_cvref_t<U>, Result>)&&(
      !std::is_same_v<std::remove_cvref_t<U>, Error>)Result(U&& value)
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}                     // NOLINT
  Result(Error error) noexcept : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  // Undefined without a value, as with std::expected.
  T& operator*() & noexcept { return *std::get_if<0>(&state_); }
  const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
  T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() noexcept { return std::get_if<0>(&state_); }
  const T* operator->() const noexcept { return std::get_if<0>(&state_); }

  // Throws Exception without a value.
  T& value() & { return check(), **this; }
  const T& value() const& { return check(), **this; }
  T&& value() && { return check(), std::move(**this); }

  Error& error() & noexcept { return *std::get_if<1>(&state_); }
  const Error& error() const& noexcept { return *std::get_if<1>(&state_); }
  Error&& error() && noexcept { return std::move(*std::get_if<1>(&state_)); }

  template <class U>
  T value_or(U&& other) const& {
    return has_value() ? **this : static_cast<T>(std::forward<U>(other));
  }

 private:
  void check() const {
    if (!has_value()) throw Exception(error());
  }
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  using error_type = Error;

  Result() noexcept = default;
  Result(Error error) noexcept : error_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool has_value() const noexcept { return error_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }
  void operator*() const noexcept {}
  void value() const {
    if (!has_value()) throw Exception(error());
  }
  Error& error() & noexcept { return *std::get_if<1>(&error_); }
  const Error& error() const& noexcept { return *std::get_if<1>(&error_); }
  Error&& error() && noexcept { return std::move(*std::get_if<1>(&error_)); }

 private:
  std::variant<std::monostate, Error> error_;
};

}  // namespace snapvault
