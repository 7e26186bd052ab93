#include <doctest/doctest.h>

#include "base/reasons.hpp"
#include "codec/digest.hpp"
#include "fake_s3.hpp"
#include "wire/encode.hpp"

TEST_SUITE_BEGIN("s3/list");

namespace snapvault::provider {
namespace {

using Calls = std::vector<std::string>;
const std::string kPlain = "?endpoint=host:9000&ssl=false";

void fill(S3World& world, const std::vector<std::string>& keys) {
  for (const auto& key : keys) world.server->objects[key] = {"x", {}};
}

Calls keys_of(const Result<ListPage>& page) {
  if (!page) return {std::string(page.error().message())};
  Calls out;
  for (const auto& object : page->objects) out.push_back(object.key);
  return out;
}

// Every page of `size`, by the last key of the one before.
Calls all_pages(S3World& world, std::uint32_t size) {
  Calls out;
  std::string after;
  for (int pages = 0; pages < 100; ++pages) {
    const auto page = world.list("", after, size);
    REQUIRE(page);
    for (const auto& object : page->objects) out.push_back(object.key);
    if (!page->truncated) return out;
    REQUIRE_FALSE(page->objects.empty());
    after = page->objects.back().key;
  }
  return {"no end"};
}

std::string list_of(const std::vector<std::string>& keys, bool more,
                    const std::string& token = "") {
  std::string out = "<ListBucketResult>";
  for (const auto& key : keys) {
    out += "<Contents><Key>" + key + "</Key><Size>1</Size></Contents>";
  }
  if (!token.empty()) out += "<NextContinuationToken>" + token + "</NextContinuationToken>";
  return out + "<IsTruncated>" + (more ? "true" : "false") + "</IsTruncated></ListBucketResult>";
}

}  // namespace

TEST_CASE("a list is asked for page by page, each behind a key") {
  S3World world("s3://pages/p" + kPlain);
  fill(world, {"p/a", "p/b", "p/c", "p/d", "p/e", "other", "q/a"});
  const Calls all{"a", "b", "c", "d", "e"};
  for (const std::uint32_t size : {1, 2, 3, 4, 5, 6, 1000}) {
    CAPTURE(size);
    CHECK(all_pages(world, size) == all);
  }
  CHECK(keys_of(world.list("b")) == Calls{"b"});
  CHECK(keys_of(world.list("", "c", 1)) == Calls{"d"});
  const auto& request = world.server->sent.back().request;
  CHECK(FakeS3::query_of(request, "prefix") == "p/");
  CHECK(FakeS3::query_of(request, "start-after") == "p/c");
  CHECK(FakeS3::query_of(request, "max-keys") == "1");
  CHECK(FakeS3::query_of(request, "encoding-type") == "url");
  CHECK(keys_of(world.list("none")).empty());
}

TEST_CASE("names of others beside ours are passed over, and hide no key behind them") {
  S3World world("s3://foreign/p" + kPlain);
  fill(world, {"p/A B+C", "p/B%2F", "p/C//x", "p/D\xC3\xA9", "p/a", "p/b c", "p/b d", "p/b e",
               "p/c", "p/c+", "p/c=", "p/", "p/z"});
  const Calls all{"a", "c", "z"};
  for (const std::uint32_t size : {1, 2, 3, 7, 1000}) {
    CAPTURE(size);
    CHECK(all_pages(world, size) == all);
  }
}

TEST_CASE("an empty page that is not the last one is passed over by the server's own name for it") {
  S3World world("s3://empty" + kPlain);
  int pages = 0;
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    const auto token = FakeS3::query_of(exchange.request, "continuation-token");
    if (++pages == 1) return response_of(200, list_of({}, true, "t/1+"));
    if (pages == 2) {
      CHECK(token == "t/1+");
      return response_of(200, list_of({}, true, "t2"));
    }
    CHECK(token == "t2");
    return response_of(200, list_of({"a"}, true));
  };
  const auto page = world.list();
  CHECK(keys_of(page) == Calls{"a"});
  CHECK(page->truncated);
}

TEST_CASE("a list that does not go on is incomplete") {
  struct Row {
    const char* what;
    std::vector<std::string> pages;  // the last one again and again
  };
  const Row rows[] = {
      {"no name for the next page", {list_of({}, true)}},
      {"the same name again", {list_of({}, true, "t"), list_of({}, true, "t")}},
      {"the same names again", {list_of({"A"}, true)}},
      {"names going back", {list_of({"B"}, true), list_of({"C"}, true), list_of({"A"}, true)}},
      {"a key of another prefix", {list_of({"q/a"}, false)}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.what);
    S3World world(std::string("s3://lies") + (row.what[2] == 'k' ? "/p" : "") + kPlain);
    std::size_t pages = 0;
    world.server->script = [&](const net::Exchange&) {
      return response_of(200, row.pages[std::min(pages++, row.pages.size() - 1)]);
    };
    const auto error = world.list().error();
    CHECK(error.code() == Errc::data_loss);
    CHECK(error.reason() == reason::list_incomplete);
    CHECK(world.server->sent.size() < 10);
  }
}

TEST_CASE("a server that takes no notice of the page's size still gives pages") {
  S3World world("s3://sizeless" + kPlain);
  fill(world, {"a", "b", "c", "d", "e"});
  world.server->max_keys = false;
  CHECK(all_pages(world, 2) == Calls{"a", "b", "c", "d", "e"});
  CHECK(keys_of(world.list("", "", 2)) == Calls{"a", "b"});
}

TEST_CASE("a server that begins anew where it does not find the key to start after") {
  S3World world("s3://anew" + kPlain);
  fill(world, {"a", "b", "c", "d", "e"});
  world.server->start_after = false;
  CHECK(keys_of(world.list("", "bb")) == Calls{"c", "d", "e"});
}

TEST_CASE("an answer that is no list is refused") {
  S3World world("s3://nolist" + kPlain);
  for (const std::string body :
       {"", "hello", "<html></html>", "<ListBucketResult/>",
        "<ListBucketResult><IsTruncated>maybe</IsTruncated></ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>"
        "<Contents><Key>a%zz</Key><Size>1</Size></Contents></ListBucketResult>"}) {
    CAPTURE(body);
    world.server->script = [&](const net::Exchange&) { return response_of(200, body); };
    CHECK(world.list().error().code() == Errc::data_loss);
    CHECK(world.list().error().reason() == reason::bad_answer);
  }
}

TEST_CASE("many objects are removed by one request, which is guarded by an MD5") {
  S3World world("s3://removes/p" + kPlain);
  fill(world, {"p/a", "p/b", "p/c"});
  REQUIRE(world.remove({"a", "b"}));
  CHECK(world.server->objects.size() == 1);
  const auto& request = world.server->sent.back().request;
  CHECK(text_of(request.body) ==
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
        "<Object><Key>p/a</Key></Object><Object><Key>p/b</Key></Object></Delete>");
  CHECK(request.headers.get("Content-MD5") ==
        wire::base64(codec::md5(base::as_bytes(text_of(request.body)))));
  world.server->calls();
  REQUIRE(world.remove({"c"}));
  CHECK(world.server->calls() == Calls{"DELETE p/c"});
}

TEST_CASE("a server without removals of many gets single ones from then on") {
  for (const int status : {400, 405, 501}) {
    CAPTURE(status);
    S3World world("s3://single" + kPlain);
    world.server->refuse_batches = status;
    fill(world, {"a", "b", "c"});
    REQUIRE(world.remove({"a", "b"}));
    CHECK(world.server->objects.size() == 1);
    CHECK(world.server->calls() == Calls{"POST  delete", "DELETE a", "DELETE b"});
    REQUIRE(world.remove({"b", "c"}));
    CHECK(world.server->calls() == Calls{"DELETE b", "DELETE c"});
  }
}

TEST_CASE("what a removal of many left is removed by itself, or says why not") {
  S3World world("s3://left/p" + kPlain);
  fill(world, {"p/a", "p/b", "p/c"});
  std::string undeleted =
      "<Error><Key>p/b</Key><Code>InternalError</Code></Error>"
      "<Error><Key>p/x</Key><Code>NoSuchKey</Code></Error>";
  world.server->edit = [&](const net::Exchange& exchange, wire::Response& answer) {
    if (exchange.request.method == "POST") {
      answer = response_of(200, "<DeleteResult>" + undeleted + "</DeleteResult>");
    }
  };
  REQUIRE(world.remove({"a", "b", "x"}));
  CHECK(world.server->calls() == Calls{"POST  delete", "DELETE p/b"});
  undeleted = "<Error><Key>p/b</Key><Code>AccessDenied</Code></Error>";
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    if (exchange.request.method != "DELETE") return {};
    return world.server->error(403, "AccessDenied");
  };
  const auto error = world.remove({"a", "b"}).error();
  CHECK(error.code() == Errc::permission_denied);
  CHECK(error.reason() == reason::permission);
  CHECK(error.subject() == "b");
  CHECK_FALSE(error.request_id().empty());
  undeleted = "<Error><Key>p/other</Key><Code>AccessDenied</Code></Error>";
  CHECK(world.remove({"a", "b"}).error().reason() == reason::bad_answer);
}

TEST_CASE("a removal that the server fails at is done if the object is gone") {
  S3World world("s3://folders" + kPlain);
  fill(world, {"b"});
  world.server->script =
      [&](const net::Exchange& exchange) -> std::optional<Result<wire::Response>> {
    const auto& method = exchange.request.method;
    if (method != "DELETE" && method != "POST") return {};
    return world.server->error(500, "InternalError");
  };
  CHECK(world.remove({"a"}));
  const auto error = world.remove({"b"}).error();
  CHECK(error.code() == Errc::unavailable);
  CHECK(error.reason() == reason::store_failed);
  CHECK(world.remove({"a", "c"}));
  CHECK_FALSE(world.remove({"a", "b"}));
}

}  // namespace snapvault::provider

TEST_SUITE_END();
