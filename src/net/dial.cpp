#include "net/dial.hpp"

#include <system_error>

#include <boost/asio/this_coro.hpp>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "net/answer_parser.hpp"

namespace snapvault::net {
namespace {

constexpr std::chrono::milliseconds kAddressPatience{2000};

Error unreachable(std::string_view message, const wire::Origin& origin, std::string_view hint) {
  return Error(Errc::unavailable, reason::unreachable, message)
      .with_subject(origin.host_field())
      .with_hint(hint);
}

Error explain_connect(const error_code& failure, const wire::Origin& to) {
  if (failure == asio::error::connection_refused) {
    return unreachable("nothing listens there: the connection was refused", to,
                       "check host and port in the address, and that the server runs");
  }
  if (failure == asio::error::timed_out) {
    return unreachable("the server does not answer", to,
                       "check the network and the firewalls between here and the server");
  }
  if (failure == asio::error::network_unreachable || failure == asio::error::host_unreachable) {
    return unreachable("there is no way to the server: " + failure.message(), to,
                       "check the network of this machine");
  }
  return unreachable("no connection to the server: " + failure.message(), to,
                     "check the endpoint and the network");
}

// The proxy's answer to CONNECT, byte by byte, so that nothing of what follows is taken.
Awaitable<Result<int>> read_connect_answer(Stream& stream) {
  base::Bytes head;
  for (;;) {
    std::byte byte{};
    const auto moved = stream.read(base::MutableBytes(&byte, 1));
    if (moved.fault != Fault::none) {
      co_return Error(Errc::unavailable, reason::unreachable,
                      "the proxy closed the connection instead of an answer");
    }
    if (moved.bytes == 0) {
      auto waiting = stream.wait(moved.need);
      co_await std::move(waiting);
      continue;
    }
    head.push_back(byte);
    const auto size = find_head(head);
    if (!size) co_return size.error();
    if (*size == 0) continue;
    if (const auto status = peek_status(head); status >= 200) co_return status;
    head.clear();
  }
}

Awaitable<void> write_all(Stream& stream, const std::string& text) {
  auto rest = base::as_bytes(text);
  while (!rest.empty()) {
    const auto moved = stream.write(std::span(&rest, 1));
    rest = rest.subspan(moved.bytes);
    if (moved.fault != Fault::none) co_return;  // reading tells
    auto waiting = stream.wait(moved.need);
    co_await std::move(waiting);
  }
}

base::SecretText connect_head(const Route& route) {
  const auto& host = route.origin.host;
  auto where = host.find(':') == std::string::npos ? host : "[" + host + "]";
  where += ":" + std::to_string(route.origin.port);
  const auto& authorization = route.proxy->authorization.reveal();
  std::string head;
  head.reserve(2 * where.size() + authorization.size() + 100);
  head.append("CONNECT ").append(where).append(" HTTP/1.1\r\nHost: ").append(where).append("\r\n");
  if (!authorization.empty()) {
    head.append("Proxy-Authorization: ").append(authorization).append("\r\n");
  }
  head.append("\r\n");
  return base::SecretText(std::move(head));
}

Awaitable<Result<void>> pass_proxy(Stream& stream, const Route& route) {
  const auto head = connect_head(route);
  auto writing = write_all(stream, head.reveal());
  co_await std::move(writing);
  auto reading = read_connect_answer(stream);
  auto status = co_await std::move(reading);
  if (!status) co_return std::move(status).error().with_subject(route.proxy->origin.host_field());
  if (*status < 300) co_return Result<void>();
  if (*status == 407) co_return proxy_denied(*route.proxy);
  auto out = unreachable("the proxy does not connect to the server", route.origin,
                         "check https_proxy and no_proxy");
  co_return std::move(out).with_native(*status);
}

Error explain_handshake(const Stream& stream, const Moved& why, const wire::Origin& origin) {
  if (why.fault == Fault::tls) return stream.tls()->explain();
  return unreachable(why.fault == Fault::system
                         ? "the connection broke while TLS was agreed: " +
                               std::generic_category().message(why.number)
                         : "the server closed the connection while TLS was agreed",
                     origin, "check that the server speaks TLS on this port");
}

}  // namespace

std::shared_ptr<Dialler::Lookup> Dialler::begin(const std::string& host,
                                                const std::shared_ptr<Event>& event) {
  const std::lock_guard lock(lookups_->mutex);
  auto& place = lookups_->under_way[host];
  if (place) {
    const std::lock_guard inner(place->mutex);
    if (!place->found) place->waiting.push_back(event);
    if (place->found) event->set();
    return place;
  }
  const auto lookup = std::make_shared<Lookup>();
  lookup->waiting.push_back(event);
  engine_->run_aside([lookup, host, ask = look_up_, lookups = lookups_]() noexcept {
    auto found = base::answer([&] { return ask(host); });
    {
      const std::lock_guard outer(lookups->mutex);
      lookups->under_way.erase(host);
    }
    const std::lock_guard inner(lookup->mutex);
    lookup->found.emplace(std::move(found));
    for (const auto& one : lookup->waiting) {
      if (const auto waiting = one.lock()) waiting->set();
    }
  });
  place = lookup;
  return lookup;
}

Awaitable<Result<std::vector<tcp::endpoint>>> Dialler::addresses(wire::Origin origin) {
  error_code none;
  const auto address = asio::ip::make_address(origin.host, none);
  if (!none) co_return std::vector<tcp::endpoint>(1, {address, origin.port});
  const auto strand = co_await asio::this_coro::executor;
  const auto event = std::make_shared<Event>(strand);
  const auto lookup = begin(origin.host, event);
  auto waiting = event->wait();
  co_await std::move(waiting);
  const std::lock_guard lock(lookup->mutex);
  if (!*lookup->found) co_return lookup->found->error();
  std::vector<tcp::endpoint> out;
  for (const auto& text : in_turn(**lookup->found)) {
    const auto one = asio::ip::make_address(text, none);
    if (!none) out.emplace_back(one, origin.port);
  }
  if (out.empty()) {
    co_return unreachable("the name of the server has no address", origin, "check the endpoint");
  }
  co_return out;
}

Awaitable<Result<void>> Dialler::connect(Stream& stream, Watch& watch, wire::Origin to) {
  auto looking = addresses(to);
  auto found = co_await std::move(looking);
  if (!found) co_return std::move(found).error();
  watch.name("connecting");
  auto connecting = stream.connect(*std::move(found), kAddressPatience);
  const auto failure = co_await std::move(connecting);
  if (failure) co_return explain_connect(failure, to);
  co_return Result<void>();
}

Awaitable<Result<std::unique_ptr<Stream>>> Dialler::dial(Watch& watch, Route route) {
  watch.expect("looking up the name of the server", patience_);  // one bound for all that follows
  auto stream = std::make_unique<Stream>(engine_->io().get_executor());
  auto connecting = connect(*stream, watch, route.proxy ? route.proxy->origin : route.origin);
  auto connected = co_await std::move(connecting);
  if (!connected) co_return std::move(connected).error();
  if (route.proxy && route.origin.tls) {
    watch.name("waiting for the proxy");
    auto passing = pass_proxy(*stream, route);
    auto passed = co_await std::move(passing);
    if (!passed) co_return std::move(passed).error();
  }
  if (route.origin.tls) {
    watch.name("agreeing on TLS");
    auto shaking = stream->handshake(tls_, route.origin.host, route.key());
    const auto shaken = co_await std::move(shaking);
    if (shaken.fault != Fault::none) co_return explain_handshake(*stream, shaken, route.origin);
  }
  co_return stream;
}

}  // namespace snapvault::net
