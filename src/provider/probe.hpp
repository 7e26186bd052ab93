// What a store can do, found out by doing it: racing creates, rights, speed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"
#include "base/env.hpp"
#include "base/task.hpp"

namespace snapvault::provider {

// The requests of the store that is looked at. Each function returns the coroutine of one request.
struct ProbeCalls {
  std::function<base::Task<Result<base::Bytes>>(GetRequest)> get;
  std::function<base::Task<Result<void>>(PutRequest)> put;
  std::function<base::Task<Result<ListPage>>(ListRequest)> list;
  std::function<base::Task<Result<void>>(RemoveRequest)> remove;
};

inline constexpr unsigned kRacers = 8;

// Creates one new object under a random name `kRacers` times at once, removes it, and says how many
// of them were told that they created it: more than one, and the store settles no races. Nothing if
// none was told so for another reason than the race; the error is then the first one met.
base::Task<Result<unsigned>> race_creates(base::Env& env, ProbeCalls calls, RequestLimits limits);

// Why a store in which `winners` creates won a race is weak.
std::string weak_because(unsigned winners);

// Findings on rights (create, read, list, remove), capabilities and throughput, from a few objects
// below "doctor/". `declared_weak`: why the store is weak whatever a race shows, or empty.
base::Task<std::vector<Finding>> probe(base::Env& env, ProbeCalls calls, std::string declared_weak,
                                       RequestLimits limits);

// Single findings that all stores make in the same way.
Finding credentials_finding(const std::string& source);
Finding clock_finding(std::optional<std::int64_t> ahead);
Finding tls_finding(bool tls);
Finding failure_finding(std::string topic, const Error& error);

}  // namespace snapvault::provider
