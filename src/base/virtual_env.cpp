#include <new>
#include <stdexcept>

#include "base/env.hpp"

namespace snapvault::base {
namespace {

// One queue, one thread, no clock: whatever runs, runs in the order that the seed and the program
// give. Nothing here allocates after construction, so that failing allocations are the program's.
class VirtualEnv final : public Env {
 public:
  explicit VirtualEnv(std::uint64_t seed) noexcept : queue_(*this), state_(seed) {}

  Executor& loop() noexcept override { return queue_; }
  Executor& cpu() noexcept override { return queue_; }
  Executor& io() noexcept override { return queue_; }
  unsigned cpu_threads() const noexcept override { return 2; }
  unsigned io_threads() const noexcept override { return 4; }
  Nanoseconds monotonic() noexcept override { return now_; }
  std::int64_t wall_seconds() noexcept override {
    return kStart + static_cast<std::int64_t>(now_ / kSecond);
  }
  std::uint64_t process_nonce() noexcept override { return 1; }
  bool inside() const noexcept override { return driving_; }

  void random(std::span<std::byte> into) override {
    for (auto& byte : into) byte = static_cast<std::byte>(next_random() >> 32);
  }

  void arm(Timer& timer) noexcept override {
    timer.sequence = ++sequence_;
    Work** at = &timers_;
    while (*at && static_cast<Timer*>(*at)->at <= timer.at) at = &(*at)->next;
    timer.next = *at;
    *at = &timer;
  }
  void cancel(Timer& timer) noexcept override {
    if (timer.sequence == 0) return;
    for (Work** at = &timers_; *at; at = &(*at)->next) {
      if (*at != &timer) continue;
      *at = timer.next;
      timer.sequence = 0;
      return;
    }
  }

  void start() override {}
  void drive(Work& first, bool& done) override {
    driving_ = true;
    queue_.post(first);
    while (!done) {
      if (Work* work = queue_.take()) {
        work->run(*work);
      } else if (timers_) {
        fire();
      } else {
        driving_ = false;
        throw std::logic_error("simulation is stuck: nothing can ever run again");
      }
    }
    // What is left (a timer's end, a late completion) must not outlive the call.
    while (Work* work = queue_.take()) work->run(*work);
    driving_ = false;
  }
  void signal(bool& done) noexcept override { done = true; }

 private:
  static constexpr std::int64_t kStart = 1'767'225'600;  // 2026-01-01

  class Queue final : public Executor {
   public:
    explicit Queue(VirtualEnv& env) noexcept : env_(env) {}
    void post(Work& work) noexcept override {
      work.next = nullptr;
      (front_ ? back_->next : front_) = &work;
      back_ = &work;
      ++length_;
    }
    // A seeded choice among the first few: two seeds give two interleavings.
    Work* take() noexcept {
      if (!front_) return nullptr;
      auto skip = length_ > 1 ? env_.next_random() % (length_ < 4 ? length_ : 4) : 0;
      Work** at = &front_;
      Work* before = nullptr;
      for (; skip > 0; --skip) {
        before = *at;
        at = &(*at)->next;
      }
      Work* work = *at;
      *at = work->next;
      if (back_ == work) back_ = before;
      --length_;
      return work;
    }

   private:
    VirtualEnv& env_;
    Work* front_ = nullptr;
    Work* back_ = nullptr;
    std::uint64_t length_ = 0;
  };

  void fire() noexcept {
    auto* timer = static_cast<Timer*>(timers_);
    timers_ = timer->next;
    timer->sequence = 0;
    if (timer->at > now_) now_ = timer->at;
    queue_.post(*timer);
  }

  // splitmix64 (Steele, Lea, Flood 2014): for tests only, never for keys of a real repository.
  std::uint64_t next_random() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  Queue queue_;
  Work* timers_ = nullptr;
  std::uint64_t sequence_ = 0;
  std::uint64_t state_;
  Nanoseconds now_ = 0;
  bool driving_ = false;
};

}  // namespace

std::shared_ptr<Env> make_virtual_env(std::uint64_t seed) {
  return std::make_shared<VirtualEnv>(seed);
}

}  // namespace snapvault::base
