// What the codec does when memory is short: std::bad_alloc or an Error, and the next call works.
#include <doctest/doctest.h>

#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "codec/compress.hpp"
#include "codec/crypto.hpp"
#include "unit/codec/samples.hpp"

namespace snapvault::codec {
namespace {

// OpenSSL's n-th allocation from now fails; -1: none does.
thread_local long allocations_left = -1;
thread_local bool has_failed = false;

bool fails() noexcept {
  if (allocations_left < 0 || allocations_left-- > 0) return false;
  has_failed = true;
  return true;
}
void* allocate(std::size_t size, const char*, int) {
  // More than a machine has; sanitizers would stop there instead of giving nothing.
  if (size >= std::size_t{1} << 48) return nullptr;
  return fails() ? nullptr : std::malloc(size);
}
void* reallocate(void* old, std::size_t size, const char*, int) {
  return size != 0 && fails() ? nullptr : std::realloc(old, size);
}
void release(void* old, const char*, int) { std::free(old); }

// Only possible before OpenSSL's first allocation.
const bool is_installed = CRYPTO_set_mem_functions(allocate, reallocate, release) == 1;

// Runs `call` with the 1st, 2nd, ... allocation failing until none is left to fail. `call` says
// whether it succeeded. The number of points at which it failed.
template <class Call>
int sweep(const Call& call) {
  int failures = 0;
  for (long n = 0; n < 10000; ++n) {
    bool succeeded = false;
    has_failed = false;
    allocations_left = n;
    try {
      succeeded = call();
    } catch (const std::bad_alloc&) {
    }
    allocations_left = -1;
    CHECK(ERR_peek_error() == 0);
    if (!succeeded) {
      CHECK(has_failed);
      ++failures;
      CHECK(call());
    } else if (!has_failed) {
      return failures;
    }
  }
  FAIL("the sweep does not end");
  return failures;
}

TEST_SUITE("codec/memory") {
  TEST_CASE("every allocation of OpenSSL may fail") {
    REQUIRE(is_installed);
    const auto key = rising(1, 32);
    const auto expected = hmac(key, key);  // also makes the OpenSSL context
    CHECK(sweep([&] { return hmac(key, key) == expected; }) > 5);
    CHECK(sweep([&] { return Hmac(key)(key) == expected; }) > 5);
    Hmac object(key);
    CHECK(sweep([&] { return object(key) == expected; }) >= 0);
    base::Bytes output(64);
    CHECK(sweep([&] { return hkdf(key, key, key, output), true; }) > 5);
    CHECK(sweep([&] { return scrypt(key, key, {16, 1, 1}).has_value(); }) > 5);
    const std::span<const std::byte, 32> gcm_key(key);
    CHECK(sweep([&] { return Aead(gcm_key), true; }) > 0);
    Aead aead(gcm_key);
    const std::array<std::byte, 12> nonce{};
    base::Bytes sealed(48);
    base::Bytes back(32);
    CHECK(sweep([&] {
            aead.seal(nonce, key, key, sealed);
            return aead.open(nonce, key, sealed, back) && back == key;
          }) >= 0);
  }

  TEST_CASE("a key derivation without memory says so") {
    const auto cost = ScryptCost{std::uint64_t{1} << 37, 16, 1};  // 2^48 bytes
    const auto key = scrypt(base::as_bytes("p"), base::as_bytes("s"), cost);
    REQUIRE_FALSE(key);
    CHECK(key.error().code() == Errc::resource_exhausted);
    CHECK(key.error().reason() == "no_memory");
  }

// Sanitizers reserve address space of their own, and stop where malloc gives nothing.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  // While it lives, the process gets no memory beyond what it holds.
  class NoMoreMemory {
   public:
    NoMoreMemory() {
      long pages = 0;
      auto* const file = std::fopen("/proc/self/statm", "r");
      REQUIRE(file != nullptr);
      CHECK(std::fscanf(file, "%ld", &pages) == 1);
      std::fclose(file);
      getrlimit(RLIMIT_AS, &before_);
      const rlimit now{static_cast<rlim_t>(pages) * 4096, before_.rlim_max};
      setrlimit(RLIMIT_AS, &now);
    }
    ~NoMoreMemory() { setrlimit(RLIMIT_AS, &before_); }

   private:
    rlimit before_{};
  };

  template <class Make>
  bool runs_out(const Make& make) {
    const NoMoreMemory scope;
    for (int i = 0; i < 100000; ++i) {
      try {
        make();
      } catch (const std::bad_alloc&) {
        return true;
      }
    }
    return false;
  }

  TEST_CASE("zstd without memory is bad_alloc, not damage") {
    std::vector<Compressor> compressors;
    std::vector<Decompressor> decompressors;
    compressors.reserve(100000);
    decompressors.reserve(100000);
    CHECK(runs_out([&] { decompressors.emplace_back(); }));
    CHECK(runs_out([&] { compressors.emplace_back(3); }));
    decompressors.clear();
    compressors.clear();

    Compressor compressor(19);
    const auto plain = text_like(8 << 20, 1);
    base::Bytes out(plain.size());
    CHECK(runs_out([&] { compressor.compress(plain, out); }));
    const auto some = base::ByteView(plain).first(100000);
    CHECK(compressor.compress(some, out));
  }
#endif
}

}  // namespace
}  // namespace snapvault::codec
