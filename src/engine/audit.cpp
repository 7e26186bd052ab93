#include "engine/audit.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/reasons.hpp"
#include "codec/fingerprint.hpp"
#include "engine/callback.hpp"
#include "engine/claims.hpp"

namespace snapvault::engine {
namespace {

constexpr std::uint32_t kSamples = 256;
constexpr std::uint64_t kSampleBytes = 16u << 20;

std::uint64_t random_number(base::Env& env) {
  std::array<std::byte, 8> bytes;
  env.random(bytes);
  return base::load<std::uint64_t>(bytes.data());
}

// true if the source claims all of the block unchanged.
base::Task<Result<bool>> claimed_unchanged(Job& job, BlockSource& source, std::uint64_t offset,
                                           std::uint64_t length) {
  const auto end = offset + length;
  ClaimCursor cursor(job.env, source, end, true, end);  // asks about the block alone
  for (std::uint64_t at = offset; at < end;) {
    SV_CO_TRY(const auto run, cursor.at(at));
    if (!run.unchanged) co_return false;
    at = run.end;
  }
  co_return true;
}

struct Checked {
  bool equal = true;
  std::uint64_t bytes = 0;
};
base::Task<Result<Checked>> check_sample(Job& job, BlockSource& source, std::uint64_t size,
                                         std::uint32_t block_size, format::AuditSample sample) {
  const auto length = std::min<std::uint64_t>(block_size, size - sample.offset);
  SV_CO_TRY(const auto claimed, claimed_unchanged(job, source, sample.offset, length));
  if (!claimed) co_return Checked{true, 0};
  base::Bytes block(length);
  auto read = [&] { return source.read(sample.offset, block); };
  auto reading = call_on_io(job.env, reason::source_failed, read);
  auto done = co_await std::move(reading);
  // Unreadable is not changed: the walk meets it, or trusts what is stored.
  if (!done) co_return Checked{true, 0};
  const auto now = codec::fingerprint(job.repository.keys.fingerprint_secret(), block);
  co_return Checked{now == sample.fingerprint, length};
}

// `percent` of the parent's data blocks, leaf by leaf drawn at random.
base::Task<Result<std::vector<format::AuditSample>>> draw_blocks(Job& job,
                                                                 const format::Manifest& parent,
                                                                 store::MapReader& map,
                                                                 double percent) {
  std::vector<format::AuditSample> drawn;
  const auto threshold = static_cast<std::uint64_t>(percent / 100 * 4294967296.0);
  for (std::uint64_t at = 0; at < map.leaves();) {
    SV_CO_CHECK_NOW(job.check());
    SV_CO_TRY(const auto item, map.at(at));
    at = item.first + item.count;
    if (item.kind != store::MapReader::Item::Kind::leaf) continue;
    for (std::uint32_t i = 0; i < format::kFanout; ++i) {
      const auto& block = item.leaf->blocks[i];
      if (block.state != format::BlockState::data) continue;
      if ((random_number(job.env) & 0xFFFFFFFF) >= threshold) continue;
      drawn.push_back({(item.first * format::kFanout + i) * parent.block_size, block.fingerprint});
    }
  }
  co_return drawn;
}

}  // namespace

std::uint32_t samples_max(std::uint32_t block_size) noexcept {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(kSamples, kSampleBytes / block_size));
}

base::Task<Result<AuditResult>> audit(Job& job, BlockSource& source, std::uint64_t source_size,
                                      const format::Manifest& parent, store::MapReader& parent_map,
                                      double percent) {
  auto samples = parent.samples;
  if (percent > 0) {
    SV_CO_TRY(const auto more, draw_blocks(job, parent, parent_map, percent));
    samples.insert(samples.end(), more.begin(), more.end());
  }
  AuditResult result;
  for (const auto& sample : samples) {
    SV_CO_CHECK_NOW(job.check());
    // A block that reached the old end may hold other bytes now without having changed.
    const auto end = sample.offset + parent.block_size;
    if (sample.offset >= source_size || (source_size != parent.size && end > parent.size)) continue;
    if (source_size < parent.size && end > source_size) continue;
    SV_CO_TRY(const auto checked,
              check_sample(job, source, source_size, parent.block_size, sample));
    result.read_bytes += checked.bytes;
    result.blocks += checked.bytes ? 1 : 0;
    if (!checked.equal) {
      result.passed = false;
      break;
    }
  }
  co_return result;
}

Sampler::Sampler(base::Env& env, std::uint32_t block_size)
    : capacity_(samples_max(block_size)), random_(random_number(env) | 1) {
  samples_.reserve(capacity_);
}

void Sampler::inherit(const format::Manifest& parent, std::uint64_t size) {
  for (const auto& sample : parent.samples) {
    if (sample.offset + parent.block_size <= std::min(size, parent.size)) {
      inherited_.emplace(sample.offset, sample.fingerprint);
    }
  }
  // The parent's samples stand for all its data blocks, so that a new block displaces one of them
  // as seldom as if all had passed by.
  const auto& counts = parent.counts;
  const auto empty = std::min(counts.total, counts.zero + counts.hole);
  seen_ = std::max<std::uint64_t>(counts.total - empty, inherited_.size());
}

void Sampler::data(std::uint64_t offset, const codec::Fingerprint& fingerprint) {
  if (const auto found = inherited_.find(offset); found != inherited_.end()) {
    found->second = fingerprint;
    return;
  }
  ++seen_;
  if (inherited_.size() + samples_.size() < capacity_) {
    samples_.push_back({offset, fingerprint});
    return;
  }
  const auto place = draw(seen_);
  if (place >= capacity_) return;
  if (place < samples_.size()) {
    samples_[place] = {offset, fingerprint};
  } else if (!inherited_.empty()) {
    auto victim = inherited_.begin();
    std::advance(victim, static_cast<std::ptrdiff_t>(draw(inherited_.size())));
    inherited_.erase(victim);
    samples_.push_back({offset, fingerprint});
  }
}

void Sampler::no_data(std::uint64_t offset, std::uint64_t length) {
  inherited_.erase(inherited_.lower_bound(offset), inherited_.lower_bound(offset + length));
}

std::vector<format::AuditSample> Sampler::take() && {
  for (const auto& [offset, fingerprint] : inherited_) samples_.push_back({offset, fingerprint});
  std::sort(samples_.begin(), samples_.end(),
            [](const auto& a, const auto& b) { return a.offset < b.offset; });
  return std::move(samples_);
}

// xorshift64 (Marsaglia 2003), seeded from the Env: a fair draw, not a secret.
std::uint64_t Sampler::draw(std::uint64_t bound) noexcept {
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return random_ % bound;
}

}  // namespace snapvault::engine
