#include "wire/encode.hpp"

#include <array>
#include <charconv>

namespace snapvault::wire {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

bool is_unreserved(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

std::string encode(std::string_view text, bool keep_slash) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Days since 1970-01-01 to a date and back: Howard Hinnant, "chrono-Compatible Low-Level Date
// Algorithms", days_from_civil and civil_from_days.
struct Date {
  std::int64_t year = 1970;
  unsigned month = 1, day = 1, hour = 0, minute = 0, second = 0;
};

std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) noexcept {
  y -= m <= 2;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const auto yoe = static_cast<unsigned>(y - era * 400);
  const unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
  const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
  return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

Date date_of(std::int64_t seconds) noexcept {
  std::int64_t days = seconds / 86400;
  std::int64_t rest = seconds % 86400;
  if (rest < 0) {
    rest += 86400;
    --days;
  }
  const std::int64_t z = days + 719468;
  const std::int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  const auto doe = static_cast<unsigned>(z - era * 146097);
  const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const unsigned mp = (5 * doy + 2) / 153;
  Date out;
  out.day = doy - (153 * mp + 2) / 5 + 1;
  out.month = mp < 10 ? mp + 3 : mp - 9;
  out.year = static_cast<std::int64_t>(yoe) + era * 400 + (out.month <= 2);
  out.hour = static_cast<unsigned>(rest / 3600);
  out.minute = static_cast<unsigned>(rest / 60 % 60);
  out.second = static_cast<unsigned>(rest % 60);
  return out;
}

std::optional<std::int64_t> seconds_of(const Date& date) noexcept {
  constexpr std::array<unsigned, 12> kLengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.month < 1 || date.month > 12 || date.year < 1900 || date.year > 9999) return {};
  const bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  const unsigned length = kLengths[date.month - 1] + (leap && date.month == 2 ? 1 : 0);
  if (date.day < 1 || date.day > length || date.hour > 23 || date.minute > 59 || date.second > 60) {
    return {};
  }
  return days_from_civil(date.year, date.month, date.day) * 86400 + date.hour * 3600 +
         date.minute * 60 + date.second;
}

void digits(std::string& out, std::int64_t value, int count) {
  std::string text = std::to_string(value);
  while (static_cast<int>(text.size()) < count) text.insert(text.begin(), '0');
  out += text;
}

// Takes what is expected off the front of a text; remembers the first failure.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  unsigned number(std::size_t count) noexcept {
    unsigned value = 0;
    if (rest_.size() < count) ok_ = false;
    for (std::size_t i = 0; ok_ && i < count; ++i) {
      const char c = rest_[i];
      if (c < '0' || c > '9') ok_ = false;
      value = value * 10 + static_cast<unsigned>(c - '0');
    }
    if (ok_) rest_.remove_prefix(count);
    return ok_ ? value : 0;
  }
  bool try_text(std::string_view text) noexcept {
    if (!ok_ || !rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  void text(std::string_view text) noexcept { ok_ = try_text(text); }
  template <std::size_t N>
  unsigned one_of(const std::array<std::string_view, N>& names) noexcept {
    for (unsigned i = 0; i < N; ++i) {
      if (try_text(names[i])) return i;
    }
    ok_ = false;
    return 0;
  }
  void skip_digits() noexcept {
    std::size_t count = 0;
    while (count < rest_.size() && rest_[count] >= '0' && rest_[count] <= '9') ++count;
    if (count == 0 || count > 12) ok_ = false;
    if (ok_) rest_.remove_prefix(count);
  }
  bool ok() const noexcept { return ok_; }
  bool finished() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::string base64(base::ByteView bytes, std::string_view alphabet, bool pad) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto left = bytes.size() - at;
    const auto byte = [&](std::size_t i) {
      return i < left ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0u;
    };
    const std::uint32_t group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out += alphabet[group >> 18];
    out += alphabet[group >> 12 & 63];
    if (left > 1) out += alphabet[group >> 6 & 63];
    if (left > 2) out += alphabet[group & 63];
  }
  while (pad && out.size() % 4 != 0) out += '=';
  return out;
}

}  // namespace

std::string encode(std::string_view text) { return encode(text, false); }
std::string encode_path(std::string_view path) { return encode(path, true); }

std::optional<std::string> decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      out += text[at];
      continue;
    }
    if (text.size() - at < 3) return {};
    const int high = hex_digit(text[at + 1]), low = hex_digit(text[at + 2]);
    if (high < 0 || low < 0) return {};
    out += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return out;
}

std::string base64(base::ByteView bytes) { return base64(bytes, kBase64, true); }

std::string base64_url(base::ByteView bytes) {
  static constexpr std::string_view kUrl =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return base64(bytes, kUrl, false);
}

std::optional<base::Bytes> unbase64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  base::Bytes out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const bool last = at + 4 == text.size();
    const std::size_t real = last ? 4 - padding : 4;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const auto value = i < real ? kBase64.find(text[at + i]) : 0;
      if (value == std::string_view::npos) return {};
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    // Bits that stand for nothing must be zero, so that each text has one form.
    if ((real == 3 && (group & 0xFF) != 0) || (real == 2 && (group & 0xFFFF) != 0)) return {};
    for (std::size_t i = 0; i + 1 < real; ++i) {
      out.push_back(static_cast<std::byte>(group >> (16 - 8 * i)));
    }
  }
  return out;
}

std::string http_date(std::int64_t seconds) {
  const auto date = date_of(seconds);
  std::int64_t day = (seconds / 86400 + 4) % 7;
  if (seconds % 86400 < 0) --day;
  if (day < 0) day += 7;
  std::string out(kDays[static_cast<std::size_t>(day)]);
  out += ", ";
  digits(out, date.day, 2);
  out += ' ';
  out += kMonths[date.month - 1];
  out += ' ';
  digits(out, date.year, 4);
  out += ' ';
  digits(out, date.hour, 2);
  out += ':';
  digits(out, date.minute, 2);
  out += ':';
  digits(out, date.second, 2);
  return out + " GMT";
}

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  Scanner in(text);
  Date date;
  in.one_of(kDays);
  in.text(", ");
  date.day = in.number(2);
  in.text(" ");
  date.month = in.one_of(kMonths) + 1;
  in.text(" ");
  date.year = in.number(4);
  in.text(" ");
  date.hour = in.number(2);
  in.text(":");
  date.minute = in.number(2);
  in.text(":");
  date.second = in.number(2);
  in.text(" GMT");
  if (!in.finished()) return {};
  return seconds_of(date);
}

std::string basic_date(std::int64_t seconds) {
  const auto date = date_of(seconds);
  std::string out;
  digits(out, date.year, 4);
  digits(out, date.month, 2);
  digits(out, date.day, 2);
  out += 'T';
  digits(out, date.hour, 2);
  digits(out, date.minute, 2);
  digits(out, date.second, 2);
  return out + 'Z';
}

std::string iso_date(std::int64_t seconds) {
  const auto basic = basic_date(seconds);
  return basic.substr(0, 4) + "-" + basic.substr(4, 2) + "-" + basic.substr(6, 5) + ":" +
         basic.substr(11, 2) + ":" + basic.substr(13, 3);
}

std::optional<std::int64_t> parse_iso_date(std::string_view text) {
  Scanner in(text);
  Date date;
  date.year = in.number(4);
  const bool dashes = in.try_text("-");
  date.month = in.number(2);
  if (dashes) in.text("-");
  date.day = in.number(2);
  if (!in.try_text("T")) in.text("t");
  date.hour = in.number(2);
  if (dashes) in.text(":");
  date.minute = in.number(2);
  if (dashes) in.text(":");
  date.second = in.number(2);
  if (in.try_text(".")) in.skip_digits();
  std::int64_t offset = 0;
  const bool ahead = in.try_text("+");
  if (ahead || in.try_text("-")) {
    const auto hours = in.number(2);
    in.try_text(":");
    const auto minutes = in.number(2);
    if (hours > 23 || minutes > 59) return {};
    offset = (ahead ? 1 : -1) * static_cast<std::int64_t>(hours * 3600 + minutes * 60);
  } else if (!in.finished() && !in.try_text("Z")) {
    in.text("z");
  }
  if (!in.finished()) return {};
  const auto seconds = seconds_of(date);
  if (!seconds) return {};
  return *seconds - offset;
}

std::optional<std::uint64_t> parse_number(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto* end = text.data() + text.size();
  if (text.empty() || text.front() < '0' || text.front() > '9') return {};
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return {};
  return value;
}

}  // namespace snapvault::wire
