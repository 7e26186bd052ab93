#include "fake_s3.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "base/reasons.hpp"
#include "codec/crc64.hpp"
#include "codec/crypto.hpp"
#include "codec/digest.hpp"
#include "wire/encode.hpp"
#include "wire/xml.hpp"

namespace snapvault::provider {
namespace {

std::string small(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string between(std::string_view text, std::string_view before, std::string_view after) {
  const auto from = text.find(before);
  if (from == text.npos) return {};
  text.remove_prefix(from + before.size());
  return std::string(text.substr(0, text.find(after)));
}

codec::Digest mac(base::ByteView key, std::string_view text) {
  return codec::hmac(key, base::as_bytes(text));
}

std::string sha256_of(std::string_view text) {
  return base::hex(codec::sha256(base::as_bytes(text)));
}

std::string crc64_of(std::string_view text) {
  const auto crc = codec::crc64(base::as_bytes(text));
  base::Bytes bytes;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<std::byte>(crc >> shift));
  return wire::base64(bytes);
}

std::string md5_of(std::string_view text) { return wire::base64(codec::md5(base::as_bytes(text))); }

// As the documentation's figure has it, from what was sent.
std::string signature_of(const wire::Request& request, const std::string& secret) {
  const auto said = request.headers.get("Authorization");
  const auto scope = between(said, "Credential=", ",");
  const auto names = between(said, "SignedHeaders=", ",");
  const auto region_at = scope.find('/') + 1;  // date/region/s3/aws4_request
  const auto date = scope.substr(region_at, 8);
  const auto region = between(std::string_view(scope).substr(region_at + 9), "", "/");
  std::vector<std::string> pairs;
  for (const auto& field : request.query) {
    pairs.push_back(wire::encode(field.name) + "=" + wire::encode(field.value));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string canonical = request.method + "\n" + request.path + "\n";
  for (const auto& pair : pairs) canonical += (&pair == &pairs.front() ? "" : "&") + pair;
  canonical += "\n";
  for (std::string_view rest = names; !rest.empty();) {
    const std::string name(rest.substr(0, rest.find(';')));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto value =
        name == "host" ? request.origin.host_field() : std::string(request.headers.get(name));
    canonical += name + ":" + value + "\n";
  }
  canonical += "\n" + names + "\n" + std::string(request.headers.get("X-Amz-Content-Sha256"));
  const auto text = "AWS4-HMAC-SHA256\n" + std::string(request.headers.get("X-Amz-Date")) + "\n" +
                    scope.substr(region_at) + "\n" + sha256_of(canonical);
  const auto dated = mac(base::as_bytes("AWS4" + secret), date);
  return base::hex(mac(mac(mac(mac(dated, region), "s3"), "aws4_request"), text));
}

}  // namespace

std::string text_of(const PutBody& body) {
  std::string out;
  for (const auto& part : body.parts()) out += base::as_text(*part);
  return out;
}

PutBody body_of(std::string_view text) {
  const auto bytes = base::as_bytes(text);
  return PutBody(base::Bytes(bytes.begin(), bytes.end()));
}

wire::Response response_of(int status, std::string_view body) {
  wire::Response out;
  out.status = status;
  const auto bytes = base::as_bytes(body);
  out.body.assign(bytes.begin(), bytes.end());
  return out;
}

void FakeS3::send(net::Exchange exchange, Completion<wire::Response> done) {
  sent.push_back(exchange);
  if (exchange.limits.stop.stop_requested()) {
    return done(Error(Errc::cancelled, reason::cancelled, "cancelled"));
  }
  if (script) {
    if (auto scripted = script(exchange)) return done(*std::move(scripted));
  }
  auto answered = answer(exchange);
  if (answered && edit) edit(exchange, *answered);
  if (answered && answered->status < 300 && answered->body.size() > exchange.answer_max) {
    answered = Error(Errc::data_loss, reason::bad_answer, "an answer is larger than allowed");
  }
  done(std::move(answered));
}

std::vector<std::string> FakeS3::calls() {
  std::vector<std::string> out;
  for (; told_ < sent.size(); ++told_) {
    const auto& request = sent[told_].request;
    auto line = request.method + " " + key_of(request).value_or("?");
    for (const auto& field : request.query) line += " " + field.name;
    out.push_back(line);
  }
  return out;
}

std::string FakeS3::query_of(const wire::Request& request, std::string_view name) {
  for (const auto& field : request.query) {
    if (field.name == name) return field.value;
  }
  return {};
}

wire::Response FakeS3::plain(int status, std::string body) const {
  auto out = response_of(status, body);
  out.headers.add("Date", wire::http_date(env_.wall_seconds() + clock_ahead));
  out.headers.add("x-amz-request-id", "ID" + std::to_string(sent.size()));
  return out;
}

wire::Response FakeS3::error(int status, const std::string& code, const std::string& more) const {
  auto out = plain(status, "<?xml version=\"1.0\"?><Error><Code>" + code +
                               "</Code><Message>no: " + code + "</Message>" + more + "</Error>");
  if (!sent.empty() && sent.back().request.method == "HEAD") out.body.clear();
  return out;
}

// The bucket is "", whether it stands in the path or before the host.
std::optional<std::string> FakeS3::key_of(const wire::Request& request) const {
  auto path = wire::decode(request.path).value_or("");
  if (request.origin.host.starts_with(bucket + ".")) return path.substr(1);
  if (path == "/" + bucket) return "";
  if (!path.starts_with("/" + bucket + "/")) return {};
  return path.substr(bucket.size() + 2);
}

std::optional<wire::Response> FakeS3::check_signature(const wire::Request& request) const {
  const auto said = request.headers.get("Authorization");
  const auto scope = between(said, "Credential=", ",");
  if (between(scope, "", "/") != key_id) return error(403, "InvalidAccessKeyId");
  if (request.headers.get("X-Amz-Security-Token") != token) {
    return error(400,
                 request.headers.find("X-Amz-Security-Token") ? "ExpiredToken" : "InvalidToken");
  }
  const auto region_said = between(std::string_view(scope).substr(key_id.size() + 10), "", "/");
  if (region_said != region) {
    if (request.method != "HEAD") {
      return error(400, "AuthorizationHeaderMalformed", "<Region>" + region + "</Region>");
    }
    auto out = plain(400);
    out.headers.add("x-amz-bucket-region", region);
    return out;
  }
  const auto names = ";" + between(said, "SignedHeaders=", ",") + ";";
  const auto is_signed = [&](std::string_view name) {
    return names.find(";" + small(name) + ";") != names.npos;
  };
  for (const auto& field : request.headers) {
    const auto name = small(field.name);
    const bool must = name.starts_with("x-amz-") || name == "content-md5";
    if (must && !is_signed(name)) return error(403, "AccessDenied");
  }
  if (!is_signed("host") || signature_of(request, secret) != between(said, "Signature=", ",")) {
    return error(403, "SignatureDoesNotMatch");
  }
  const auto date = wire::parse_iso_date(request.headers.get("X-Amz-Date"));
  constexpr std::int64_t kSkewMost = 900;
  if (!date || std::abs(*date - env_.wall_seconds() - clock_ahead) > kSkewMost) {
    return error(403, "RequestTimeTooSkewed");
  }
  return {};
}

std::optional<wire::Response> FakeS3::check_body(const wire::Request& request) const {
  const auto text = text_of(request.body);
  if (text.size() > body_max) return error(413, "EntityTooLarge");
  const auto hash = request.headers.get("X-Amz-Content-Sha256");
  const bool unsigned_body = hash == "UNSIGNED-PAYLOAD" && request.origin.tls;
  if (!unsigned_body && hash != sha256_of(text)) return error(400, "XAmzContentSHA256Mismatch");
  const auto* md5 = request.headers.find("Content-MD5");
  if (md5 && *md5 != md5_of(text)) return error(400, "BadDigest");
  const auto* crc = request.headers.find("x-amz-checksum-crc64nvme");
  const bool asked = crc || request.headers.find("x-amz-checksum-algorithm");
  if (asked && refuse_checksums != 0) return error(refuse_checksums, "InvalidRequest");
  // That of a completion is of the object.
  if (crc && request.method == "PUT" && *crc != crc64_of(text)) return error(400, "BadDigest");
  return {};
}

Result<wire::Response> FakeS3::answer(const net::Exchange& exchange) {
  const auto& request = exchange.request;
  const auto key = key_of(request);
  if (!key) return error(404, "NoSuchBucket");
  if (auto refused = check_signature(request)) return *std::move(refused);
  if (auto refused = check_body(request)) return *std::move(refused);
  if (key->empty() && request.method == "PUT") {
    if (exists) return error(409, "BucketAlreadyOwnedByYou");
    exists = true;
    return plain(200);
  }
  if (!exists) return error(404, "NoSuchBucket");
  return key->empty() ? on_bucket(request) : on_object(request, *key);
}

wire::Response FakeS3::on_bucket(const wire::Request& request) {
  if (request.method == "GET" && query_of(request, "list-type") == "2") return list(request);
  const bool removal = request.method == "POST" && request.query.size() == 1 &&
                       request.query.front().name == "delete";
  return removal ? remove_many(request) : error(405, "MethodNotAllowed");
}

wire::Response FakeS3::on_object(const wire::Request& request, const std::string& key) {
  const bool has_upload = !query_of(request, "uploadId").empty();
  if (request.method == "GET" || request.method == "HEAD") return get(request, key);
  if (request.method == "PUT") return has_upload ? put_part(request, key) : put(request, key);
  if (request.method == "POST") return has_upload ? complete(request, key) : begin(request, key);
  if (has_upload) {
    return uploads.erase(query_of(request, "uploadId")) == 1 ? plain(204)
                                                             : error(404, "NoSuchUpload");
  }
  objects.erase(key);
  return plain(204);
}

wire::Response FakeS3::list(const wire::Request& request) const {
  const auto prefix = query_of(request, "prefix");
  const auto after =
      std::max(query_of(request, "start-after"), query_of(request, "continuation-token"));
  auto most = std::stoul(query_of(request, "max-keys"));
  if (!max_keys) most = 100'000;
  std::string out = "<ListBucketResult><EncodingType>url</EncodingType>";
  bool more = false;
  std::size_t count = 0;
  std::string last;
  for (const auto& [key, object] : objects) {
    if (!key.starts_with(prefix) || (start_after && key <= after)) continue;
    more = count == most;
    if (more) break;
    ++count;
    last = key;
    auto encoded = wire::encode(key);
    for (std::size_t at; (at = encoded.find("%20")) != encoded.npos;) encoded.replace(at, 3, "+");
    out += "<Contents><Key>" + encoded + "</Key><Size>" + std::to_string(object.bytes.size()) +
           "</Size><LastModified>2026-01-02T03:04:05.678Z</LastModified></Contents>";
  }
  out += std::string("<IsTruncated>") + (more ? "true" : "false") + "</IsTruncated>";
  if (more) out += "<NextContinuationToken>" + wire::encode(last) + "</NextContinuationToken>";
  return plain(200, out + "</ListBucketResult>");
}

wire::Response FakeS3::remove_many(const wire::Request& request) {
  if (refuse_batches != 0) return error(refuse_batches, "NotImplemented");
  if (!request.headers.find("Content-MD5")) return error(400, "InvalidRequest");
  const auto root = wire::parse_xml(text_of(request.body));
  if (!root || root->name != "Delete" || root->text_of("Quiet") != "true") {
    return error(400, "MalformedXML");
  }
  for (const auto& child : root->children) {
    if (child.name == "Object") objects.erase(std::string(child.text_of("Key")));
  }
  return plain(200, "<DeleteResult/>");
}

wire::Response FakeS3::put(const wire::Request& request, const std::string& key) {
  const auto* condition = request.headers.find("If-None-Match");
  if (condition && *condition != "*") return error(501, "NotImplemented");
  if (condition && conditions && objects.count(key) != 0) return error(412, "PreconditionFailed");
  const bool locked = request.headers.find("x-amz-object-lock-mode") != nullptr;
  const auto crc = request.headers.get("x-amz-checksum-crc64nvme");
  if (locked && crc.empty() && !request.headers.find("Content-MD5")) {
    return error(400, "InvalidRequest");
  }
  objects[key] = {text_of(request.body), request.headers};
  auto out = plain(200);
  if (checksums && !crc.empty()) out.headers.add("x-amz-checksum-crc64nvme", crc);
  out.headers.add("ETag", "\"etag\"");
  return out;
}

wire::Response FakeS3::get(const wire::Request& request, const std::string& key) const {
  const auto found = objects.find(key);
  if (found == objects.end()) return error(404, "NoSuchKey");
  const auto& bytes = found->second.bytes;
  if (request.method == "HEAD") {
    auto out = plain(200);
    out.headers.add("Content-Length", std::to_string(bytes.size()));
    out.headers.add("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT");
    return out;
  }
  const auto* range = request.headers.find("Range");
  if (!range || !ranges) return plain(200, bytes);
  const auto dash = range->find('-');
  const auto first = std::stoull(range->substr(6, dash - 6));
  if (first >= bytes.size()) return error(416, "InvalidRange");
  auto last = dash + 1 == range->size() ? bytes.size() - 1 : std::stoull(range->substr(dash + 1));
  last = std::min<unsigned long long>(last, bytes.size() - 1);
  auto out = plain(206, bytes.substr(first, last - first + 1));
  out.headers.add("Content-Range", "bytes " + std::to_string(first) + "-" + std::to_string(last) +
                                       "/" + std::to_string(bytes.size()));
  return out;
}

wire::Response FakeS3::begin(const wire::Request& request, const std::string& key) {
  const auto id = "upload/" + std::to_string(++numbers_) + "+";
  uploads[id] = {key, request.headers, {}};
  auto out = plain(200, "<InitiateMultipartUploadResult><UploadId>" + id +
                            "</UploadId></InitiateMultipartUploadResult>");
  const auto* algorithm = request.headers.find("x-amz-checksum-algorithm");
  if (checksums && algorithm) out.headers.add("x-amz-checksum-algorithm", *algorithm);
  return out;
}

wire::Response FakeS3::put_part(const wire::Request& request, const std::string& key) {
  const auto upload = uploads.find(query_of(request, "uploadId"));
  if (upload == uploads.end() || upload->second.key != key) return error(404, "NoSuchUpload");
  const auto number = std::stoull(query_of(request, "partNumber"));
  upload->second.parts[number] = text_of(request.body);
  auto out = plain(200);
  out.headers.add("ETag", "\"part-" + std::to_string(number) + "\"");
  return out;
}

wire::Response FakeS3::complete(const wire::Request& request, const std::string& key) {
  const auto upload = uploads.find(query_of(request, "uploadId"));
  if (upload == uploads.end() || upload->second.key != key) return error(404, "NoSuchUpload");
  const bool conditional = conditional_parts && request.headers.find("If-None-Match");
  if (conditional && objects.count(key) != 0) return error(412, "PreconditionFailed");
  const auto root = wire::parse_xml(text_of(request.body));
  if (!root || root->name != "CompleteMultipartUpload") return error(400, "MalformedXML");
  std::string all;
  std::size_t number = 0;
  constexpr std::size_t kPartLeast = 5 << 20;
  for (const auto& part : root->children) {
    ++number;
    const auto expected = "\"part-" + std::to_string(number) + "\"";
    const bool known = part.text_of("PartNumber") == std::to_string(number) &&
                       part.text_of("ETag") == expected && upload->second.parts.count(number) != 0;
    if (!known) return error(400, "InvalidPart");
    const auto& bytes = upload->second.parts[number];
    if (bytes.size() < kPartLeast && number != root->children.size()) {
      return error(400, "EntityTooSmall");
    }
    const auto crc = part.text_of("ChecksumCRC64NVME");
    const bool kept = checksums && upload->second.headers.find("x-amz-checksum-algorithm");
    if (kept != !crc.empty() || (kept && crc != crc64_of(bytes))) return error(400, "InvalidPart");
    all += bytes;
  }
  if (number != upload->second.parts.size()) return error(400, "InvalidPart");
  const auto crc = request.headers.get("x-amz-checksum-crc64nvme");
  if (!crc.empty() && crc != crc64_of(all)) return error(400, "BadDigest");
  objects[key] = {all, upload->second.headers};
  uploads.erase(upload);
  return plain(200, "<CompleteMultipartUploadResult><Key>k</Key><ChecksumCRC64NVME>" +
                        std::string(checksums ? crc : "") +
                        "</ChecksumCRC64NVME></CompleteMultipartUploadResult>");
}

namespace {

template <class T, class Start>
base::Task<Result<T>> await(base::Env& env, Start start) {
  Answer<T, Start> answer(env.loop(), std::move(start));
  auto result = co_await answer;
  co_return result;
}

template <class T, class Start>
Result<T> ask(base::Env& env, Start start) {
  return base::run_sync(env, await<T>(env, std::move(start)));
}

}  // namespace

S3World::S3World(const std::string& url, std::map<std::string, std::string> set)
    : variables(std::move(set)),
      env(base::make_virtual_env(11)),
      server(std::make_shared<FakeS3>(*env)) {
  variables.emplace("AWS_ACCESS_KEY_ID", "AKID");
  variables.emplace("AWS_SECRET_ACCESS_KEY", "secret");
  around.env = env;
  around.transport = server;
  around.variable = [this](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end() || found->second.empty()) return {};
    return found->second;
  };
  around.run = [](const std::vector<std::string>&) -> Result<std::string> {
    return Error(Errc::unauthenticated, reason::bad_credential, "no command is run here");
  };
  auto address = parse_address(url, kS3Options);
  REQUIRE(address);
  server->bucket = address->container;
  auto made = make_s3(*std::move(address), around);
  REQUIRE(made);
  store = *std::move(made);
}

Result<std::string> S3World::get(std::string key, std::uint64_t offset, std::uint64_t length,
                                 RequestLimits limits) {
  GetRequest request{std::move(key), offset, length, std::move(limits)};
  auto got = ask<base::Bytes>(
      *env, [&](Completion<base::Bytes> done) { store->get(std::move(request), std::move(done)); });
  if (!got) return std::move(got).error();
  return std::string(base::as_text(*got));
}

Result<void> S3World::put(std::string key, std::string_view text, bool if_absent,
                          RequestLimits limits) {
  PutRequest request;
  request.key = std::move(key);
  request.body = body_of(text);
  request.if_absent = if_absent;
  request.limits = std::move(limits);
  return ask<void>(*env,
                   [&](Completion<void> done) { store->put(std::move(request), std::move(done)); });
}

Result<ObjectInfo> S3World::stat(std::string key) {
  StatRequest request{std::move(key), {}};
  return ask<ObjectInfo>(
      *env, [&](Completion<ObjectInfo> done) { store->stat(std::move(request), std::move(done)); });
}

Result<ListPage> S3World::list(std::string prefix, std::string start_after,
                               std::uint32_t max_keys) {
  ListRequest request{std::move(prefix), std::move(start_after), max_keys, {}};
  return ask<ListPage>(
      *env, [&](Completion<ListPage> done) { store->list(std::move(request), std::move(done)); });
}

Result<void> S3World::remove(std::vector<std::string> keys) {
  RemoveRequest request{std::move(keys), {}};
  return ask<void>(
      *env, [&](Completion<void> done) { store->remove(std::move(request), std::move(done)); });
}

Result<void> S3World::prepare() {
  return ask<void>(*env, [&](Completion<void> done) { store->prepare({}, std::move(done)); });
}

Result<void> S3World::create_root() {
  return ask<void>(*env, [&](Completion<void> done) { store->create_root({}, std::move(done)); });
}

Result<std::vector<Finding>> S3World::examine() {
  return ask<std::vector<Finding>>(
      *env, [&](Completion<std::vector<Finding>> done) { store->examine({}, std::move(done)); });
}

std::string S3World::last_field(std::string_view name) const {
  return std::string(server->sent.back().request.headers.get(name));
}

}  // namespace snapvault::provider
