// What an S3 server answers, as data, and the bodies that it is sent. Source: docs.aws.amazon.com,
// Amazon S3 API Reference.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <snapvault/provider.hpp>

#include "wire/http.hpp"

namespace snapvault::wire {

// The body of a refusal, or of a 200 that is one; empty fields where there is none.
struct S3Error {
  std::string code;     // "NoSuchKey"
  std::string message;  // of the server: not to be trusted further than being shown
  std::string region;
  std::string request_id;
};
S3Error parse_s3_error(std::string_view body);

// ListObjectsV2, with encoding-type=url or without. Errors: data_loss (bad_answer).
struct S3List {
  std::vector<ObjectInfo> objects;
  bool truncated = false;
  std::string next_token;  // for a page that is empty although more follows
};
Result<S3List> parse_s3_list(std::string_view body);

// CreateMultipartUpload. Errors: data_loss (bad_answer).
Result<std::string> parse_s3_upload(std::string_view body);
// CompleteMultipartUpload: the CRC-64/NVME of the object in base64, or empty. Errors: data_loss
// (bad_answer: it does not say that the object is there).
Result<std::string> parse_s3_complete(std::string_view body);
// DeleteObjects in quiet mode: what could not be removed. Errors: data_loss (bad_answer).
struct S3Undeleted {
  std::string key, code;
};
Result<std::vector<S3Undeleted>> parse_s3_delete(std::string_view body);

// "bytes 0-99/1234", RFC 9110 14.4; "*" for a size that is not told. Nothing if it is none.
struct ContentRange {
  std::uint64_t first = 0, last = 0;
  std::optional<std::uint64_t> size;
};
std::optional<ContentRange> parse_content_range(std::string_view text) noexcept;

std::string build_s3_delete(const std::vector<std::string>& keys);
// Numbers from 1, in order.
struct S3Part {
  std::string etag;
  std::string crc64;  // CRC-64/NVME in base64, or empty
};
std::string build_s3_complete(const std::vector<S3Part>& parts);
// CreateBucket in a region.
std::string build_s3_location(std::string_view region);

}  // namespace snapvault::wire
