// Watch: ends what one exchange waits for when it is stopped or takes too long.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <snapvault/provider.hpp>

namespace snapvault::net {

namespace asio = boost::asio;

// Lives on the strand of its exchange.
class Watch : public std::enable_shared_from_this<Watch> {
 public:
  using Clock = std::chrono::steady_clock;
  enum class Why { nothing, stopped, deadline, step };

  Watch(asio::any_io_executor strand, const RequestLimits& limits)
      : strand_(strand), timer_(strand), limits_(limits) {}

  asio::cancellation_slot slot() noexcept { return signal_.slot(); }

  // First; the rest follows it. false: it is over already. Nothing is signalled then: co_spawn of
  // Boost 1.81 forgets its handler when a coroutine is cancelled before its first wait.
  bool begin() {
    if (limits_.stop.stop_requested()) why_ = Why::stopped;
    if (limits_.deadline && Clock::now() >= *limits_.deadline) why_ = Why::deadline;
    if (why_ != Why::nothing) return false;
    on_stop_.emplace(limits_.stop, OnStop{weak_from_this()});
    arm();
    return true;
  }
  // What follows, "connecting" for example, may take so long, or anything.
  void expect(const char* doing, std::optional<std::chrono::milliseconds> patience) {
    doing_ = doing;
    step_end_ = patience ? Clock::now() + *patience : Clock::time_point::max();
    if (step_end_ < armed_for_) arm();
  }
  // Another name for what the time is used for.
  void name(const char* doing) noexcept { doing_ = doing; }
  const char* doing() const noexcept { return doing_; }
  Why why() const noexcept { return why_; }
  void end() noexcept {
    ended_ = true;
    on_stop_.reset();
    try {
      timer_.cancel();
    } catch (...) {  // it fires, and finds that all is over
    }
  }

 private:
  struct OnStop {
    std::weak_ptr<Watch> watch;
    void operator()() const noexcept {
      try {
        if (auto self = watch.lock()) {
          asio::post(self->strand_, [self] { self->cancel(Why::stopped); });
        }
      } catch (...) {  // no memory: the timer looks too
      }
    }
  };
  static constexpr std::chrono::seconds kLook{1};

  void cancel(Why why) {
    if (ended_ || why_ != Why::nothing) return;
    why_ = why;
    signal_.emit(asio::cancellation_type::terminal);
  }
  void arm() {
    armed_for_ = std::min(step_end_, Clock::now() + kLook);
    if (limits_.deadline) armed_for_ = std::min(armed_for_, *limits_.deadline);
    timer_.expires_at(armed_for_);  // ends the wait before
    timer_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
      if (!cancelled) self->look();
    });
  }
  void look() {
    if (ended_) return;
    const auto now = Clock::now();
    if (limits_.stop.stop_requested()) return cancel(Why::stopped);
    if (limits_.deadline && now >= *limits_.deadline) return cancel(Why::deadline);
    if (now >= step_end_) return cancel(Why::step);
    arm();
  }

  asio::any_io_executor strand_;
  asio::steady_timer timer_;
  RequestLimits limits_;
  asio::cancellation_signal signal_;
  Clock::time_point step_end_ = Clock::time_point::max();
  Clock::time_point armed_for_ = Clock::time_point::max();
  const char* doing_ = "starting";
  Why why_ = Why::nothing;
  bool ended_ = false;
  std::optional<std::stop_callback<OnStop>> on_stop_;
};

}  // namespace snapvault::net
