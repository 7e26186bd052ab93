// Rates that change while a job runs, and what jobs cost.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <random>
#include <thread>

#include "volume.hpp"

namespace capi_test {
namespace {

struct Rates {
  Rates() { CHECK(sv_rates_create(nullptr, &handle, nullptr) == SV_OK); }
  Rates(const Rates&) = delete;
  Rates& operator=(const Rates&) = delete;
  ~Rates() { sv_rates_free(handle); }
  void set(std::uint64_t upload, std::uint64_t requests = 0) {
    sv_rate_limits limits = SV_RATE_LIMITS_INIT;
    limits.upload = upload;
    limits.requests = requests;
    CHECK(sv_rates_set(handle, &limits, nullptr) == SV_OK);
  }
  sv_rates* handle = nullptr;
};

// Nothing in it can be compressed, or stored once for twice.
void scramble(Volume& volume, unsigned seed) {
  std::mt19937 random(seed);
  for (auto& byte : volume.bytes) byte = static_cast<unsigned char>(random());
}

double seconds_of(sv_repository* repository, Volume& volume, const sv_backup_options& options) {
  sv_backup_report* report = nullptr;
  REQUIRE(sv_repository_backup(repository, &kSource, &volume, &options, &report, nullptr) == SV_OK);
  const auto seconds = report->seconds;
  sv_backup_report_free(report);
  return seconds;
}

}  // namespace

TEST_SUITE("capi/rates") {
  TEST_CASE("DC-05: a job keeps to its rates, which may be lifted while it runs") {
    const auto owner = make_repository("memory:capi-rates");
    Volume volume(4 << 20);
    scramble(volume, 1);
    Rates rates;
    rates.set(1 << 20);
    auto options = backup_as("db");
    options.rates = rates.handle;
    CHECK(seconds_of(owner.get(), volume, options) > 1.0);

    // A hundred bytes a second would take half a day.
    scramble(volume, 2);
    rates.set(100);
    std::jthread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      rates.set(0);
    });
    CHECK(seconds_of(owner.get(), volume, options) < 20.0);
  }

  TEST_CASE("DC-05: requests have a rate of their own") {
    const auto owner = make_repository("memory:capi-requests");
    Volume volume(1 << 20);
    scramble(volume, 1);
    auto options = backup_as("db");
    const auto quick = seconds_of(owner.get(), volume, options);
    Rates rates;
    rates.set(0, 5);
    scramble(volume, 2);
    options.rates = rates.handle;
    CHECK(seconds_of(owner.get(), volume, options) > quick + 0.3);
  }

  TEST_CASE("rates may be freed while a job has them") {
    const auto owner = make_repository("memory:capi-rates-free");
    Volume volume(1 << 20);
    scramble(volume, 1);
    auto options = backup_as("db");
    auto rates = std::make_unique<Rates>();
    options.rates = rates->handle;
    volume.ask = [&](const char*) {
      rates.reset();
      return SV_OK;
    };
    CHECK(sv_repository_backup(owner.get(), &kSource, &volume, &options, nullptr, nullptr) ==
          SV_OK);
  }

  TEST_CASE("reports say what a job cost, by kinds of requests") {
    const auto owner = make_repository("memory:capi-traffic");
    Volume volume(1 << 20);
    scramble(volume, 1);
    const auto options = backup_as("db");
    sv_backup_report* made = nullptr;
    REQUIRE(sv_repository_backup(owner.get(), &kSource, &volume, &options, &made, nullptr) ==
            SV_OK);
    CHECK(made->struct_size == sizeof(*made));
    CHECK(made->puts > 0);
    CHECK(made->bytes_up > 1000);
    CHECK(made->requests == made->gets + made->puts + made->lists + made->removes + made->stats);
    sv_backup_report_free(made);
    const auto wanted = restore_of("db@latest");
    sv_restore_report* done = nullptr;
    REQUIRE(sv_repository_restore(owner.get(), &kSink, &volume, &wanted, &done, nullptr) == SV_OK);
    CHECK(done->gets > 0);
    CHECK(done->puts == 0);
    CHECK(done->bytes_down > 1000);
    CHECK(done->requests == done->gets + done->puts + done->lists + done->removes + done->stats);
    sv_restore_report_free(done);
  }
}

}  // namespace capi_test
