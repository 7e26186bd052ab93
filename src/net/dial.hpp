// dial: a new connection to an origin: names looked up, addresses tried, proxy passed, TLS agreed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/client.hpp"
#include "net/engine.hpp"
#include "net/event.hpp"
#include "net/proxy.hpp"
#include "net/resolver.hpp"
#include "net/stream.hpp"
#include "net/watch.hpp"

namespace snapvault::net {

struct Route {
  wire::Origin origin;
  std::optional<Proxy> proxy;
  // Requests to one place by one way share connections.
  std::string key() const {
    return origin.url() + (proxy ? " by " + proxy->origin.url() : std::string());
  }
};

// Opens the connections of one client. Those that want the same name at once share one look-up.
// Thread safety: any thread.
class Dialler {
 public:
  Dialler(std::shared_ptr<Engine> engine, std::shared_ptr<TlsContext> tls, LookUp look_up,
          std::chrono::milliseconds patience)
      : engine_(std::move(engine)),
        tls_(std::move(tls)),
        look_up_(std::move(look_up)),
        patience_(patience) {}

  // Errors: unavailable (unreachable), precondition_failed (tls), unauthenticated (bad_credential:
  // the proxy's), data_loss (bad_answer: the proxy's). Ends by an exception when it is cancelled.
  Awaitable<Result<std::unique_ptr<Stream>>> dial(Watch& watch, Route route);

 private:
  using Names = Result<std::vector<std::string>>;
  // A look-up goes on by itself when nobody waits for it any more: the C library cannot be asked to
  // stop.
  struct Lookup {
    std::mutex mutex;
    std::optional<Names> found;
    std::vector<std::weak_ptr<Event>> waiting;
  };
  // What look-ups leave their answers in, whether the client is still there or not.
  struct Lookups {
    std::mutex mutex;
    std::map<std::string, std::shared_ptr<Lookup>> under_way;
  };
  std::shared_ptr<Lookup> begin(const std::string& host, const std::shared_ptr<Event>& event);
  Awaitable<Result<std::vector<tcp::endpoint>>> addresses(wire::Origin origin);
  Awaitable<Result<void>> connect(Stream& stream, Watch& watch, wire::Origin to);

  const std::shared_ptr<Engine> engine_;
  const std::shared_ptr<TlsContext> tls_;
  const LookUp look_up_;
  const std::chrono::milliseconds patience_;
  const std::shared_ptr<Lookups> lookups_ = std::make_shared<Lookups>();
};

}  // namespace snapvault::net
