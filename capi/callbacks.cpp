#include "callbacks.hpp"

#include <algorithm>
#include <new>
#include <string>

namespace snapvault::capi {
namespace {

// Extents asked for at once: 24 KiB of them.
constexpr std::size_t kExtentsMax = 1024;
constexpr std::uint32_t kExtentFlags =
    SV_EXTENT_ZERO | SV_EXTENT_HOLE | SV_EXTENT_CHANGED | SV_EXTENT_UNCHANGED;

constexpr const char* kSourceFailed = "source_failed";
constexpr const char* kTargetFailed = "target_failed";

Error failure(sv_code code, const char* reason, const char* callback) {
  const bool known = code >= SV_CANCELLED && code <= SV_INTERNAL;
  const auto errc = known ? static_cast<Errc>(code) : Errc::unavailable;
  if (errc == Errc::cancelled) reason = "cancelled";
  const auto answer =
      known ? std::string(to_string(errc)) : std::to_string(code) + ", which is no code";
  return Error(errc, reason, std::string("the callback ") + callback + " answered " + answer);
}

// Calls back: what is thrown, by an embedder who writes C++, must not reach the engine's threads.
template <class Callback, class... Arguments>
Result<void> call(const char* reason, const char* name, Callback callback, Arguments... arguments) {
  try {
    const sv_code code = callback(arguments...);
    if (code == SV_OK) return {};
    return failure(code, reason, name);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (...) {
    return Error(Errc::aborted, reason, std::string("the callback ") + name + " threw");
  }
}

void call_interrupt(void (*callback)(void*), void* user_data) noexcept {
  if (callback == nullptr) return;
  try {
    callback(user_data);
  } catch (...) {  // It only asks to hurry; the job stops all the same.
  }
}

Result<sv_block_info> ask_info(const char* reason, sv_code (*callback)(void*, sv_block_info*),
                               void* user_data) {
  sv_block_info info = {};
  auto done = call(reason, "info", callback, user_data, &info);
  if (!done) return std::move(done).error();
  return info;
}

BlockInfo from_c(const sv_block_info& given) {
  BlockInfo info;
  info.size = given.size;
  if (given.io_optimal != 0) info.io_optimal = given.io_optimal;
  if (given.max_concurrency != 0) info.max_concurrency = given.max_concurrency;
  info.in_use = given.in_use != 0;
  if (given.in_use_by != nullptr) info.in_use_by = given.in_use_by;
  if (given.file_system != nullptr) info.file_system = given.file_system;
  return info;
}

Error missing(const char* message) {
  return Error(Errc::invalid_argument, "bad_argument", message);
}

Error bad_page(const char* message) {
  return Error(Errc::invalid_argument, "bad_extent_page", message);
}

}  // namespace

Result<void> check(const sv_source& table) {
  if (table.info == nullptr) return missing("a source needs its callback info");
  if (table.read == nullptr) return missing("a source needs its callback read");
  return {};
}

Result<void> check(const sv_sink& table) {
  if (table.info == nullptr) return missing("a sink needs its callback info");
  if (table.resize == nullptr) return missing("a sink needs its callback resize");
  if (table.write == nullptr) return missing("a sink needs its callback write");
  if (table.zero == nullptr) return missing("a sink needs its callback zero");
  if (table.flush == nullptr) return missing("a sink needs its callback flush");
  return {};
}

Result<BlockInfo> CallbackSource::info() {
  auto info = ask_info(kSourceFailed, table_.info, user_data_);
  if (!info) return std::move(info).error();
  return from_c(*info);
}

Result<void> CallbackSource::read(std::uint64_t offset, std::span<std::byte> into) {
  return call(kSourceFailed, "read", table_.read, user_data_, offset,
              static_cast<void*>(into.data()), into.size());
}

Result<ExtentPage> CallbackSource::extents(std::uint64_t offset, std::uint64_t length) {
  if (table_.extents == nullptr) return BlockSource::extents(offset, length);
  std::vector<sv_extent> given(kExtentsMax);
  std::size_t count = 0;
  std::uint64_t covered_to = offset;
  std::uint32_t gaps = SV_GAPS_UNKNOWN;
  auto done = call(kSourceFailed, "extents", table_.extents, user_data_, offset, length,
                   given.data(), given.size(), &count, &covered_to, &gaps);
  if (!done) return std::move(done).error();
  if (count > given.size()) return bad_page("the callback extents answered too many extents");
  if (gaps > SV_GAPS_UNCHANGED) return bad_page("the callback extents answered unknown gaps");
  ExtentPage page;
  page.covered_to = covered_to;
  page.gaps = static_cast<Gaps>(gaps);
  page.extents.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto& extent = given[i];
    if ((extent.flags & ~kExtentFlags) != 0 || extent.reserved != 0) {
      return bad_page("the callback extents answered unknown flags");
    }
    page.extents.push_back({extent.offset, extent.length, static_cast<ExtentFlags>(extent.flags)});
  }
  return page;
}

Result<bool> CallbackSource::open_base(std::span<const std::byte> token) {
  if (table_.open_base == nullptr) return false;
  std::int32_t accepted = 0;
  auto done = call(kSourceFailed, "open_base", table_.open_base, user_data_,
                   static_cast<const void*>(token.data()), token.size(), &accepted);
  if (!done) return std::move(done).error();
  return accepted != 0;
}

Result<std::vector<std::byte>> CallbackSource::token() {
  if (table_.token == nullptr) return BlockSource::token();
  std::vector<std::byte> token(SV_TOKEN_MAX);
  std::size_t length = 0;
  auto done = call(kSourceFailed, "token", table_.token, user_data_,
                   static_cast<void*>(token.data()), token.size(), &length);
  if (!done) return std::move(done).error();
  if (length > token.size()) {
    return Error(Errc::invalid_argument, "bad_argument",
                 "the callback token answered more than 4,096 bytes");
  }
  token.resize(length);
  return token;
}

void CallbackSource::interrupt() noexcept { call_interrupt(table_.interrupt, user_data_); }

Result<BlockInfo> CallbackSink::info() {
  auto info = ask_info(kTargetFailed, table_.info, user_data_);
  if (!info) return std::move(info).error();
  reads_zero_ = info->reads_zero != 0;
  return from_c(*info);
}

Result<void> CallbackSink::resize(std::uint64_t bytes) {
  auto done = call(kTargetFailed, "resize", table_.resize, user_data_, bytes);
  if (!done && done.error().code() == Errc::precondition_failed) {
    return Error(Errc::precondition_failed, "target_too_small",
                 "the target cannot hold " + std::to_string(bytes) + " bytes");
  }
  return done;
}

Result<void> CallbackSink::write(std::uint64_t offset, std::span<const std::byte> data) {
  return call(kTargetFailed, "write", table_.write, user_data_, offset,
              static_cast<const void*>(data.data()), data.size());
}

Result<void> CallbackSink::zero(std::uint64_t offset, std::uint64_t length, bool may_trim) {
  return call(kTargetFailed, "zero", table_.zero, user_data_, offset, length,
              static_cast<std::int32_t>(may_trim));
}

Result<void> CallbackSink::read(std::uint64_t offset, std::span<std::byte> into) {
  if (table_.read == nullptr) return BlockSink::read(offset, into);
  return call(kTargetFailed, "read", table_.read, user_data_, offset,
              static_cast<void*>(into.data()), into.size());
}

Result<void> CallbackSink::flush() {
  return call(kTargetFailed, "flush", table_.flush, user_data_);
}

Result<void> CallbackSink::finish(bool complete) {
  if (table_.finish == nullptr) return {};
  return call(kTargetFailed, "finish", table_.finish, user_data_,
              static_cast<std::int32_t>(complete));
}

void CallbackSink::interrupt() noexcept { call_interrupt(table_.interrupt, user_data_); }

}  // namespace snapvault::capi
