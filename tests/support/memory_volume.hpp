// A volume in memory, as a source and as a sink, that behaves as a test tells it to and keeps count
// of what was asked of it. It also notes callers that break the calling rules of source.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <snapvault/snapshot.hpp>
#include <snapvault/source.hpp>

#include "base/bytes.hpp"
#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::test {

// The functions of sources and sinks, for hooks and counts.
enum class Call : std::size_t {
  info,
  read,
  extents,
  open_base,
  token,
  resize,
  write,
  zero,
  is_hole,
  flush,
  finish,
};
inline constexpr std::size_t kCalls = 11;

// Bytes that compress a little: most of the 16-byte words are drawn from a few.
inline base::Bytes noise(std::uint64_t size, std::uint64_t seed) {
  std::mt19937_64 draw(seed);
  std::array<std::uint64_t, 16> few;
  for (auto& word : few) word = draw();
  base::Bytes out(size);
  for (std::uint64_t at = 0; at < size; at += 8) {
    const auto bits = draw();
    const auto word = bits % 4 == 0 ? bits : few[bits % few.size()];
    std::memcpy(out.data() + at, &word, std::min<std::uint64_t>(8, size - at));
  }
  return out;
}

// Set the public members before a job runs; read counts after it.
class MemoryVolume final : public BlockSource, public BlockSink {
 public:
  enum class Reports {
    nothing,  // one unknown page
    truth,    // zeros, and against a base what changed, exactly
    more,     // the same, but some unchanged grains are said to have changed
  };

  explicit MemoryVolume(std::uint64_t size = 0) : bytes(size) {}
  explicit MemoryVolume(base::Bytes content, Reports how = Reports::nothing)
      : bytes(std::move(content)), reports(how) {}

  base::Bytes bytes;  // the content

  // --- behaviour ---
  std::uint32_t max_concurrency = 16;
  std::uint32_t io_optimal = 262144;
  bool in_use = false;
  std::string file_system;
  Reports reports = Reports::nothing;
  bool zeros_are_holes = true;        // in extents(); else they are `zero` only
  std::uint64_t grain = 4096;         // of extents()
  std::uint64_t page_bytes = ~0ull;   // at most so many bytes a page
  bool has_base = true;               // tokens are given and accepted
  std::vector<ByteRange> hidden;      // changes there are said to be unchanged
  std::vector<ByteRange> unreadable;  // read() of any byte of these fails
  bool fixed_size = false;            // as a device: resize() above the size fails
  bool starts_zero = false;           // reads_zero_initially()
  bool knows_holes = false;           // is_hole() tells the truth
  bool readable = true;               // read() of the sink works
  bool rising_only = false;           // as a stream: no gaps, no steps back
  // Asked before each call, on its thread; an error is the call's answer. May throw.
  std::function<Result<void>(Call, std::uint64_t offset, std::uint64_t length)> before;

  // --- counts ---
  std::array<std::atomic<std::uint64_t>, kCalls> calls{};
  std::atomic<std::uint64_t> read_bytes{0}, written_bytes{0}, zeroed_bytes{0};
  std::atomic<std::uint64_t> peak{0};  // reads and writes at once
  std::atomic<bool> interrupted{false};
  std::atomic<bool> flushed{false};  // nothing was written since
  std::optional<bool> finished;      // finish()'s argument
  std::uint64_t calls_of(Call call) const { return calls[static_cast<std::size_t>(call)]; }
  // What the caller did against the rules; empty if nothing.
  std::string misuse() const {
    const std::lock_guard lock(mutex_);
    return misuse_;
  }
  // What write() was given, in the order of the calls.
  std::vector<ByteRange> writes() const {
    const std::lock_guard lock(mutex_);
    return writes_;
  }

  void fill(std::uint64_t offset, base::ByteView data) {
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  }
  void clear(std::uint64_t offset, std::uint64_t length) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), length, std::byte{});
  }

  Result<BlockInfo> info() override {
    SV_CHECK(enter(Call::info, 0, 0));
    BlockInfo out;
    out.size = bytes.size();
    out.io_optimal = io_optimal;
    out.max_concurrency = max_concurrency;
    out.in_use = in_use;
    out.file_system = file_system;
    return out;
  }

  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    const Running running(*this, shared_);
    SV_CHECK(enter(Call::read, offset, into.size()));
    SV_CHECK(inside(offset, into.size()));
    if (!readable) return Error(Errc::unsupported, reason::bad_argument, "cannot be read back");
    for (const auto& range : unreadable) {
      if (offset < range.offset + range.length && range.offset < offset + into.size()) {
        return Error(Errc::unavailable, reason::source_failed, "an unreadable sector");
      }
    }
    const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(offset);
    std::copy_n(from, into.size(), into.begin());
    read_bytes += into.size();
    return {};
  }

  Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length) override {
    const Running running(*this, alone_[0]);
    SV_CHECK(enter(Call::extents, offset, length));
    ExtentPage page;
    page.covered_to = offset + std::min(length, std::max(page_bytes, grain));
    if (reports == Reports::nothing) return page;
    for (auto at = offset; at < page.covered_to;) {
      const auto end = std::min(page.covered_to, (at / grain + 1) * grain);
      const auto flags = flags_of(at, end - at);
      const bool joins = !page.extents.empty() && page.extents.back().flags == flags;
      if (joins) page.extents.back().length += end - at;
      if (!joins) page.extents.push_back({at, end - at, flags});
      at = end;
    }
    return page;
  }

  Result<bool> open_base(std::span<const std::byte> token) override {
    const Running running(*this, alone_[1]);
    SV_CHECK(enter(Call::open_base, 0, token.size()));
    base_ = nullptr;
    if (!has_base || token.size() != 8) return false;
    const auto state = states_.find(base::load<std::uint64_t>(token.data()));
    if (state == states_.end()) return false;
    base_ = &state->second;
    return true;
  }

  Result<std::vector<std::byte>> token() override {
    const Running running(*this, alone_[2]);
    SV_CHECK(enter(Call::token, 0, 0));
    std::vector<std::byte> out;
    if (!has_base) return out;
    states_[states_.size()] = bytes;
    out.resize(8);
    base::store<std::uint64_t>(out.data(), states_.size() - 1);
    return out;
  }

  Result<void> resize(std::uint64_t size) override {
    if (calls_of(Call::resize) > 0) note("resize() was called twice");
    if (calls_of(Call::write) + calls_of(Call::zero) > 0) note("resize() was not the first");
    SV_CHECK(enter(Call::resize, 0, size));
    if (fixed_size && size > bytes.size()) {
      return Error(Errc::precondition_failed, reason::target_too_small, "the target is too small");
    }
    if (!fixed_size) bytes.resize(size);
    return {};
  }

  Result<void> write(std::uint64_t offset, std::span<const std::byte> data) override {
    const Running running(*this, shared_);
    flushed = false;
    SV_CHECK(enter(Call::write, offset, data.size()));
    SV_CHECK(inside(offset, data.size()));
    SV_CHECK(in_order(offset, data.size()));
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    written_bytes += data.size();
    const std::lock_guard lock(mutex_);
    writes_.push_back({offset, data.size()});
    return {};
  }

  Result<void> zero(std::uint64_t offset, std::uint64_t length, bool /*may_trim*/) override {
    const Running running(*this, alone_[3]);
    flushed = false;
    SV_CHECK(enter(Call::zero, offset, length));
    SV_CHECK(inside(offset, length));
    SV_CHECK(in_order(offset, length));
    clear(offset, length);
    zeroed_bytes += length;
    return {};
  }

  bool reads_zero_initially() const override { return starts_zero; }

  bool is_hole(std::uint64_t offset, std::uint64_t length) override {
    const Running running(*this, alone_[4]);
    if (!enter(Call::is_hole, offset, length)) return false;
    return knows_holes && inside(offset, length) &&
           base::is_zero(base::ByteView(bytes).subspan(offset, length));
  }

  Result<void> flush() override {
    SV_CHECK(enter(Call::flush, 0, 0));
    flushed = true;
    return {};
  }

  Result<void> finish(bool complete) override {
    if (finished) note("finish() was called twice");
    if (complete && !flushed) note("finish(true) without a flush");
    finished = complete;
    SV_CHECK(enter(Call::finish, 0, complete));
    return {};
  }

  void interrupt() noexcept override { interrupted = true; }

 private:
  // A call in progress, for the rules on what may overlap.
  class Running {
   public:
    Running(MemoryVolume& volume, std::atomic<std::uint64_t>& running) : running_(running) {
      const auto now = ++running_;
      const bool is_shared = &running == &volume.shared_;
      if (now > (is_shared ? volume.max_concurrency : 1)) volume.note("too many calls at once");
      auto seen = volume.peak.load();
      while (is_shared && now > seen && !volume.peak.compare_exchange_weak(seen, now)) {
      }
    }
    ~Running() { --running_; }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

   private:
    std::atomic<std::uint64_t>& running_;
  };

  Result<void> enter(Call call, std::uint64_t offset, std::uint64_t length) {
    ++calls[static_cast<std::size_t>(call)];
    if (finished && call != Call::finish) note("a call after finish()");
    if (before) return before(call, offset, length);
    return {};
  }

  Result<void> inside(std::uint64_t offset, std::uint64_t length) {
    if (offset <= bytes.size() && length <= bytes.size() - offset && length > 0) return {};
    note("a range that is empty or outside the volume");
    return Error(Errc::invalid_argument, reason::range, "the range is outside the volume");
  }

  Result<void> in_order(std::uint64_t offset, std::uint64_t length) {
    if (!rising_only) return {};
    if (offset != position_) {
      return Error(Errc::invalid_argument, reason::range, "a stream has no gaps");
    }
    position_ += length;
    return {};
  }

  ExtentFlags flags_of(std::uint64_t offset, std::uint64_t length) const {
    const auto content = base::ByteView(bytes).subspan(offset, length);
    auto flags = ExtentFlags::none;
    if (base::is_zero(content)) flags = flags | ExtentFlags::zero;
    if (has(flags, ExtentFlags::zero) && zeros_are_holes) flags = flags | ExtentFlags::hole;
    if (!base_) return flags;
    bool changed = offset + length > base_->size() ||
                   !std::equal(content.begin(), content.end(),
                               base_->begin() + static_cast<std::ptrdiff_t>(offset));
    if (reports == Reports::more) changed = changed || (offset / grain * 2654435761u) % 7 == 0;
    for (const auto& range : hidden) {
      if (offset < range.offset + range.length && range.offset < offset + length) changed = false;
    }
    return flags | (changed ? ExtentFlags::changed : ExtentFlags::unchanged);
  }

  void note(const char* what) {
    const std::lock_guard lock(mutex_);
    if (misuse_.empty()) misuse_ = what;
  }

  mutable std::mutex mutex_;
  std::string misuse_;
  std::vector<ByteRange> writes_;
  std::atomic<std::uint64_t> shared_{0};
  std::array<std::atomic<std::uint64_t>, 5> alone_{};
  std::uint64_t position_ = 0;
  std::map<std::uint64_t, base::Bytes> states_;  // as they were at each token()
  const base::Bytes* base_ = nullptr;
};

}  // namespace snapvault::test
