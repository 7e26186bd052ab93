// In place: what a target holds already is left as it is.
#pragma once

#include <vector>

#include <snapvault/restorer.hpp>

#include "engine/restore_plan.hpp"
#include "engine/target.hpp"

namespace snapvault::engine {

// Loop only.
class InPlace {
 public:
  InPlace(Job& job, Target& target, const Planner& planner, RestoreReport& report)
      : job_(job), target_(target), planner_(planner), report_(report) {}

  // Reads the target where the batch has data or nothing. Blocks that are there already leave
  // batch.needs; what should be empty and is not is made zero. What cannot be read differs.
  base::Task<Result<void>> settle(Batch& batch);

 private:
  struct Segment;
  struct Window;
  class Segments;
  base::Task<Result<void>> walk(base::TaskGroup& group, Batch& batch,
                                std::vector<std::uint8_t>& same);
  base::Task<Result<void>> compare(Window window);
  Result<void> compare_now(Window& window, base::MutableBytes buffer);
  Result<void> compare_piece(Window& window, std::size_t first, std::size_t last,
                             base::MutableBytes buffer);

  Job& job_;
  Target& target_;
  const Planner& planner_;
  RestoreReport& report_;
  std::vector<base::Bytes> buffers_;
};

}  // namespace snapvault::engine
