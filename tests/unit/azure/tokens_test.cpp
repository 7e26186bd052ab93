// Tokens of Microsoft Entra ID against strict fakes of the services, built from Microsoft's own
// pages: "OAuth 2.0 client credentials flow", "Application authentication certificate credentials",
// "Workload identity federation", "How to use managed identities ... on an Azure VM" and "... for
// App Service", az account get-access-token.
#include "provider/azure/tokens.hpp"

#include <doctest/doctest.h>

#include "codec/digest.hpp"
#include "unit/keys.hpp"
#include "unit/provider/world.hpp"

TEST_SUITE_BEGIN("azure/tokens");

namespace snapvault::provider::azure {
namespace {

constexpr std::string_view kOptions[] = {"account"};
const std::string kLogin = "https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token";

std::string token_json(const std::string& token, int seconds = 3600) {
  return R"({"token_type":"Bearer","expires_in":)" + std::to_string(seconds) +
         R"(,"access_token":")" + token + "\"}";
}

struct AzureWorld : World {
  AzureWorld() { variables["AZURE_STORAGE_ACCOUNT"] = "account"; }

  Result<Token> get(const std::string& options_of_address = "") {
    const auto address = parse_address("azure://c/p?ssl=true" + options_of_address, kOptions);
    auto read = read_account(*address, around());
    if (!read) return read.error();
    account = *std::move(read);
    tokens = std::make_unique<Tokens>(around(), account);
    return again();
  }
  Result<Token> again() { return run(*env, tokens->get(env->wall_seconds(), {})); }
  std::string reason_of(const std::string& options_of_address = "") {
    const auto got = get(options_of_address);
    return got ? "none" : std::string(got.error().reason());
  }
  void principal() {
    variables["AZURE_TENANT_ID"] = "tenant-1";
    variables["AZURE_CLIENT_ID"] = "client-1";
  }

  Account account;
  std::unique_ptr<Tokens> tokens;
};

// The request that the page of the client credentials flow shows.
void check_flow(const net::Exchange& exchange) {
  const auto& request = exchange.request;
  CHECK(request.method == "POST");
  CHECK(request.origin.url() + request.path == kLogin);
  CHECK(request.headers.get("Content-Type") == "application/x-www-form-urlencoded");
  CHECK(form_field(request, "client_id") == "client-1");
  CHECK(form_field(request, "scope") == "https://storage.azure.com/.default");
  CHECK(form_field(request, "grant_type") == "client_credentials");
}

}  // namespace

TEST_CASE("DC-03: a service principal shows its secret to its tenant, and the token is kept") {
  AzureWorld world;
  world.principal();
  world.variables["AZURE_CLIENT_SECRET"] = "canary&secret=";
  int count = 0;
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    check_flow(exchange);
    CHECK(form_field(exchange.request, "client_secret") == "canary&secret=");
    return text_answer(200, token_json("t" + std::to_string(++count)));
  };
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->text.reveal() == "t1");
  CHECK(got->expires == kWorldBegins + 3600);
  CHECK(got->source == "AZURE_CLIENT_SECRET");
  CHECK(world.again()->text.reveal() == "t1");
  pass(*world.env, 56 * 60 * base::kSecond);
  CHECK(world.again()->text.reveal() == "t2");
  world.tokens->drop();
  CHECK(world.again()->text.reveal() == "t3");
}

TEST_CASE("DC-03: a service principal's certificate signs an assertion for the tenant's URL") {
  AzureWorld world;
  world.principal();
  world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] =
      world.write("both.pem", std::string(kCertificate) + std::string(kRfc7515Key));
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    check_flow(exchange);
    CHECK(form_field(exchange.request, "client_assertion_type") ==
          "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    const auto jwt = form_field(exchange.request, "client_assertion");
    const auto end = jwt.rfind('.');
    base::Bytes thumbprint(20);
    CHECK(base::unhex(kCertificateSha1, thumbprint));
    CHECK(jwt.starts_with(wire::base64_url(base::as_bytes(R"({"alg":"RS256","typ":"JWT","x5t":")" +
                                                          wire::base64_url(thumbprint) + "\"}")) +
                          "."));
    const auto signature =
        codec::sign_rs256(kRfc7515Key, base::as_bytes(std::string_view(jwt).substr(0, end)));
    CHECK(jwt.substr(end + 1) == wire::base64_url(*signature));
    return text_answer(200, token_json("t"));
  };
  CHECK(world.get()->source == "AZURE_CLIENT_CERTIFICATE_PATH");
  world.variables["AZURE_CLIENT_CERTIFICATE_PATH"] = world.write("none.pem", "nothing");
  CHECK(world.reason_of() == reason::bad_credential);
}

TEST_CASE("DC-03: workload identity shows the file's token, read anew each time") {
  AzureWorld world;
  world.principal();
  world.variables["AZURE_FEDERATED_TOKEN_FILE"] = world.write("token", "canary-1\n");
  std::string shown;
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    check_flow(exchange);
    shown = form_field(exchange.request, "client_assertion");
    return text_answer(200, token_json("t"));
  };
  CHECK(world.get()->source == "AZURE_FEDERATED_TOKEN_FILE");
  CHECK(shown == "canary-1");
  world.write("token", "canary-2");
  world.tokens->drop();
  CHECK(world.again());
  CHECK(shown == "canary-2");
  world.write("token", " \n");
  CHECK(world.reason_of() == reason::bad_credential);
}

TEST_CASE("DC-03: a machine's identity comes from IMDS, directly, once it is known to be there") {
  AzureWorld world;
  bool azure = true;
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(exchange.direct);
    CHECK(request.origin.url() == "http://169.254.169.254");
    CHECK(request.path == "/metadata/identity/oauth2/token");
    if (request.headers.get("Metadata") != "true") {
      if (!azure) return unreachable();
      return text_answer(400, R"({"error":"invalid_request"})");
    }
    CHECK(request.target().find("api-version=2018-02-01") != std::string::npos);
    CHECK(request.target().find("resource=https%3A%2F%2Fstorage.azure.com%2F") !=
          std::string::npos);
    return text_answer(
        200,
        R"({"access_token":"m","expires_in":"3599","expires_on":"1767229199","resource":"r"})");
  };
  CHECK(world.get()->text.reveal() == "m");
  world.variables["AZURE_CLIENT_ID"] = "own";
  CHECK(world.get("&credential=managed_identity"));
  CHECK(world.last().request.target().find("client_id=own") != std::string::npos);
  azure = false;
  world.process = Error(Errc::unauthenticated, reason::bad_credential, "no az");
  CHECK(world.reason_of() == reason::no_credential);
}

TEST_CASE("DC-03: App Service's identity is asked for with its header, on this machine or by TLS") {
  AzureWorld world;
  world.variables["IDENTITY_ENDPOINT"] = "http://127.0.0.1:41564/msi/token";
  world.variables["IDENTITY_HEADER"] = "canary-header";
  world.answer = [&](const net::Exchange& exchange) -> Result<wire::Response> {
    const auto& request = exchange.request;
    CHECK(request.origin.url() + request.path == "http://127.0.0.1:41564/msi/token");
    CHECK(request.headers.get("X-IDENTITY-HEADER") == "canary-header");
    CHECK(request.target().find("api-version=2019-08-01") != std::string::npos);
    return text_answer(200, R"({"access_token":"s","expires_on":"1767229199"})");
  };
  CHECK(world.get()->source == "managed identity (IDENTITY_ENDPOINT)");
  world.variables["IDENTITY_ENDPOINT"] = "http://10.0.0.1/msi/token";
  world.transport->sent.clear();
  CHECK(world.reason_of("&credential=managed_identity") == reason::tls);
  CHECK(world.transport->sent.empty());  // the header did not leave
}

TEST_CASE("DC-03: az is asked last, without a shell") {
  AzureWorld world;
  world.process = std::string(
      R"({"accessToken":"cli","expiresOn":"2026-01-01 01:00:00","expires_on":1767229200})");
  const auto got = world.get();
  REQUIRE(got);
  CHECK(got->text.reveal() == "cli");
  CHECK(got->expires == 1767229200);
  const std::vector<std::string> wanted = {
      "az",   "account",    "get-access-token",          "--output",
      "json", "--resource", "https://storage.azure.com/"};
  CHECK(world.commands.at(0) == wanted);
  world.process = std::string("no JSON");
  CHECK(world.reason_of() == reason::bad_answer);
}

TEST_CASE("DC-03: refusals of the login service are told apart by their numbers") {
  AzureWorld world;
  world.principal();
  world.variables["AZURE_CLIENT_SECRET"] = "canary";
  const auto refused = [&](int status, const std::string& number) {
    world.answer = [&](const net::Exchange&) -> Result<wire::Response> {
      return text_answer(status, R"({"error":"invalid_client","error_description":")" + number +
                                     R"(: canary-text","error_codes":[1]})");
    };
    const auto got = world.get();
    REQUIRE(!got);
    CHECK(got.error().code() == Errc::unauthenticated);
    CHECK(!got.error().hint().empty());
    CHECK(std::string(got.error().message()).find("canary") == std::string::npos);
    return std::string(got.error().reason());
  };
  CHECK(refused(401, "AADSTS7000215") == reason::bad_credential);
  CHECK(refused(401, "AADSTS7000222") == reason::expired_credential);
  CHECK(refused(401, "AADSTS700024") == reason::clock_skew);
  CHECK(refused(400, "AADSTS90002") == reason::bad_credential);
}

TEST_CASE("a secret goes over plain HTTP only if that was asked for by name") {
  AzureWorld world;
  world.principal();
  world.variables["AZURE_CLIENT_SECRET"] = "canary";
  world.variables["AZURE_AUTHORITY_HOST"] = "http://login.example.org";
  world.answer = [](const net::Exchange&) -> Result<wire::Response> {
    return text_answer(200, token_json("t"));
  };
  CHECK(world.reason_of() == reason::tls);
  CHECK(world.transport->sent.empty());
  const auto address = parse_address("azure://c/p?ssl=false&endpoint=127.0.0.1:10000", kOptions);
  world.account = *read_account(*address, world.around());
  world.tokens = std::make_unique<Tokens>(world.around(), world.account);
  CHECK(world.again());
}

TEST_CASE("DC-03: a key, a SAS, a connection string: what is read, and in which order") {
  AzureWorld world;
  const auto read = [&](const std::string& rest = "") {
    const auto address = parse_address("azure://c/p?ssl=true" + rest, kOptions);
    return read_account(*address, world.around());
  };
  world.variables["AZURE_STORAGE_SAS_TOKEN"] =
      "?sv=2021-12-02&se=2026-01-02T00%3A00%3A00Z&sig=a%2Bb";
  CHECK(read()->source == "AZURE_STORAGE_SAS_TOKEN");
  CHECK(sas_end(read()->sas.reveal()) == kWorldBegins + 86'400);
  world.variables["AZURE_STORAGE_KEY"] = "a2V5";
  CHECK(read()->source == "AZURE_STORAGE_KEY");
  CHECK(read("&credential=sas")->key.has_value() == false);
  world.variables["AZURE_STORAGE_CONNECTION_STRING"] =
      "DefaultEndpointsProtocol=https;AccountName=account;AccountKey=a2V5;"
      "EndpointSuffix=core.chinacloudapi.cn";
  CHECK(read()->source == "AZURE_STORAGE_CONNECTION_STRING");
  CHECK(read()->origins.at(0).url() == "https://account.blob.core.chinacloudapi.cn");
  world.variables["AZURE_STORAGE_CONNECTION_STRING"] =
      "BlobEndpoint=http://127.0.0.1:10000/account;AccountName=account;AccountKey=a2V5";
  CHECK(read().error().reason() == reason::bad_url);  // plain HTTP, and nobody said so
  world.variables["AZURE_STORAGE_CONNECTION_STRING"] = "AccountName=other;AccountKey=a2V5";
  CHECK(read("&account=account").error().reason() == reason::bad_credential);
  world.variables["AZURE_STORAGE_CONNECTION_STRING"] = "UseDevelopmentStorage=true";
  world.variables.erase("AZURE_STORAGE_ACCOUNT");
  CHECK(read()->origins.at(0).url() == "http://127.0.0.1:10000");
  CHECK(read()->path_style);
}

}  // namespace snapvault::provider::azure

TEST_SUITE_END();
