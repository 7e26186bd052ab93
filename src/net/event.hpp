// Event: one coroutine waits for what happens once on any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace snapvault::net {

namespace asio = boost::asio;

class Event : public std::enable_shared_from_this<Event> {
 public:
  explicit Event(asio::any_io_executor strand) : timer_(std::move(strand)) {}

  bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }
  // Any thread.
  void set() noexcept {
    set_.store(true, std::memory_order_release);
    try {
      asio::post(timer_.get_executor(), [self = shared_from_this()] { self->timer_.cancel(); });
    } catch (...) {  // no memory: it is seen at the next look
    }
  }
  // On the strand. Ends by an exception when the coroutine is cancelled.
  asio::awaitable<void> wait() {
    while (!is_set()) {
      timer_.expires_after(kLook);
      auto waiting = timer_.async_wait(asio::as_tuple(asio::use_awaitable));
      co_await std::move(waiting);
    }
  }

 private:
  static constexpr std::chrono::seconds kLook{2};

  asio::steady_timer timer_;
  std::atomic<bool> set_ = false;
};

}  // namespace snapvault::net
