#include "signals.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace cli {
namespace {

// How long a cancelled job has before the program ends all the same: a crash is safe.
constexpr auto kPatience = std::chrono::milliseconds(800);

void serve(const Globals& globals, std::stop_source stop, sigset_t signals) {
  for (;;) {
    int which = 0;
    if (sigwait(&signals, &which) != 0) continue;
    if (which == SIGHUP) {
      try {
        if (auto runtime = globals.runtime) runtime->set_rates(read_rates(globals));
      } catch (const Failure& failure) {
        print_failure(globals, failure.what(), failure.error());
      }
      continue;
    }
    if (!stop.request_stop()) _exit(cancelled);  // the second one
    std::thread([] {
      std::this_thread::sleep_for(kPatience);
      _exit(cancelled);
    }).detach();
  }
}

}  // namespace

void serve_signals(const Globals& globals, std::stop_source stop) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int which : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, which);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  std::thread([&globals, stop, signals] { serve(globals, stop, signals); }).detach();
}

}  // namespace cli
