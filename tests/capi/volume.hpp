// A volume in memory behind the tables of callbacks, and handles that free themselves.
#pragma once

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "snapvault.h"

namespace capi_test {

// Every name is a callback of the source or the sink; `ask` is asked before each.
struct Volume {
  explicit Volume(std::size_t size = 0) : bytes(size) {}

  std::vector<unsigned char> bytes;
  std::function<sv_code(const char* callback)> ask = [](const char*) { return SV_OK; };
  // Instead of "nothing is known" of [offset, offset + length).
  std::function<sv_code(std::uint64_t offset, std::uint64_t length, sv_extent* out,
                        std::size_t* count, std::uint64_t* covered_to, std::uint32_t* gaps)>
      answer_extents = {};
  std::string token_to_give = {};
  std::string token_accepted = {};  // by open_base
  std::atomic<int> interrupts = 0;
  int finished = -1;  // with what
  std::uint64_t read_bytes = 0;

  void fill(unsigned seed) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      bytes[i] = static_cast<unsigned char>((i * 2654435761u + seed) >> 11);
    }
  }
};

inline Volume& volume_of(void* user_data) { return *static_cast<Volume*>(user_data); }

inline sv_code on_info(void* user_data, sv_block_info* out) {
  auto& volume = volume_of(user_data);
  out->size = volume.bytes.size();
  out->max_concurrency = 1;
  out->file_system = "ext4";
  return volume.ask("info");
}

inline sv_code on_read(void* user_data, std::uint64_t offset, void* into, std::size_t length) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("read"); code != SV_OK) return code;
  volume.read_bytes += length;
  std::memcpy(into, volume.bytes.data() + offset, length);
  return SV_OK;
}

inline sv_code on_extents(void* user_data, std::uint64_t offset, std::uint64_t length,
                          sv_extent* out, std::size_t capacity, std::size_t* count,
                          std::uint64_t* covered_to, std::uint32_t* gaps) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("extents"); code != SV_OK) return code;
  *covered_to = offset + length;
  if (volume.answer_extents)
    return volume.answer_extents(offset, length, out, count, covered_to, gaps);
  return capacity > 0 ? SV_OK : SV_INTERNAL;
}

inline sv_code on_open_base(void* user_data, const void* token, std::size_t length,
                            std::int32_t* accepted) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("open_base"); code != SV_OK) return code;
  const std::string given(static_cast<const char*>(token), length);
  *accepted = !given.empty() && given == volume.token_accepted;
  return SV_OK;
}

inline sv_code on_token(void* user_data, void* out, std::size_t capacity, std::size_t* length) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("token"); code != SV_OK) return code;
  *length = volume.token_to_give.size();
  if (*length <= capacity) std::memcpy(out, volume.token_to_give.data(), *length);
  return SV_OK;
}

inline sv_code on_resize(void* user_data, std::uint64_t bytes) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("resize"); code != SV_OK) return code;
  volume.bytes.resize(bytes);
  return SV_OK;
}

inline sv_code on_write(void* user_data, std::uint64_t offset, const void* data,
                        std::size_t length) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("write"); code != SV_OK) return code;
  std::memcpy(volume.bytes.data() + offset, data, length);
  return SV_OK;
}

inline sv_code on_zero(void* user_data, std::uint64_t offset, std::uint64_t length, std::int32_t) {
  auto& volume = volume_of(user_data);
  if (const auto code = volume.ask("zero"); code != SV_OK) return code;
  std::memset(volume.bytes.data() + offset, 0, length);
  return SV_OK;
}

inline sv_code on_flush(void* user_data) { return volume_of(user_data).ask("flush"); }

inline sv_code on_finish(void* user_data, std::int32_t complete) {
  auto& volume = volume_of(user_data);
  volume.finished = complete;
  return volume.ask("finish");
}

inline void on_interrupt(void* user_data) { ++volume_of(user_data).interrupts; }

constexpr sv_source kSource = {sizeof(sv_source), on_info,  on_read,     on_extents,
                               on_open_base,      on_token, on_interrupt};
constexpr sv_sink kSink = {sizeof(sv_sink), on_info, on_resize, on_write,    on_zero,
                           on_flush,        on_read, on_finish, on_interrupt};

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* handle) const {
    kFree(handle);
  }
};
using Repository = std::unique_ptr<sv_repository, Free<sv_repository_free>>;
using Cancel = std::unique_ptr<sv_cancel, Free<sv_cancel_free>>;
using SnapshotList = std::unique_ptr<sv_snapshot_list, Free<sv_snapshot_list_free>>;
using BackupReport = std::unique_ptr<sv_backup_report, Free<sv_backup_report_free>>;
using RestoreReport = std::unique_ptr<sv_restore_report, Free<sv_restore_report_free>>;
using OwnedError = std::unique_ptr<sv_error, Free<sv_error_free>>;

// An error that a function fills in.
class Error {
 public:
  ~Error() { sv_error_free(error_); }
  Error() = default;
  Error(const Error&) = delete;
  Error& operator=(const Error&) = delete;
  // For one more call: what an earlier one left is freed.
  sv_error** out() {
    sv_error_free(error_);
    error_ = nullptr;
    return &error_;
  }
  const sv_error* get() const { return error_; }
  std::string reason() const { return sv_error_reason(error_); }
  std::string message() const { return sv_error_message(error_); }

 private:
  sv_error* error_ = nullptr;
};

constexpr std::array<std::uint8_t, 32> kKey = {1, 2, 3, 4, 5, 6, 7, 8};

// A new repository in memory under a raw key.
inline Repository make_repository(const char* url) {
  sv_init_options options = SV_INIT_OPTIONS_INIT;
  options.raw_key = kKey.data();
  sv_repository* made = nullptr;
  sv_repository_init(url, &options, &made, nullptr);
  return Repository(made);
}

inline sv_backup_options backup_as(const char* source) {
  sv_backup_options options = SV_BACKUP_OPTIONS_INIT;
  options.source = source;
  return options;
}

inline sv_restore_options restore_of(const char* snapshot) {
  sv_restore_options options = SV_RESTORE_OPTIONS_INIT;
  options.snapshot = snapshot;
  return options;
}

}  // namespace capi_test
