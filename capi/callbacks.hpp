// Tables of C callbacks as a BlockSource and a BlockSink. Whatever a callback answers becomes a
// checked Result here: its code, its counts and even its exceptions are somebody else's.
#pragma once

#include <snapvault/source.hpp>

#include "snapvault.h"

namespace snapvault::capi {

// The table is copied; `user_data` stays the caller's. Errors: invalid_argument without a callback
// that is needed.
Result<void> check(const sv_source& table);
Result<void> check(const sv_sink& table);

class CallbackSource final : public BlockSource {
 public:
  CallbackSource(const sv_source& table, void* user_data) noexcept
      : table_(table), user_data_(user_data) {}

  Result<BlockInfo> info() override;
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override;
  Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length) override;
  Result<bool> open_base(std::span<const std::byte> token) override;
  Result<std::vector<std::byte>> token() override;
  void interrupt() noexcept override;

 private:
  sv_source table_;
  void* user_data_;
};

class CallbackSink final : public BlockSink {
 public:
  CallbackSink(const sv_sink& table, void* user_data) noexcept
      : table_(table), user_data_(user_data) {}

  Result<BlockInfo> info() override;
  Result<void> resize(std::uint64_t bytes) override;
  Result<void> write(std::uint64_t offset, std::span<const std::byte> data) override;
  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool may_trim) override;
  bool reads_zero_initially() const override { return reads_zero_; }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override;
  Result<void> flush() override;
  Result<void> finish(bool complete) override;
  void interrupt() noexcept override;

 private:
  sv_sink table_;
  void* user_data_;
  bool reads_zero_ = false;  // as info() said
};

}  // namespace snapvault::capi
