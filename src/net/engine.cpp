#include "net/engine.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>

namespace snapvault::net {
namespace {

constexpr int kThreads = 2;

// The host's signals are handled by the host's threads.
class BlockedSignals {
 public:
  BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

std::shared_ptr<Engine> Engine::shared() {
  static std::mutex mutex;
  static std::weak_ptr<Engine> kept;
  static pid_t owner = 0;
  const std::lock_guard lock(mutex);
  if (owner == getpid()) {
    if (auto engine = kept.lock()) return engine;
  }
  auto engine = std::make_shared<Engine>();
  kept = engine;
  owner = getpid();
  return engine;
}

Engine::Engine() : io_(std::make_shared<asio::io_context>(kThreads)), work_(io_->get_executor()) {
  const BlockedSignals blocked;
  try {
    threads_.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) add_thread();
  } catch (...) {
    // One thread is enough; without any the caller hears of it.
    if (threads_.empty()) throw;
  }
}

void Engine::add_thread() {
  threads_.emplace_back([io = io_] {
    pthread_setname_np(pthread_self(), "snapvault-net");
    for (;;) {
      try {
        io->run();
        return;
      } catch (...) {
        // A handler threw, which ours do not: the others go on.
      }
    }
  });
}

void Engine::run_aside(std::function<void()> work) {
  const BlockedSignals blocked;
  struct Aside {
    std::shared_ptr<asio::io_context> io;  // first: it goes after what the work holds
    std::function<void()> work;
    void operator()() {
      work();
      work = nullptr;
    }
  };
  std::thread(Aside{io_, std::move(work)}).detach();
}

Engine::~Engine() {
  work_.reset();
  const auto self = std::this_thread::get_id();
  const bool inside = std::any_of(threads_.begin(), threads_.end(),
                                  [self](const auto& thread) { return thread.get_id() == self; });
  for (auto& thread : threads_) {
    // From inside nobody can be waited for: another one may wait for what this one holds. Each
    // thread holds the io_context, and leaves when nothing is left to do.
    inside ? thread.detach() : thread.join();
  }
}

}  // namespace snapvault::net
