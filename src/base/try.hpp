// Early return of an Error, for functions (SV_TRY) and coroutines (SV_CO_TRY).
//
//   SV_TRY(auto bytes, read(path));      // declares `bytes` or returns the Error
//   SV_CHECK(write(path));               // the same for Result<void>
//   SV_CO_TRY(auto reply, std::move(task));   // co_awaits `task` first
#pragma once

#include <exception>
#include <new>
#include <utility>

#include <snapvault/result.hpp>

#define SV_CONCAT_(a, b) a##b
#define SV_CONCAT(a, b) SV_CONCAT_(a, b)

#define SV_TRY(declaration, ...) \
  SV_TRY_(SV_CONCAT(sv_try_, __LINE__), declaration, return, __VA_ARGS__)
#define SV_CHECK(...) SV_CHECK_(SV_CONCAT(sv_check_, __LINE__), return, __VA_ARGS__)
#define SV_CO_TRY(declaration, ...) \
  SV_TRY_(SV_CONCAT(sv_try_, __LINE__), declaration, co_return, co_await __VA_ARGS__)
#define SV_CO_CHECK(...) SV_CHECK_(SV_CONCAT(sv_check_, __LINE__), co_return, co_await __VA_ARGS__)
// The same for a plain Result inside a coroutine.
#define SV_CO_TRY_NOW(declaration, ...) \
  SV_TRY_(SV_CONCAT(sv_try_, __LINE__), declaration, co_return, __VA_ARGS__)
#define SV_CO_CHECK_NOW(...) SV_CHECK_(SV_CONCAT(sv_check_, __LINE__), co_return, __VA_ARGS__)

#define SV_TRY_(name, declaration, leave, ...) \
  auto name = __VA_ARGS__;                     \
  if (!name) leave std::move(name).error();    \
  declaration = *std::move(name)

#define SV_CHECK_(name, leave, ...)           \
  do {                                        \
    auto name = __VA_ARGS__;                  \
    if (!name) leave std::move(name).error(); \
  } while (false)

namespace snapvault::base {

// What an exception caught at a boundary becomes.
Error error_from(std::exception_ptr failure) noexcept;

// What `body()`, which returns a Result, answers. No exception leaves a function of the API: short
// memory is an error like any other.
template <class Body>
auto answer(Body&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    return error_from(std::current_exception());
  }
}

// Drops a Result on purpose; `why` is for the reader.
template <class T>
void permit_unchecked(const Result<T>&, const char* /*why*/) noexcept {}

}  // namespace snapvault::base
