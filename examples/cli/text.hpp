// Sizes, times and ranges as people write and read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <snapvault/provider.hpp>

namespace cli {

// "50M" = 50 MiB; K, M, G, T, optionally followed by "B" or "iB". Nothing if it is no size.
std::optional<std::uint64_t> parse_size(std::string_view text);
// Like parse_size; wrong usage, naming `option`, if it is none.
std::uint64_t need_size(const std::string& option, const std::string& text);

std::string show_size(std::uint64_t bytes);   // "1.5 GiB"
std::string show_time(std::int64_t seconds);  // "2026-01-31 23:59:59" in local time
std::string show_utc(std::int64_t seconds);   // "2026-01-31T23:59:59Z"
std::string show_duration(double seconds);    // "1:02:03", "4.2 s"
// "2026-01-31", "2026-01-31T23:59:59Z" or seconds since 1970; nothing if it is none.
std::optional<std::int64_t> parse_time(const std::string& text);
// "good", "warning", "bad" or "untried".
const char* show_state(snapvault::Finding::State state);
// Control characters made visible, so that a hostile name cannot steer a terminal.
std::string printable(std::string_view text);

}  // namespace cli
