#include "net/pool.hpp"

#include <algorithm>

#include <boost/asio/this_coro.hpp>

namespace snapvault::net {

Awaitable<Pool::Slot> Pool::enter(std::string to) {
  const auto strand = co_await asio::this_coro::executor;
  std::shared_ptr<Waiter> waiter;
  {
    const std::lock_guard lock(mutex_);
    auto& place = places_[to];
    if (place.waiting.empty() && place.under_way < connections_max_) {
      ++place.under_way;
      co_return Slot(shared_from_this(), std::move(to));
    }
    waiter = std::make_shared<Waiter>(strand);
    place.waiting.push_back(waiter);
  }
  // Whatever ends this frame early, its place in the line is not kept.
  struct Leave {
    Pool& pool;
    const std::string& to;
    const std::shared_ptr<Waiter>& waiter;
    ~Leave() {
      if (!waiter->taken) pool.forget(to, waiter);
    }
  } leaving{*this, to, waiter};
  auto waiting = waiter->event->wait();
  co_await std::move(waiting);
  waiter->taken = true;
  co_return Slot(shared_from_this(), to);
}

void Pool::forget(const std::string& to, const std::shared_ptr<Waiter>& waiter) noexcept {
  bool called = false;
  {
    const std::lock_guard lock(mutex_);
    called = std::erase(places_[to].waiting, waiter) == 0;
  }
  if (called) leave(to);
}

void Pool::leave(const std::string& to) noexcept {
  std::shared_ptr<Waiter> next;
  {
    const std::lock_guard lock(mutex_);
    auto& place = places_[to];
    if (place.waiting.empty()) {
      --place.under_way;
      return;
    }
    next = std::move(place.waiting.front());
    place.waiting.pop_front();
  }
  next->event->set();
}

std::unique_ptr<Stream> Pool::take(const std::string& to) {
  for (;;) {
    Idle one;
    {
      const std::lock_guard lock(mutex_);
      auto& idle = places_[to].idle;
      if (idle.empty()) return nullptr;
      one = std::move(idle.front());
      idle.pop_front();
    }
    if (Clock::now() - one.since < idle_max_ && one.stream->is_quiet()) {
      return std::move(one.stream);
    }
  }
}

void Pool::give(const std::string& to, std::unique_ptr<Stream> stream) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    places_[to].idle.push_front({std::move(stream), Clock::now()});
    arm();
  } catch (...) {  // no memory: it is closed, or stays a little longer
  }
}

// With the mutex.
void Pool::arm() {
  if (sweeping_) return;
  sweep_.expires_after(idle_max_ + std::chrono::milliseconds(10));
  sweep_.async_wait([weak = weak_from_this()](error_code cancelled) {
    if (cancelled) return;
    if (const auto self = weak.lock()) self->sweep();
  });
  sweeping_ = true;
}

void Pool::sweep() {
  std::list<Idle> old;
  const std::lock_guard lock(mutex_);
  sweeping_ = false;
  bool left = false;
  const auto now = Clock::now();
  for (auto at = places_.begin(); at != places_.end();) {
    auto& [to, place] = *at;
    while (!place.idle.empty() && now - place.idle.back().since >= idle_max_) {
      old.splice(old.end(), place.idle, std::prev(place.idle.end()));
    }
    left = left || !place.idle.empty();
    const bool unused = place.idle.empty() && place.waiting.empty() && place.under_way == 0;
    at = unused ? places_.erase(at) : std::next(at);
  }
  if (left) arm();
}

}  // namespace snapvault::net
