// What every provider checks before it touches its store, written once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <snapvault/provider.hpp>

namespace snapvault::provider {

inline constexpr std::size_t kKeySizeMax = 1024;
// The most keys of one page and of one remove.
inline constexpr std::size_t kKeysMax = 1000;

// One component of a key: what stands between two '/'.
bool is_component(std::string_view name) noexcept;
bool is_key(std::string_view key) noexcept;
// Empty, or how a key may begin.
bool is_prefix(std::string_view prefix) noexcept;

// cancelled or deadline_exceeded if the request is to end now.
Result<void> check(const RequestLimits& limits);

// Errors: invalid_argument, and those of the limits.
Result<void> check(const GetRequest& request);
Result<void> check(const PutRequest& request);
Result<void> check(const ListRequest& request);
Result<void> check(const RemoveRequest& request);
Result<void> check(const StatRequest& request);

// How many bytes `request` asks for, of an object of `size` bytes. Errors: invalid_argument
// (range).
Result<std::uint64_t> range_length(const GetRequest& request, std::uint64_t size);

Error no_object(const std::string& key);
Error object_exists(const std::string& key);

}  // namespace snapvault::provider
