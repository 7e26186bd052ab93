#include "authority.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace snapvault::net::test {
namespace {

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* const extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  if (!extension) throw std::runtime_error("no extension " + value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// `issuer` null: by itself.
Certificate make(const Certificate* issuer, const char* subject, const std::string& names, bool ca,
                 long from, long to) {
  static long serial = 1;
  Certificate out;
  out.key.reset(EVP_EC_gen("P-256"), &EVP_PKEY_free);
  out.certificate.reset(X509_new(), &X509_free);
  X509* const certificate = out.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), to);
  X509_set_pubkey(certificate, out.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(subject), -1, -1, 0);
  X509* const by = issuer ? issuer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(by));
  extend(certificate, by, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (!names.empty()) extend(certificate, by, NID_subject_alt_name, names);
  X509_sign(certificate, issuer ? issuer->key.get() : out.key.get(), EVP_sha256());
  return out;
}

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
std::unique_ptr<std::FILE, Close> open(const std::filesystem::path& path) {
  std::unique_ptr<std::FILE, Close> out(std::fopen(path.c_str(), "w"));
  if (!out) throw std::runtime_error("cannot write " + path.string());
  return out;
}

}  // namespace

Authority::Authority() {
  static int number = 0;
  const auto subject = "test authority " + std::to_string(++number);
  root_ = make(nullptr, subject.c_str(), "", true, -86400, 86400);
  auto name = (std::filesystem::temp_directory_path() / "snapvault-tls-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("no folder");
  folder_ = name;
  write("authority.pem", root_);
}
Authority::~Authority() { std::filesystem::remove_all(folder_); }

Certificate Authority::sign(const std::string& names, long from, long to) const {
  return make(&root_, "server", names, false, from, to);
}
Certificate Authority::sign_self(const std::string& names) {
  return make(nullptr, "alone", names, false, -3600, 3600);
}

std::shared_ptr<SSL_CTX> Authority::server(const Certificate& certificate,
                                           bool wants_client) const {
  std::shared_ptr<SSL_CTX> out(SSL_CTX_new(TLS_server_method()), &SSL_CTX_free);
  SSL_CTX_use_certificate(out.get(), certificate.certificate.get());
  SSL_CTX_use_PrivateKey(out.get(), certificate.key.get());
  SSL_CTX_set_session_id_context(out.get(), reinterpret_cast<const unsigned char*>("test"), 4);
  if (wants_client) {
    SSL_CTX_load_verify_file(out.get(), file().c_str());
    SSL_CTX_set_verify(out.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return out;
}

std::string Authority::file() const { return (folder_ / "authority.pem").string(); }

std::string Authority::write(const std::string& name, const Certificate& certificate) const {
  const auto file = open(folder_ / name);
  PEM_write_X509(file.get(), certificate.certificate.get());
  return (folder_ / name).string();
}

std::string Authority::write_key(const std::string& name, const Certificate& certificate,
                                 const char* passphrase) const {
  const auto file = open(folder_ / name);
  PEM_write_PKCS8PrivateKey(file.get(), certificate.key.get(),
                            passphrase ? EVP_aes_256_cbc() : nullptr, nullptr, 0, nullptr,
                            const_cast<char*>(passphrase));
  return (folder_ / name).string();
}

}  // namespace snapvault::net::test
