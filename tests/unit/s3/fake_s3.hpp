// FakeS3: an S3 server in memory, stricter than real ones, and a store that speaks to it, in
// virtual time. It computes each signature in a way of its own and refuses what Amazon refuses.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/sync.hpp"
#include "net/transport.hpp"
#include "provider/answer.hpp"
#include "provider/s3/s3.hpp"

namespace snapvault::provider {

class FakeS3 final : public net::Transport {
 public:
  explicit FakeS3(base::Env& env) : env_(env) {}

  void send(net::Exchange exchange, Completion<wire::Response> done) override;

  // What stands in the way of the server's own answer: returns one, or lets it answer.
  using Script = std::function<std::optional<Result<wire::Response>>(const net::Exchange&)>;
  Script script;
  // Sees the server's own answer before it goes out.
  std::function<void(const net::Exchange&, wire::Response&)> edit;

  // How this server differs from Amazon's.
  std::string region = "us-east-1", bucket = "bucket", key_id = "AKID", secret = "secret", token;
  std::int64_t clock_ahead = 0;         // seconds before the Env's
  bool conditions = true;               // If-None-Match of a put
  bool conditional_parts = true;        // and of a completion
  bool checksums = true;                // keeps CRC64NVME and says so
  int refuse_checksums = 0;             // or answers this status to it
  int refuse_batches = 0;               // answers this status to DeleteObjects
  bool ranges = true;                   // false: 200 with all
  bool start_after = true;              // false: lists from the start
  bool max_keys = true;                 // false: all keys in one page
  bool exists = true;                   // the bucket
  std::uint64_t body_max = 5ull << 30;  // 413 above

  struct Object {
    std::string bytes;
    wire::Fields headers;  // of the put
  };
  std::map<std::string, Object> objects;  // by whole key, in order
  struct Upload {
    std::string key;
    wire::Fields headers;
    std::map<std::uint64_t, std::string> parts;
  };
  std::map<std::string, Upload> uploads;
  std::vector<net::Exchange> sent;

  // "PUT key?uploads" of each request since the last time; queries by name only.
  std::vector<std::string> calls();
  static std::string query_of(const wire::Request& request, std::string_view name);
  wire::Response error(int status, const std::string& code, const std::string& more = "") const;

 private:
  Result<wire::Response> answer(const net::Exchange& exchange);
  std::optional<wire::Response> check_signature(const wire::Request& request) const;
  std::optional<wire::Response> check_body(const wire::Request& request) const;
  std::optional<std::string> key_of(const wire::Request& request) const;
  wire::Response on_bucket(const wire::Request& request);
  wire::Response on_object(const wire::Request& request, const std::string& key);
  wire::Response list(const wire::Request& request) const;
  wire::Response remove_many(const wire::Request& request);
  wire::Response put(const wire::Request& request, const std::string& key);
  wire::Response get(const wire::Request& request, const std::string& key) const;
  wire::Response put_part(const wire::Request& request, const std::string& key);
  wire::Response begin(const wire::Request& request, const std::string& key);
  wire::Response complete(const wire::Request& request, const std::string& key);
  wire::Response plain(int status, std::string body = "") const;

  base::Env& env_;
  std::size_t told_ = 0;
  std::uint64_t numbers_ = 0;
};

std::string text_of(const PutBody& body);
PutBody body_of(std::string_view text);
wire::Response response_of(int status, std::string_view body = "");

struct S3World {
  // Each bucket is another store to what a process remembers of them: `name` is one of the test's.
  explicit S3World(const std::string& url, std::map<std::string, std::string> variables = {});

  Result<std::string> get(std::string key, std::uint64_t offset = 0, std::uint64_t length = 0,
                          RequestLimits limits = {});
  Result<void> put(std::string key, std::string_view text, bool if_absent = true,
                   RequestLimits limits = {});
  Result<ObjectInfo> stat(std::string key);
  Result<ListPage> list(std::string prefix = "", std::string start_after = "",
                        std::uint32_t max_keys = 1000);
  Result<void> remove(std::vector<std::string> keys);
  Result<void> prepare();
  Result<void> create_root();
  Result<std::vector<Finding>> examine();
  std::string last_field(std::string_view name) const;

  std::map<std::string, std::string> variables;
  std::shared_ptr<base::Env> env;
  std::shared_ptr<FakeS3> server;
  Surroundings around;
  std::shared_ptr<Provider> store;
};

}  // namespace snapvault::provider
