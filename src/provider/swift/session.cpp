#include "provider/swift/session.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/secret_body.hpp"
#include "provider/swift/judge.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::swift {
namespace {

constexpr std::uint64_t kAnswerMax = 4u << 20;  // a catalog of a large cloud
// A refusal this soon after a token came in is of one that it replaced: many requests of one token
// are refused at once, and the first refusal renews it for all.
constexpr base::Nanoseconds kJustNow = base::kSecond;
constexpr std::int64_t kLifetimeMax = 366 * 86'400;

Error bad_answer(std::string_view message) {
  return Error(Errc::data_loss, reason::bad_answer, message);
}

ExchangerOptions options_for(const Account& account) {
  ExchangerOptions out;
  out.origins = {account.auth.origin};
  out.tries_max = 5;
  return out;
}

std::int64_t expiry(std::int64_t now, std::int64_t lifetime) noexcept {
  return lifetime <= 0 || lifetime > kLifetimeMax ? 0 : now + lifetime;
}

std::string joined(const std::set<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    if (out.size() > 200) break;
    out += (out.empty() ? "" : ", ") + name;
  }
  return out;
}

Error wrong_region(std::string_view message, const std::set<std::string>& regions) {
  return Error(Errc::precondition_failed, reason::wrong_region, message)
      .with_hint("say region= in the address, or OS_REGION_NAME; there are: " + joined(regions));
}

}  // namespace

Result<std::string> choose_endpoint(const wire::KeystoneToken& token, const std::string& region,
                                    const std::string& interface) {
  const auto bad = [](std::string_view message, std::string_view hint) {
    return Error(Errc::precondition_failed, reason::bad_url, message).with_hint(hint);
  };
  if (!token.has_catalog) {
    return bad("Keystone's token is for no project, so nothing says where the object store is",
               "set OS_PROJECT_NAME or OS_PROJECT_ID");
  }
  std::set<std::string> regions;
  const wire::KeystoneEndpoint* chosen = nullptr;
  for (const auto& endpoint : token.object_stores) {
    if (endpoint.interface != interface) continue;
    regions.insert(endpoint.region);
    if (!region.empty() && endpoint.region != region) continue;
    if (chosen == nullptr) chosen = &endpoint;
  }
  if (regions.empty()) {
    return bad(token.object_stores.empty()
                   ? "Keystone's catalog has no object store"
                   : "Keystone's catalog has no object store with this interface",
               "check OS_INTERFACE (public, internal, admin), and the project's services");
  }
  if (chosen == nullptr) return wrong_region("the object store is not in this region", regions);
  if (region.empty() && regions.size() > 1) {
    return wrong_region("there are object stores in several regions, and none is named", regions);
  }
  return chosen->url;
}

Sessions::Sessions(base::Env& env, std::shared_ptr<net::Transport> transport, Account account,
                   bool own_origin)
    : env_(env),
      account_(std::move(account)),
      own_origin_(own_origin),
      exchanger_(env, std::move(transport), nullptr,
                 account_.kind == Account::Kind::v1 ? judge_v1 : judge_keystone,
                 options_for(account_)),
      cached_(env, [this](RequestLimits limits) { return fetch(std::move(limits)); }) {}

base::Task<Result<Session>> Sessions::get(RequestLimits limits) {
  return cached_.get(env_.wall_seconds(), std::move(limits));
}

base::Task<Result<void>> Sessions::sign(wire::Request& request, std::int64_t /*now*/,
                                        RequestLimits limits) {
  auto task = get(std::move(limits));
  auto session = co_await std::move(task);
  if (!session) co_return std::move(session).error();
  request.path = session->storage.path + request.path;
  if (own_origin_) request.origin = session->storage.origin;
  request.headers.set("X-Auth-Token", session->token.reveal());
  co_return Result<void>();
}

bool Sessions::renew() noexcept {
  if (account_.kind == Account::Kind::token) return false;
  if (!cached_.value() || env_.monotonic() - fetched_ >= kJustNow) cached_.drop();
  return true;
}

base::Task<Result<Session>> Sessions::fetch(RequestLimits limits) {
  if (account_.kind == Account::Kind::token) {
    co_return take(account_.secret.reveal(), account_.storage_url, 0);
  }
  auto task = account_.kind == Account::Kind::v1 ? fetch_v1(std::move(limits))
                                                 : fetch_keystone(std::move(limits));
  auto session = co_await std::move(task);
  if (session) fetched_ = env_.monotonic();
  co_return session;
}

// Object Storage API v1, "Authentication": GET with X-Auth-User and X-Auth-Key.
base::Task<Result<Session>> Sessions::fetch_v1(RequestLimits limits) {
  Call call;
  call.subject = account_.auth.origin.url();
  call.request.origin = account_.auth.origin;
  call.request.path = account_.auth.path.empty() ? "/" : account_.auth.path;
  call.request.headers.add("X-Auth-User", account_.user);
  call.request.headers.add("X-Auth-Key", account_.secret.reveal());
  auto task = exchanger_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(task);
  if (!answer) co_return std::move(answer).error();
  const auto& headers = answer->headers;
  const auto lifetime = wire::parse_number(headers.get("X-Auth-Token-Expires")).value_or(0);
  auto url = account_.storage_url;
  if (url.empty()) url = headers.get("X-Storage-Url");
  if (url.empty()) co_return bad_answer("the token service names no storage URL");
  co_return take(std::string(headers.get("X-Auth-Token")), url,
                 static_cast<std::int64_t>(std::min<std::uint64_t>(lifetime, kLifetimeMax)));
}

// Identity API v3, "Authentication and token management".
base::Task<Result<Session>> Sessions::fetch_keystone(RequestLimits limits) {
  const SecretBody body(wire::keystone_login(account_.login));
  Call call;
  call.subject = account_.auth.origin.url();
  call.answer_max = kAnswerMax;
  call.request.method = "POST";
  call.request.origin = account_.auth.origin;
  call.request.path = account_.auth.path + "/auth/tokens";
  call.request.headers.add("Content-Type", "application/json");
  call.request.headers.add("Accept", "application/json");
  call.request.body = body.body();
  auto task = exchanger_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(task);
  if (!answer) co_return std::move(answer).error();
  auto token = wire::parse_keystone_token(answer->text());
  if (!token) co_return std::move(token).error();
  auto url = account_.storage_url;
  if (url.empty()) {
    SV_CO_TRY_NOW(url, choose_endpoint(*token, account_.region, account_.interface));
  }
  co_return take(std::string(answer->headers.get("X-Subject-Token")), url, token->lifetime);
}

Result<Session> Sessions::take(std::string token, const std::string& url, std::int64_t lifetime) {
  Session out;
  out.token = base::SecretText(std::move(token));
  if (!is_field_value(out.token.reveal())) {
    return bad_answer("the token service answers without a token that can be sent");
  }
  auto place = parse_place(url, "the storage URL");
  if (!place) {
    return Error(Errc::precondition_failed, reason::bad_url, place.error().message());
  }
  out.storage = *std::move(place);
  if (!out.storage.origin.tls && !account_.plain_allowed) {
    return Error(Errc::precondition_failed, reason::tls,
                 "the storage URL is plain HTTP, where a token can be read by others")
        .with_subject(out.storage.origin.url())
        .with_hint("have the URL corrected, or say ssl=false in the address");
  }
  out.expires = expiry(env_.wall_seconds(), lifetime);
  return out;
}

}  // namespace snapvault::provider::swift
