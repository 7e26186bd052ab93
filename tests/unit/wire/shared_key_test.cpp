// The examples of learn.microsoft.com, "Authorize with Shared Key". Microsoft gives no key with
// them: the signature over such a text is proven by Azurite, which judges it (tests/cloud).
#include "wire/shared_key.hpp"

#include <doctest/doctest.h>

#include "wire/digest.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("wire/shared_key");

namespace snapvault::wire {

TEST_CASE("the vendor's example: Get Container Metadata") {
  Request request;
  request.path = "/mycontainer";
  request.query = {{"restype", "container"}, {"comp", "metadata"}, {"timeout", "20"}};
  request.headers.add("x-ms-version", "2015-02-21");
  request.headers.add("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT");
  CHECK(shared_key_text(request, "myaccount") ==
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
        "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\n"
        "timeout:20");
}

TEST_CASE("the vendor's examples of the resource: parameters that repeat, an emulator's account") {
  Request request;
  request.path = "/mycontainer";
  request.query = {{"restype", "container"},
                   {"comp", "list"},
                   {"include", "snapshots"},
                   {"include", "metadata"},
                   {"include", "uncommittedblobs"}};
  CHECK(shared_key_text(request, "myaccount")
            .ends_with("/myaccount/mycontainer\ncomp:list\n"
                       "include:metadata,snapshots,uncommittedblobs\nrestype:container"));
  request.path = "/devstoreaccount1/mycontainer";
  request.query.clear();
  CHECK(shared_key_text(request, "devstoreaccount1")
            .ends_with("\n/devstoreaccount1/devstoreaccount1/mycontainer"));
}

TEST_CASE("a body's length, type and condition are signed; fields are folded and sorted") {
  Request request;
  request.method = "PUT";
  request.path = "/c/a%20b";
  request.body = PutBody(base::Bytes(11));
  request.headers.add("Content-Type", "application/octet-stream");
  request.headers.add("If-None-Match", "*");
  request.headers.add("X-Ms-Zeta", "last");
  request.headers.add("x-ms-blob-type", "  BlockBlob \r\n  of  one ");
  request.headers.add("Accept", "not signed");
  CHECK(shared_key_text(request, "a") ==
        "PUT\n\n\n11\n\napplication/octet-stream\n\n\n\n*\n\n\n"
        "x-ms-blob-type:BlockBlob of one\nx-ms-zeta:last\n/a/c/a%20b");
}

TEST_CASE("the signature is an HMAC-SHA256 under the decoded key, and stands in Authorization") {
  const auto key = read_shared_key("a2V5");  // "key"
  REQUIRE(key);
  CHECK(key->reveal() == "key");
  const SharedKey shared{"acc", *key};
  // The example of RFC 2104's HMAC that everybody has: key "key", this sentence.
  CHECK(shared_key_signature("The quick brown fox jumps over the lazy dog", shared) ==
        "97yD9DBThCSxMpjmqm+xQ+9NWaFJRhdZl0edvC0aPNg=");
  Request request;
  request.headers.add("Authorization", "old");
  sign_shared_key(request, shared);
  CHECK(request.headers.get("Authorization") ==
        "SharedKey acc:" + shared_key_signature(shared_key_text(request, "acc"), shared));
  CHECK(!read_shared_key("no base64!"));
  CHECK(!read_shared_key(""));
}

}  // namespace snapvault::wire

TEST_SUITE_END();
