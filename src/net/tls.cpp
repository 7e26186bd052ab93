#include "net/tls.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::net {
namespace {

constexpr std::size_t kSessionsMax = 64;
// So that a record's head and body, and the next ones, come with one system call.
constexpr std::size_t kReadAhead = 64 << 10;

bool is_address(const std::string& host) noexcept {
  unsigned char parsed[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), parsed) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), parsed) == 1;
}

// One for all clients, and never freed: a thread that used it cleans up in it when it ends, which
// may be later than anything here (OpenSSL 3.0 does not look whether it is still there).
OSSL_LIB_CTX* library() noexcept {
  static OSSL_LIB_CTX* const own = OSSL_LIB_CTX_new();
  return own;
}

// The key file has a passphrase: nobody is there to ask for it.
int no_passphrase(char*, int, int, void*) { return -1; }

// The name for SNI, and that the certificate must be for `host`.
bool expect_host(SSL* tls, std::string host) noexcept {
  auto* const parameters = SSL_get0_param(tls);
  if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str()) == 1;
  if (host.ends_with('.')) host.pop_back();
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set_tlsext_host_name(tls, host.c_str()) == 1 &&
         X509_VERIFY_PARAM_set1_host(parameters, host.c_str(), host.size()) == 1;
}

}  // namespace

// OpenSSL's own for sockets raises SIGPIPE and hides errno.
struct TlsChannel::Bio {
  static TlsChannel& channel(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }
  static int settle(BIO* bio, ssize_t moved, bool reading) {
    BIO_clear_retry_flags(bio);
    auto& self = channel(bio);
    if (moved > 0) return static_cast<int>(moved);
    if (moved == 0 && reading) {
      self.ended_ = true;
      return 0;
    }
    self.number_ = errno;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      reading ? BIO_set_retry_read(bio) : BIO_set_retry_write(bio);
    }
    return -1;
  }
  static int write(BIO* bio, const char* data, int size) {
    const auto count = static_cast<std::size_t>(size);
    return settle(bio, ::send(channel(bio).socket_, data, count, MSG_NOSIGNAL | MSG_DONTWAIT),
                  false);
  }
  static int read(BIO* bio, char* into, int size) {
    const auto count = static_cast<std::size_t>(size);
    return settle(bio, ::recv(channel(bio).socket_, into, count, MSG_DONTWAIT), true);
  }
  static long control(BIO* bio, int what, long, void*) {
    if (what == BIO_CTRL_EOF) return channel(bio).ended_ ? 1 : 0;
    return what == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static BIO* make(TlsChannel& channel) {
    static const std::unique_ptr<BIO_METHOD, void (*)(BIO_METHOD*)> method = [] {
      std::unique_ptr<BIO_METHOD, void (*)(BIO_METHOD*)> out(
          BIO_meth_new(BIO_TYPE_SOURCE_SINK, "snapvault"), &BIO_meth_free);
      if (!out) throw std::bad_alloc();
      BIO_meth_set_write(out.get(), &Bio::write);
      BIO_meth_set_read(out.get(), &Bio::read);
      BIO_meth_set_ctrl(out.get(), &Bio::control);
      return out;
    }();
    BIO* const out = BIO_new(method.get());
    if (!out) throw std::bad_alloc();
    BIO_set_data(out, &channel);
    BIO_set_init(out, 1);
    return out;
  }
  static int keep_session(SSL* tls, SSL_SESSION* session) {
    const auto* self = static_cast<TlsChannel*>(SSL_get_app_data(tls));
    if (!self) return 0;
    self->context_->keep(self->key_, session);
    return 1;  // the reference is ours now
  }
};

TlsContext::TlsContext() = default;
TlsContext::~TlsContext() {
  for (auto& [key, session] : sessions_) SSL_SESSION_free(session);
  SSL_CTX_free(context_);
}

Result<std::shared_ptr<TlsContext>> TlsContext::make(const ClientOptions& options) {
  auto out = std::make_shared<TlsContext>();
  auto loaded = out->load(options);
  ERR_clear_error();
  SV_CHECK(std::move(loaded));
  return out;
}

Result<void> TlsContext::load(const ClientOptions& options) {
  const auto bad = [](std::string_view message, const std::string& path) {
    return Error(Errc::invalid_argument, reason::bad_argument, message).with_subject(path);
  };
  if (auto* const own = library()) context_ = SSL_CTX_new_ex(own, nullptr, TLS_client_method());
  if (!context_) return Error(Errc::resource_exhausted, reason::no_memory, "TLS does not start");
  SSL_CTX_set_min_proto_version(context_, TLS1_2_VERSION);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_read_ahead(context_, 1);
  SSL_CTX_set_default_read_buffer_len(context_, kReadAhead);
  SSL_CTX_set_default_passwd_cb(context_, &no_passphrase);
  SSL_CTX_set_session_cache_mode(context_,
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  SSL_CTX_sess_set_new_cb(context_, &TlsChannel::Bio::keep_session);
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context_);  // without any, no server is trusted
  } else {
    if (SSL_CTX_load_verify_file(context_, options.ca_file.c_str()) != 1) {
      return bad("the file of trusted certificates cannot be read", options.ca_file);
    }
    // Who names a file means what is in it, be it no root.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context_), X509_V_FLAG_PARTIAL_CHAIN);
  }
  if (options.client_cert.empty() != options.client_key.empty()) {
    return bad("a client certificate and its key come together", options.client_cert);
  }
  if (options.client_cert.empty()) return {};
  if (SSL_CTX_use_certificate_chain_file(context_, options.client_cert.c_str()) != 1) {
    return bad("the client certificate cannot be read", options.client_cert);
  }
  if (SSL_CTX_use_PrivateKey_file(context_, options.client_key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad(
        "the key of the client certificate cannot be read, or has a passphrase, or is "
        "another's",
        options.client_key);
  }
  return {};
}

void TlsContext::keep(const std::string& key, SSL_SESSION* session) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (sessions_.size() >= kSessionsMax && !sessions_.contains(key)) {
      SSL_SESSION_free(sessions_.begin()->second);
      sessions_.erase(sessions_.begin());
    }
    auto& place = sessions_[key];
    SSL_SESSION_free(place);
    place = session;
  } catch (...) {  // no memory: it is not resumed
    SSL_SESSION_free(session);
  }
}

// Not left there: a ticket of TLS 1.3 is for one use (RFC 8446 appendix C.4).
SSL_SESSION* TlsContext::take(const std::string& key) noexcept {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return nullptr;
  auto* const out = found->second;
  sessions_.erase(found);
  return out;
}

TlsChannel::TlsChannel(std::shared_ptr<TlsContext> context, int socket, const std::string& host,
                       std::string key)
    : context_(std::move(context)), socket_(socket), host_(host), key_(std::move(key)) {
  BIO* const bio = Bio::make(*this);
  tls_ = SSL_new(context_->context_);
  if (!tls_) {
    BIO_free(bio);
    throw std::bad_alloc();
  }
  SSL_set_bio(tls_, bio, bio);
  SSL_set_app_data(tls_, this);
  SSL_set_connect_state(tls_);
  if (!expect_host(tls_, host)) {
    SSL_free(tls_);
    throw std::bad_alloc();
  }
  if (auto* const session = context_->take(key_)) {
    SSL_set_session(tls_, session);  // or a whole handshake
    SSL_SESSION_free(session);
  }
  ERR_clear_error();
}

TlsChannel::~TlsChannel() {
  // Without this OpenSSL would forbid to resume a session whose end was not said.
  SSL_set_shutdown(tls_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(tls_);
}

Moved TlsChannel::failed(int result) noexcept {
  Moved out;
  switch (SSL_get_error(tls_, result)) {
    case SSL_ERROR_WANT_READ:
      out.need = Need::input;
      break;
    case SSL_ERROR_WANT_WRITE:
      out.need = Need::room;
      break;
    case SSL_ERROR_ZERO_RETURN:
      out.fault = Fault::end;
      break;
    case SSL_ERROR_SYSCALL:
      out.fault = ended_ ? Fault::cut : Fault::system;
      out.number = number_;
      break;
    default: {
      const auto code = ERR_peek_last_error();
      const bool cut = ended_ && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
      out.fault = cut ? Fault::cut : Fault::tls;
      try {
        const char* const text = ERR_reason_error_string(code);
        if (reason_.empty()) reason_ = text ? text : "unknown";
      } catch (...) {  // no memory: without a reason
      }
    }
  }
  ERR_clear_error();
  return out;
}

Moved TlsChannel::handshake() noexcept {
  ERR_clear_error();
  const int result = SSL_do_handshake(tls_);
  return result == 1 ? Moved{} : failed(result);
}

Moved TlsChannel::read(base::MutableBytes into) noexcept {
  ERR_clear_error();
  Moved out;
  while (out.bytes < into.size()) {
    std::size_t moved = 0;
    const int result = SSL_read_ex(tls_, into.data() + out.bytes, into.size() - out.bytes, &moved);
    if (result != 1) {
      const auto why = failed(result);
      // Bytes first: the fault is still there at the next call.
      out.need = why.need;
      return out.bytes > 0 ? out : why;
    }
    out.bytes += moved;
  }
  return out;
}

Moved TlsChannel::write(base::ByteView from) noexcept {
  ERR_clear_error();
  Moved out;
  while (out.bytes < from.size()) {
    std::size_t moved = 0;
    const int result = SSL_write_ex(tls_, from.data() + out.bytes, from.size() - out.bytes, &moved);
    if (result != 1) {
      const auto why = failed(result);
      out.need = why.need;
      return out.bytes > 0 ? out : why;
    }
    out.bytes += moved;
  }
  return out;
}

bool TlsChannel::is_quiet() noexcept {
  ERR_clear_error();
  char byte = 0;
  std::size_t seen = 0;
  const int result = SSL_peek_ex(tls_, &byte, 1, &seen);
  return result != 1 && failed(result).need == Need::input;
}

Error TlsChannel::explain() const {
  const auto out = [this](std::string_view message, std::string_view hint) {
    return Error(Errc::precondition_failed, reason::tls, message)
        .with_subject(host_)
        .with_hint(hint);
  };
  const auto verified = SSL_get_verify_result(tls_);
  if (verified != X509_V_OK) {
    const bool other_name =
        verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
    const bool when =
        verified == X509_V_ERR_CERT_HAS_EXPIRED || verified == X509_V_ERR_CERT_NOT_YET_VALID;
    return out(std::string("the certificate of the server is not trusted: ") +
                   X509_verify_cert_error_string(verified),
               other_name ? "the certificate is for another name: check the endpoint"
               : when     ? "renew the certificate of the server, or set the clock of this machine"
                          : "name the file of the authority that signed it with ca=FILE");
  }
  return out(
      "TLS with the server failed: " + reason_,
      reason_ == "wrong version number"
          ? "the server seems to speak plain HTTP; if it may be given secrets so: ssl=false"
          : "check the server's TLS: 1.2 or later, and whether it wants a client certificate");
}

}  // namespace snapvault::net
