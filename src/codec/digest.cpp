#include "codec/digest.hpp"

#include <memory>
#include <new>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/x509.h>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

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

template <class T>
T* allocated(T* object) {
  if (!object) throw std::bad_alloc();
  return object;
}
void require(int succeeded) {
  if (succeeded != 1) throw std::bad_alloc();
}

struct ErrorQueue {
  ErrorQueue() noexcept { ERR_set_mark(); }
  ~ErrorQueue() { ERR_pop_to_mark(); }
};

// As in crypto.cpp: OpenSSL for us alone. MD5 and SHA-1 are there for what stores ask, no more.
struct Library {
  Owned<OSSL_LIB_CTX, OSSL_LIB_CTX_free> context{allocated(OSSL_LIB_CTX_new())};
  Owned<OSSL_PROVIDER, OSSL_PROVIDER_unload> provider{
      allocated(OSSL_PROVIDER_load(context.get(), "default"))};
  Owned<EVP_MD, EVP_MD_free> sha256{allocated(EVP_MD_fetch(context.get(), "SHA2-256", nullptr))};
  Owned<EVP_MD, EVP_MD_free> sha1{allocated(EVP_MD_fetch(context.get(), "SHA1", nullptr))};
  Owned<EVP_MD, EVP_MD_free> md5{allocated(EVP_MD_fetch(context.get(), "MD5", nullptr))};
};

const Library& library() {
  static const Library& instance = *new Library;  // never freed, as in crypto.cpp
  return instance;
}

template <std::size_t N>
std::array<std::byte, N> digest(const EVP_MD* algorithm, Parts parts) {
  const ErrorQueue queue;
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(allocated(EVP_MD_CTX_new()));
  require(EVP_DigestInit_ex2(context.get(), algorithm, nullptr));
  for (const auto part : parts) require(EVP_DigestUpdate(context.get(), part.data(), part.size()));
  std::array<std::byte, N> out;
  require(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(out.data()), nullptr));
  return out;
}

Error bad_credential(std::string_view message) {
  return Error(Errc::invalid_argument, reason::bad_credential, message);
}

// A PEM text is short; more is none.
constexpr std::size_t kPemMax = 64 << 10;

Owned<BIO, BIO_free> bio_of(std::string_view text) {
  return Owned<BIO, BIO_free>(
      allocated(BIO_new_mem_buf(text.data(), static_cast<int>(std::min(text.size(), kPemMax)))));
}

// A key behind a passphrase is refused, and nobody is asked for it.
int no_passphrase(char*, int, int, void*) { return -1; }

constexpr auto kCrcTable = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0);
    table[i] = value;
  }
  return table;
}();

std::uint32_t crc_by_table(base::ByteView bytes, std::uint32_t crc) noexcept {
  for (const auto byte : bytes) {
    crc = crc >> 8 ^ kCrcTable[(crc ^ std::to_integer<std::uint32_t>(byte)) & 255];
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t crc_by_instruction(base::ByteView bytes,
                                                                   std::uint32_t crc) noexcept {
  std::uint64_t wide = crc;
  while (bytes.size() >= 8) {
    wide = _mm_crc32_u64(wide, base::load<std::uint64_t>(bytes.data()));
    bytes = bytes.subspan(8);
  }
  return crc_by_table(bytes, static_cast<std::uint32_t>(wide));
}
#endif

}  // namespace

Digest sha256(Parts parts) { return digest<32>(library().sha256.get(), parts); }
Digest sha256(base::ByteView bytes) { return sha256(Parts(&bytes, 1)); }
std::array<std::byte, 16> md5(Parts parts) { return digest<16>(library().md5.get(), parts); }
std::array<std::byte, 16> md5(base::ByteView bytes) { return md5(Parts(&bytes, 1)); }
std::array<std::byte, 20> sha1(base::ByteView bytes) {
  return digest<20>(library().sha1.get(), Parts(&bytes, 1));
}

std::uint32_t crc32c(base::ByteView bytes, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~crc_by_instruction(bytes, ~before);
#endif
  return ~crc_by_table(bytes, ~before);
}

Result<base::Bytes> sign_rs256(std::string_view private_key_pem, base::ByteView message) {
  const ErrorQueue queue;
  if (private_key_pem.size() > kPemMax) return bad_credential("the private key is too long");
  const auto bio = bio_of(private_key_pem);
  const Owned<EVP_PKEY, EVP_PKEY_free> key(PEM_read_bio_PrivateKey_ex(
      bio.get(), nullptr, no_passphrase, nullptr, library().context.get(), nullptr));
  if (!key) return bad_credential("the private key is no PEM text, or needs a passphrase");
  if (!EVP_PKEY_is_a(key.get(), "RSA") || EVP_PKEY_get_bits(key.get()) < 2048) {
    return bad_credential("the private key is no RSA key of at least 2048 bits");
  }
  const Owned<EVP_MD_CTX, EVP_MD_CTX_free> context(allocated(EVP_MD_CTX_new()));
  require(EVP_DigestSignInit_ex(context.get(), nullptr, "SHA2-256", library().context.get(),
                                nullptr, key.get(), nullptr));
  const auto* data = reinterpret_cast<const unsigned char*>(message.data());
  std::size_t size = 0;
  require(EVP_DigestSign(context.get(), nullptr, &size, data, message.size()));
  base::Bytes out(size);
  require(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, data,
                         message.size()));
  out.resize(size);
  return out;
}

Result<std::array<std::byte, 20>> certificate_thumbprint(std::string_view pem) {
  const ErrorQueue queue;
  if (pem.size() > kPemMax) return bad_credential("the certificate is too long");
  const auto bio = bio_of(pem);
  const Owned<X509, X509_free> certificate(
      PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
  if (!certificate) return bad_credential("the certificate is no PEM text");
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size <= 0) throw std::bad_alloc();
  const auto out = sha1({reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(size)});
  OPENSSL_free(der);
  return out;
}

}  // namespace snapvault::codec
