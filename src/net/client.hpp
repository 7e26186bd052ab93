// The HTTP client of this process, on Asio, Beast and OpenSSL, which appear in its sources only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "net/transport.hpp"

namespace snapvault::net {

struct ClientOptions {
  std::string ca_file;  // PEM; trusted instead of the system's roots. Empty: the system's
  // PEM files with which we show who we are; both or none.
  std::string client_cert, client_key;
  // "http://[user:password@]host:port"; empty: none. Requests of plain HTTP go to it whole, those
  // of HTTPS by CONNECT.
  std::string http_proxy, https_proxy;
  // Comma separated: names ("a.b", ".b": also below it), addresses, "host:port", or "*".
  std::string no_proxy;
  unsigned connections_max = 64;                      // to one origin, idle ones included
  std::chrono::milliseconds connect_timeout{10'000};  // name, TCP on any address, and TLS
  std::chrono::milliseconds step_timeout{60'000};     // no byte moved for so long
  std::chrono::milliseconds idle_timeout{20'000};     // an idle connection is closed after it
};
// Takes http_proxy, https_proxy (also in upper case, but HTTP_PROXY, which CGI lets others set) and
// no_proxy from `variable`.
void read_proxies(const std::function<std::optional<std::string>(const std::string&)>& variable,
                  ClientOptions& options);

// All clients of a process share two threads, which start with the first request and end with the
// last client. Errors: invalid_argument (bad_argument: a file that cannot be read or is no PEM).
Result<std::shared_ptr<Transport>> make_client(ClientOptions options);

}  // namespace snapvault::net
