// Google's credentials against strict fakes of the services, built from Google's own pages:
// "Using OAuth 2.0 for Server to Server Applications", RFC 6749, RFC 8693 as AIP-4117 uses it, IAM
// Service Account Credentials API (generateAccessToken), "About VM metadata".
#include "provider/gcs/tokens.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include "codec/digest.hpp"
#include "unit/keys.hpp"
#include "unit/provider/world.hpp"

TEST_SUITE_BEGIN("gcs/tokens");

namespace snapvault::provider::gcs {
namespace {

constexpr const char* kScope = "https://www.googleapis.com/auth/devstorage.read_write";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\\n") : std::string(1, c);
  return out;
}
std::string service_account(const std::string& token_uri) {
  return R"({"type":"service_account","project_id":"p","private_key_id":"key1",)"
         R"("client_email":"backup@p.iam.gserviceaccount.com","client_id":"1","private_key":")" +
         escaped(kRfc7515Key) + R"(","token_uri":")" + token_uri + "\"}";
}
std::string token_json(const std::string& token, int seconds = 3600) {
  return R"({"access_token":")" + token + R"(","expires_in":)" + std::to_string(seconds) +
         R"(,"token_type":"Bearer"})";
}
std::string decoded(std::string_view part) {
  std::string text(part);
  for (auto& c : text) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (text.size() % 4 != 0) text += '=';
  const auto bytes = wire::unbase64(text);
  return bytes ? std::string(base::as_text(*bytes)) : std::string();
}

struct GcsWorld : World {
  Result<Token> get(const std::string& options_of_address = "") {
    const auto address = parse_address("gs://bucket/p?ssl=true" + options_of_address, kOptions);
    settings = *read_settings(*address, around());
    tokens = std::make_unique<Tokens>(around(), settings);
    return again();
  }
  Result<Token> again() {
    wire::Request request;
    auto signing = tokens->sign(request, env->wall_seconds(), {});
    auto sign = [](base::Task<Result<void>> task) -> base::Task<Result<std::string>> {
      const auto done = co_await std::move(task);
      if (!done) co_return done.error();
      co_return std::string();
    };
    const auto done = run(*env, sign(std::move(signing)));
    if (!done) return done.error();
    Token out;
    out.text = base::SecretText(std::string(request.headers.get("Authorization")));
    out.quota_project = request.headers.get("x-goog-user-project");
    auto naming = tokens->source(env->wall_seconds(), {});
    out.source = *run(*env, std::move(naming));
    return out;
  }
  std::string reason_of(const std::string& options_of_address = "") {
    const auto got = get(options_of_address);
    return got ? "none" : std::string(got.error().reason());
  }
  void use(const std::string& json) {
    variables["GOOGLE_APPLICATION_CREDENTIALS"] = write("credentials.json", json);
  }

  static constexpr std::string_view kOptions[] = {"project"};
  Settings settings;
  std::unique_ptr<Tokens> tokens;
};

}  // namespace

TEST_CASE(
    "DC-02: a service account's grant is a JWT by its key, for its token service, of an hour") {
  GcsWorld world;
  world.use(service_account("https://oauth2.googleapis.com/token"));
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(request.method == "POST");
    CHECK(request.headers.get("Content-Type") == "application/x-www-form-urlencoded");
    CHECK(form_field(request, "grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const auto jwt = form_field(request, "assertion");
    const auto first = jwt.find('.'), second = jwt.rfind('.');
    CHECK(decoded(jwt.substr(0, first)) == R"({"alg":"RS256","typ":"JWT","kid":"key1"})");
    CHECK(
        decoded(jwt.substr(first + 1, second - first - 1)) ==
        std::string(R"({"iss":"backup@p.iam.gserviceaccount.com","scope":")") + kScope +
            R"(","aud":"https://oauth2.googleapis.com/token","exp":1767229200,"iat":1767225600})");
    const auto signature =
        codec::sign_rs256(kRfc7515Key, base::as_bytes(std::string_view(jwt).substr(0, second)));
    CHECK(jwt.substr(second + 1) == wire::base64_url(*signature));
    return text_answer(200, token_json("ya29.canary"));
  };
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->text.reveal() == "Bearer ya29.canary");
  CHECK(got->source == "GOOGLE_APPLICATION_CREDENTIALS (backup@p.iam.gserviceaccount.com)");
  CHECK(world.asked() == std::vector<std::string>{"https://oauth2.googleapis.com/token"});
}

TEST_CASE("DC-02: a token is fetched again before it ends, and once when the store refuses it") {
  GcsWorld world;
  world.use(service_account("https://oauth2.googleapis.com/token"));
  int count = 0;
  world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(200, token_json("t" + std::to_string(++count)));
  };
  CHECK(world.get()->text.reveal() == "Bearer t1");
  pass(*world.env, 50 * 60 * base::kSecond);
  CHECK(world.again()->text.reveal() == "Bearer t1");
  pass(*world.env, 6 * 60 * base::kSecond);
  CHECK(world.again()->text.reveal() == "Bearer t2");
  CHECK(world.tokens->renew());
  CHECK(world.again()->text.reveal() == "Bearer t3");
}

TEST_CASE("a key is shown to Google's hosts and to those that were allowed by name only") {
  GcsWorld world;
  world.answer = [](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(200, token_json("t"));
  };
  for (const auto* bad : {"https://evil.example/token", "https://googleapis.com.evil.example/token",
                          "https://xgoogleapis.com/token", "https://user@oauth2.googleapis.com/t",
                          "ftp://oauth2.googleapis.com/token", "oauth2.googleapis.com"}) {
    CAPTURE(bad);
    world.use(service_account(bad));
    CHECK(world.reason_of() == reason::bad_credential);
  }
  world.use(service_account("http://oauth2.googleapis.com/token"));
  CHECK(world.reason_of() == reason::tls);
  CHECK(world.transport->sent.empty());
  world.use(service_account("https://login.example.org/token"));
  world.options.token_hosts = {"login.example.org"};
  CHECK(world.reason_of() == "none");
  world.options.token_hosts.clear();
  CHECK(world.reason_of("&endpoint=login.example.org") == "none");
}

TEST_CASE("a clock that differs is told by the token service, and the grant made by its clock") {
  GcsWorld world;
  world.use(service_account("https://oauth2.googleapis.com/token"));
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto jwt = form_field(exchange.request, "assertion");
    const auto claims = decoded(jwt.substr(jwt.find('.') + 1, jwt.rfind('.') - jwt.find('.') - 1));
    const std::vector<wire::Field> date = {{"Date", "Thu, 01 Jan 2026 02:00:00 GMT"}};
    if (claims.find("\"iat\":1767232800") == std::string::npos) {
      return text_answer(400,
                         R"({"error":"invalid_grant","error_description":"Invalid JWT: Token must )"
                         R"(be a short-lived token (60 minutes) and in a reasonable timeframe."})",
                         date);
    }
    return text_answer(200, token_json("t"), date);
  };
  CHECK(world.reason_of() == "none");
  CHECK(world.transport->sent.size() == 2);
}

TEST_CASE("DC-02: refusals of a token service are told apart, and none shows a secret") {
  GcsWorld world;
  world.use(service_account("https://oauth2.googleapis.com/token"));
  const auto refused = [&](int status, const std::string& json) {
    world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
      return text_answer(status, json);
    };
    const auto got = world.get();
    REQUIRE(!got);
    CHECK(got.error().code() == Errc::unauthenticated);
    CHECK(!got.error().hint().empty());
    CHECK(std::string(got.error().message()).find("PRIVATE") == std::string::npos);
    return std::string(got.error().reason());
  };
  CHECK(refused(400, R"({"error":"invalid_grant","error_description":"Invalid JWT Signature."})") ==
        reason::bad_credential);
  CHECK(refused(401, R"({"error":"invalid_client"})") == reason::bad_credential);
  CHECK(refused(400, R"({"error":"invalid_grant","error_description":"iat"})") ==
        reason::clock_skew);
  CHECK(refused(400, "<html>") == reason::bad_credential);
  world.answer = [](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(200, R"({"access_token":"a\r\nb"})");
  };
  CHECK(world.reason_of() == reason::bad_answer);
}

TEST_CASE("DC-02: an authorized user's refresh token, also where gcloud left it") {
  GcsWorld world;
  const std::string user =
      R"({"type":"authorized_user","client_id":"id","client_secret":"canary-secret",)"
      R"("refresh_token":"canary-refresh","quota_project_id":"payer"})";
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    if (request.origin.host == "metadata.google.internal") return unreachable();
    CHECK(form_field(request, "grant_type") == "refresh_token");
    CHECK(form_field(request, "client_id") == "id");
    CHECK(form_field(request, "client_secret") == "canary-secret");
    CHECK(form_field(request, "refresh_token") == "canary-refresh");
    return text_answer(200, token_json("u"));
  };
  world.use(user);
  CHECK(world.get()->quota_project == "payer");
  world.variables.erase("GOOGLE_APPLICATION_CREDENTIALS");
  CHECK(world.reason_of() == reason::no_credential);
  std::filesystem::create_directories(world.scratch / ".config/gcloud");
  world.write(".config/gcloud/application_default_credentials.json", user);
  CHECK(world.get()->source == "gcloud's credentials file");
  world.variables["CLOUDSDK_CONFIG"] = world.scratch / "elsewhere";
  CHECK(world.reason_of() == reason::no_credential);
}

TEST_CASE("DC-02: the metadata server is asked with its header, directly, and only where it is") {
  GcsWorld world;
  bool google = true;
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(exchange.direct);
    CHECK(request.headers.get("Metadata-Flavor") == "Google");
    if (request.path == "/") {
      return answer_of(200, {{google ? "Metadata-Flavor" : "Server", "Google"}});
    }
    CHECK(request.path == "/computeMetadata/v1/instance/service-accounts/default/token");
    return text_answer(200, token_json("m"));
  };
  CHECK(world.get()->source == "the metadata server");
  CHECK(world.last().request.origin.url() == "http://metadata.google.internal");
  google = false;
  CHECK(world.reason_of() == reason::no_credential);
  world.variables["GCE_METADATA_HOST"] = "127.0.0.1:8080";
  CHECK(world.get()->text.reveal() == "Bearer m");
  CHECK(world.last().request.origin.url() == "http://127.0.0.1:8080");
}

TEST_CASE("DC-02: an external account exchanges the token of a file, then becomes who it may be") {
  GcsWorld world;
  const auto file = world.write("oidc", "canary-oidc\n");
  world.use(
      R"({"type":"external_account","audience":"//iam.googleapis.com/pool","subject_token_type":)"
      R"("urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token",)"
      R"("service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/)"
      R"(serviceAccounts/b@p.iam.gserviceaccount.com:generateAccessToken",)"
      R"("credential_source":{"file":")" +
      file + R"("}})");
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    if (request.origin.host == "sts.googleapis.com") {
      CHECK(form_field(request, "grant_type") == "urn:ietf:params:oauth:grant-type:token-exchange");
      CHECK(form_field(request, "requested_token_type") ==
            "urn:ietf:params:oauth:token-type:access_token");
      CHECK(form_field(request, "audience") == "//iam.googleapis.com/pool");
      CHECK(form_field(request, "subject_token_type") == "urn:ietf:params:oauth:token-type:jwt");
      CHECK(form_field(request, "subject_token") == "canary-oidc");
      CHECK(form_field(request, "scope") == "https://www.googleapis.com/auth/cloud-platform");
      return text_answer(200, token_json("federated"));
    }
    CHECK(request.path ==
          "/v1/projects/-/serviceAccounts/b@p.iam.gserviceaccount.com:generateAccessToken");
    CHECK(request.headers.get("Authorization") == "Bearer federated");
    CHECK(body_of(request) == std::string(R"({"scope":[")") + kScope + R"("],"lifetime":"3600s"})");
    return text_answer(200, R"({"accessToken":"own","expireTime":"2026-01-01T01:00:00Z"})");
  };
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->text.reveal() == "Bearer own");
  CHECK(world.asked().size() == 2);
}

TEST_CASE("DC-02: the external token from a URL, whose answer may be JSON") {
  GcsWorld world;
  world.use(R"({"type":"external_account","audience":"a","subject_token_type":"t","token_url":)"
            R"("https://sts.googleapis.com/v1/token","credential_source":{"url":)"
            R"("https://ci.example.org/token?audience=x%2Fy","headers":{"Metadata":"True"},)"
            R"("format":{"type":"json","subject_token_field_name":"value"}}})");
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    if (request.origin.host == "ci.example.org") {
      CHECK(request.target() == "/token?audience=x%2Fy");
      CHECK(request.headers.get("Metadata") == "True");
      return text_answer(200, R"({"value":"canary-ci"})");
    }
    CHECK(form_field(request, "subject_token") == "canary-ci");
    CHECK(form_field(request, "scope") == kScope);
    return text_answer(200, token_json("t"));
  };
  CHECK(world.reason_of() == "none");
}

TEST_CASE("DC-02: a program gives the external token only where that is allowed by name") {
  GcsWorld world;
  const std::string file =
      R"({"type":"external_account","audience":"aud","subject_token_type":)"
      R"("urn:ietf:params:oauth:token-type:id_token","token_url":)"
      R"("https://sts.googleapis.com/v1/token","credential_source":{"executable":{"command":)"
      R"("/opt/get --a 'b c'","timeout_millis":5000}}})";
  world.use(file);
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    CHECK(form_field(exchange.request, "subject_token") == "canary-id");
    return text_answer(200, token_json("t"));
  };
  CHECK(world.reason_of() == reason::bad_credential);
  CHECK(world.commands.empty());
  world.variables["GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"] = "1";
  world.process = std::string(
      R"({"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token",)"
      R"("id_token":"canary-id","expiration_time":1767229200})");
  CHECK(world.reason_of() == "none");
  const std::vector<std::string> wanted = {
      "/usr/bin/env",
      "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=aud",
      "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=urn:ietf:params:oauth:token-type:id_token",
      "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE=0",
      "/opt/get",
      "--a",
      "b c"};
  CHECK(world.commands.at(0) == wanted);
  world.process = std::string(
      R"({"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token",)"
      R"("id_token":"canary-id","expiration_time":1767225600})");
  CHECK(world.reason_of() == reason::expired_credential);
  world.process = std::string(R"({"version":1,"success":false,"code":"401","message":"no"})");
  CHECK(world.reason_of() == reason::bad_credential);
}

TEST_CASE("DC-02: AWS says who an external account is, by a request that Google sends for us") {
  GcsWorld world;
  world.use(
      R"({"type":"external_account","audience":"//iam.googleapis.com/pool","subject_token_type":)"
      R"("urn:ietf:params:aws:token-type:aws4_request","token_url":)"
      R"("https://sts.googleapis.com/v1/token","credential_source":{"environment_id":"aws1",)"
      R"("region_url":"http://169.254.169.254/latest/meta-data/placement/availability-zone",)"
      R"("url":"http://169.254.169.254/latest/meta-data/iam/security-credentials",)"
      R"("regional_cred_verification_url":"https://sts.{region}.amazonaws.com)"
      R"(?Action=GetCallerIdentity&Version=2011-06-15","imdsv2_session_token_url":)"
      R"("http://169.254.169.254/latest/api/token"}})");
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    if (request.path == "/latest/api/token") {
      CHECK(request.method == "PUT");
      return text_answer(200, "canary-imds");
    }
    if (request.origin.host == "169.254.169.254") {
      CHECK(request.headers.get("X-aws-ec2-metadata-token") == "canary-imds");
      if (request.path.ends_with("availability-zone")) return text_answer(200, "eu-west-1b");
      if (request.path.ends_with("security-credentials")) return text_answer(200, "role");
      CHECK(request.path.ends_with("security-credentials/role"));
      return text_answer(200,
                         R"({"AccessKeyId":"AKID","SecretAccessKey":"canary-aws","Token":"s"})");
    }
    const auto subject = form_field(request, "subject_token");
    CHECK(subject.find("https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity") !=
          std::string::npos);
    CHECK(subject.find(
              R"("key":"x-goog-cloud-target-resource","value":"//iam.googleapis.com/pool")") !=
          std::string::npos);
    CHECK(subject.find("AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-west-1/sts/aws4_request") !=
          std::string::npos);
    CHECK(subject.find(R"({"key":"host","value":"sts.eu-west-1.amazonaws.com"})") !=
          std::string::npos);
    CHECK(subject.find("canary-aws") == std::string::npos);
    return text_answer(200, token_json("t"));
  };
  CHECK(world.reason_of() == "none");
}

TEST_CASE("a credentials file cannot send AWS's session token, or its keys' proof, elsewhere") {
  GcsWorld world;
  const auto with = [&](const std::string& session, const std::string& verification) {
    world.use(R"({"type":"external_account","audience":"a","subject_token_type":"t","token_url":)"
              R"("https://sts.googleapis.com/v1/token","credential_source":{"environment_id":)"
              R"("aws1","regional_cred_verification_url":")" +
              verification + R"(","imdsv2_session_token_url":")" + session + R"("}})");
    world.variables["AWS_REGION"] = "eu-west-1";
    world.variables["AWS_ACCESS_KEY_ID"] = "AKID";
    world.variables["AWS_SECRET_ACCESS_KEY"] = "canary";
    return world.reason_of();
  };
  CHECK(with("https://evil.example/token", "https://sts.{region}.amazonaws.com?x=y") ==
        reason::bad_credential);
  CHECK(with("", "https://evil.example?x=y") == reason::bad_credential);
  CHECK(with("", "http://sts.eu-west-1.amazonaws.com?x=y") == reason::tls);
  CHECK(world.transport->sent.empty());
}

TEST_CASE("DC-02: an impersonated account is asked for with the token of the one behind it") {
  GcsWorld world;
  world.use(
      R"({"type":"impersonated_service_account","service_account_impersonation_url":)"
      R"("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/t@p:generateAccess)"
      R"(Token","delegates":["projects/-/serviceAccounts/d@p"],"source_credentials":)"
      R"({"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"r"}})");
  world.answer = [](const net::Exchange& exchange) -> Result<wire::Response> {
    if (exchange.request.origin.host == "oauth2.googleapis.com") {
      return text_answer(200, token_json("first"));
    }
    CHECK(exchange.request.headers.get("Authorization") == "Bearer first");
    CHECK(body_of(exchange.request).find(R"("delegates":["projects/-/serviceAccounts/d@p"])") !=
          std::string::npos);
    return text_answer(200, R"({"accessToken":"second","expireTime":"2026-01-01T01:00:00Z"})");
  };
  CHECK(world.get()->text.reveal() == "Bearer second");
}

TEST_CASE("files that are no credentials say what they lack, and never what they hold") {
  GcsWorld world;
  for (const auto* text :
       {"", "{", "[]", "{}", R"({"type":"canary"})", R"({"type":"service_account"})",
        R"({"type":"service_account","client_email":"a","private_key":"canary"})",
        R"({"type":"external_account","audience":"a"})", R"({"type":"authorized_user"})"}) {
    CAPTURE(text);
    world.use(text);
    const auto got = world.get();
    REQUIRE(!got);
    CHECK(got.error().reason() == reason::bad_credential);
    CHECK(got.error().subject() == world.scratch / "credentials.json");
  }
  world.variables["GOOGLE_APPLICATION_CREDENTIALS"] = world.scratch / "absent.json";
  CHECK(world.reason_of() == reason::bad_credential);
}

TEST_CASE("an emulator gets no token, and an address that names no source is refused") {
  GcsWorld world;
  world.variables["STORAGE_EMULATOR_HOST"] = "http://127.0.0.1:9199";
  CHECK(world.get()->text.reveal().empty());
  CHECK(world.settings.origins.at(0).url() == "http://127.0.0.1:9199");
  CHECK(!world.settings.vendor);
  // An emulator of plain HTTP sees no token of anybody's, even if a source is named.
  for (const auto* named : {"file", "gcloud", "metadata"}) {
    const auto plain =
        parse_address(std::string("gs://bucket/p?credential=") + named, GcsWorld::kOptions);
    CHECK(read_settings(*plain, world.around()).error().reason() == reason::bad_url);
    const auto asked = parse_address(std::string("gs://bucket/p?ssl=false&credential=") + named,
                                     GcsWorld::kOptions);
    CHECK(read_settings(*asked, world.around()));
  }
  const auto address = parse_address("gs://bucket/p?credential=magic", GcsWorld::kOptions);
  CHECK(read_settings(*address, world.around()).error().reason() == reason::bad_url);
  const auto bucket = parse_address("gs://Bad_Bucket!/p", GcsWorld::kOptions);
  CHECK((!bucket || !read_settings(*bucket, world.around())));
}

}  // namespace snapvault::provider::gcs

TEST_SUITE_END();
