// The chain of AWS credentials against strict fakes of the services, built from AWS's own pages:
// STS (API reference, AssumeRole and AssumeRoleWithWebIdentity), the container credential provider,
// IMDSv2 (EC2 User Guide), the SSO portal, credential_process and the shared files (SDKs and Tools
// guide).
#include "provider/s3/credentials.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include "unit/provider/world.hpp"
#include "wire/digest.hpp"

TEST_SUITE_BEGIN("s3/credentials");

namespace snapvault::provider {
namespace {

constexpr const char* kJson =
    R"({"Code":"Success","AccessKeyId":"AKID-%","SecretAccessKey":"canary-secret",)"
    R"("Token":"canary-token","Expiration":"2026-01-01T01:00:00Z"})";

wire::Response aws_answer(int status, std::string_view text) {
  return text_answer(status, text, {{"x-amzn-RequestId", "id-1"}, {"x-amz-request-id", "id-1"}});
}

std::string keys_of(const std::string& who) {
  std::string out = kJson;
  return out.replace(out.find('%'), 1, who);
}

std::string sts_answer(const std::string& action, const std::string& who,
                       const std::string& end = "2026-01-01T01:00:00Z") {
  return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
         "Result><Credentials><AccessKeyId>AKID-" + who +
         "</AccessKeyId><SecretAccessKey>canary-secret</SecretAccessKey><SessionToken>canary-token"
         "</SessionToken><Expiration>" +
         end + "</Expiration></Credentials></" + action + "Result></" + action + "Response>";
}

// Answers as the services do, to what is asked exactly as their pages say; else 400.
struct AwsWorld : World {
  AwsWorld() {
    answer = [this](const net::Exchange& exchange) { return serve(exchange); };
    std::filesystem::create_directories(scratch / ".aws/sso/cache");
  }

  Result<wire::Response> serve(const net::Exchange& exchange) {
    const auto& request = exchange.request;
    const auto where = request.origin.url();
    if (where.starts_with("https://sts.")) return sts(exchange);
    if (where == "https://portal.sso.eu-west-1.amazonaws.com") return portal(request);
    if (where == "http://169.254.170.2" || where == "http://127.0.0.1:5000") {
      return container(exchange);
    }
    if (where == "http://169.254.169.254" && instance_there) return instance(exchange);
    return unreachable();
  }

  Result<wire::Response> sts(const net::Exchange& exchange) {
    const auto body = body_of(exchange.request);
    const bool form =
        exchange.request.method == "POST" && !exchange.direct &&
        exchange.request.headers.get("Content-Type")
            .starts_with("application/x-www-form-urlencoded") &&
        body.find("Version=2011-06-15") != std::string::npos &&
        body.find("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fbackup") != std::string::npos &&
        body.find("RoleSessionName=") != std::string::npos;
    if (!form) return aws_answer(400, "not asked as the page says");
    if (sts_status != 200) {
      return aws_answer(sts_status,
                        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no"
                        "</Message></Error></ErrorResponse>");
    }
    if (body.find("Action=AssumeRoleWithWebIdentity") != std::string::npos) {
      if (body.find("WebIdentityToken=canary-jwt") == std::string::npos ||
          exchange.request.headers.find("Authorization")) {
        return aws_answer(400, "no token, or signed");
      }
      return aws_answer(200, sts_answer("AssumeRoleWithWebIdentity", "web"));
    }
    const auto signature = exchange.request.headers.get("Authorization");
    if (!signature.starts_with("AWS4-HMAC-SHA256 Credential=AKID-") ||
        signature.find("/sts/aws4_request") == std::string::npos) {
      return aws_answer(403, "not signed");
    }
    asker = signature.substr(28, signature.find('/') - 28);
    return aws_answer(200, sts_answer("AssumeRole", "role" + std::to_string(++roles), sts_end));
  }

  Result<wire::Response> portal(const wire::Request& request) {
    const bool good = request.method == "GET" && request.path == "/federation/credentials" &&
                      request.target().find("account_id=123") != std::string::npos &&
                      request.target().find("role_name=Backup") != std::string::npos &&
                      request.headers.get("x-amz-sso_bearer_token") == "canary-sso";
    if (!good) return aws_answer(401, "{}");
    return aws_answer(200, R"({"roleCredentials":{"accessKeyId":"AKID-sso","secretAccessKey":"s",)"
                           R"("sessionToken":"t","expiration":1767229200000}})");
  }

  Result<wire::Response> container(const net::Exchange& exchange) {
    const bool good = exchange.direct && exchange.request.method == "GET" &&
                      exchange.request.path == "/v2/credentials/x" &&
                      exchange.request.headers.get("Authorization") == wanted_authorization;
    return good ? aws_answer(200, keys_of("container")) : aws_answer(403, "{}");
  }

  Result<wire::Response> instance(const net::Exchange& exchange) {
    const auto& request = exchange.request;
    if (!exchange.direct) return aws_answer(400, "by a proxy");
    if (request.path == "/latest/api/token") {
      const bool good = request.method == "PUT" &&
                        request.headers.get("X-aws-ec2-metadata-token-ttl-seconds") == "21600";
      return good ? aws_answer(200, "canary-imds") : aws_answer(400, "");
    }
    if (request.headers.get("X-aws-ec2-metadata-token") != "canary-imds") {
      return aws_answer(401, "");  // version 1 is turned off
    }
    const std::string folder = "/latest/meta-data/iam/security-credentials/";
    if (request.path == folder) return aws_answer(has_role ? 200 : 404, "backup-role");
    if (request.path == folder + "backup-role") return aws_answer(200, keys_of("instance"));
    return aws_answer(404, "");
  }

  AwsCredentialChain chain(const std::string& rest = "") {
    const auto address = parse_address("s3://bucket/p?ssl=true" + rest, {});
    return AwsCredentialChain(around(), *address);
  }
  Result<AwsCredentials> get(const std::string& rest = "") {
    auto one = chain(rest);
    return run(*env, one.get(now, {}));
  }
  std::string source(const std::string& rest = "") {
    const auto got = get(rest);
    return got ? got->source : "error: " + std::string(got.error().reason());
  }

  std::string asker, wanted_authorization, sts_end = "2026-01-01T01:00:00Z";
  std::int64_t now = kWorldBegins;
  int roles = 0, sts_status = 200;
  bool instance_there = false, has_role = true;
};

const char* const kRole = "arn:aws:iam::1:role/backup";

}  // namespace

TEST_CASE("DC-02: of all sources that are there the first in the vendor's order answers") {
  AwsWorld world;
  world.instance_there = true;
  CHECK(world.source() == "the instance's role (IMDSv2)");
  world.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/credentials/x";
  CHECK(world.source() == "the container");
  world.write(".aws/credentials",
              "[default]\naws_access_key_id = AKID-d\naws_secret_access_key = canary\n"
              "[other]\naws_access_key_id=AKID-o\naws_secret_access_key=canary\n");
  CHECK(world.source() == "profile default");
  world.variables["AWS_PROFILE"] = "other";
  CHECK(world.source() == "profile other");
  world.write("token", "canary-jwt\n");
  world.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world.scratch / "token";
  world.variables["AWS_ROLE_ARN"] = kRole;
  CHECK(world.source() == std::string("web identity, role ") + kRole);
  world.variables["AWS_ACCESS_KEY_ID"] = "AKID-e";
  CHECK(world.source() == std::string("web identity, role ") + kRole);  // half of a pair
  world.variables["AWS_SECRET_ACCESS_KEY"] = "canary";
  CHECK(world.source() == "environment (AWS_ACCESS_KEY_ID)");
  CHECK(world.source("&profile=default") == "profile default");
}

TEST_CASE("DC-02: nothing anywhere says where it looked, and what to do") {
  AwsWorld world;
  const auto got = world.get();
  REQUIRE(!got);
  CHECK(got.error().code() == Errc::unauthenticated);
  CHECK(got.error().reason() == reason::no_credential);
  CHECK(!got.error().hint().empty());
  world.variables["AWS_PROFILE"] = "absent";
  CHECK(world.source() == "error: bad_credential");
  CHECK(world.source("&profile=gone") == "error: bad_credential");
}

TEST_CASE("DC-02: a role is taken on with the keys of another profile") {
  AwsWorld world;
  world.write(".aws/config",
              "[profile backup]\nrole_arn = arn:aws:iam::1:role/backup\nsource_profile = base\n"
              "external_id = x y\nregion = eu-west-1\n[profile base]\n# keys stand elsewhere\n");
  world.write(".aws/credentials",
              "[base]\naws_access_key_id = AKID-base\naws_secret_access_key = canary\n");
  world.variables["AWS_PROFILE"] = "backup";
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->access_key.reveal() == "AKID-role1");
  CHECK(got->session_token.reveal() == "canary-token");
  CHECK(got->expires == 1767229200);
  CHECK(world.asker == "AKID-base");
  CHECK(body_of(world.transport->sent.back().exchange.request).find("ExternalId=x%20y") !=
        std::string::npos);
  CHECK(world.transport->sent.back().exchange.request.origin.host == "sts.eu-west-1.amazonaws.com");
  CHECK(world.chain().region() == "eu-west-1");
}

TEST_CASE("DC-02: a role whose own profile holds the keys, and one that asks by a source") {
  AwsWorld world;
  world.write(".aws/credentials",
              "[own]\naws_access_key_id = AKID-own\naws_secret_access_key = canary\n"
              "role_arn = arn:aws:iam::1:role/backup\nsource_profile = own\n"
              "[by]\nrole_arn = arn:aws:iam::1:role/backup\ncredential_source = "
              "Ec2InstanceMetadata\n");
  CHECK(world.source("&profile=own") == std::string("profile own, role ") + kRole);
  CHECK(world.asker == "AKID-own");
  world.instance_there = true;
  CHECK(world.source("&profile=by") == std::string("profile by, role ") + kRole);
  CHECK(world.asker == "AKID-instance");
}

TEST_CASE("DC-02: profiles that refer to each other in a circle are refused") {
  AwsWorld world;
  world.write(".aws/config",
              "[profile a]\nrole_arn = arn:aws:iam::1:role/backup\nsource_profile = b\n"
              "[profile b]\nrole_arn = arn:aws:iam::1:role/backup\nsource_profile = a\n");
  CHECK(world.source("&profile=a") == "error: bad_credential");
  CHECK(world.transport->sent.empty());
}

TEST_CASE("DC-02: credential_process is run without a shell, and its answer read strictly") {
  AwsWorld world;
  world.write(".aws/config",
              "[default]\ncredential_process = /opt/get 'a b' \"c;d\" --x $(touch y)\n");
  world.process = keys_of("process");
  CHECK(world.source() == "profile default, credential_process");
  CHECK(world.commands.at(0) ==
        std::vector<std::string>{"/opt/get", "a b", "c;d", "--x", "$(touch", "y)"});
  world.process = std::string("{\"AccessKeyId\":\"x\"}");
  CHECK(world.source() == "error: bad_credential");
  world.process = std::string("no JSON");
  CHECK(world.source() == "error: bad_credential");
}

TEST_CASE("DC-02: a cached SSO token gives the role's keys, and one that ended says how to go on") {
  AwsWorld world;
  world.write(".aws/config",
              "[default]\nsso_session = corp\nsso_account_id = 123\nsso_role_name = Backup\n"
              "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://x\n");
  const auto path = ".aws/sso/cache/" + wire::sha1_hex("corp") + ".json";
  world.write(path, R"({"accessToken":"canary-sso","expiresAt":"2026-01-01T02:00:00Z"})");
  CHECK(world.source() == "profile default, SSO");
  world.write(path, R"({"accessToken":"canary-sso","expiresAt":"2025-12-31T02:00:00Z"})");
  const auto got = world.get();
  REQUIRE(!got);
  CHECK(got.error().reason() == reason::expired_credential);
  CHECK(got.error().hint() == "run: aws sso login --profile default");
}

TEST_CASE("DC-02: containers are asked with their token, on this machine only or by TLS") {
  AwsWorld world;
  world.write("token", "canary-pod");
  world.wanted_authorization = "canary-pod";
  world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1:5000/v2/credentials/x";
  world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = world.scratch / "token";
  CHECK(world.source() == "the container");
  world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://10.0.0.1/v2/credentials/x";
  world.transport->sent.clear();
  CHECK(world.source() == "error: bad_credential");
  CHECK(world.transport->sent.empty());  // the token did not leave
}

TEST_CASE("DC-02: an instance is asked by version 2 only, and may be left alone") {
  AwsWorld world;
  world.instance_there = true;
  CHECK(world.source() == "the instance's role (IMDSv2)");
  CHECK(world.transport->sent.at(0).exchange.request.method == "PUT");
  world.has_role = false;
  CHECK(world.source() == "error: no_credential");
  world.variables["AWS_EC2_METADATA_DISABLED"] = "true";
  world.transport->sent.clear();
  CHECK(world.source() == "error: no_credential");
  CHECK(world.transport->sent.empty());
}

TEST_CASE("DC-02: a credential is fetched once, again before it ends, and again when refused") {
  AwsWorld world;
  world.write(".aws/credentials",
              "[default]\nrole_arn = arn:aws:iam::1:role/backup\nsource_profile = keys\n"
              "[keys]\naws_access_key_id = AKID-keys\naws_secret_access_key = canary\n");
  auto chain = world.chain();
  const auto ask = [&] { return run(*world.env, chain.get(world.now, {})); };
  CHECK(ask()->access_key.reveal() == "AKID-role1");
  world.now += 1800;
  CHECK(ask()->access_key.reveal() == "AKID-role1");
  world.now += 1500;  // five minutes before the end
  world.sts_end = "2026-01-01T03:00:00Z";
  CHECK(ask()->access_key.reveal() == "AKID-role2");
  chain.drop();
  CHECK(ask()->access_key.reveal() == "AKID-role3");
}

TEST_CASE("DC-02: a refusal of STS is about the credential, never about an object") {
  AwsWorld world;
  world.write("token", "canary-jwt");
  world.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world.scratch / "token";
  world.variables["AWS_ROLE_ARN"] = kRole;
  for (const int status : {400, 403, 404, 409, 412, 500}) {
    world.sts_status = status;
    const auto got = world.get();
    REQUIRE(!got);
    CAPTURE(status);
    CHECK(got.error().code() == Errc::unauthenticated);
    CHECK(got.error().reason() == reason::bad_credential);
    CHECK(got.error().native() == status);
    CHECK(got.error().request_id() == "id-1");
    CHECK(got.error().message().find("STS") != std::string_view::npos);
    CHECK(got.error().message().find("canary") == std::string_view::npos);
  }
}

TEST_CASE("DC-08: STS in plain HTTP only where TLS was turned off by name") {
  AwsWorld world;
  world.write("token", "canary-jwt");
  world.variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = world.scratch / "token";
  world.variables["AWS_ROLE_ARN"] = kRole;
  world.variables["AWS_ENDPOINT_URL_STS"] = "http://sts.example.org";
  CHECK(world.source() == "error: bad_credential");
  CHECK(world.transport->sent.empty());
}

TEST_CASE("DC-02: a profile file that is malformed is named by line, never by content") {
  AwsWorld world;
  world.write(".aws/credentials", "[default]\naws_access_key_id = AKID\ncanary without equals\n");
  const auto got = world.get();
  REQUIRE(!got);
  CHECK(got.error().message().find("line 3") != std::string_view::npos);
  CHECK(got.error().message().find("canary") == std::string_view::npos);
  CHECK(got.error().subject() == world.scratch / ".aws/credentials");
}

}  // namespace snapvault::provider

TEST_SUITE_END();
