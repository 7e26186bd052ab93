// TLS of a client: what it trusts and how it shows who it is (TlsContext), and one connection's
// TLS on a socket that never blocks (TlsChannel).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"
#include "net/client.hpp"
#include "net/moved.hpp"

// OpenSSL's types, which only tls.cpp knows.
struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

namespace snapvault::net {

// Nothing of the OpenSSL of the host is touched: it has a library context of its own. Thread
// safety: any thread.
class TlsContext {
 public:
  // TLS 1.2 and later, the peer always verified. Errors: invalid_argument (bad_argument): a file
  // that cannot be read, or is no PEM.
  static Result<std::shared_ptr<TlsContext>> make(const ClientOptions& options);
  TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

 private:
  friend class TlsChannel;
  Result<void> load(const ClientOptions& options);
  // Sessions that the next connection to `key` may resume.
  void keep(const std::string& key, ssl_session_st* session) noexcept;
  ssl_session_st* take(const std::string& key) noexcept;  // with a reference, or null

  ssl_ctx_st* context_ = nullptr;
  std::mutex mutex_;
  std::map<std::string, ssl_session_st*> sessions_;
};

// Thread safety: one thread at a time.
class TlsChannel {
 public:
  // `socket` does not block and outlives the channel. `host`, a name or an address, is what the
  // certificate must be for; `key` tells which sessions may be resumed. Throws std::bad_alloc.
  TlsChannel(std::shared_ptr<TlsContext> context, int socket, const std::string& host,
             std::string key);
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;
  ~TlsChannel();

  // To be called until it needs nothing.
  Moved handshake() noexcept;
  Moved read(base::MutableBytes into) noexcept;
  Moved write(base::ByteView from) noexcept;
  // Nothing came but what TLS needs itself.
  bool is_quiet() noexcept;
  // Why Fault::tls. Errors: precondition_failed (tls).
  Error explain() const;

 private:
  friend class TlsContext;
  struct Bio;  // our side of OpenSSL's I/O
  Moved failed(int result) noexcept;

  const std::shared_ptr<TlsContext> context_;
  const int socket_;
  const std::string host_, key_;
  ssl_st* tls_ = nullptr;
  bool ended_ = false;  // TCP was
  int number_ = 0;      // errno of the last call that failed
  std::string reason_;  // OpenSSL's
};

}  // namespace snapvault::net
