// Pool: the connections of a client that wait for their next request, and how many there may be.
#pragma once

#include <chrono>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <boost/asio/steady_timer.hpp>

#include "net/event.hpp"
#include "net/stream.hpp"

namespace snapvault::net {

// A request takes an idle connection before it makes one, so that idle and busy ones together stay
// within the limit. Thread safety: every function, any thread.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(asio::any_io_executor executor, unsigned connections_max, std::chrono::milliseconds idle_max)
      : connections_max_(std::max(connections_max, 1u)), idle_max_(idle_max), sweep_(executor) {}

  // The right to one connection to `to`; given back when destroyed.
  class [[nodiscard]] Slot {
   public:
    Slot(std::shared_ptr<Pool> pool, std::string to) noexcept
        : pool_(std::move(pool)), to_(std::move(to)) {}
    Slot(Slot&&) noexcept = default;
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (pool_) pool_->leave(to_);
    }

   private:
    std::shared_ptr<Pool> pool_;
    std::string to_;
  };
  // Waits, in order of asking, until one more request to `to` may be under way. Ends by an
  // exception when the coroutine is cancelled.
  Awaitable<Slot> enter(std::string to);

  // The connection to `to` that was used last and is still good, or null.
  std::unique_ptr<Stream> take(const std::string& to);
  void give(const std::string& to, std::unique_ptr<Stream> stream) noexcept;

 private:
  using Clock = std::chrono::steady_clock;
  struct Idle {
    std::unique_ptr<Stream> stream;
    Clock::time_point since;
  };
  struct Waiter {
    explicit Waiter(asio::any_io_executor strand)
        : event(std::make_shared<Event>(std::move(strand))) {}
    const std::shared_ptr<Event> event;
    bool taken = false;  // by the one who waited
  };
  struct Place {
    unsigned under_way = 0;
    std::list<Idle> idle;  // used last in front
    std::deque<std::shared_ptr<Waiter>> waiting;
  };
  void leave(const std::string& to) noexcept;
  void forget(const std::string& to, const std::shared_ptr<Waiter>& waiter) noexcept;
  void arm();
  void sweep();

  const unsigned connections_max_;
  const std::chrono::milliseconds idle_max_;
  std::mutex mutex_;
  std::map<std::string, Place> places_;
  asio::steady_timer sweep_;
  bool sweeping_ = false;
};

}  // namespace snapvault::net
