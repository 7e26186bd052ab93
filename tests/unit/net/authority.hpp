// A certificate authority for one test, and what it signs.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

struct evp_pkey_st;
struct ssl_ctx_st;
struct x509_st;

namespace snapvault::net::test {

struct Certificate {
  std::shared_ptr<evp_pkey_st> key;
  std::shared_ptr<x509_st> certificate;
};

class Authority {
 public:
  Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority();

  // `names` as in subjectAltName: "DNS:localhost,IP:127.0.0.1". Valid from `from` to `to` seconds
  // from now.
  Certificate sign(const std::string& names, long from = -3600, long to = 3600) const;
  static Certificate sign_self(const std::string& names);
  // A server's context; `wants_client`: it asks for a certificate of this authority.
  std::shared_ptr<ssl_ctx_st> server(const Certificate& certificate,
                                     bool wants_client = false) const;

  std::string file() const;  // PEM of the authority
  // Writes PEM files and answers their paths.
  std::string write(const std::string& name, const Certificate& certificate) const;
  std::string write_key(const std::string& name, const Certificate& certificate,
                        const char* passphrase = nullptr) const;

 private:
  std::filesystem::path folder_;
  Certificate root_;
};

}  // namespace snapvault::net::test
