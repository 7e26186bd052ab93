#include "provider/swift/store.hpp"

#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "net/client.hpp"
#include "provider/remote.hpp"
#include "provider/request.hpp"
#include "provider/swift/judge.hpp"
#include "provider/swift/swift.hpp"
#include "wire/digest.hpp"
#include "wire/encode.hpp"

namespace snapvault::provider::swift {
namespace {

// Swift takes 5 GiB in one piece by default ("max_file_size"); a larger object has parts.
constexpr std::uint64_t kPartSize = 1u << 30;
constexpr std::uint64_t kObjectMax = std::uint64_t{5} << 30;
constexpr std::uint64_t kExpectFrom = 1u << 20;
constexpr std::uint64_t kListAnswerMax = 8u << 20;
constexpr std::uint32_t kListMax = 1000;
constexpr const char* kEmptyMd5 = "d41d8cd98f00b204e9800998ecf8427e";

Error no_container(const Error& error, const std::string& name) {
  return Error(Errc::not_found, reason::no_bucket, "the container does not exist")
      .with_subject(name)
      .with_native(error.native())
      .with_request_id(error.request_id())
      .with_hint("check its name in the address, or make it with init --create-bucket");
}

ExchangerOptions options_for(const Address& address) {
  ExchangerOptions out;
  out.origins = address.endpoints;  // none: the signer says where
  return out;
}

}  // namespace

SwiftProvider::SwiftProvider(Address address, Surroundings around, Account account)
    : AwaitingProvider(around.env),
      address_(std::move(address)),
      sessions_(env(), around.transport, std::move(account), address_.endpoints.empty()),
      exchanger_(env(), around.transport, &sessions_, judge, options_for(address_)),
      part_size_(address_.part_size != 0 ? address_.part_size : kPartSize) {}

Capabilities SwiftProvider::capabilities() const {
  Capabilities out;
  out.kind = "swift";
  out.list_is_consistent = false;
  out.durable_put = true;
  out.object_size_max = kObjectMax;
  out.parallel_requests = 16;
  out.weak_because = "Swift lets several racing creates of one object win";
  return out;
}

std::string SwiftProvider::path_of(std::string_view container, std::string_view name) {
  auto out = "/" + wire::encode(container);
  if (!name.empty()) out += "/" + wire::encode_path(name);
  return out;
}

Call SwiftProvider::call_for(std::string method, std::string path, std::string subject) const {
  Call out;
  out.request.method = std::move(method);
  out.request.path = std::move(path);
  out.subject = std::move(subject);
  return out;
}

Call SwiftProvider::object_call(std::string method, const std::string& key) const {
  return call_for(std::move(method), path_of(address_.container, object_name(key)), key);
}

base::Task<Result<wire::Response>> SwiftProvider::ask(Call call, RequestLimits limits) {
  auto subject = call.subject;
  auto task = exchanger_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(task);
  if (answer) co_return answer;
  auto error = std::move(answer).error();
  if (error.subject().empty()) error = std::move(error).with_subject(subject);
  co_return error;
}

base::Task<Error> SwiftProvider::explain(Error error, RequestLimits limits) {
  if (error.reason() != reason::no_object || container_seen_) co_return error;
  auto task =
      ask(call_for("HEAD", path_of(address_.container), address_.container), std::move(limits));
  auto answer = co_await std::move(task);
  if (answer) {
    container_seen_ = true;
    co_return error;
  }
  if (answer.error().code() != Errc::not_found) co_return error;
  co_return no_container(answer.error(), address_.container);
}

base::Task<Result<void>> SwiftProvider::create_container(std::string name, RequestLimits limits) {
  // 201 and, if it was there, 202: a PUT changes nothing about a container then.
  auto task = ask(call_for("PUT", path_of(name), name), std::move(limits));
  auto answer = co_await std::move(task);
  if (!answer) co_return std::move(answer).error();
  co_return Result<void>();
}

base::Task<Result<ObjectInfo>> SwiftProvider::look(const std::string& key, RequestLimits limits,
                                                   bool newest) {
  auto call = object_call("HEAD", key);
  // Asks all replicas instead of the first that answers.
  if (newest) call.request.headers.add("X-Newest", "true");
  auto task = ask(std::move(call), std::move(limits));
  auto answer = co_await std::move(task);
  if (!answer) co_return std::move(answer).error();
  const auto size = wire::parse_number(answer->headers.get("Content-Length"));
  if (!size) co_return bad_answer(*answer, "the store does not tell the object's size", key);
  container_seen_ = true;
  const auto modified = wire::parse_http_date(answer->headers.get("Last-Modified"));
  co_return ObjectInfo{.key = key, .size = *size, .modified = modified.value_or(0)};
}

base::Task<Result<ObjectInfo>> SwiftProvider::do_stat(StatRequest request) {
  auto looking = look(request.key, request.limits, false);
  auto found = co_await std::move(looking);
  if (found) co_return found;
  auto explaining = explain(std::move(found).error(), request.limits);
  co_return co_await std::move(explaining);
}

base::Task<Result<base::Bytes>> SwiftProvider::do_get(GetRequest request) {
  auto call = object_call("GET", request.key);
  call.answer_max = answer_max(request, kObjectMax);
  SV_CO_TRY_NOW(const auto range, range_field(request));
  if (!range.empty()) call.request.headers.set("Range", range);
  auto task = ask(std::move(call), request.limits);
  auto answer = co_await std::move(task);
  if (answer) {
    container_seen_ = true;
    if (range.empty()) co_return std::move(answer->body);
    co_return cut_out(request, *std::move(answer));
  }
  auto explaining = explain(std::move(answer).error(), request.limits);
  co_return co_await std::move(explaining);
}

base::Task<Result<void>> SwiftProvider::do_put(PutRequest request) {
  if (request.if_absent) {
    // A create is refused only by the replicas that were asked and answered first; a look at all of
    // them beforehand finds what any of them holds.
    auto looking = look(request.key, request.limits, true);
    auto found = co_await std::move(looking);
    if (found) co_return object_exists(request.key);
    if (found.error().code() != Errc::not_found) co_return std::move(found).error();
  }
  for (;;) {
    const bool large = request.body.size() > part_size_;
    auto putting = large ? put_large(request) : put_whole(request);
    auto done = co_await std::move(putting);
    if (done) container_seen_ = true;
    if (done || !is_too_large(done.error())) co_return done;
    if (!shrink_parts(std::min(request.body.size(), part_size_))) co_return done;
  }
}

base::Task<Result<std::string>> SwiftProvider::md5_of(const PutBody& body) {
  auto work = [&]() -> Result<std::string> { return wire::md5_hex(body); };
  auto task = base::run_on(env(), env().cpu(), work);
  auto out = co_await std::move(task);
  co_return out;
}

base::Task<Result<void>> SwiftProvider::put_whole(const PutRequest& request) {
  auto hashing = md5_of(request.body);
  const auto md5 = co_await std::move(hashing);
  if (!md5) co_return md5.error();
  auto call = object_call("PUT", request.key);
  call.request.headers.add("Content-Type", "application/octet-stream");
  call.request.headers.add("ETag", *md5);
  if (request.if_absent) call.request.headers.add("If-None-Match", "*");
  call.request.body = request.body;
  call.conditional = request.if_absent;
  call.expect_continue = request.body.size() >= kExpectFrom;
  auto task = ask(std::move(call), request.limits);
  auto answer = co_await std::move(task);
  if (!answer) co_return std::move(answer).error();
  co_return Result<void>();
}

base::Task<Result<std::vector<wire::SwiftEntry>>> SwiftProvider::list_entries(
    std::string container, std::string prefix, std::string marker, std::uint32_t limit,
    RequestLimits limits) {
  auto call = call_for("GET", path_of(container), container);
  auto& query = call.request.query;
  query.push_back({"format", "json"});
  query.push_back({"limit", std::to_string(limit)});
  if (!prefix.empty()) query.push_back({"prefix", std::move(prefix)});
  if (!marker.empty()) query.push_back({"marker", std::move(marker)});
  call.answer_max = kListAnswerMax;
  auto task = ask(std::move(call), std::move(limits));
  auto answer = co_await std::move(task);
  if (!answer) {
    if (answer.error().code() != Errc::not_found) co_return std::move(answer).error();
    co_return no_container(answer.error(), container);
  }
  if (answer->body.empty()) co_return std::vector<wire::SwiftEntry>();  // 204
  co_return wire::parse_swift_list(answer->text());
}

base::Task<Result<void>> SwiftProvider::add_entry(ListPage& page, wire::SwiftEntry entry,
                                                  RequestLimits limits) {
  ObjectInfo info{.key = entry.name.substr(address_.prefix.size()),
                  .size = entry.bytes,
                  .modified = entry.modified};
  // Some stores list a large object by the zero bytes of its manifest: its hash tells.
  if (info.size == 0 && entry.hash != kEmptyMd5) {
    auto looking = look(info.key, std::move(limits), false);
    auto found = co_await std::move(looking);
    if (!found && found.error().code() == Errc::not_found) co_return Result<void>();
    if (!found) co_return std::move(found).error();
    info.size = found->size;
  }
  page.objects.push_back(std::move(info));
  co_return Result<void>();
}

base::Task<Result<ListPage>> SwiftProvider::do_list(ListRequest request) {
  ListPage page;
  const auto prefix = object_name(request.prefix);
  auto marker = request.start_after.empty() ? std::string() : object_name(request.start_after);
  const auto limit = std::min(request.max_keys + 1, kListMax);
  for (;;) {
    auto listing = list_entries(address_.container, prefix, marker, limit, request.limits);
    auto entries = co_await std::move(listing);
    if (!entries) co_return std::move(entries).error();
    container_seen_ = true;
    // Only an empty page is surely the last one: a store may hand out fewer than were asked for.
    if (entries->empty()) co_return page;
    if (entries->back().name <= marker) {
      co_return Error(Errc::data_loss, reason::list_incomplete,
                      "the store lists keys that come before what was asked for")
          .with_subject(request.prefix);
    }
    for (auto& entry : *entries) {
      marker = entry.name;
      const bool ours = entry.name.starts_with(prefix);
      if (!ours || !is_key(std::string_view(entry.name).substr(address_.prefix.size()))) continue;
      if (page.objects.size() == request.max_keys) {
        page.truncated = true;
        co_return page;
      }
      auto adding = add_entry(page, std::move(entry), request.limits);
      SV_CO_CHECK(std::move(adding));
    }
    // A whole page of ours; whether more follows is for the next request to say.
    if (page.objects.size() == request.max_keys) {
      auto looking = list_entries(address_.container, prefix, marker, 1, request.limits);
      const auto more = co_await std::move(looking);
      if (!more) co_return more.error();
      page.truncated = !more->empty();
      co_return page;
    }
  }
}

base::Task<Result<void>> SwiftProvider::do_prepare(RequestLimits /*limits*/) {
  co_return Result<void>();  // it is weak whatever a trial says
}

base::Task<Result<void>> SwiftProvider::do_create_root(RequestLimits limits) {
  auto task = create_container(address_.container, std::move(limits));
  auto done = co_await std::move(task);
  if (done) container_seen_ = true;
  co_return done;
}

}  // namespace snapvault::provider::swift

namespace snapvault::provider {

Result<std::shared_ptr<Provider>> make_swift(Address address, Surroundings around) {
  SV_TRY(auto account, swift::find_account(address, around));
  if (!account.ca.empty() && address.ca.empty()) {
    net::ClientOptions client;
    client.ca_file = account.ca;
    client.client_cert = address.client_cert;
    client.client_key = address.client_key;
    net::read_proxies(around.variable, client);
    SV_TRY(around.transport, net::make_client(std::move(client)));
  }
  return std::make_shared<swift::SwiftProvider>(std::move(address), std::move(around),
                                                std::move(account));
}

}  // namespace snapvault::provider
