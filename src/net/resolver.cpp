#include "net/resolver.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <string_view>

#include "base/reasons.hpp"

namespace snapvault::net {
namespace {

constexpr std::size_t kAddressesMax = 8;

Error explain(int failure, const std::string& host) {
  const bool unknown = failure == EAI_NONAME || failure == EAI_NODATA;
  return Error(Errc::unavailable, reason::unreachable,
               unknown ? std::string("the name of the server is not known")
                       : std::string("the name of the server cannot be looked up: ") +
                             ::gai_strerror(failure))
      .with_subject(host)
      .with_hint(unknown ? "check the endpoint, region and bucket in the address"
                         : "check the network and its name server");
}

}  // namespace

Result<std::vector<std::string>> ask_system(const std::string& host) {
  addrinfo want{};
  want.ai_family = AF_UNSPEC;
  want.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int failure = ::getaddrinfo(host.c_str(), nullptr, &want, &list)) {
    return explain(failure, host);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(list, &::freeaddrinfo);
  std::vector<std::string> out;
  for (const auto* one = list; one != nullptr; one = one->ai_next) {
    if (one->ai_family != AF_INET && one->ai_family != AF_INET6) continue;
    char text[NI_MAXHOST];
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      out.emplace_back(text);
    }
  }
  if (out.empty()) return explain(EAI_NODATA, host);
  return out;
}

std::vector<std::string> in_turn(const std::vector<std::string>& addresses) {
  const auto is_v6 = [](std::string_view address) {
    return address.find(':') != std::string_view::npos;
  };
  std::vector<std::string> first, second, out;
  for (const auto& one : addresses) {
    (is_v6(one) == is_v6(addresses.front()) ? first : second).push_back(one);
  }
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  if (out.size() > kAddressesMax) out.resize(kAddressesMax);
  return out;
}

}  // namespace snapvault::net
