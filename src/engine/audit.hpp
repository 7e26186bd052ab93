// Audit: trust change information, but check. Blocks drawn when the parent was committed are read
// again where the source says they did not change; one that differs means a full scan.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <snapvault/source.hpp>

#include "engine/job.hpp"
#include "format/manifest.hpp"
#include "store/map_reader.hpp"

namespace snapvault::engine {

// Samples a manifest keeps: at most 256, and at most 16 MiB of blocks.
std::uint32_t samples_max(std::uint32_t block_size) noexcept;

struct AuditResult {
  bool passed = true;
  std::uint64_t blocks = 0;  // read and compared
  std::uint64_t read_bytes = 0;
};

// Reads the parent's samples, and `percent` of its data blocks drawn anew, where the source claims
// them unchanged. `parent_map` is used only for percent > 0. Stops at the first difference.
base::Task<Result<AuditResult>> audit(Job& job, BlockSource& source, std::uint64_t source_size,
                                      const format::Manifest& parent, store::MapReader& parent_map,
                                      double percent);

// Keeps a fair choice of the data blocks of a volume while they pass by (reservoir sampling: Vitter
// 1985, algorithm R). Starts from the parent's choice, whose blocks pass by only where they
// changed.
class Sampler {
 public:
  Sampler(base::Env& env, std::uint32_t block_size);
  // The parent's samples that still lie inside the volume, and how many data blocks they stand for.
  void inherit(const format::Manifest& parent, std::uint64_t size);
  // A block that holds new data, and a range that holds none any more.
  void data(std::uint64_t offset, const codec::Fingerprint& fingerprint);
  void no_data(std::uint64_t offset, std::uint64_t length);
  std::vector<format::AuditSample> take() &&;

 private:
  std::uint64_t draw(std::uint64_t bound) noexcept;
  std::size_t capacity_;
  std::uint64_t seen_ = 0;
  std::uint64_t random_;
  std::map<std::uint64_t, codec::Fingerprint> inherited_;  // by offset
  std::vector<format::AuditSample> samples_;
};

}  // namespace snapvault::engine
