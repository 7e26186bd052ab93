#include "wire/s3_answers.hpp"

#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("wire/s3_answers");

namespace snapvault::wire {
namespace {

template <class T>
void check_bad(const Result<T>& result) {
  REQUIRE_FALSE(result);
  CHECK(result.error().code() == Errc::data_loss);
  CHECK(result.error().reason() == reason::bad_answer);
}

}  // namespace

TEST_CASE("an error is read as Amazon's page shows it") {
  const auto error = parse_s3_error(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n  <Code>NoSuchKey</Code>\n"
      "  <Message>The resource you requested does not exist</Message>\n"
      "  <Resource>/mybucket/myfoto.jpg</Resource> \n"
      "  <RequestId>4442587FB7D0A2F9</RequestId>\n</Error>");
  CHECK(error.code == "NoSuchKey");
  CHECK(error.message == "The resource you requested does not exist");
  CHECK(error.region.empty());
  CHECK(error.request_id == "4442587FB7D0A2F9");
  CHECK(parse_s3_error("<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region>"
                       "</Error>")
            .region == "eu-west-1");
  CHECK(parse_s3_error("<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>")
            .code == "Throttling");
}

TEST_CASE("what is no error gives none") {
  for (const auto* text : {"", "no", "<html><body><h1>503</h1></body></html>", "<Error", "<Error/>",
                           "<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>",
                           "<!DOCTYPE x [<!ENTITY a \"b\">]><Error><Code>&a;</Code></Error>",
                           "<CompleteMultipartUploadResult/>"}) {
    CAPTURE(text);
    CHECK(parse_s3_error(text).code.empty());
  }
}

TEST_CASE("a list is read as Amazon's page shows it") {
  const auto list = parse_s3_list(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
      "  <Name>bucket</Name><Prefix/><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>\n"
      "  <IsTruncated>false</IsTruncated>\n"
      "  <Contents><Key>my-image.jpg</Key><LastModified>2009-10-12T17:50:30.000Z</LastModified>"
      "<ETag>\"fba9dede5f27731c9771645a39863328\"</ETag><Size>434234</Size>"
      "<StorageClass>STANDARD</StorageClass></Contents>\n"
      "  <Contents><Key>a&amp;b%20+c</Key><Size>0</Size></Contents>\n"
      "</ListBucketResult>");
  REQUIRE(list);
  CHECK_FALSE(list->truncated);
  CHECK(list->next_token.empty());
  REQUIRE(list->objects.size() == 2);
  CHECK(list->objects[0].key == "my-image.jpg");
  CHECK(list->objects[0].size == 434234);
  CHECK(list->objects[0].modified == parse_iso_date("2009-10-12T17:50:30Z"));
  CHECK(list->objects[1].key == "a&b%20+c");  // not encoded, as it does not say so
  CHECK(list->objects[1].modified == 0);
}

TEST_CASE("keys are decoded where the list says that they are encoded") {
  const auto list = parse_s3_list(
      "<ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
      "<NextContinuationToken>t%2F+</NextContinuationToken>"
      "<Contents><Key>a+b%20c%2Bd%2Fe/%C3%A9%00</Key><Size>18446744073709551615</Size></Contents>"
      "</ListBucketResult>");
  REQUIRE(list);
  CHECK(list->truncated);
  CHECK(list->next_token == "t%2F+");
  REQUIRE(list->objects.size() == 1);
  CHECK(list->objects[0].key == std::string("a b c+d/e/\xC3\xA9\0", 13));
  CHECK(list->objects[0].size == ~0ull);
}

TEST_CASE("a list that is none, or leaves out what matters, is refused") {
  const std::string head = "<ListBucketResult><IsTruncated>false</IsTruncated>";
  const std::string end = "</ListBucketResult>";
  check_bad(parse_s3_list(""));
  check_bad(parse_s3_list("<ListBucketResult>"));
  check_bad(parse_s3_list("<Error><Code>x</Code></Error>"));
  check_bad(parse_s3_list("<ListBucketResult/>"));
  check_bad(parse_s3_list("<ListBucketResult><IsTruncated>1</IsTruncated></ListBucketResult>"));
  check_bad(parse_s3_list(head + "<Contents><Key>a</Key></Contents>" + end));
  check_bad(parse_s3_list(head + "<Contents><Key>a</Key><Size>-1</Size></Contents>" + end));
  check_bad(parse_s3_list(head + "<Contents><Key>a</Key><Size>1 </Size></Contents>" + end));
  check_bad(parse_s3_list(
      head + "<Contents><Key>a</Key><Size>18446744073709551616</Size></Contents>" + end));
  check_bad(parse_s3_list(head + "<Contents><Size>1</Size></Contents>" + end));
  check_bad(parse_s3_list(head +
                          "<EncodingType>url</EncodingType><Contents><Key>%4</Key>"
                          "<Size>1</Size></Contents>" +
                          end));
  check_bad(parse_s3_list(head + "<NextContinuationToken>" + std::string(2049, 't') +
                          "</NextContinuationToken>" + end));
  std::string deep = head;
  for (int i = 0; i < 20; ++i) deep += "<a>";
  for (int i = 0; i < 20; ++i) deep += "</a>";
  check_bad(parse_s3_list(deep + end));
}

TEST_CASE("an upload in parts is named, and its completion says so") {
  CHECK(*parse_s3_upload("<InitiateMultipartUploadResult><Bucket>b</Bucket><Key>k</Key>"
                         "<UploadId>VXBsb2FkIElE/+=</UploadId></InitiateMultipartUploadResult>") ==
        "VXBsb2FkIElE/+=");
  CHECK(*parse_s3_upload(
            "<InitiateMultipartUpload><UploadId>7</UploadId></InitiateMultipartUpload>") == "7");
  check_bad(parse_s3_upload(""));
  check_bad(parse_s3_upload("<InitiateMultipartUploadResult/>"));
  check_bad(parse_s3_upload("<Other><UploadId>x</UploadId></Other>"));
  check_bad(parse_s3_upload("<InitiateMultipartUploadResult><UploadId>" + std::string(3000, 'x') +
                            "</UploadId></InitiateMultipartUploadResult>"));
  CHECK(parse_s3_complete("<CompleteMultipartUploadResult/>")->empty());
  CHECK(
      *parse_s3_complete("<CompleteMultipartUploadResult><ChecksumCRC64NVME>c=</ChecksumCRC64NVME>"
                         "</CompleteMultipartUploadResult>") == "c=");
  check_bad(parse_s3_complete(""));
  check_bad(parse_s3_complete("  \n"));
  check_bad(parse_s3_complete("<Error><Code>InternalError</Code></Error>"));
}

TEST_CASE("what a removal left behind is named") {
  const auto left = parse_s3_delete(
      "<DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<Deleted><Key>sample1.txt</Key></Deleted>"
      "<Error><Key>sample2.txt</Key><Code>AccessDenied</Code><Message>Access Denied</Message>"
      "</Error></DeleteResult>");
  REQUIRE(left);
  REQUIRE(left->size() == 1);
  CHECK(left->front().key == "sample2.txt");
  CHECK(left->front().code == "AccessDenied");
  CHECK(parse_s3_delete("<DeleteResult/>")->empty());
  check_bad(parse_s3_delete(""));
  check_bad(parse_s3_delete("<Error><Code>x</Code></Error>"));
}

TEST_CASE("bodies hold what they are given and no more") {
  CHECK(build_s3_delete({"a<b>&\"'\n"}) ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
        "<Object><Key>a&lt;b&gt;&amp;&quot;&apos;&#10;</Key></Object></Delete>");
  CHECK(build_s3_complete({{"\"e1\"", ""}, {"e2", "c="}}) ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag></Part>"
        "<Part><PartNumber>2</PartNumber><ETag>e2</ETag>"
        "<ChecksumCRC64NVME>c=</ChecksumCRC64NVME></Part></CompleteMultipartUpload>");
  CHECK(build_s3_location("eu-west-1") ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>");
}

TEST_CASE("Content-Range gives what it says, or nothing") {
  const auto range = parse_content_range("bytes 42-1233/1234");
  REQUIRE(range);
  CHECK(range->first == 42);
  CHECK(range->last == 1233);
  CHECK(range->size == 1234);
  REQUIRE(parse_content_range("bytes 0-0/*"));
  CHECK_FALSE(parse_content_range("bytes 0-0/*")->size);
  for (const auto* text :
       {"", "bytes", "bytes ", "bytes */10", "bytes 1-/10", "bytes -1/10", "bytes 2-1/10",
        "bytes 0-10/10", "bytes 0-1", "bytes 0-1/", "0-1/10", "bytes 0-1/10/10", "bytes 0/1-2",
        "Bytes 0-1/10", "bytes 0x0-1/10", "bytes 0-18446744073709551616/18446744073709551617"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_content_range(text));
  }
}

}  // namespace snapvault::wire

TEST_SUITE_END();
