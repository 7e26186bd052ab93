// A source that tells about its ranges in every way that source.hpp allows: pages of any length,
// extents on any boundary, gaps of each meaning, contradictions, changes over-reported.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include "support/memory_volume.hpp"

namespace snapvault::test {

class Teller final : public BlockSource {
 public:
  struct Style {
    bool changes = true;         // changed/unchanged are told once a base was accepted
    bool zeros = true;           // zero/hole are told
    bool over_report = false;    // some that did not change are said to have
    bool silent = false;         // some ranges are told nothing of
    bool claims_growth = false;  // what lies behind the base's end is said to be unchanged
    Gaps gaps = Gaps::unknown;
    std::uint64_t grain = 512;   // of what is told
    std::uint64_t page = ~0ull;  // bytes a page covers
    std::uint32_t io_optimal = 262144;
    std::uint64_t seed = 0;
  };

  explicit Teller(base::Bytes content = {}) : bytes(std::move(content)) {}

  base::Bytes bytes;
  Style style;
  bool keeps_tokens = true;       // token() and open_base() work
  std::vector<ByteRange> hidden;  // changes there are said to be unchanged
  std::uint64_t opened_base = 0;  // how often a base was accepted

  Result<BlockInfo> info() override {
    BlockInfo out;
    out.size = bytes.size();
    out.io_optimal = style.io_optimal;
    return out;
  }

  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    if (into.empty() || offset > bytes.size() || into.size() > bytes.size() - offset) {
      return Error(Errc::invalid_argument, reason::range, "a read that is empty or outside");
    }
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return {};
  }

  Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length) override {
    ExtentPage page;
    page.gaps = style.gaps;
    if (page.gaps == Gaps::unchanged && !(base_ && style.changes)) page.gaps = Gaps::unknown;
    page.covered_to = offset + std::min(length, style.page);
    for (auto at = offset; at < page.covered_to;) {
      const auto end = std::min(page.covered_to, (at / style.grain + 1) * style.grain);
      const auto flags = flags_of(at, end - at);
      const bool joins = !page.extents.empty() && page.extents.back().flags == flags &&
                         page.extents.back().offset + page.extents.back().length == at;
      if (joins) page.extents.back().length += end - at;
      if (!joins && !is_gap(page.gaps, flags, at, end - at)) {
        page.extents.push_back({at, end - at, flags});
      }
      at = end;
    }
    return page;
  }

  Result<bool> open_base(std::span<const std::byte> token) override {
    base_ = nullptr;
    if (!keeps_tokens || token.size() != 8) return false;
    const auto state = states_.find(base::load<std::uint64_t>(token.data()));
    if (state == states_.end()) return false;
    base_ = &state->second;
    ++opened_base;
    return true;
  }

  Result<std::vector<std::byte>> token() override {
    std::vector<std::byte> out;
    if (!keeps_tokens) return out;
    states_[next_token_] = bytes;
    out.resize(8);
    base::store<std::uint64_t>(out.data(), next_token_++);
    return out;
  }

  // A new job begins: no base is open.
  void begin() { base_ = nullptr; }

 private:
  std::uint64_t mix(std::uint64_t at) const {
    std::uint64_t z = (at + style.seed) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 29)) * 0xBF58476D1CE4E5B9u;
    return z ^ (z >> 32);
  }

  bool changed(std::uint64_t offset, std::uint64_t length) const {
    for (const auto& range : hidden) {
      if (offset < range.offset + range.length && range.offset < offset + length) return false;
    }
    if (style.claims_growth && offset >= base_->size()) return false;
    return offset + length > base_->size() ||
           !std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(offset),
                       bytes.begin() + static_cast<std::ptrdiff_t>(offset + length),
                       base_->begin() + static_cast<std::ptrdiff_t>(offset));
  }

  ExtentFlags flags_of(std::uint64_t offset, std::uint64_t length) const {
    auto flags = ExtentFlags::none;
    const auto draw = mix(offset / 16384);  // the same for neighbours, so that runs appear
    if (style.silent && draw % 5 == 0) return flags;
    if (style.zeros && base::is_zero(base::ByteView(bytes).subspan(offset, length))) {
      if (draw % 7 != 1) flags = flags | ExtentFlags::zero;
      if (draw % 7 > 3) flags = flags | ExtentFlags::hole;
    }
    if (!base_ || !style.changes) return flags;
    const bool is_changed = changed(offset, length);
    if (style.over_report && draw % 3 == 0) flags = flags | ExtentFlags::changed;
    if (style.over_report && draw % 11 == 0) return flags;
    return flags | (is_changed ? ExtentFlags::changed : ExtentFlags::unchanged);
  }

  // true if leaving the range out of the page says the same, or nothing false.
  bool is_gap(Gaps gaps, ExtentFlags flags, std::uint64_t offset, std::uint64_t length) const {
    switch (gaps) {
      case Gaps::unknown:
        return flags == ExtentFlags::none;
      case Gaps::zero:
        return base::is_zero(base::ByteView(bytes).subspan(offset, length));
      case Gaps::unchanged:
        return flags == ExtentFlags::unchanged;
    }
    return false;
  }

  std::map<std::uint64_t, base::Bytes> states_;  // as they were at each token()
  std::uint64_t next_token_ = 1;
  const base::Bytes* base_ = nullptr;
};

}  // namespace snapvault::test
