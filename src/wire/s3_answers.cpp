#include "wire/s3_answers.hpp"

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "wire/encode.hpp"
#include "wire/xml.hpp"

namespace snapvault::wire {
namespace {

constexpr std::string_view kXmlHead = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
constexpr std::string_view kNamespace = " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";
// Amazon's are about 150 bytes.
constexpr std::size_t kNameMax = 2048;

Error bad(std::string_view message) { return Error(Errc::data_loss, reason::bad_answer, message); }

std::string open_element(std::string_view name) {
  std::string out(kXmlHead);
  return out.append("<").append(name).append(kNamespace).append(">");
}

std::string element(std::string_view name, std::string_view text) {
  std::string out("<");
  out.append(name).append(">").append(escape_xml(text));
  return out.append("</").append(name).append(">");
}

// Servers encode as forms do: a space is a '+'.
std::optional<std::string> decode_key(std::string_view text) {
  std::string plain(text);
  for (auto& c : plain) c = c == '+' ? ' ' : c;
  return decode(plain);
}

}  // namespace

S3Error parse_s3_error(std::string_view body) {
  const auto root = parse_xml(body);
  if (!root) return {};
  // Some servers wrap it as Amazon's other services do. DeleteResult holds errors that are of keys.
  const auto* error = root->name == "Error"           ? &*root
                      : root->name == "ErrorResponse" ? root->child("Error")
                                                      : nullptr;
  if (!error) return {};
  return {std::string(error->text_of("Code")), std::string(error->text_of("Message")),
          std::string(error->text_of("Region")), std::string(error->text_of("RequestId"))};
}

Result<S3List> parse_s3_list(std::string_view body) {
  SV_TRY(const auto root, parse_xml(body));
  if (root.name != "ListBucketResult") return bad("the store's list is no list");
  const auto truncated = root.text_of("IsTruncated");
  if (truncated != "true" && truncated != "false") {
    return bad("the store's list does not say whether more follows");
  }
  const bool encoded = root.text_of("EncodingType") == "url";
  S3List out;
  out.truncated = truncated == "true";
  out.next_token = root.text_of("NextContinuationToken");
  if (out.next_token.size() > kNameMax) return bad("the store's list goes on under a long name");
  for (const auto& child : root.children) {
    if (child.name != "Contents") continue;
    ObjectInfo info;
    if (encoded) {
      auto key = decode_key(child.text_of("Key"));
      if (!key) return bad("a key in the store's list is not well encoded");
      info.key = *std::move(key);
    } else {
      info.key = child.text_of("Key");
    }
    const auto size = parse_number(child.text_of("Size"));
    if (!size || info.key.empty()) return bad("the store's list names an object without a size");
    info.size = *size;
    info.modified = parse_iso_date(child.text_of("LastModified")).value_or(0);
    out.objects.push_back(std::move(info));
  }
  return out;
}

Result<std::string> parse_s3_upload(std::string_view body) {
  SV_TRY(const auto root, parse_xml(body));
  std::string id(root.text_of("UploadId"));
  // rclone leaves "Result" out.
  const bool named = root.name.starts_with("InitiateMultipartUpload");
  if (!named || id.empty() || id.size() > kNameMax) {
    return bad("the store began an upload in parts without naming it");
  }
  return id;
}

Result<std::string> parse_s3_complete(std::string_view body) {
  SV_TRY(const auto root, parse_xml(body));
  if (root.name != "CompleteMultipartUploadResult") {
    return bad("the store does not say that an upload in parts is complete");
  }
  return std::string(root.text_of("ChecksumCRC64NVME"));
}

Result<std::vector<S3Undeleted>> parse_s3_delete(std::string_view body) {
  SV_TRY(const auto root, parse_xml(body));
  if (root.name != "DeleteResult") return bad("the store's answer to a removal is none");
  std::vector<S3Undeleted> out;
  for (const auto& child : root.children) {
    if (child.name != "Error") continue;
    out.push_back({std::string(child.text_of("Key")), std::string(child.text_of("Code"))});
  }
  return out;
}

std::optional<ContentRange> parse_content_range(std::string_view text) noexcept {
  if (!text.starts_with("bytes ")) return {};
  text.remove_prefix(6);
  const auto dash = text.find('-'), slash = text.find('/');
  if (dash == text.npos || slash == text.npos || slash < dash) return {};
  const auto first = parse_number(text.substr(0, dash));
  const auto last = parse_number(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return {};
  ContentRange out{*first, *last, {}};
  if (text.substr(slash + 1) == "*") return out;
  out.size = parse_number(text.substr(slash + 1));
  if (!out.size || *last >= *out.size) return {};
  return out;
}

std::string build_s3_delete(const std::vector<std::string>& keys) {
  auto out = open_element("Delete") + element("Quiet", "true");
  for (const auto& key : keys) out += "<Object>" + element("Key", key) + "</Object>";
  return out + "</Delete>";
}

std::string build_s3_complete(const std::vector<S3Part>& parts) {
  auto out = open_element("CompleteMultipartUpload");
  std::size_t number = 0;
  for (const auto& part : parts) {
    out += "<Part>" + element("PartNumber", std::to_string(++number)) + element("ETag", part.etag);
    if (!part.crc64.empty()) out += element("ChecksumCRC64NVME", part.crc64);
    out += "</Part>";
  }
  return out + "</CompleteMultipartUpload>";
}

std::string build_s3_location(std::string_view region) {
  return open_element("CreateBucketConfiguration") + element("LocationConstraint", region) +
         "</CreateBucketConfiguration>";
}

}  // namespace snapvault::wire
