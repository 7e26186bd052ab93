// When and after what pause a request is sent again.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace snapvault::wire {

// Statuses that say "not now": 408, 425, 429, 500, 502, 503, 504 (RFC 9110, RFC 6585, RFC 8470).
bool is_passing(int status) noexcept;
// Of these, those after which the request may have taken effect all the same.
bool may_be_done(int status) noexcept;

// Nanoseconds before try `tried` + 1 (tried >= 1): uniform between 0 and a bound that starts at
// `first` and doubles up to `most`: "full jitter" (AWS Architecture Blog, "Exponential Backoff And
// Jitter", 2015). `chance` is any random number.
std::uint64_t pause_after(unsigned tried, std::uint64_t first, std::uint64_t most,
                          std::uint64_t chance) noexcept;

// Retry-After (RFC 9110 10.2.3): seconds, or a date; at most a day. Nothing if it is neither.
std::optional<std::uint64_t> parse_retry_after(std::string_view text, std::int64_t now);

}  // namespace snapvault::wire
