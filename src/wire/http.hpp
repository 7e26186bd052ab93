// An HTTP request and its answer as data, for the signers, the stores and the client.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"

namespace snapvault::wire {

struct Field {
  std::string name;
  std::string value;
};

// Header fields in order of sending. Names compare in any case.
class Fields {
 public:
  void add(std::string_view name, std::string_view value);
  // Replaces all of that name.
  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name) noexcept;
  // The first of that name, or null.
  const std::string* find(std::string_view name) const noexcept;
  // The first of that name, or empty.
  std::string_view get(std::string_view name) const noexcept;
  bool empty() const noexcept { return fields_.empty(); }
  std::size_t size() const noexcept { return fields_.size(); }
  auto begin() const noexcept { return fields_.begin(); }
  auto end() const noexcept { return fields_.end(); }

 private:
  std::vector<Field> fields_;
};

bool equal_in_any_case(std::string_view a, std::string_view b) noexcept;

// Scheme, host and port.
struct Origin {
  bool tls = true;
  std::string host;  // a name, an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 443;

  // As in the Host field: without the port where it is the scheme's own; IPv6 in brackets.
  std::string host_field() const;
  std::string url() const;  // "https://host" or "http://host:9000"
  bool operator==(const Origin&) const = default;
};
// "host", "host:port", "[v6]:port", or the same behind "http://" or "https://", which decides `tls`
// then. Errors: invalid_argument (bad_url).
Result<Origin> parse_origin(std::string_view text, bool tls);

struct Request {
  std::string method = "GET";
  Origin origin;
  std::string path = "/";    // as sent: percent-encoded, begins with '/'
  std::vector<Field> query;  // names and values not encoded yet
  Fields headers;            // without Host, Content-Length and Connection
  PutBody body;

  // Path and query, percent-encoded: "/bucket/key?list-type=2&prefix=a%2F". A name with an empty
  // value is sent as "name=".
  std::string target() const;
};

struct Response {
  int status = 0;
  Fields headers;
  base::Bytes body;  // whole
  std::string_view text() const noexcept { return base::as_text(body); }
};

}  // namespace snapvault::wire
