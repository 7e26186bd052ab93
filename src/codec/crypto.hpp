// Cryptographic primitives of suite 1. The only user of OpenSSL's EVP; with an own OSSL_LIB_CTX, so
// nothing of the host's OpenSSL configuration is touched or used.
//
// Sources: HMAC RFC 2104, HKDF RFC 5869, AES-GCM NIST SP 800-38D, scrypt RFC 7914.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"

namespace snapvault::codec {

// Key material: wiped when destroyed, never copied by accident, never printed.
template <std::size_t N>
class Secret {
 public:
  Secret() noexcept = default;
  explicit Secret(std::span<const std::byte, N> from) noexcept;
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();
  Secret clone() const noexcept { return Secret(view()); }
  std::span<const std::byte, N> view() const noexcept { return bytes_; }
  std::span<std::byte, N> mutable_view() noexcept { return bytes_; }

 private:
  std::array<std::byte, N> bytes_{};
};
using Key = Secret<32>;
extern template class Secret<32>;
extern template class Secret<64>;
extern template class Secret<192>;

void wipe(base::MutableBytes bytes) noexcept;
bool equal_in_constant_time(base::ByteView a, base::ByteView b) noexcept;

using Digest = std::array<std::byte, 32>;

// HMAC-SHA-256 under one key, many messages: re-initialised, never re-keyed. One thread at a time.
class Hmac {
 public:
  explicit Hmac(base::ByteView key);  // throws std::bad_alloc
  Hmac(Hmac&&) noexcept;
  Hmac& operator=(Hmac&&) noexcept;
  ~Hmac();
  Digest operator()(base::ByteView message);
  // Of the concatenation.
  Digest operator()(std::span<const base::ByteView> parts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};
Digest hmac(base::ByteView key, base::ByteView message);

// HKDF-SHA-256 (extract and expand), output 1 to 8,160 bytes.
void hkdf(base::ByteView input_key, base::ByteView salt, base::ByteView info,
          base::MutableBytes output);

// scrypt with p lanes. Memory 128 * n * r bytes. Errors: invalid_argument, resource_exhausted.
struct ScryptCost {
  std::uint64_t n = 1u << 16;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
};
Result<Key> scrypt(base::ByteView passphrase, base::ByteView salt, const ScryptCost& cost);

// AES-256-GCM under one key. One thread at a time.
class Aead {
 public:
  static constexpr std::size_t kNonce = 12;
  static constexpr std::size_t kTag = 16;
  explicit Aead(std::span<const std::byte, 32> key);
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;
  ~Aead();

  // `out` has plain.size() + kTag bytes: ciphertext, then tag. It may start where `plain` does.
  void seal(std::span<const std::byte, kNonce> nonce, base::ByteView aad, base::ByteView plain,
            base::MutableBytes out);
  // `out` has sealed.size() - kTag bytes. false: not authentic; `out` is then zeroed.
  [[nodiscard]] bool open(std::span<const std::byte, kNonce> nonce, base::ByteView aad,
                          base::ByteView sealed, base::MutableBytes out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::codec
