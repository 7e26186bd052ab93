// Engine: the threads on which all HTTP of this process runs.
#pragma once

#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

namespace snapvault::net {

namespace asio = boost::asio;

// Starts with two threads, which block all signals; ends with its last holder, also if that lets go
// of it on one of these threads.
class Engine {
 public:
  // The one that is running, or a new one; a forked child has its own. Throws std::system_error,
  // std::bad_alloc.
  static std::shared_ptr<Engine> shared();

  Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  asio::io_context& io() noexcept { return *io_; }
  // Runs `work`, which may block for long and throws nothing, on a thread of its own, which nobody
  // waits for; what the engine serves stays until it is done. Throws as shared().
  void run_aside(std::function<void()> work);

 private:
  void add_thread();

  const std::shared_ptr<asio::io_context> io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
};

}  // namespace snapvault::net
