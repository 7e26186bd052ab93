#include "wire/retry.hpp"

#include <algorithm>

#include "wire/encode.hpp"

namespace snapvault::wire {

bool is_passing(int status) noexcept {
  return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
         status == 503 || status == 504;
}

bool may_be_done(int status) noexcept {
  return status == 408 || status == 500 || status == 502 || status == 504;
}

std::uint64_t pause_after(unsigned tried, std::uint64_t first, std::uint64_t most,
                          std::uint64_t chance) noexcept {
  const unsigned doublings = std::min(tried - 1, 40u);
  const std::uint64_t bound =
      first > (most >> doublings) ? most : std::min(most, first << doublings);
  return bound == 0 ? 0 : chance % (bound + 1);
}

std::optional<std::uint64_t> parse_retry_after(std::string_view text, std::int64_t now) {
  constexpr std::uint64_t kDay = 86400;
  if (const auto seconds = parse_number(text)) return std::min(*seconds, kDay);
  const auto date = parse_http_date(text);
  if (!date) return {};
  if (*date <= now) return 0;
  return std::min(static_cast<std::uint64_t>(*date - now), kDay);
}

}  // namespace snapvault::wire
