#include "wire/sigv4.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "wire/digest.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("wire/sigv4");

namespace snapvault::wire {
namespace {

// Every case of the version 4 suite applies, in both of its forms. What it has beside them is for
// other things than a client of stores signs: event streams, and version 4a (elliptic curves).
struct SuiteForm {
  std::string_view canonical, to_sign, signature, request;
};
struct SuiteCase {
  const char* name;
  bool normalize;
  std::string_view token;
  bool omit_token, sign_body;
  std::string_view request;
  SuiteForm header, query;
};
const SuiteCase kSuite[] = {
#include "sigv4_suite.inc"
};

// "GET /path?query HTTP/1.1", fields, an empty line, a body; a line that begins with white space
// goes on with the field before it.
Request parse_request(std::string_view text) {
  Request out;
  std::vector<Field> fields;
  const auto line_end = text.find('\n');
  auto line = text.substr(0, line_end);
  const auto space = line.find(' '), last = line.rfind(' ');
  out.method = line.substr(0, space);
  const auto target = line.substr(space + 1, last - space - 1);
  const auto question = target.find('?');
  out.path = target.substr(0, question);
  for (auto rest = question == target.npos ? "" : target.substr(question + 1); !rest.empty();) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    out.query.push_back({decode(pair.substr(0, equals)).value(),
                         decode(equals == pair.npos ? "" : pair.substr(equals + 1)).value()});
  }
  for (text.remove_prefix(line_end + 1); !text.empty();) {
    line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) break;
    if (line.front() == ' ') {
      fields.back().value += "\n" + std::string(line);
      continue;
    }
    const auto colon = line.find(':');
    fields.push_back({std::string(line.substr(0, colon)), std::string(line.substr(colon + 1))});
  }
  for (const auto& field : fields) {
    if (field.name == "Host") {
      out.origin.host = field.value;
    } else {
      out.headers.add(field.name, field.value);
    }
  }
  if (const auto bytes = base::as_bytes(text); !bytes.empty()) {
    out.body = PutBody(base::Bytes(bytes.begin(), bytes.end()));
  }
  return out;
}

SigningKey suite_key(const SuiteCase& one) {
  return {"AKIDEXAMPLE", base::SecretText("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
          base::SecretText(std::string(one.token))};
}

SigningScope suite_scope(const SuiteCase& one, const Request& request) {
  SigningScope out;
  out.region = "us-east-1";
  out.service = "service";
  out.now = parse_iso_date("2015-08-30T12:36:00Z").value();
  out.payload_hash = sha256_hex(request.body);
  out.sign_token = !one.omit_token;
  if (!one.normalize) out.path = SignedPath::encoded;
  return out;
}

// In order of name, as no order matters to the receiver.
std::vector<std::string> sorted(const Fields& fields) {
  std::vector<std::string> out;
  for (const auto& field : fields) {
    std::string name = field.name;
    for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    out.push_back(name + ":" + field.value);
  }
  std::sort(out.begin(), out.end());
  return out;
}
std::vector<std::string> sorted(const std::vector<Field>& query) {
  std::vector<std::string> out;
  for (const auto& field : query) out.push_back(field.name + "=" + field.value);
  std::sort(out.begin(), out.end());
  return out;
}

// The examples of the Amazon S3 API Reference.
SigningKey docs_key() {
  return {"AKIAIOSFODNN7EXAMPLE", base::SecretText("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), {}};
}
SigningScope docs_scope(std::string payload_hash = kEmptyPayload) {
  SigningScope out;
  out.region = "us-east-1";
  out.service = "s3";
  out.now = parse_iso_date("2013-05-24T00:00:00Z").value();
  out.payload_hash = std::move(payload_hash);
  return out;
}
Request docs_request(std::string method, std::string path) {
  Request out;
  out.method = std::move(method);
  out.origin.host = "examplebucket.s3.amazonaws.com";
  out.path = std::move(path);
  return out;
}
std::string signature_of(const Request& request) {
  const std::string text(request.headers.get("Authorization"));
  const auto at = text.find("Signature=");
  return at == text.npos ? text : text.substr(at + 10);
}

}  // namespace

TEST_CASE("every case of the AWS signing suite, signed in a header") {
  REQUIRE(std::size(kSuite) == 38);
  for (const auto& one : kSuite) {
    CAPTURE(one.name);
    auto request = parse_request(one.request);
    const auto scope = suite_scope(one, request);
    if (one.sign_body) request.headers.set("x-amz-content-sha256", scope.payload_hash);
    auto plain = request;
    sign_v4(request, suite_key(one), scope);
    const auto wanted = parse_request(one.header.request);
    CHECK(sorted(request.headers) == sorted(wanted.headers));
    CHECK(signature_of(request) == one.header.signature);
    // The steps on the way there.
    plain.headers.set("X-Amz-Date", "20150830T123600Z");
    if (!one.token.empty() && !one.omit_token) {
      plain.headers.set("X-Amz-Security-Token", one.token);
    }
    const auto canonical = canonical_request(plain, scope);
    CHECK(canonical == one.header.canonical);
    const auto to_sign = string_to_sign(canonical, scope);
    CHECK(to_sign == one.header.to_sign);
    CHECK(signature(to_sign, suite_key(one).secret_key, scope) == one.header.signature);
  }
}

TEST_CASE("every case of the AWS signing suite, signed in the query") {
  for (const auto& one : kSuite) {
    CAPTURE(one.name);
    auto request = parse_request(one.request);
    const auto scope = suite_scope(one, request);
    presign_v4(request, suite_key(one), scope, 3600);
    const auto wanted = parse_request(one.query.request);
    CHECK(sorted(request.query) == sorted(wanted.query));
    const auto signed_at =
        std::find_if(request.query.begin(), request.query.end(),
                     [](const Field& field) { return field.name == "X-Amz-Signature"; });
    REQUIRE(signed_at != request.query.end());
    CHECK(signed_at->value == one.query.signature);
    request.query.erase(signed_at);
    if (one.omit_token) {
      std::erase_if(request.query,
                    [](const Field& field) { return field.name == "X-Amz-Security-Token"; });
    }
    const auto canonical = canonical_request(request, scope);
    CHECK(canonical == one.query.canonical);
    CHECK(string_to_sign(canonical, scope) == one.query.to_sign);
  }
}

TEST_CASE("the S3 reference's example of GET Object with a range") {
  auto request = docs_request("GET", "/test.txt");
  request.headers.add("Range", "bytes=0-9");
  sign_v4(request, docs_key(), docs_scope());
  CHECK(request.headers.get("Authorization") ==
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  CHECK(request.headers.get("x-amz-date") == "20130524T000000Z");
  CHECK(request.headers.get("x-amz-content-sha256") == kEmptyPayload);
}

TEST_CASE("the S3 reference's example of PUT Object") {
  auto request = docs_request("PUT", encode_path("/test$file.text"));
  request.headers.add("Date", "Fri, 24 May 2013 00:00:00 GMT");
  request.headers.add("x-amz-storage-class", "REDUCED_REDUNDANCY");
  sign_v4(request, docs_key(), docs_scope(sha256_hex("Welcome to Amazon S3.")));
  CHECK(signature_of(request) ==
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_CASE("the S3 reference's example of GET Bucket Lifecycle: a name without a value") {
  auto request = docs_request("GET", "/");
  request.query.push_back({"lifecycle", ""});
  sign_v4(request, docs_key(), docs_scope());
  CHECK(signature_of(request) ==
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_CASE("the S3 reference's example of listing objects") {
  auto request = docs_request("GET", "/");
  request.query = {{"prefix", "J"}, {"max-keys", "2"}};  // signed in order, sent as they are
  sign_v4(request, docs_key(), docs_scope());
  CHECK(signature_of(request) ==
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST_CASE("the S3 reference's example of a presigned URL") {
  auto request = docs_request("GET", "/test.txt");
  presign_v4(request, docs_key(), docs_scope(kUnsignedPayload), 86400);
  CHECK(request.origin.url() + request.target() ==
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST_CASE("the S3 reference's example of an upload in signed chunks") {
  Request request;
  request.method = "PUT";
  request.origin.host = "s3.amazonaws.com";
  request.path = "/examplebucket/chunkObject.txt";
  request.headers.add("x-amz-storage-class", "REDUCED_REDUNDANCY");
  request.headers.add("Content-Encoding", "aws-chunked");
  request.headers.add("x-amz-decoded-content-length", "66560");
  request.headers.add("Content-Length", "66824");
  const auto scope = docs_scope("STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
  const auto secret = docs_key().secret_key;
  sign_v4(request, docs_key(), scope);
  const auto seed = signature_of(request);
  CHECK(seed == "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
  const auto first = sign_chunk(seed, sha256_hex(std::string(65536, 'a')), secret, scope);
  CHECK(first == "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
  const auto second = sign_chunk(first, sha256_hex(std::string(1024, 'a')), secret, scope);
  CHECK(second == "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
  CHECK(sign_chunk(second, kEmptyPayload, secret, scope) ==
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
}

TEST_CASE("the S3 reference's example of an upload in signed chunks with a signed trailer") {
  Request request;
  request.method = "PUT";
  request.origin.host = "s3.amazonaws.com";
  request.path = "/examplebucket/chunkObject.txt";
  request.headers.add("x-amz-storage-class", "REDUCED_REDUNDANCY");
  request.headers.add("Content-Encoding", "aws-chunked");
  request.headers.add("x-amz-decoded-content-length", "66560");
  request.headers.add("x-amz-trailer", "x-amz-checksum-crc32c");
  const auto scope = docs_scope("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER");
  const auto secret = docs_key().secret_key;
  sign_v4(request, docs_key(), scope);
  auto last = signature_of(request);
  CHECK(last == "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
  last = sign_chunk(last, sha256_hex(std::string(65536, 'a')), secret, scope);
  CHECK(last == "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
  last = sign_chunk(last, sha256_hex(std::string(1024, 'a')), secret, scope);
  CHECK(last == "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
  last = sign_chunk(last, kEmptyPayload, secret, scope);
  CHECK(last == "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
  CHECK(sign_trailer(last, sha256_hex("x-amz-checksum-crc32c:sOO8/Q==\n"), secret, scope) ==
        "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435");
}

TEST_CASE("what something on the way may change is not signed") {
  auto request = docs_request("GET", "/");
  for (const auto* name : {"Authorization", "Connection", "Expect", "Transfer-Encoding", "Upgrade",
                           "User-Agent", "X-Amzn-Trace-Id"}) {
    request.headers.add(name, "x");
  }
  request.headers.add("If-None-Match", "*");
  CHECK(signed_fields(request) == "host;if-none-match");
}

TEST_CASE("a request that is signed again is signed as if for the first time") {
  auto once = docs_request("GET", "/a"), twice = once;
  SigningKey key = docs_key();
  key.session_token = base::SecretText("token");
  auto scope = docs_scope();
  sign_v4(once, key, scope);
  scope.now += 100;
  scope.region = "eu-west-1";
  sign_v4(twice, key, scope);
  scope = docs_scope();
  sign_v4(twice, key, scope);
  CHECK(sorted(once.headers) == sorted(twice.headers));
}

TEST_CASE("the port is signed where it is not the scheme's own") {
  auto request = docs_request("GET", "/");
  request.origin = {false, "127.0.0.1", 9000};
  CHECK(canonical_request(request, docs_scope()).find("host:127.0.0.1:9000\n") !=
        std::string::npos);
  request.origin = {true, "::1", 443};
  CHECK(canonical_request(request, docs_scope()).find("host:[::1]\n") != std::string::npos);
}

TEST_CASE("a path is signed as it is sent for S3, and once more encoded for others") {
  auto request = docs_request("GET", "/a%20b//./c");
  auto scope = docs_scope();
  CHECK(canonical_request(request, scope).starts_with("GET\n/a%20b//./c\n"));
  scope.service = "sts";
  CHECK(canonical_request(request, scope).starts_with("GET\n/a%2520b/c\n"));
  scope.path = SignedPath::encoded;
  CHECK(canonical_request(request, scope).starts_with("GET\n/a%2520b//./c\n"));
}

}  // namespace snapvault::wire

TEST_SUITE_END();
