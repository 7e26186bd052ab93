#include "codec/crypto.hpp"

#include <climits>
#include <new>
#include <stdexcept>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include "base/reasons.hpp"

namespace snapvault::codec {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};
template <class T, auto kFree>
using Owned = std::unique_ptr<T, Free<kFree>>;

// The error queue belongs to the host's thread: what OpenSSL adds to it for us goes away again.
class ErrorQueue {
 public:
  ErrorQueue() noexcept { ERR_set_mark(); }
  ~ErrorQueue() { ERR_pop_to_mark(); }
  ErrorQueue(const ErrorQueue&) = delete;
  ErrorQueue& operator=(const ErrorQueue&) = delete;
};

// The arguments given to OpenSSL here are right (see check_call), so all it can lack is memory.
// What it says about that is not to be relied on: want of memory goes by a dozen other names in
// there.
void require(bool succeeded) {
  if (!succeeded) throw std::bad_alloc();
}
template <class T>
T* allocated(T* object) {
  require(object != nullptr);
  return object;
}

// What our callers owe: a breach is a defect of ours.
void check_call(bool is_right) {
  if (!is_right) throw std::runtime_error("sizes given to a cryptographic primitive do not match");
}

// OpenSSL for us alone, with the default provider, whatever the host chose for itself. A context
// never looks again for an algorithm that memory was too short for, so all of ours are fetched at
// once, even those that only serve others, and the context is given up if one is missing.
struct Library {
  Owned<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context{allocated(OSSL_LIB_CTX_new())};
  Owned<OSSL_PROVIDER, OSSL_PROVIDER_unload> provider{
      allocated(OSSL_PROVIDER_load(context.get(), "default"))};
  Owned<EVP_MD, EVP_MD_free> sha256{
      allocated(EVP_MD_fetch(context.get(), OSSL_DIGEST_NAME_SHA2_256, nullptr))};
  Owned<EVP_MAC, EVP_MAC_free> hmac{
      allocated(EVP_MAC_fetch(context.get(), OSSL_MAC_NAME_HMAC, nullptr))};
  Owned<EVP_KDF, EVP_KDF_free> hkdf{
      allocated(EVP_KDF_fetch(context.get(), OSSL_KDF_NAME_HKDF, nullptr))};
  Owned<EVP_KDF, EVP_KDF_free> pbkdf2{
      allocated(EVP_KDF_fetch(context.get(), OSSL_KDF_NAME_PBKDF2, nullptr))};
  Owned<EVP_KDF, EVP_KDF_free> scrypt{
      allocated(EVP_KDF_fetch(context.get(), OSSL_KDF_NAME_SCRYPT, nullptr))};
  Owned<EVP_CIPHER, EVP_CIPHER_free> gcm{
      allocated(EVP_CIPHER_fetch(context.get(), "AES-256-GCM", nullptr))};
};

const Library& library() {
  // Never freed: threads of the host may still use it while the process ends.
  static const Library& instance = *new Library;
  return instance;
}

using MacContext = Owned<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using KdfContext = Owned<EVP_KDF_CTX, EVP_KDF_CTX_free>;
using CipherContext = Owned<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;

const unsigned char* raw(base::ByteView bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* raw_out(base::MutableBytes bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// OpenSSL takes a null pointer for "not given", which an empty view must not mean.
base::ByteView not_null(base::ByteView bytes) noexcept {
  static constexpr std::byte kNothing{0};
  return bytes.data() != nullptr ? bytes : base::ByteView(&kNothing, std::size_t{0});
}

// Parameters for OpenSSL to read; its type serves writing too and hence is not const.
OSSL_PARAM octets(const char* name, base::ByteView bytes) noexcept {
  bytes = not_null(bytes);
  return OSSL_PARAM_construct_octet_string(name, const_cast<std::byte*>(bytes.data()),
                                           bytes.size());
}
OSSL_PARAM sha256_as(const char* name) noexcept {
  static constexpr char kName[] = OSSL_DIGEST_NAME_SHA2_256;
  return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(kName), 0);
}

MacContext new_hmac(base::ByteView key) {
  MacContext context(allocated(EVP_MAC_CTX_new(library().hmac.get())));
  const OSSL_PARAM params[] = {sha256_as(OSSL_MAC_PARAM_DIGEST), OSSL_PARAM_construct_end()};
  key = not_null(key);
  require(EVP_MAC_init(context.get(), raw(key), key.size(), params) == 1);
  return context;
}

Digest finish(EVP_MAC_CTX* context) {
  Digest digest;
  require(EVP_MAC_final(context, raw_out(digest), nullptr, digest.size()) == 1);
  return digest;
}

}  // namespace

void wipe(base::MutableBytes bytes) noexcept { OPENSSL_cleanse(bytes.data(), bytes.size()); }

bool equal_in_constant_time(base::ByteView a, base::ByteView b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

template <std::size_t N>
Secret<N>::Secret(std::span<const std::byte, N> from) noexcept {
  std::memcpy(bytes_.data(), from.data(), N);
}
template <std::size_t N>
Secret<N>::Secret(Secret&& other) noexcept : bytes_(other.bytes_) {
  wipe(other.bytes_);
}
template <std::size_t N>
Secret<N>& Secret<N>::operator=(Secret&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    wipe(other.bytes_);
  }
  return *this;
}
template <std::size_t N>
Secret<N>::~Secret() {
  wipe(bytes_);
}
template class Secret<32>;
template class Secret<64>;
template class Secret<192>;

struct Hmac::State {
  MacContext context;
};

Hmac::Hmac(base::ByteView key) {
  const ErrorQueue queue;
  state_ = std::make_unique<State>(State{new_hmac(key)});
}
Hmac::Hmac(Hmac&&) noexcept = default;
Hmac& Hmac::operator=(Hmac&&) noexcept = default;
Hmac::~Hmac() = default;

Digest Hmac::operator()(base::ByteView message) { return (*this)(std::span(&message, 1)); }

Digest Hmac::operator()(std::span<const base::ByteView> parts) {
  const ErrorQueue queue;
  auto* const context = state_->context.get();
  require(EVP_MAC_init(context, nullptr, 0, nullptr) == 1);
  for (const auto part : parts) {
    require(EVP_MAC_update(context, raw(part), part.size()) == 1);
  }
  return finish(context);
}

Digest hmac(base::ByteView key, base::ByteView message) {
  const ErrorQueue queue;
  const auto context = new_hmac(key);
  require(EVP_MAC_update(context.get(), raw(message), message.size()) == 1);
  return finish(context.get());
}

void hkdf(base::ByteView input_key, base::ByteView salt, base::ByteView info,
          base::MutableBytes output) {
  check_call(!output.empty() && output.size() <= 255 * sizeof(Digest));
  const ErrorQueue queue;
  const KdfContext context(allocated(EVP_KDF_CTX_new(library().hkdf.get())));
  const OSSL_PARAM params[] = {sha256_as(OSSL_KDF_PARAM_DIGEST),
                               octets(OSSL_KDF_PARAM_KEY, input_key),
                               octets(OSSL_KDF_PARAM_SALT, salt), octets(OSSL_KDF_PARAM_INFO, info),
                               OSSL_PARAM_construct_end()};
  require(EVP_KDF_derive(context.get(), raw_out(output), output.size(), params) == 1);
}

Result<Key> scrypt(base::ByteView passphrase, base::ByteView salt, const ScryptCost& cost) {
  // The bounds of RFC 7914, section 2, with OpenSSL's for r * p, and 2^48 bytes of memory.
  const std::uint64_t lane = 128 * std::uint64_t{cost.r};
  const bool is_power_of_two = cost.n > 1 && (cost.n & (cost.n - 1)) == 0;
  if (!is_power_of_two || cost.r == 0 || cost.p == 0 ||
      std::uint64_t{cost.r} * cost.p >= std::uint64_t{1} << 24 ||
      (cost.r < 4 && cost.n >= std::uint64_t{1} << 16 * cost.r) ||
      cost.n > (std::uint64_t{1} << 48) / lane) {
    return Error{Errc::invalid_argument, reason::bad_argument,
                 "The cost of the key derivation is out of range."};
  }

  const ErrorQueue queue;
  const KdfContext context(allocated(EVP_KDF_CTX_new(library().scrypt.get())));
  std::uint64_t n = cost.n;
  std::uint32_t r = cost.r;
  std::uint32_t p = cost.p;
  std::uint64_t memory = lane * (n + 2 + p);  // exactly what OpenSSL counts
  const OSSL_PARAM params[] = {octets(OSSL_KDF_PARAM_PASSWORD, passphrase),
                               octets(OSSL_KDF_PARAM_SALT, salt),
                               OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                               OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
                               OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
                               OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
                               OSSL_PARAM_construct_end()};
  Key key;
  if (EVP_KDF_derive(context.get(), raw_out(key.mutable_view()), 32, params) != 1) {
    return Error{Errc::resource_exhausted, reason::no_memory,
                 "There is not enough memory to derive the key from the passphrase."};
  }
  return key;
}

struct Aead::State {
  CipherContext context;
};

Aead::Aead(std::span<const std::byte, 32> key) {
  const ErrorQueue queue;
  CipherContext context(allocated(EVP_CIPHER_CTX_new()));
  require(EVP_EncryptInit_ex2(context.get(), library().gcm.get(), raw(key), nullptr, nullptr) == 1);
  state_ = std::make_unique<State>(State{std::move(context)});
}
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;
Aead::~Aead() = default;

void Aead::seal(std::span<const std::byte, kNonce> nonce, base::ByteView aad, base::ByteView plain,
                base::MutableBytes out) {
  const ErrorQueue queue;
  auto* const context = state_->context.get();
  check_call(out.size() == plain.size() + kTag && out.size() <= INT_MAX && aad.size() <= INT_MAX);
  const auto tag = out.last(kTag);
  int written = 0;
  require(EVP_EncryptInit_ex2(context, nullptr, nullptr, raw(nonce), nullptr) == 1);
  require(EVP_EncryptUpdate(context, nullptr, &written, raw(aad), static_cast<int>(aad.size())) ==
          1);
  require(EVP_EncryptUpdate(context, raw_out(out), &written, raw(plain),
                            static_cast<int>(plain.size())) == 1);
  require(EVP_EncryptFinal_ex(context, raw_out(tag), &written) == 1);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, kTag, raw_out(tag)) == 1);
}

bool Aead::open(std::span<const std::byte, kNonce> nonce, base::ByteView aad, base::ByteView sealed,
                base::MutableBytes out) {
  const ErrorQueue queue;
  auto* const context = state_->context.get();
  check_call(sealed.size() == out.size() + kTag && sealed.size() <= INT_MAX &&
             aad.size() <= INT_MAX);
  std::array<std::byte, kTag> tag;
  std::memcpy(tag.data(), sealed.last(kTag).data(), kTag);
  const auto cipher = sealed.first(out.size());
  int written = 0;
  require(EVP_DecryptInit_ex2(context, nullptr, nullptr, raw(nonce), nullptr) == 1);
  require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, kTag, tag.data()) == 1);
  require(EVP_DecryptUpdate(context, nullptr, &written, raw(aad), static_cast<int>(aad.size())) ==
          1);
  require(EVP_DecryptUpdate(context, raw_out(out), &written, raw(cipher),
                            static_cast<int>(cipher.size())) == 1);
  unsigned char none[1];
  if (EVP_DecryptFinal_ex(context, none, &written) == 1) return true;
  wipe(out);
  return false;
}

}  // namespace snapvault::codec
