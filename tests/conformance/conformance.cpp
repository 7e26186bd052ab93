#include "conformance.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <random>

namespace snapvault::conformance {
namespace {

std::string new_folder() {
  static const std::string process = std::to_string(std::random_device()());
  static std::atomic<unsigned> count{0};
  return "conformance/" + process + "-" + std::to_string(count++) + "/";
}

}  // namespace

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (const auto cases : {object_cases(), range_cases(), list_cases(), remove_cases(),
                           race_cases(), limit_cases(), content_cases(), service_cases()}) {
    all.insert(all.end(), cases.begin(), cases.end());
  }
  return all;
}

bool applies(const Case& what, const Capabilities& to) {
  switch (what.needs) {
    case Needs::nothing:
      return true;
    case Needs::exclusive_create:
      return to.exclusive_create;
    case Needs::consistent_list:
      return to.list_is_consistent;
  }
  return true;
}

Failure run(const Case& what, Provider& on, std::chrono::milliseconds patience) {
  Store store(on, patience);
  try {
    if (auto failure = what.run(store)) return failure;
  } catch (const std::exception& failure) {  // value() of a Result that has none
    return failure.what();
  }
  return store.completions();
}

Store::Store(Provider& provider, std::chrono::milliseconds patience)
    : provider_(provider), patience_(patience), folder_(new_folder()) {}

std::vector<std::string> Store::names(const ListPage& page) const {
  std::vector<std::string> out;
  for (const auto& object : page.objects) {
    out.push_back(object.key.starts_with(folder_) ? object.key.substr(folder_.size())
                                                  : "outside: " + object.key);
  }
  return out;
}

Result<Bytes> Store::get(std::string_view name, std::uint64_t offset, std::uint64_t length) {
  GetRequest request{.key = key(name), .offset = offset, .length = length};
  return wait(start(std::move(request)));
}

Result<void> Store::put(std::string_view name, std::string_view text, bool durable) {
  PutRequest request{.key = key(name), .body = body_of(text), .durable = durable};
  return wait(start(std::move(request)));
}

Result<void> Store::put(PutRequest request) {
  request.key = key(request.key);
  return wait(start(std::move(request)));
}

Result<ListPage> Store::list(std::string_view prefix, std::string_view start_after,
                             std::uint32_t max_keys) {
  ListRequest request{.prefix = key(prefix), .max_keys = max_keys};
  if (!start_after.empty()) request.start_after = key(start_after);
  return wait(start(std::move(request)));
}

Result<void> Store::remove(std::vector<std::string> names) {
  RemoveRequest request{.keys = std::move(names)};
  for (auto& name : request.keys) name = key(name);
  return wait(start(std::move(request)));
}

Result<ObjectInfo> Store::stat(std::string_view name) {
  StatRequest request{.key = key(name)};
  return wait(start(std::move(request)));
}

Result<void> Store::sync() { return wait(start(RequestLimits{})); }

Result<void> Store::prepare(RequestLimits limits) {
  auto pending = note(Pending<void>());
  provider_.prepare(std::move(limits), pending.completion());
  return wait(pending);
}

Result<void> Store::create_root(RequestLimits limits) {
  auto pending = note(Pending<void>());
  provider_.create_root(std::move(limits), pending.completion());
  return wait(pending);
}

Result<std::vector<Finding>> Store::examine(RequestLimits limits) {
  auto pending = note(Pending<std::vector<Finding>>());
  provider_.examine(std::move(limits), pending.completion());
  return wait(pending);
}

Result<std::vector<std::string>> Store::all_below(std::string_view prefix) {
  std::vector<std::string> out;
  for (;;) {
    ListRequest request{.prefix = std::string(prefix)};
    if (!out.empty()) request.start_after = out.back();
    auto page = wait(start(std::move(request)));
    if (!page) return page.error();
    for (auto& object : page->objects) out.push_back(std::move(object.key));
    if (!page->truncated || page->objects.empty()) return out;
  }
}

template <class T>
Pending<T> Store::note(Pending<T> pending) {
  const std::lock_guard lock(mutex_);
  counts_.push_back([pending] { return pending.completions(); });
  return pending;
}

Pending<Bytes> Store::start(GetRequest request) {
  auto pending = note(Pending<Bytes>());
  provider_.get(std::move(request), pending.completion());
  return pending;
}
Pending<void> Store::start(PutRequest request) {
  auto pending = note(Pending<void>());
  provider_.put(std::move(request), pending.completion());
  return pending;
}
Pending<ListPage> Store::start(ListRequest request) {
  auto pending = note(Pending<ListPage>());
  provider_.list(std::move(request), pending.completion());
  return pending;
}
Pending<void> Store::start(RemoveRequest request) {
  auto pending = note(Pending<void>());
  provider_.remove(std::move(request), pending.completion());
  return pending;
}
Pending<ObjectInfo> Store::start(StatRequest request) {
  auto pending = note(Pending<ObjectInfo>());
  provider_.stat(std::move(request), pending.completion());
  return pending;
}
Pending<void> Store::start(RequestLimits limits) {
  auto pending = note(Pending<void>());
  provider_.sync(std::move(limits), pending.completion());
  return pending;
}

Failure Store::completions() const {
  const std::lock_guard lock(mutex_);
  for (const auto& count : counts_) {
    if (const int completions = count(); completions != 1) {
      return "a request was completed " + std::to_string(completions) + " times";
    }
  }
  return {};
}

Bytes bytes_of(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

std::string text_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes noise(std::size_t size, std::uint64_t seed) {
  Bytes out(size);
  std::uint64_t state = seed * 0x9E3779B97F4A7C15 + 1;
  for (std::size_t at = 0; at < size; at += sizeof state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::memcpy(out.data() + at, &state, std::min(sizeof state, size - at));
  }
  return out;
}

PutBody body_of(std::string_view text) { return PutBody(bytes_of(text)); }

}  // namespace snapvault::conformance
