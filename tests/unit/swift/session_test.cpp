// Logins of Swift against strict fakes built from docs.openstack.org: Object Storage API v1
// ("Authentication"), Identity API v3 ("Password authentication with scoped authorization",
// "Authenticating with an Application Credential").
#include "provider/swift/session.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "unit/provider/world.hpp"

TEST_SUITE_BEGIN("swift/session");

namespace snapvault::provider::swift {
namespace {

constexpr std::string_view kOptions[] = {"region"};

std::string endpoint(const std::string& interface, const std::string& region,
                     const std::string& url) {
  return R"({"interface":")" + interface + R"(","region":")" + region + R"(","url":")" + url +
         "\"}";
}
std::string keystone_json(const std::string& endpoints) {
  return R"({"token":{"issued_at":"2026-01-01T00:00:00.000000Z","expires_at":)"
         R"("2026-01-01T01:00:00.000000Z","catalog":[{"type":"identity","endpoints":[]},)"
         R"({"type":"object-store","name":"swift","endpoints":[)" +
         endpoints + "]}]}}";
}
const std::string kOne = endpoint("public", "one", "https://swift.example/v1/AUTH_p");

struct SwiftWorld : World {
  Result<Account> find(const std::string& options_of_address = "") {
    const auto address = parse_address("swift://c/p?ssl=true" + options_of_address, kOptions);
    return find_account(*address, around());
  }
  Result<Session> get(const std::string& options_of_address = "") {
    auto account = find(options_of_address);
    if (!account) return account.error();
    sessions = std::make_unique<Sessions>(*env, transport, *std::move(account), true);
    return again();
  }
  Result<Session> again() { return run(*env, sessions->get({})); }
  std::string reason_of(const std::string& options_of_address = "") {
    const auto got = get(options_of_address);
    return got ? "none" : std::string(got.error().reason());
  }
  void v1() {
    variables["ST_AUTH"] = "https://swift.example/auth/v1.0";
    variables["ST_USER"] = "account:user";
    variables["ST_KEY"] = "canary";
  }
  void keystone() {
    variables["OS_AUTH_URL"] = "https://keystone.example/identity";
    variables["OS_USERNAME"] = "user";
    variables["OS_PASSWORD"] = "canary\"\\";
    variables["OS_PROJECT_NAME"] = "project";
  }

  std::unique_ptr<Sessions> sessions;
};

}  // namespace

TEST_CASE("CI-10: v1 sends user and key in fields, and gets a token and the account's URL") {
  SwiftWorld world;
  world.v1();
  int count = 0;
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(request.method == "GET");
    CHECK(request.origin.url() + request.path == "https://swift.example/auth/v1.0");
    CHECK(request.headers.get("X-Auth-User") == "account:user");
    CHECK(request.headers.get("X-Auth-Key") == "canary");
    return answer_of(200, {{"X-Auth-Token", "AUTH_tk" + std::to_string(++count)},
                           {"X-Auth-Token-Expires", "86399"},
                           {"X-Storage-Url", "https://swift.example/v1/AUTH_account"}});
  };
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->token.reveal() == "AUTH_tk1");
  CHECK(got->storage.path == "/v1/AUTH_account");
  CHECK(got->expires == kWorldBegins + 86399);
  CHECK(world.again()->token.reveal() == "AUTH_tk1");
  pass(*world.env, 23 * 3600 * base::kSecond);
  CHECK(world.again()->token.reveal() == "AUTH_tk2");
}

TEST_CASE("CI-10: a token that is refused is renewed, once for all that were refused with it") {
  SwiftWorld world;
  world.v1();
  int count = 0;
  world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
    return answer_of(200, {{"X-Auth-Token", "t" + std::to_string(++count)},
                           {"X-Storage-Url", "https://swift.example/v1/AUTH_account"}});
  };
  REQUIRE(world.get());
  pass(*world.env, 10 * base::kSecond);
  CHECK(world.sessions->renew());
  CHECK(world.again()->token.reveal() == "t2");
  CHECK(world.sessions->renew());  // of a request that went out with t1
  CHECK(world.again()->token.reveal() == "t2");
}

TEST_CASE("CI-10: Keystone is shown user, password and project; its catalog says where") {
  SwiftWorld world;
  world.keystone();
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(request.method == "POST");
    CHECK(request.origin.url() + request.path ==
          "https://keystone.example/identity/v3/auth/tokens");
    CHECK(body_of(request) ==
          R"({"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"user",)"
          R"("domain":{"id":"default"},"password":"canary\"\\"}}},"scope":{"project":{"name":)"
          R"("project","domain":{"id":"default"}}}}})");
    return text_answer(201, keystone_json(kOne), {{"X-Subject-Token", "gAAAA"}});
  };
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->token.reveal() == "gAAAA");
  CHECK(got->storage.origin.url() + got->storage.path == "https://swift.example/v1/AUTH_p");
  CHECK(got->expires == kWorldBegins + 3600);
}

TEST_CASE("CI-10: an application credential brings its own project") {
  SwiftWorld world;
  world.variables["OS_AUTH_URL"] = "https://keystone.example/v3/";
  world.variables["OS_APPLICATION_CREDENTIAL_ID"] = "id1";
  world.variables["OS_APPLICATION_CREDENTIAL_SECRET"] = "canary";
  world.variables["OS_PROJECT_NAME"] = "ignored";
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    CHECK(body_of(exchange.request) ==
          R"({"auth":{"identity":{"methods":["application_credential"],"application_credential":)"
          R"({"id":"id1","secret":"canary"}}}})");
    return text_answer(201, keystone_json(kOne), {{"X-Subject-Token", "t"}});
  };
  CHECK(world.reason_of() == "none");
}

TEST_CASE("CI-10: the region decides between several; none, or one that is not there, names them") {
  SwiftWorld world;
  world.keystone();
  world.answer = [](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(
        201,
        keystone_json(kOne + "," + endpoint("public", "two", "https://two.example/v1/A") + "," +
                      endpoint("internal", "two", "https://inner.example/v1/A")),
        {{"X-Subject-Token", "t"}});
  };
  const auto none = world.get();
  REQUIRE(!none);
  CHECK(none.error().reason() == reason::wrong_region);
  CHECK(std::string(none.error().hint()).find("one, two") != std::string::npos);
  CHECK(world.get("&region=two")->storage.origin.host == "two.example");
  world.variables["OS_REGION_NAME"] = "two";
  world.variables["OS_INTERFACE"] = "internalURL";
  CHECK(world.get()->storage.origin.host == "inner.example");
  CHECK(world.reason_of("&region=three") == reason::wrong_region);
}

TEST_CASE("CI-10: clouds.yaml by OS_CLOUD and by profile=, with secure.yaml over it") {
  SwiftWorld world;
  std::filesystem::create_directories(world.scratch / ".config/openstack");
  world.write(".config/openstack/clouds.yaml",
              "clouds:\n  mine:\n    region_name: one\n    auth:\n"
              "      auth_url: https://keystone.example/v3\n      username: user\n"
              "      password: wrong\n      project_name: project\n"
              "  old:\n    auth_type: v1password\n    auth:\n"
              "      auth_url: https://swift.example/auth/v1.0\n      username: account:user\n"
              "      password: canary\n");
  world.write(".config/openstack/secure.yaml",
              "clouds:\n  mine:\n    auth:\n      password: canary-secure\n");
  world.variables["OS_CLOUD"] = "mine";
  auto account = world.find();
  REQUIRE(account);
  CHECK(account->kind == Account::Kind::keystone);
  CHECK(account->login.secret.reveal() == "canary-secure");
  CHECK(account->region == "one");
  account = world.find("&profile=old");
  REQUIRE(account);
  CHECK(account->kind == Account::Kind::v1);
  CHECK(world.find("&profile=absent").error().reason() == reason::no_credential);
}

TEST_CASE("clouds.yaml is read strictly, and an error shows none of it") {
  SwiftWorld world;
  world.variables["OS_CLOUD"] = "mine";
  std::string deep = "clouds:\n";
  for (int i = 1; i < 30; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  for (const auto& text : {std::string("clouds: [canary"), std::string("a: &x canary\nb: *x\n"),
                           deep, std::string("clouds:\n  mine: {a: canary}\n  mine: {a: b}\n"),
                           std::string(70 << 10, 'x'), std::string("- canary\n")}) {
    world.variables["OS_CLIENT_CONFIG_FILE"] = world.write("clouds.yaml", text);
    const auto account = world.find();
    REQUIRE(!account);
    CHECK(account.error().code() == Errc::unauthenticated);
    CHECK(std::string(account.error().message()).find("canary") == std::string::npos);
  }
}

TEST_CASE("CI-10: refusals of the token services are told apart") {
  SwiftWorld world;
  world.v1();
  const auto refused = [&](wire::Response answer) {
    world.answer = [answer](const net::Exchange&) -> Result<wire::Response> { return answer; };
    const auto got = world.get();
    return got ? std::string("none") : std::string(got.error().reason());
  };
  CHECK(refused(answer_of(401)) == reason::bad_credential);
  CHECK(refused(answer_of(200)) == reason::bad_answer);
  CHECK(refused(answer_of(200, {{"X-Storage-Url", "https://s/v1/a"}})) == reason::bad_answer);
  CHECK(refused(answer_of(200, {{"X-Storage-Url", "nonsense"}, {"X-Auth-Token", "t"}})) ==
        reason::bad_url);
  CHECK(refused(answer_of(200, {{"X-Storage-Url", "http://s/v1/a"}, {"X-Auth-Token", "t"}})) ==
        reason::tls);
  world.variables.clear();
  world.keystone();
  CHECK(refused(text_answer(401, R"({"error":{"message":"no","code":401}})")) ==
        reason::bad_credential);
  CHECK(refused(text_answer(201, R"({"token":{}})", {{"X-Subject-Token", "t"}})) ==
        reason::bad_url);
  CHECK(refused(text_answer(201, "no JSON", {{"X-Subject-Token", "t"}})) == reason::bad_answer);
}

TEST_CASE("CI-10: what is missing in the environment is said by name") {
  SwiftWorld world;
  CHECK(world.find().error().reason() == reason::no_credential);
  world.variables["OS_AUTH_URL"] = "https://keystone.example/v2.0";
  CHECK(world.find().error().code() == Errc::unsupported);
  world.variables["OS_AUTH_URL"] = "https://keystone.example/v3";
  CHECK(world.find().error().reason() == reason::no_credential);
  world.v1();
  world.variables.erase("ST_KEY");
  CHECK(world.find().error().reason() == reason::no_credential);
  world.variables["ST_KEY"] = "a\nb";
  CHECK(world.find().error().reason() == reason::bad_credential);
  CHECK(world.find("&credential=magic").error().reason() == reason::bad_url);
}

}  // namespace snapvault::provider::swift

TEST_SUITE_END();
