#include "wire/batch.hpp"

#include <optional>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "wire/encode.hpp"

namespace snapvault::wire {
namespace {

Error bad(std::string_view message) { return Error(Errc::data_loss, reason::bad_answer, message); }

// The next line of `rest`, without its end; takes CR LF and LF.
std::string_view take_line(std::string_view& rest) noexcept {
  const auto end = rest.find('\n');
  auto line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Fields up to an empty line.
Fields take_fields(std::string_view& rest) {
  constexpr std::size_t kFieldsMax = 64;
  Fields out;
  while (!rest.empty() && out.size() < kFieldsMax) {
    const auto line = take_line(rest);
    if (line.empty()) break;
    const auto colon = line.find(':');
    if (colon != std::string_view::npos) {
      out.add(trim(line.substr(0, colon)), trim(line.substr(colon + 1)));
    }
  }
  return out;
}

// RFC 2046: boundary=x or boundary="x".
std::string_view boundary_of(std::string_view content_type) noexcept {
  const auto at = content_type.find("boundary=");
  if (at == std::string_view::npos) return {};
  auto value = content_type.substr(at + 9);
  if (value.starts_with('"')) {
    value.remove_prefix(1);
    return value.substr(0, value.find('"'));
  }
  return trim(value.substr(0, value.find(';')));
}

// The number in "<response-3>", "response-3", "<3>" or "3".
std::optional<std::size_t> number_of(std::string_view id) noexcept {
  while (!id.empty() && (id.back() < '0' || id.back() > '9')) id.remove_suffix(1);
  auto first = id.size();
  while (first > 0 && id[first - 1] >= '0' && id[first - 1] <= '9') --first;
  const auto number = parse_number(id.substr(first));
  if (!number) return {};
  return static_cast<std::size_t>(*number);
}

// "HTTP/1.1 202 Accepted", fields, body.
Result<Response> parse_answer(std::string_view text) {
  Response out;
  auto line = take_line(text);
  while (line.empty() && !text.empty()) line = take_line(text);
  const auto space = line.find(' ');
  if (!line.starts_with("HTTP/1.") || space == std::string_view::npos) {
    return bad("a part of the store's answer to a batch is no answer");
  }
  const auto status = parse_number(line.substr(space + 1, 3));
  if (!status || *status < 100 || *status > 599) return bad("a part of the answer has no status");
  out.status = static_cast<int>(*status);
  out.headers = take_fields(text);
  const auto bytes = base::as_bytes(text);
  out.body.assign(bytes.begin(), bytes.end());
  return out;
}

}  // namespace

std::string build_batch(const std::vector<Request>& requests, std::string_view boundary) {
  std::string out;
  std::size_t number = 0;
  for (const auto& request : requests) {
    out.append("--").append(boundary);
    out += "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n";
    out += "Content-ID: " + std::to_string(number++) + "\r\n\r\n";
    out += request.method + " " + request.target() + " HTTP/1.1\r\n";
    for (const auto& field : request.headers) out += field.name + ": " + field.value + "\r\n";
    out += "\r\n";
  }
  out.append("--").append(boundary).append("--\r\n");
  return out;
}

Result<std::vector<Response>> parse_batch(std::string_view content_type, std::string_view body,
                                          std::size_t count) {
  const auto boundary = boundary_of(content_type);
  if (boundary.empty() || boundary.size() > 200) return bad("the answer to a batch has no parts");
  const std::string mark = "--" + std::string(boundary);
  std::vector<Response> out(count);
  std::size_t place = 0;
  auto at = body.find(mark);
  while (at != std::string_view::npos) {
    const auto start = at + mark.size();
    if (body.substr(start, 2) == "--") break;
    const auto next = body.find(mark, start);
    if (next == std::string_view::npos) return bad("the answer to a batch breaks off");
    if (place == count) return bad("the answer to a batch has more parts than were asked for");
    auto part = body.substr(start, next - start);
    take_line(part);  // what follows the boundary
    const auto fields = take_fields(part);
    SV_TRY(auto answer, parse_answer(part));
    const auto number = number_of(fields.get("Content-ID"));
    const auto index = number && *number < count ? *number : place;
    out[index] = std::move(answer);
    ++place;
    at = next;
  }
  return out;
}

}  // namespace snapvault::wire
