// Address: the URL of a store on the network, taken apart.
//
//   scheme://container/prefix?name=value&...
//
// Options of every store: endpoint=host:port (may stand several times or hold several, separated by
// commas: they are used in turn), ssl=false, path_style=true, ca=FILE, client_cert=FILE,
// client_key=FILE, part_mib=N, profile=NAME, credential=NAME; each store adds its own.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/result.hpp>

#include "wire/http.hpp"

namespace snapvault::provider {

struct Address {
  std::string scheme;                   // s3, azure, gs, swift
  std::string container;                // bucket or container; never empty
  std::string prefix;                   // "" or "a/b/": stands before each key
  std::vector<wire::Origin> endpoints;  // as named; empty: the vendor's own
  bool ssl = true;
  bool path_style = false;
  std::string ca, client_cert, client_key, profile, credential;
  std::uint64_t part_size = 0;                 // bytes; 0: the store's usual
  std::map<std::string, std::string> options;  // the store's own: region, account, ...

  std::string option(std::string_view name) const;  // or empty
  // The address again without its options, for messages: "s3://bucket/prefix".
  std::string text() const;
};

// Errors: invalid_argument (bad_url): what it says is wrong. A secret in it is refused
// (user:password@, and names such as key, secret, token, sig, password) and never repeated. Options
// that are neither of every store nor `own` are refused by name. Values are percent-decoded.
Result<Address> parse_address(const std::string& url, std::span<const std::string_view> own);
inline Result<Address> parse_address(const std::string& url,
                                     std::initializer_list<std::string_view> own) {
  return parse_address(url, std::span(own.begin(), own.size()));
}
// The scheme of "scheme://...", or empty.
std::string_view scheme_of(std::string_view url) noexcept;

}  // namespace snapvault::provider
