#include <sched.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/env.hpp"

namespace snapvault::base {
namespace {

thread_local const Env* current_env = nullptr;

Nanoseconds read_clock(clockid_t id) noexcept {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<Nanoseconds>(now.tv_sec) * kSecond + static_cast<Nanoseconds>(now.tv_nsec);
}

// A first-in first-out queue of intrusive nodes that threads take from.
class Queue : public Executor {
 public:
  // Wakes with the mutex held: whoever runs the work may end the queue before a thread of another
  // Env, or of an embedder, had left notify_one.
  void post(Work& work) noexcept override {
    const std::lock_guard lock(mutex_);
    work.next = nullptr;
    (front_ ? back_->next : front_) = &work;
    back_ = &work;
    wake_.notify_one();
  }
  void stop() noexcept {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
  }

 protected:
  Work* pop() noexcept {  // mutex_ held
    Work* work = front_;
    if (work) front_ = work->next;
    return work;
  }
  std::mutex mutex_;
  std::condition_variable wake_;
  Work* front_ = nullptr;
  Work* back_ = nullptr;
  bool stopping_ = false;
};

// Threads that start one by one as work arrives, up to a bound.
class Pool final : public Queue {
 public:
  Pool(const Env& env, unsigned bound) : env_(env), bound_(bound) { threads_.reserve(bound); }
  void finish() {
    stop();
    for (auto& thread : threads_) thread.join();
  }
  void post(Work& work) noexcept override {
    grow();
    ++queued_;
    Queue::post(work);
  }
  // One thread must exist before anything is posted; throws std::system_error if it cannot.
  void start() {
    const std::lock_guard lock(grow_);
    if (threads_.empty()) threads_.emplace_back([this] { serve(); });
    started_ = static_cast<unsigned>(threads_.size());
  }

 private:
  // A thread that cannot be had is no failure: those that exist do the work.
  void grow() noexcept {
    if (started_ == bound_ || idle_ > queued_) return;
    const std::lock_guard lock(grow_);
    if (threads_.size() == bound_) return;
    try {
      threads_.emplace_back([this] { serve(); });
      started_ = static_cast<unsigned>(threads_.size());
    } catch (...) {
    }
  }
  void serve() noexcept {
    current_env = &env_;
    for (;;) {
      std::unique_lock lock(mutex_);
      ++idle_;
      wake_.wait(lock, [this] { return front_ || stopping_; });
      --idle_;
      Work* work = pop();
      if (!work) return;
      --queued_;
      lock.unlock();
      work->run(*work);
    }
  }
  const Env& env_;
  const unsigned bound_;
  std::mutex grow_;
  std::vector<std::thread> threads_;
  std::atomic<unsigned> started_{0};
  std::atomic<unsigned> idle_{0};
  std::atomic<unsigned> queued_{0};
};

// The loop: one thread that runs posted work and timers.
class Loop final : public Queue {
 public:
  explicit Loop(const Env& env) noexcept : env_(env) {}
  void finish() {
    stop();
    if (thread_.joinable()) thread_.join();
  }
  void start() {
    const std::lock_guard lock(start_);
    if (!thread_.joinable()) thread_ = std::thread([this] { serve(); });
  }
  void arm(Timer& timer) noexcept {  // loop thread
    timer.sequence = ++sequence_;
    Work** at = &timers_;
    while (*at && static_cast<Timer*>(*at)->at <= timer.at) at = &(*at)->next;
    timer.next = *at;
    *at = &timer;
  }
  void cancel(Timer& timer) noexcept {
    if (timer.sequence == 0) return;
    for (Work** at = &timers_; *at; at = &(*at)->next) {
      if (*at != &timer) continue;
      *at = timer.next;
      timer.sequence = 0;
      return;
    }
  }

 private:
  void serve() noexcept {
    current_env = &env_;
    for (;;) {
      fire_due();
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return front_ || stopping_; };
      if (timers_) {
        const auto now = read_clock(CLOCK_MONOTONIC);
        const auto at = static_cast<Timer*>(timers_)->at;
        if (at > now) wake_.wait_for(lock, std::chrono::nanoseconds(at - now), ready);
      } else {
        wake_.wait(lock, ready);
      }
      Work* work = pop();
      if (!work && stopping_) return;
      lock.unlock();
      if (work) work->run(*work);
    }
  }
  void fire_due() noexcept {
    while (timers_ && static_cast<Timer*>(timers_)->at <= read_clock(CLOCK_MONOTONIC)) {
      auto* timer = static_cast<Timer*>(timers_);
      timers_ = timer->next;
      timer->sequence = 0;
      timer->run(*timer);
    }
  }
  const Env& env_;
  std::mutex start_;
  std::thread thread_;
  Work* timers_ = nullptr;
  std::uint64_t sequence_ = 0;
};

class ThreadEnv final : public Env {
 public:
  explicit ThreadEnv(const EnvOptions& options)
      : cpu_threads_(options.cpu_threads ? options.cpu_threads : usable_cpus()),
        io_threads_(options.io_threads ? options.io_threads : std::max(4u, 2 * cpu_threads_)),
        cpu_(*this, cpu_threads_),
        io_(*this, io_threads_),
        loop_(*this) {}
  // A thread may still be waking the queue that it posted its last work to, so all threads end
  // before any queue does.
  ~ThreadEnv() override {
    loop_.finish();
    cpu_.finish();
    io_.finish();
  }

  Executor& loop() noexcept override { return loop_; }
  Executor& cpu() noexcept override { return cpu_; }
  Executor& io() noexcept override { return io_; }
  unsigned cpu_threads() const noexcept override { return cpu_threads_; }
  unsigned io_threads() const noexcept override { return io_threads_; }
  Nanoseconds monotonic() noexcept override { return read_clock(CLOCK_MONOTONIC); }
  std::int64_t wall_seconds() noexcept override {
    return static_cast<std::int64_t>(read_clock(CLOCK_REALTIME) / kSecond);
  }
  std::uint64_t process_nonce() noexcept override {
    return static_cast<std::uint64_t>(getpid()) ^ (read_clock(CLOCK_BOOTTIME) << 22);
  }
  bool inside() const noexcept override { return current_env == this; }

  void random(std::span<std::byte> into) override {
    while (!into.empty()) {
      const auto got = getrandom(into.data(), into.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw std::runtime_error("the system gives no random bytes");
      into = into.subspan(static_cast<std::size_t>(got));
    }
  }
  void arm(Timer& timer) noexcept override { loop_.arm(timer); }
  void cancel(Timer& timer) noexcept override { loop_.cancel(timer); }

  void start() override {
    cpu_.start();
    io_.start();
    loop_.start();
  }
  void drive(Work& first, bool& done) override {
    start();
    loop_.post(first);
    std::unique_lock lock(done_mutex_);
    done_changed_.wait(lock, [&done] { return done; });
  }
  void signal(bool& done) noexcept override {
    const std::lock_guard lock(done_mutex_);
    done = true;
    done_changed_.notify_all();
  }

 private:
  static unsigned usable_cpus() noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
  }
  const unsigned cpu_threads_;
  const unsigned io_threads_;
  std::mutex done_mutex_;
  std::condition_variable done_changed_;
  Pool cpu_;
  Pool io_;
  Loop loop_;
};

}  // namespace

std::shared_ptr<Env> make_thread_env(const EnvOptions& options) {
  return std::make_shared<ThreadEnv>(options);
}

}  // namespace snapvault::base
