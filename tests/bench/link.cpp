// link: a TCP relay that delays and slows what passes it, as a network far away would. The kernel
// of the test machine has no netem.
//
//   link PORT HOST:PORT DELAY_MS [MIB_PER_SECOND]
//
// The delay is added once per round trip, on the way to the server; the rate holds in each
// direction, over all connections. Prints nothing; ends with SIGTERM.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// Bytes a second for one direction; 0: no bound.
class Rate {
 public:
  explicit Rate(double bytes_per_second) : rate_(bytes_per_second) {}
  // When the last of `bytes` has passed.
  Clock::time_point pass(std::size_t bytes) {
    const auto now = Clock::now();
    if (rate_ <= 0) return now;
    const std::lock_guard lock(mutex_);
    free_at_ = std::max(free_at_, now) +
               std::chrono::duration_cast<Clock::duration>(
                   std::chrono::duration<double>(static_cast<double>(bytes) / rate_));
    return free_at_;
  }

 private:
  const double rate_;
  std::mutex mutex_;
  Clock::time_point free_at_;
};

// What is on its way in one direction of one connection.
class Pipe {
 public:
  Pipe(int from, int to, Clock::duration delay, Rate& rate)
      : from_(from), to_(to), delay_(delay), rate_(rate) {}

  void read_all() {
    for (;;) {
      std::vector<char> piece(256 << 10);
      const auto got = ::recv(from_, piece.data(), piece.size(), 0);
      piece.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
      const auto due = rate_.pass(piece.size()) + delay_;
      std::unique_lock lock(mutex_);
      room_.wait(lock, [&] { return bytes_ < kBytesMax; });
      bytes_ += piece.size();
      pieces_.push_back({due, std::move(piece)});
      more_.notify_one();
      if (got <= 0) return;  // an empty piece ends it
    }
  }
  void write_all() {
    for (;;) {
      std::unique_lock lock(mutex_);
      more_.wait(lock, [&] { return !pieces_.empty(); });
      Piece piece = std::move(pieces_.front());
      pieces_.pop_front();
      bytes_ -= piece.bytes.size();
      room_.notify_one();
      lock.unlock();
      std::this_thread::sleep_until(piece.due);
      if (piece.bytes.empty()) break;
      std::size_t sent = 0;
      while (sent < piece.bytes.size()) {
        const auto count =
            ::send(to_, piece.bytes.data() + sent, piece.bytes.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += static_cast<std::size_t>(count);
      }
      if (sent < piece.bytes.size()) ::shutdown(from_, SHUT_RDWR);
    }
    ::shutdown(to_, SHUT_WR);
  }

 private:
  struct Piece {
    Clock::time_point due;
    std::vector<char> bytes;
  };
  static constexpr std::size_t kBytesMax = 64 << 20;
  const int from_, to_;
  const Clock::duration delay_;
  Rate& rate_;
  std::mutex mutex_;
  std::condition_variable more_, room_;
  std::deque<Piece> pieces_;
  std::size_t bytes_ = 0;
};

struct Link {
  sockaddr_in server{};
  Clock::duration delay{};
  Rate up{0}, down{0};
};

void no_delay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void relay(Link& link, int client) {
  const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  // A handshake takes a round trip too.
  std::this_thread::sleep_for(link.delay);
  if (::connect(server, reinterpret_cast<const sockaddr*>(&link.server), sizeof link.server) == 0) {
    no_delay(client);
    no_delay(server);
    Pipe up(client, server, link.delay, link.up), down(server, client, {}, link.down);
    std::thread threads[] = {std::thread([&] { up.read_all(); }),
                             std::thread([&] { up.write_all(); }),
                             std::thread([&] { down.read_all(); })};
    down.write_all();
    for (auto& thread : threads) thread.join();
  }
  ::close(server);
  ::close(client);
}

int serve(Link& link, std::uint16_t port) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener, 512) != 0) {
    std::perror("link: listen");
    return 1;
  }
  for (;;) {
    const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client >= 0) std::thread(relay, std::ref(link), client).detach();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string to = argc >= 4 ? argv[2] : "";
  const auto colon = to.find(':');
  if (colon == std::string::npos) {
    std::fprintf(stderr, "usage: link PORT HOST:PORT DELAY_MS [MIB_PER_SECOND]\n");
    return 2;
  }
  const double rate = argc > 4 ? std::atof(argv[4]) * (1 << 20) : 0;
  Link link{
      .delay = std::chrono::milliseconds(std::atoi(argv[3])), .up = Rate(rate), .down = Rate(rate)};
  link.server.sin_family = AF_INET;
  link.server.sin_port = htons(static_cast<std::uint16_t>(std::atoi(to.c_str() + colon + 1)));
  if (::inet_pton(AF_INET, to.substr(0, colon).c_str(), &link.server.sin_addr) != 1) {
    std::fprintf(stderr, "link: %s is no IPv4 address\n", to.c_str());
    return 2;
  }
  std::signal(SIGPIPE, SIG_IGN);
  return serve(link, static_cast<std::uint16_t>(std::atoi(argv[1])));
}
