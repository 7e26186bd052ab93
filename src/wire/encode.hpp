// Text forms of the wire: percent-encoding, base64, dates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"

namespace snapvault::wire {

// RFC 3986, upper-case hex: all but unreserved characters (letters, digits, '-', '.', '_', '~'),
// as SigV4 wants. encode_path leaves '/' too.
std::string encode(std::string_view text);
std::string encode_path(std::string_view path);
// Nothing if a '%' is not followed by two hex digits. A '+' stays a '+'.
std::optional<std::string> decode(std::string_view text);

// RFC 4648 section 4, with padding; section 5 without, for JWT.
std::string base64(base::ByteView bytes);
std::string base64_url(base::ByteView bytes);
// Nothing unless `text` is exactly what base64() gives for some bytes.
std::optional<base::Bytes> unbase64(std::string_view text);

// Seconds since 1970-01-01 UTC to text and back; nothing if `text` is no such date.
std::string http_date(std::int64_t seconds);  // RFC 9110 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT
std::optional<std::int64_t> parse_http_date(std::string_view text);
std::string basic_date(std::int64_t seconds);  // 20130524T000000Z, as SigV4 wants
std::string iso_date(std::int64_t seconds);    // 2013-05-24T00:00:00Z
// RFC 3339: 2013-05-24T00:00:00Z, fractions and offsets allowed ("+01:00"); basic_date's form too;
// a date without a zone ("2013-05-24T00:00:00.123", as Swift lists) is UTC.
std::optional<std::int64_t> parse_iso_date(std::string_view text);

// A decimal number without sign, all of `text`; nothing if it does not fit.
std::optional<std::uint64_t> parse_number(std::string_view text) noexcept;

}  // namespace snapvault::wire
