// Provider: the object store under a repository. snapvault brings its own (Provider::open); an
// embedder may implement this interface for any other store.
//
// Keys are relative to the provider's root: 1 to 1,024 bytes of lower-case letters, digits, '/',
// '.', '-' and '_', no empty, "." or ".." component. Objects are immutable: snapvault creates each
// once and never overwrites. Needed of a store: read-after-write and list-after-write consistency
// (else declare `list_is_consistent = false`).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include <snapvault/config.hpp>
#include <snapvault/result.hpp>

namespace snapvault {

class Runtime;

// Called exactly once per request, from any thread, possibly before the request function returns.
// It neither blocks nor throws.
template <class T>
using Completion = std::function<void(Result<T>)>;

// What bounds one request. A provider answers Errc::deadline_exceeded when the deadline passes and
// Errc::cancelled soon after a stop is requested; whether a put took effect is then unknown.
struct RequestLimits {
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  std::stop_token stop = {};
};

// The bytes of one object: sealed, so a retry sends exactly the same ones. Parts are sent in order.
// Copies share the bytes. Thread safety: immutable, any thread.
class SNAPVAULT_EXPORT PutBody {
 public:
  using Part = std::shared_ptr<const std::vector<std::byte>>;
  PutBody() = default;
  explicit PutBody(std::vector<std::byte> bytes);
  // `crc64_nvme` is over all parts.
  PutBody(std::vector<Part> parts, std::uint64_t crc64_nvme);

  std::uint64_t size() const noexcept { return size_; }
  // CRC-64/NVME of all bytes (reflected polynomial 0x9A6C9329AC4BC9B5), as S3 keeps it.
  std::uint64_t crc64_nvme() const noexcept { return crc_; }
  const std::vector<Part>& parts() const noexcept { return parts_; }

 private:
  std::vector<Part> parts_;
  std::uint64_t size_ = 0;
  std::uint64_t crc_ = 0;
};

struct PutRequest {
  std::string key;
  PutBody body;
  // true: fail with already_exists if the key is there; of racing creates exactly one succeeds.
  bool if_absent = true;
  // true: durable when it completes. false: durable after a later sync() completed.
  bool durable = true;
  RequestLimits limits = {};
};

struct GetRequest {
  std::string key;
  // A range; `length` 0 means to the end. A range that reaches past the end, or an `offset` at or
  // behind the end of a non-empty request, answers invalid_argument with reason "range".
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  RequestLimits limits = {};
};

struct ListRequest {
  std::string prefix = {};
  // Only keys greater than this, bytewise. Empty: from the start.
  std::string start_after = {};
  // The most keys of one page, 1 to 1,000.
  std::uint32_t max_keys = 1000;
  RequestLimits limits = {};
};

struct RemoveRequest {
  std::vector<std::string> keys;  // 1 to 1,000; a missing one counts as removed
  RequestLimits limits = {};
};

struct StatRequest {
  std::string key;
  RequestLimits limits = {};
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  // Seconds since 1970-01-01 UTC by the store's own clock; 0 if unknown.
  std::int64_t modified = 0;
};

struct ListPage {
  std::vector<ObjectInfo> objects;  // rising by key, bytewise
  bool truncated = false;           // more keys follow the last one
};

// What a store can do, as data. Conformance cases and the engine are selected by it.
struct Capabilities {
  std::string kind;                // "file", "memory", "s3", ...
  bool exclusive_create = false;   // racing creates of one key have exactly one winner
  bool list_is_consistent = true;  // a list shows every put that completed before it began
  bool durable_put = false;        // survives a power cut (after sync() if durable = false)
  bool local = false;              // requests cost microseconds, not milliseconds
  std::uint64_t object_size_max = 512u << 20;
  std::uint32_t parallel_requests = 8;  // useful number of requests in flight
  // Why exclusive_create is false although the kind of store usually has it; else empty.
  std::string weak_because;
};

// One thing that examine() looked at.
struct Finding {
  enum class State : std::uint32_t { good = 0, warning = 1, bad = 2, untried = 3 };
  std::string topic;  // credentials, region, clock, tls, rights, capabilities, throughput, ...
  State state = State::good;
  std::string detail;  // one sentence, without a secret
  std::string hint;    // what to do about it, or empty
};

// What an address cannot say.
struct StoreOptions {
  // Hosts ("login.example.org") besides Google's own that a Google credentials file may name in its
  // token_uri: the key's signature is sent there. The endpoint that the address names is one too.
  std::vector<std::string> token_hosts = {};
};

// Thread safety: every function may be called from any thread at any time. Requests may run at
// once and complete in any order. The destructor is called only after every completion ran.
class SNAPVAULT_EXPORT Provider {
 public:
  virtual ~Provider();

  // Opens the store at `url`: "file:///path", a bare path, "memory:NAME" (in this process),
  // "s3://bucket/prefix", "azure://container/prefix", "gs://bucket/prefix" or
  // "swift://container/prefix", with options behind a '?' (README.md, "Stores"). Does not touch the
  // store. Errors: invalid_argument (reason bad_url), unsupported (scheme), unauthenticated (reason
  // no_credential: nothing in the environment says who we are).
  static Result<std::shared_ptr<Provider>> open(const std::string& url,
                                                const StoreOptions& options = {});

  virtual Capabilities capabilities() const = 0;

  // All bytes of the range, or an error: never fewer. Errors: not_found (reason no_object),
  // invalid_argument (reason range), and those of RequestLimits.
  virtual void get(GetRequest request, Completion<std::vector<std::byte>> done) = 0;

  // Creates the object, whole or not at all: no reader ever sees a part of it. Errors:
  // already_exists (reason object_exists), outcome_unknown, resource_exhausted (reason no_space).
  virtual void put(PutRequest request, Completion<void> done) = 0;

  // One page. `prefix` need not end at a '/'. An absent prefix is an empty page.
  virtual void list(ListRequest request, Completion<ListPage> done) = 0;

  // All keys are gone on success. On failure any of them may be.
  virtual void remove(RemoveRequest request, Completion<void> done) = 0;

  // Errors: not_found (reason no_object).
  virtual void stat(StatRequest request, Completion<ObjectInfo> done) = 0;

  // Every put that completed before this call is durable once it succeeds.
  virtual void sync(RequestLimits limits, Completion<void> done) = 0;

  // Called once before the first put of a repository that is opened for writing: a store that has
  // to find out what it can do (whether racing creates have one winner) does so now, and
  // capabilities() tells from then on. Does nothing here.
  virtual void prepare(RequestLimits limits, Completion<void> done);

  // Makes the bucket or container that the address names, if it is not there. Does nothing here.
  virtual void create_root(RequestLimits limits, Completion<void> done);

  // Looks at everything that can be wrong with the way to the store and the rights there, and says
  // what it found: never fails because something is wrong. Writes and removes a few objects below
  // "doctor/" of the root. Here: what capabilities() says.
  virtual void examine(RequestLimits limits, Completion<std::vector<Finding>> done);
};

}  // namespace snapvault
