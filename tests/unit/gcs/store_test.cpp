// The store against a script of answers: uploads in pieces that break, sums that do not fit, lists
// that lie. Source: cloud.google.com/storage/docs/performing-resumable-uploads.
#include "provider/gcs/store.hpp"

#include <doctest/doctest.h>

#include <string>

#include "provider/answer.hpp"
#include "provider/gcs/gcs.hpp"
#include "unit/provider/world.hpp"
#include "wire/digest.hpp"

TEST_SUITE_BEGIN("gcs/store");

namespace snapvault::provider::gcs {
namespace {

constexpr std::uint64_t kPart = 5 << 20;  // the least that an address may ask for

struct StoreWorld : World {
  StoreWorld() {
    const auto address = parse_address(
        "gs://bucket/p?credential=anonymous&part_mib=5&endpoint=fake.example", kGcsOptions);
    auto made = make_gcs(*address, around());
    REQUIRE(made);
    store = *std::move(made);
  }
  template <class T>
  Result<T> await(std::function<void(Completion<T>)> start) {
    auto waiting = [](base::Env& in,
                      std::function<void(Completion<T>)> begin) -> base::Task<Result<T>> {
      Answer<T, std::function<void(Completion<T>)>> arriving(in.loop(), std::move(begin));
      auto got = co_await arriving;
      co_return got;
    };
    return run(*env, waiting(*env, std::move(start)));
  }
  Result<void> put(const PutBody& body) {
    return await<void>([&](Completion<void> done) {
      PutRequest request;
      request.key = "key";
      request.body = body;
      store->put(std::move(request), std::move(done));
    });
  }
  Result<base::Bytes> get() {
    return await<base::Bytes>(
        [&](Completion<base::Bytes> done) { store->get({.key = "key"}, std::move(done)); });
  }
  Result<ListPage> list() {
    return await<ListPage>([&](Completion<ListPage> done) { store->list({}, std::move(done)); });
  }

  std::shared_ptr<Provider> store;
};

PutBody body_of_size(std::uint64_t size) {
  base::Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 / 3);
  return PutBody(std::move(bytes));
}

std::string kept(const PutBody& body, const std::string& crc = "") {
  return R"({"name":"p/key","size":")" + std::to_string(body.size()) + R"(","crc32c":")" +
         (crc.empty() ? wire::crc32c_base64(body) : crc) + "\"}";
}

// A resumable upload as Google keeps it.
struct Upload {
  std::string received;
  std::vector<std::string> ranges;

  Result<wire::Response> answer(const net::Exchange& exchange, const PutBody& whole) {
    const auto& request = exchange.request;
    CHECK(request.origin.host == "fake.example");
    CHECK(request.path == "/upload/storage/v1/b/bucket/o");
    const auto target = request.target();
    CHECK(target.find("uploadType=resumable") != std::string::npos);
    CHECK(target.find("ifGenerationMatch=0") != std::string::npos);
    if (request.method == "POST") {
      CHECK(request.headers.get("X-Upload-Content-Length") == std::to_string(whole.size()));
      CHECK(body_of(request).find(wire::crc32c_base64(whole)) != std::string::npos);
      return answer_of(200, {{"Location", "https://evil.example/elsewhere?upload_id=id%2F1&x=y"}});
    }
    CHECK(target.find("upload_id=id%2F1") != std::string::npos);
    const std::string range(request.headers.get("Content-Range"));
    ranges.push_back(range);
    if (range.starts_with("bytes */")) return state(whole);
    const auto from = std::stoull(range.substr(6));
    CHECK(from == received.size());
    received += body_of(request);
    return state(whole);
  }
  wire::Response state(const PutBody& whole) const {
    if (received.size() == whole.size()) return text_answer(200, kept(whole));
    if (received.empty()) return answer_of(308);
    return answer_of(308, {{"Range", "bytes=0-" + std::to_string(received.size() - 1)}});
  }
};

}  // namespace

TEST_CASE("a small object goes up in one request with its sum, and only if it is not there") {
  StoreWorld world;
  const auto body = body_of_size(1000);
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(request.method == "POST");
    CHECK(request.target() ==
          "/upload/storage/v1/b/bucket/o?uploadType=multipart&name=p%2Fkey&ifGenerationMatch=0");
    const auto type = request.headers.get("Content-Type");
    REQUIRE(type.starts_with("multipart/related; boundary="));
    const auto boundary = "--" + std::string(type.substr(28));
    const auto sent = body_of(request);
    CHECK(sent.starts_with(boundary +
                           "\r\nContent-Type: application/json\r\n\r\n{\"name\":\"p/key\","));
    CHECK(sent.find("\"crc32c\":\"" + wire::crc32c_base64(body) + "\"") != std::string::npos);
    CHECK(sent.ends_with("\r\n" + boundary + "--\r\n"));
    return text_answer(200, kept(body));
  };
  CHECK(world.put(body));
  world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(412, R"({"error":{"code":412,"errors":[{"reason":"conditionNotMet"}]}})");
  };
  CHECK(world.put(body).error().code() == Errc::already_exists);
}

TEST_CASE("an object of which the store keeps another sum or size is no success") {
  StoreWorld world;
  const auto body = body_of_size(1000), other = body_of_size(999);
  for (const auto& json : {kept(body, "AAAAAA=="), kept(other), std::string("{}"), std::string()}) {
    CAPTURE(json);
    world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
      return text_answer(200, json);
    };
    const auto put = world.put(body);
    REQUIRE(!put);
    CHECK(put.error().code() == Errc::data_loss);
  }
}

TEST_CASE("DE-06: a large object goes up in pieces, and its session's URL is not followed") {
  StoreWorld world;
  const auto body = body_of_size(2 * kPart + 500'000);
  Upload upload;
  world.answer = [&](const net::Exchange& exchange) { return upload.answer(exchange, body); };
  CHECK(world.put(body));
  CHECK(upload.ranges == std::vector<std::string>{"bytes 0-5242879/10985760",
                                                  "bytes 5242880-10485759/10985760",
                                                  "bytes 10485760-10985759/10985760"});
  std::string whole;
  for (const auto& part : body.parts()) whole += base::as_text(*part);
  CHECK(upload.received == whole);
}

TEST_CASE("after a piece whose answer was lost the store is asked how far it came") {
  for (const bool arrived : {false, true}) {
    CAPTURE(arrived);
    StoreWorld world;
    const auto body = body_of_size(2 * kPart);
    Upload upload;
    int failures = 0;
    world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
      const std::string range(exchange.request.headers.get("Content-Range"));
      if (range.starts_with("bytes 5242880-") && failures < 20) {
        if (arrived && failures == 0) upload.received += body_of(exchange.request);
        ++failures;
        return lost_answer();
      }
      return upload.answer(exchange, body);
    };
    CHECK(world.put(body));
    CHECK(upload.received.size() == body.size());
  }
}

TEST_CASE("a store that forgets, stands still or ends no upload is given up") {
  const auto body = body_of_size(3 * kPart);
  const auto put_with = [&](std::function<Result<wire::Response>(const std::string&)> pieces) {
    StoreWorld world;
    world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
      if (exchange.request.method == "POST") {
        return answer_of(200, {{"Location", "/x?upload_id=1"}});
      }
      return pieces(std::string(exchange.request.headers.get("Content-Range")));
    };
    const auto put = world.put(body);
    return put ? std::string("none") : std::string(put.error().reason());
  };
  CHECK(put_with([](const std::string& range) -> Result<wire::Response> {
          if (range.starts_with("bytes 0-")) return answer_of(308, {{"Range", "bytes=0-5242879"}});
          return answer_of(308, {{"Range", "bytes=0-99"}});
        }) == reason::bad_answer);
  CHECK(put_with([](const std::string&) -> Result<wire::Response> { return answer_of(308); }) ==
        reason::store_failed);
  CHECK(put_with([](const std::string&) -> Result<wire::Response> {
          return answer_of(308, {{"Range", "bytes=0-15728639"}});
        }) == reason::bad_answer);
  CHECK(put_with([](const std::string&) -> Result<wire::Response> {
          return answer_of(308, {{"Range", "bytes=0-99999999999999999999"}});
        }) == reason::bad_answer);
  CHECK(put_with([](const std::string&) -> Result<wire::Response> { return answer_of(410); }) ==
        reason::store_failed);
}

TEST_CASE("DE-06: what the store takes in one request is learnt from its refusals") {
  StoreWorld world;
  const auto body = body_of_size(kPart);
  Upload upload;
  int refused = 0;
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    if (exchange.request.target().find("uploadType=multipart") != std::string::npos) {
      ++refused;
      return text_answer(413, R"({"error":{"errors":[{"reason":"uploadTooLarge"}]}})");
    }
    CHECK(exchange.request.body.size() <= kPart / 2);
    return upload.answer(exchange, body);
  };
  CHECK(world.put(body));
  CHECK(upload.ranges.size() == 2);
  upload = {};
  CHECK(world.put(body));
  CHECK(refused == 1);  // the second object asked nobody
}

TEST_CASE("bytes that differ from the sum that the store keeps are not returned") {
  StoreWorld world;
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    CHECK(exchange.request.target() == "/storage/v1/b/bucket/o/p%2Fkey?alt=media");
    return text_answer(200, "123456789",
                       {{"x-goog-hash", "md5=x"}, {"x-goog-hash", "crc32c=4waSgw=="}});
  };
  CHECK(base::as_text(*world.get()) == "123456789");
  world.answer = [](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(200, "123456780", {{"x-goog-hash", "crc32c=4waSgw==,md5=x"}});
  };
  CHECK(world.get().error().code() == Errc::data_loss);
}

TEST_CASE("lists that lie are told: out of order, outside, or without an end") {
  StoreWorld world;
  const auto listed = [&](const std::string& json) {
    world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
      return text_answer(200, json);
    };
    const auto page = world.list();
    return page ? "none" : std::string(page.error().reason());
  };
  CHECK(listed(R"({"items":[{"name":"p/a","size":"1"},{"name":"p/b","size":"1"}]})") == "none");
  CHECK(listed(R"({"items":[{"name":"p/b","size":"1"},{"name":"p/a","size":"1"}]})") ==
        reason::list_incomplete);
  CHECK(listed(R"({"items":[{"name":"q/b","size":"1"}]})") == reason::list_incomplete);
  CHECK(listed(R"({"nextPageToken":"again"})") == reason::list_incomplete);
  // A 200 with an error inside is no empty list.
  CHECK(listed(R"({"error":{"code":500}})") == reason::bad_answer);
}

}  // namespace snapvault::provider::gcs

TEST_SUITE_END();
