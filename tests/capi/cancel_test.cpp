// Progress, cancelling, threads and memory.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include "volume.hpp"

namespace {

// The allocation of this thread that fails, counted down; 0: none.
thread_local int allocations_left = 0;

}  // namespace

void* operator new(std::size_t size) {
  if (allocations_left > 0 && --allocations_left == 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace capi_test {
namespace {

constexpr std::size_t kSize = 8 << 20;

struct Seen {
  std::vector<sv_progress> reports;
  int stop_at = -1;  // the report that is answered with "stop"
};

std::int32_t on_progress(const sv_progress* progress, void* user_data) {
  auto& seen = *static_cast<Seen*>(user_data);
  seen.reports.push_back(*progress);
  return static_cast<int>(seen.reports.size()) - 1 == seen.stop_at;
}

Cancel make_cancel() {
  sv_cancel* made = nullptr;
  REQUIRE(sv_cancel_create(&made, nullptr) == SV_OK);
  return Cancel(made);
}

}  // namespace

TEST_SUITE("capi/cancel") {
  TEST_CASE("progress rises, and its last report is done") {
    const auto owner = make_repository("memory:capi-progress");
    Volume volume(kSize);
    volume.fill(1);
    Seen seen;
    auto backup = backup_as("db");
    backup.on_progress = on_progress;
    backup.progress_data = &seen;
    backup.progress_period_ms = 1;
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr) ==
            SV_OK);
    REQUIRE(!seen.reports.empty());
    std::uint64_t before = 0;
    for (const auto& report : seen.reports) {
      CHECK(report.struct_size == sizeof(sv_progress));
      CHECK(report.bytes_done >= before);
      CHECK(report.bytes_done <= report.bytes_total);
      before = report.bytes_done;
    }
    CHECK(seen.reports.back().phase == SV_PHASE_DONE);
    CHECK(seen.reports.back().bytes_done == kSize);

    Seen restoring;
    Volume target;
    auto restore = restore_of("db@latest");
    restore.on_progress = on_progress;
    restore.progress_data = &restoring;
    REQUIRE(sv_repository_restore(owner.get(), &kSink, &target, &restore, nullptr, nullptr) ==
            SV_OK);
    REQUIRE(!restoring.reports.empty());
    CHECK(restoring.reports.back().phase == SV_PHASE_DONE);
    CHECK(restoring.reports.back().stored_bytes > 0);
  }

  TEST_CASE("a progress callback that says so stops its job, and the source hears of it") {
    const auto owner = make_repository("memory:capi-stop");
    Volume volume(kSize);
    // The first read waits for the interrupt, so the job cannot be done before its first report.
    volume.ask = [&](const char* callback) -> sv_code {
      if (std::string(callback) != "read") return SV_OK;
      while (volume.interrupts == 0) std::this_thread::yield();
      return SV_CANCELLED;
    };
    Seen seen;
    seen.stop_at = 0;
    auto backup = backup_as("db");
    backup.on_progress = on_progress;
    backup.progress_data = &seen;
    backup.progress_period_ms = 1;
    Error error;
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, error.out()) ==
          SV_CANCELLED);
    CHECK(error.reason() == "cancelled");
  }

  TEST_CASE("a job that is given a requested cancel does nothing") {
    const auto owner = make_repository("memory:capi-cancelled");
    const auto cancel = make_cancel();
    sv_cancel_request(cancel.get());
    sv_cancel_request(cancel.get());
    Volume volume(kSize);
    volume.fill(1);
    auto backup = backup_as("db");
    backup.cancel = cancel.get();
    Error error;
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, error.out()) ==
          SV_CANCELLED);
    CHECK(error.reason() == "cancelled");
    CHECK(volume.read_bytes == 0);
    backup.cancel = nullptr;
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr) ==
            SV_OK);
    Volume target;
    auto restore = restore_of("db@latest");
    restore.cancel = cancel.get();
    CHECK(sv_repository_restore(owner.get(), &kSink, &target, &restore, nullptr, nullptr) ==
          SV_CANCELLED);
  }

  TEST_CASE("any thread may cancel, and free the cancel while the job ends") {
    const auto owner = make_repository("memory:capi-threads");
    Volume volume(kSize);
    std::atomic<bool> reading = false;
    volume.ask = [&](const char* callback) -> sv_code {
      if (std::string(callback) != "read") return SV_OK;
      reading = true;
      while (volume.interrupts == 0) std::this_thread::yield();
      return SV_CANCELLED;
    };
    auto cancel = make_cancel();
    auto backup = backup_as("db");
    backup.cancel = cancel.get();
    std::thread other([&] {
      while (!reading) std::this_thread::yield();
      sv_cancel_request(cancel.get());
      cancel.reset();
    });
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr) ==
          SV_CANCELLED);
    other.join();
    CHECK(volume.interrupts == 1);
  }

  TEST_CASE("a blocking call from a callback is refused, and the job goes on") {
    const auto owner = make_repository("memory:capi-inside");
    Volume volume(kSize);
    std::atomic<int> refused = 0;
    volume.ask = [&](const char* callback) -> sv_code {
      if (std::string(callback) != "read") return SV_OK;
      sv_snapshot_list* list = nullptr;
      Error error;
      if (sv_repository_list(owner.get(), nullptr, &list, error.out()) == SV_INVALID_ARGUMENT &&
          error.reason() == "called_from_callback") {
        ++refused;
      }
      return SV_OK;
    };
    const auto backup = backup_as("db");
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr) == SV_OK);
    CHECK(refused > 0);
  }

  TEST_CASE("one repository serves several threads at once") {
    const auto owner = make_repository("memory:capi-parallel");
    std::vector<std::thread> threads;
    std::atomic<int> good = 0;
    for (unsigned i = 0; i < 4; ++i) {
      threads.emplace_back([&, i] {
        Volume volume(kSize / 8), target;
        volume.fill(i);
        const auto name = "source" + std::to_string(i), latest = name + "@latest";
        const auto backup = backup_as(name.c_str());
        const auto restore = restore_of(latest.c_str());
        if (sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr)) return;
        if (sv_repository_restore(owner.get(), &kSink, &target, &restore, nullptr, nullptr)) return;
        good += target.bytes == volume.bytes;
      });
    }
    for (auto& thread : threads) thread.join();
    CHECK(good == 4);
  }

  TEST_CASE("without memory a call answers so, or succeeds; nothing is half done") {
    const auto owner = make_repository("memory:capi-memory");
    Volume volume(64 << 10), target;
    volume.fill(1);
    const auto backup = backup_as("db");
    const auto restore = restore_of("db@latest");
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &backup, nullptr, nullptr) ==
            SV_OK);
    // Each call until no allocation of this thread was left to fail.
    const auto sweep = [](auto call) {
      int points = 0;
      for (bool hit = true; hit; ++points) {
        sv_error* error = nullptr;
        allocations_left = points + 1;
        const sv_code code = call(&error);
        hit = allocations_left == 0;
        allocations_left = 0;
        const OwnedError owned(error);
        CAPTURE(points);
        const bool told = code == SV_OK || code == SV_RESOURCE_EXHAUSTED;
        CHECK(told);
        if (!hit) CHECK(code == SV_OK);
      }
      return points - 1;
    };
    CHECK(sweep([](sv_error** error) {
            sv_cancel* cancel = nullptr;
            const auto code = sv_cancel_create(&cancel, error);
            CHECK((cancel != nullptr) == (code == SV_OK));
            sv_cancel_free(cancel);
            return code;
          }) > 0);
    CHECK(sweep([&](sv_error** error) {
            sv_snapshot_list* list = nullptr;
            const auto code = sv_repository_list(owner.get(), nullptr, &list, error);
            CHECK((list != nullptr) == (code == SV_OK));
            sv_snapshot_list_free(list);
            return code;
          }) > 0);
    CHECK(sweep([&](sv_error** error) {
            sv_restore_report* report = nullptr;
            const auto code =
                sv_repository_restore(owner.get(), &kSink, &target, &restore, &report, error);
            sv_restore_report_free(report);
            return code;
          }) > 0);
    CHECK(sweep([&](sv_error** error) {
            sv_backup_report* report = nullptr;
            const auto code =
                sv_repository_backup(owner.get(), &kSource, &volume, &backup, &report, error);
            sv_backup_report_free(report);
            return code;
          }) > 0);
    CHECK(target.bytes == volume.bytes);
  }
}

}  // namespace capi_test
