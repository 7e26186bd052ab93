#include "net/answer_parser.hpp"

#include <algorithm>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "base/reasons.hpp"

namespace snapvault::net {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

Error bad(std::string_view message) { return Error(Errc::data_loss, reason::bad_answer, message); }

Error explain(const error_code& error) {
  return bad("an answer is no well-formed HTTP: " + error.message());
}

std::string_view text_of(boost::beast::string_view text) noexcept {
  return {text.data(), text.size()};
}

// A field that goes on in a second line: what stands in front of us may have read it otherwise
// (RFC 9112 section 5.2).
bool is_folded(std::string_view head) noexcept {
  return head.find("\r\n ") != std::string_view::npos ||
         head.find("\r\n\t") != std::string_view::npos;
}

constexpr std::string_view kVersion = "HTTP/1.";

}  // namespace

Result<std::size_t> find_head(base::ByteView bytes) {
  const auto text = base::as_text(bytes.first(std::min(bytes.size(), kHeadMax)));
  const auto known = std::min(text.size(), kVersion.size());
  if (text.substr(0, known) != kVersion.substr(0, known)) {
    return bad("what the server says is no HTTP/1.1");
  }
  const auto end = text.find("\r\n\r\n");
  if (end != std::string_view::npos) return end + 4;
  if (bytes.size() >= kHeadMax) return bad("the head of an answer is too large");
  return std::size_t{0};
}

int peek_status(base::ByteView bytes) noexcept {
  constexpr std::size_t kAt = kVersion.size() + 2;  // "HTTP/1.1 200"
  if (bytes.size() < kAt + 3 || !base::as_text(bytes).starts_with(kVersion)) return 0;
  int out = 0;
  for (const char c : base::as_text(bytes).substr(kAt, 3)) {
    if (c < '0' || c > '9') return 0;
    out = 10 * out + (c - '0');
  }
  return out;
}

struct AnswerParser::State {
  http::response_parser<http::buffer_body> parser;
};

AnswerParser::AnswerParser() : state_(std::make_unique<State>()) {
  // Bounds are kept by those who know what the answer is for.
  state_->parser.header_limit(kHeadMax + 1);
  state_->parser.body_limit(boost::none);
  state_->parser.eager(false);
}
AnswerParser::~AnswerParser() = default;

Result<void> AnswerParser::put_head(base::ByteView head, bool bodiless) {
  if (is_folded(base::as_text(head))) return bad("a field of an answer has more than one line");
  auto& parser = state_->parser;
  parser.skip(bodiless);
  error_code error;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  if (error) return explain(error);
  if (!parser.is_header_done()) return bad("the head of an answer is not well formed");
  const auto& message = parser.get();
  if (status() < 100 || status() > 599)
    return bad("an answer has a status that HTTP does not know");
  const auto coded = message.count(http::field::transfer_encoding);
  if (coded == 0) return {};
  if (message.count(http::field::content_length) > 0) {
    return bad("an answer has both a length and a transfer coding");
  }
  const auto coding = text_of(message[http::field::transfer_encoding]);
  if (coded > 1 || message.version() != 11 || !wire::equal_in_any_case(coding, "chunked")) {
    return bad("an answer has a transfer coding that was not asked for");
  }
  return {};
}

int AnswerParser::status() const noexcept {
  return static_cast<int>(state_->parser.get().result_int());
}

wire::Response AnswerParser::response() const {
  wire::Response out;
  out.status = status();
  for (const auto& field : state_->parser.get()) {
    out.headers.add(text_of(field.name_string()), text_of(field.value()));
  }
  return out;
}

AnswerParser::Body AnswerParser::body() const noexcept {
  if (state_->parser.is_done() || state_->parser.content_length()) return Body::sized;
  return state_->parser.chunked() ? Body::chunked : Body::to_end;
}

std::uint64_t AnswerParser::length() const noexcept {
  return state_->parser.is_done() ? 0 : state_->parser.content_length().value_or(0);
}

bool AnswerParser::keep_alive() const noexcept {
  return state_->parser.get().keep_alive() && body() != Body::to_end;
}

Result<AnswerParser::Decoded> AnswerParser::decode(base::ByteView from, base::MutableBytes into) {
  auto& parser = state_->parser;
  auto& body = parser.get().body();
  body.data = into.data();
  body.size = into.size();
  Decoded out;
  while (out.took < from.size() && !parser.is_done()) {
    const auto rest = from.subspan(out.took);
    error_code error;
    const auto took = parser.put(boost::asio::const_buffer(rest.data(), rest.size()), error);
    out.took += took;
    out.made = into.size() - body.size;
    if (error == http::error::need_buffer || error == http::error::need_more) break;
    if (error) return explain(error);
  }
  return out;
}

bool AnswerParser::is_done() const noexcept { return state_->parser.is_done(); }

}  // namespace snapvault::net
