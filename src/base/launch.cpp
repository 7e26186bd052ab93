#include "base/launch.hpp"

namespace snapvault::base {
namespace {

// The frame of the coroutine that awaits the task holds the node that starts it.
struct Detached {
  struct promise_type {
    Detached get_return_object() const noexcept { return {}; }
    std::suspend_never initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }  // launch() says: lets none out
  };
};

Detached run(Env& env, Task<void> task) {
  co_await hop(env.loop());
  co_await std::move(task);
}

}  // namespace

void launch(Env& env, Task<void> task) {
  env.start();
  (void)run(env, std::move(task));
}

}  // namespace snapvault::base
