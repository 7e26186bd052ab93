#include "api/run_job.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "provider/memory.hpp"

TEST_SUITE_BEGIN("api/run_job");

namespace snapvault {
namespace {

struct Report {
  double seconds = 0;
};

struct Told {
  Progress::Phase phase;
  base::Nanoseconds at;
};

// Jobs of one repository side by side on one virtual loop; each only takes time.
struct Fixture {
  std::shared_ptr<base::Env> env = base::make_virtual_env(5);
  Runtime runtime = make_runtime(env, 32u << 20);
  Repository repository = make();
  Repository::State& state = *repository.state();

  Repository make() const {
    InitOptions options;
    options.no_passphrase = true;
    options.runtime = runtime;
    auto made = Repository::init(provider::make_memory(), options);
    REQUIRE(made);
    return *std::move(made);
  }

  struct Job {
    std::stop_source stop = {};
    BackupOptions options = {};
    std::vector<Told> told = {};
    base::Nanoseconds started = 0, ended = 0;
    std::optional<Result<Report>> result = {};
  };
  std::vector<Job> jobs = std::vector<Job>(5);

  base::Task<Result<void>> run(Job& job) {
    job.options.stop = job.stop.get_token();
    job.options.on_progress = [this, &job](const Progress& now) {
      job.told.push_back({now.phase, env->monotonic()});
    };
    auto take_time = [this, &job](engine::Job& running) -> base::Task<Result<Report>> {
      job.started = env->monotonic();
      co_await base::sleep_until(*env, job.started + 10 * base::kSecond);
      SV_CO_CHECK_NOW(running.check());
      co_return Report();
    };
    auto running = job_on_loop<Report>(state, job.options, take_time);
    job.result.emplace(co_await std::move(running));
    job.ended = env->monotonic();
    co_return Result<void>();
  }
  // Starts all jobs, and asks `stopped` to stop after a second.
  void run_all(const std::vector<std::size_t>& stopped = {}) {
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (auto& job : jobs) {
        auto running = run(job);
        auto spawning = group.spawn(std::move(running));
        co_await std::move(spawning);
      }
      co_await base::sleep_until(*env, env->monotonic() + base::kSecond);
      for (const auto i : stopped) jobs[i].stop.request_stop();
      co_return Result<void>();
    };
    REQUIRE(base::run_sync(*env, base::with_group(env->loop(), 10, body)));
  }
};

TEST_CASE_FIXTURE(Fixture, "two jobs run at once; more wait, in the order in which they came") {
  run_all();
  for (const auto& job : jobs) CHECK(job.result->has_value());
  const auto at = [&](std::size_t i) { return jobs[i].started / base::kSecond; };
  CHECK(at(0) == 0);
  CHECK(at(1) == 0);
  CHECK(at(2) == 10);
  CHECK(at(3) == 10);
  CHECK(at(4) == 20);
}

TEST_CASE_FIXTURE(Fixture, "a job that waits says so, and counts the time") {
  run_all();
  const auto& job = jobs[4];
  CHECK(job.told.front().phase == Progress::Phase::opening);
  CHECK(job.told.front().at == 0);
  CHECK(job.told.back().phase == Progress::Phase::done);
  for (const auto& told : job.told) {
    if (told.at < 20 * base::kSecond) CHECK(told.phase == Progress::Phase::opening);
  }
  CHECK((*job.result)->seconds == doctest::Approx(30).epsilon(0.01));
}

TEST_CASE_FIXTURE(Fixture, "a job that waits is cancelled at once, and holds up nobody") {
  run_all({2, 3});
  for (const std::size_t i : {2, 3}) {
    const auto& job = jobs[i];
    REQUIRE(!*job.result);
    CHECK(job.result->error().code() == Errc::cancelled);
    CHECK(job.started == 0);  // never
    CHECK(job.ended <= base::kSecond + 100 * base::kMillisecond);
    CHECK(job.told.back().phase == Progress::Phase::done);
  }
  CHECK(jobs[4].result->has_value());
  CHECK(jobs[4].started / base::kSecond == 10);
}

}  // namespace
}  // namespace snapvault

TEST_SUITE_END();
