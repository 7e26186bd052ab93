// Fuzzes what a hostile server, proxy, token service or credentials file may say. The first byte of
// an input chooses the parser; what it accepts must hold what its header promises.
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

#include "fuzz/fuzz.hpp"
#include "net/answer_parser.hpp"
#include "wire/aws_answers.hpp"
#include "wire/azure_answers.hpp"
#include "wire/batch.hpp"
#include "wire/encode.hpp"
#include "wire/gcs_answers.hpp"
#include "wire/ini.hpp"
#include "wire/retry.hpp"
#include "wire/s3_answers.hpp"
#include "wire/swift_answers.hpp"
#include "wire/xml.hpp"

namespace snapvault::fuzz {
namespace {

// Ends the run where the sanitizers and the fuzzer see it.
void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  __builtin_trap();
}

// Fit for a header field: no line can be begun.
bool is_one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n'; });
}

void fuzz_s3_list(std::string_view text) {
  const auto list = wire::parse_s3_list(text);
  if (!list) return;
  require(list->next_token.size() <= 2048, "a continuation token without bound");
  for (const auto& object : list->objects) {
    require(!object.key.empty(), "an object without a name");
    require(object.key.size() <= text.size(), "a key larger than the answer");
  }
}
void fuzz_s3_error(std::string_view text) {
  const auto error = wire::parse_s3_error(text);
  require(
      error.code.size() + error.message.size() + error.region.size() + error.request_id.size() <=
          text.size(),
      "an error larger than the answer");
}
void fuzz_s3_upload(std::string_view text) {
  const auto upload = wire::parse_s3_upload(text);
  if (upload) require(!upload->empty() && upload->size() <= 2048, "an upload's name without bound");
  const auto complete = wire::parse_s3_complete(text);
  if (complete) require(wire::parse_s3_error(text).code.empty(), "an error that is a success");
}
void fuzz_s3_delete(std::string_view text) {
  const auto left = wire::parse_s3_delete(text);
  if (left) require(wire::parse_s3_error(text).code.empty(), "an error that is a success");
}
void fuzz_range(std::string_view text) {
  const auto range = wire::parse_content_range(text);
  if (!range) return;
  require(range->first <= range->last, "a range backwards");
  require(!range->size || range->last < *range->size, "a range past its object's end");
}
// What we send is read back as it was meant, whatever stands in it.
void fuzz_s3_body(std::string_view text) {
  const auto body = wire::build_s3_delete({std::string(text), "x"});
  require(body.find("<Key>x</Key></Object></Delete>") == body.size() - 30,
          "a body broken by a key");
}

std::size_t depth_of(const wire::XmlNode& node) {
  std::size_t deepest = 0;
  for (const auto& child : node.children) deepest = std::max(deepest, depth_of(child));
  return deepest + 1;
}
void fuzz_xml(std::string_view text) {
  if (const auto root = wire::parse_xml(text)) {
    require(depth_of(*root) <= wire::kXmlDepthMax, "a tree deeper than its bound");
  }
  const auto again = wire::parse_xml("<k>" + wire::escape_xml(text) + "</k>");
  require(!again || again->name == "k", "an element out of a text");
}

// Whole heads and bodies of HTTP, in pieces of several sizes.
void fuzz_http(std::string_view text) {
  const auto bytes = base::as_bytes(text);
  (void)net::peek_status(bytes);
  const auto size = net::find_head(bytes);
  if (!size || *size == 0) return;
  require(*size <= bytes.size() && *size <= net::kHeadMax, "a head beyond its bytes");
  net::AnswerParser parser;
  if (!parser.put_head(bytes.first(*size), false)) return;
  const auto response = parser.response();
  require(parser.status() >= 100 && parser.status() <= 599, "a status that HTTP does not know");
  for (const auto& field : response.headers) {
    require(is_one_line(field.name) && is_one_line(field.value), "a field of two lines");
  }
  if (parser.body() != net::AnswerParser::Body::chunked) return;
  auto rest = bytes.subspan(*size);
  std::array<std::byte, 64> into;
  for (std::size_t step = 1; !rest.empty() && !parser.is_done(); step = step % 7 + 1) {
    const auto piece = rest.first(std::min(step, rest.size()));
    const auto decoded = parser.decode(piece, into);
    if (!decoded) return;
    require(decoded->took <= piece.size() && decoded->made <= into.size(), "more than there is");
    if (decoded->took == 0 && decoded->made == 0 && piece.size() == rest.size()) return;
    rest = rest.subspan(decoded->took);
    if (decoded->took == 0 && step == 7) return;
  }
}

// "boundary\nbody".
void fuzz_batch(std::string_view text) {
  const auto end = std::min(text.find('\n'), text.size());
  const auto type = "multipart/mixed; boundary=" + std::string(text.substr(0, end));
  const auto parts = wire::parse_batch(type, text.substr(std::min(end + 1, text.size())), 4);
  if (!parts) return;
  require(parts->size() == 4, "another number of answers than of requests");
  for (const auto& part : *parts) {
    require(part.status >= 0 && part.status <= 999, "a status of other than three digits");
  }
}

void fuzz_azure(std::string_view text) {
  if (const auto list = wire::parse_azure_list(text)) {
    require(list->next_marker.size() <= 4096, "a marker without bound");
    for (const auto& object : list->objects) require(!object.key.empty(), "a blob without a name");
  }
  wire::Response answer;
  answer.body.assign(base::as_bytes(text).begin(), base::as_bytes(text).end());
  const auto error = wire::parse_azure_error(answer);
  require(is_one_line(error.code) && error.code.size() <= 100, "a code that is none");
}
void fuzz_azure_token(std::string_view text) {
  if (const auto token = wire::parse_azure_token(text)) {
    require(is_one_line(token->text.reveal()) && !token->text.empty(), "a token of two lines");
    require(token->expires >= 0 && token->lifetime >= 0, "a token that ended before time began");
  }
  const auto refusal = wire::parse_azure_refusal(text);
  require(is_one_line(refusal.error) && is_one_line(refusal.number), "a refusal of two lines");
}

void fuzz_gcs(std::string_view text) {
  if (const auto page = wire::parse_gcs_page(text)) {
    for (const auto& object : page->objects) {
      require(!object.name.empty(), "an object without a name");
    }
  }
  (void)wire::parse_gcs_object(text);
  (void)wire::parse_gcs_location(text);
  const auto refusal = wire::parse_gcs_refusal(text);
  require(is_one_line(refusal.reason) && refusal.reason.size() <= 200, "a reason of two lines");
  require(is_one_line(refusal.message) && refusal.message.size() <= 200, "a long message");
}
void fuzz_gcs_token(std::string_view text) {
  for (const auto& token : {wire::parse_gcs_token(text), wire::parse_gcs_impersonated(text)}) {
    if (!token) continue;
    require(is_one_line(token->text.reveal()) && !token->text.empty(), "a token of two lines");
  }
}
void fuzz_gcs_credential(std::string_view text) {
  const auto credential = wire::parse_gcs_credential(text);
  if (credential) {
    for (const auto& header : credential->subject.headers) {
      require(is_one_line(header.name) && is_one_line(header.value.reveal()), "two lines");
    }
  } else {
    require(is_one_line(credential.error().message()), "a message of two lines");
  }
  (void)wire::parse_gcs_executable(text, "t", 0);
  (void)wire::parse_gcs_aws_keys(text);
  wire::GcsSubject subject;
  (void)wire::parse_gcs_subject(text, subject);
  subject.is_json = true;
  subject.field = "f";
  (void)wire::parse_gcs_subject(text, subject);
}

void fuzz_swift(std::string_view text) {
  if (const auto list = wire::parse_swift_list(text)) {
    require(list->size() <= wire::kSwiftEntriesMax, "a page without bound");
  }
  if (const auto deletion = wire::parse_swift_deletion(text)) {
    require(deletion->status != 0, "a deletion without a status");
  }
  (void)wire::parse_keystone_token(text);
  const auto message = wire::keystone_message(text);
  require(is_one_line(message) && message.size() <= 200, "a message of two lines");
}

void fuzz_aws(std::string_view text) {
  (void)wire::parse_aws_keys(text);
  (void)wire::parse_sso_keys(text);
  (void)wire::parse_sso_token(text);
  (void)wire::parse_sts_keys(text);
  (void)wire::parse_ini(text);
}

void fuzz_texts(std::string_view text) {
  const auto decoded = wire::decode(text);
  if (decoded) require(wire::decode(wire::encode(*decoded)) == decoded, "encoded another text");
  if (const auto bytes = wire::unbase64(text)) {
    require(wire::base64(*bytes) == text, "base64 of more than one form");
  }
  if (const auto at = wire::parse_http_date(text)) (void)wire::http_date(*at);
  if (const auto at = wire::parse_iso_date(text)) (void)wire::iso_date(*at);
  if (const auto wait = wire::parse_retry_after(text, 1'767'225'600)) {
    require(*wait <= 86'400, "a pause of more than a day");
  }
  if (const auto origin = wire::parse_origin(text, true)) {
    require(!origin->host.empty() && is_one_line(origin->host) && origin->port != 0, "no host");
  }
}

constexpr void (*kTargets[])(std::string_view) = {
    fuzz_s3_list,     fuzz_s3_error,  fuzz_s3_upload,      fuzz_s3_delete, fuzz_range, fuzz_s3_body,
    fuzz_xml,         fuzz_http,      fuzz_batch,          fuzz_azure,     fuzz_gcs,   fuzz_swift,
    fuzz_azure_token, fuzz_gcs_token, fuzz_gcs_credential, fuzz_aws,       fuzz_texts};

}  // namespace
}  // namespace snapvault::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto target = data[0] % std::size(snapvault::fuzz::kTargets);
  const auto input = std::as_bytes(std::span(data, size)).subspan(1);
  snapvault::fuzz::kTargets[target](snapvault::base::as_text(input));
  return 0;
}
