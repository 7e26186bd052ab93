#include <snapvault/snapshot.hpp>

#include "api/state.hpp"

namespace snapvault {
namespace {

using base::Task;

// The reader's cache is small beside what jobs use.
std::uint64_t cache_bytes(const Runtime::State& runtime) { return runtime.memory_max / 16; }

engine::SnapshotReader& reader(Snapshot::State& state) {
  if (!state.reader) {
    auto& repository = *state.repository;
    state.reader = std::make_unique<engine::SnapshotReader>(repository.env(), repository.provider,
                                                            repository.repository, state.stored,
                                                            cache_bytes(*repository.runtime));
  }
  return *state.reader;
}

Task<Result<void>> read_on_loop(Snapshot::State& state, std::uint64_t offset,
                                base::MutableBytes into) {
  auto reading = reader(state).read(offset, into);
  auto done = co_await std::move(reading);
  co_return done;
}

Task<Result<ExtentPage>> extents_on_loop(Snapshot::State& state, std::uint64_t offset,
                                         std::uint64_t length) {
  auto reading = reader(state).extents(offset, length);
  auto page = co_await std::move(reading);
  co_return page;
}

Result<void> check_range(const SnapshotInfo& info, std::uint64_t offset, std::uint64_t length) {
  if (offset <= info.size && length <= info.size - offset) return {};
  return Error(Errc::invalid_argument, reason::range, "the range reaches past the volume's end");
}

}  // namespace

Snapshot::State::~State() = default;

const SnapshotInfo& Snapshot::info() const noexcept { return state_->info; }

Result<ExtentPage> Snapshot::extents(std::uint64_t offset, std::uint64_t length) const {
  return base::answer([&]() -> Result<ExtentPage> {
    SV_CHECK(state_->repository->check(Access::read));
    SV_CHECK(check_range(state_->info, offset, length));
    return base::run_sync(state_->repository->env(), extents_on_loop(*state_, offset, length));
  });
}

Result<void> Snapshot::read(std::uint64_t offset, std::span<std::byte> into) const {
  return base::answer([&]() -> Result<void> {
    SV_CHECK(state_->repository->check(Access::read));
    SV_CHECK(check_range(state_->info, offset, into.size()));
    return base::run_sync(state_->repository->env(), read_on_loop(*state_, offset, into));
  });
}

}  // namespace snapvault
