#include "provider/s3/credentials.hpp"

#include <optional>
#include <set>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "provider/cached.hpp"
#include "provider/s3/profiles.hpp"
#include "provider/s3/services.hpp"
#include "wire/digest.hpp"

namespace snapvault::provider {
namespace {

constexpr int kProfilesMax = 5;  // that refer to each other

Error bad(std::string_view message, std::string_view profile) {
  return Error(Errc::unauthenticated, reason::bad_credential, message)
      .with_subject(profile)
      .with_hint("check ~/.aws/config and ~/.aws/credentials");
}

AwsCredentials make(wire::AwsKeys keys, std::string source) {
  AwsCredentials out;
  out.access_key = std::move(keys.access_key);
  out.secret_key = std::move(keys.secret_key);
  out.session_token = std::move(keys.session_token);
  out.expires = keys.expires;
  out.source = std::move(source);
  return out;
}

wire::SigningKey signing_key(const AwsCredentials& from) {
  return {from.access_key.reveal(), from.secret_key, from.session_token};
}

// "program 'an argument' \"another\"": words as a shell would part them, without its other powers.
Result<std::vector<std::string>> split_command(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  bool open = false;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      open = true;
    } else if (c == ' ' || c == '\t') {
      if (open || !word.empty()) out.push_back(std::move(word));
      word.clear();
      open = false;
    } else {
      word += c;
    }
  }
  if (open || !word.empty()) out.push_back(std::move(word));
  if (quote != 0 || out.empty()) return bad("credential_process is no command", {});
  return out;
}

}  // namespace

class AwsCredentialChain::State {
 public:
  State(Surroundings around, const Address& address)
      : around_(std::move(around)),
        services_(around_, !address.ssl),
        profile_(address.profile.empty() ? address.credential : address.profile),
        cached_(*around_.env, [this](RequestLimits limits) { return fetch(std::move(limits)); }) {
    const auto profiles = Profiles::read(around_.variable);
    if (!profiles) return;  // said when a credential is fetched
    const auto name = profile_.empty() ? profile_name(around_.variable) : profile_;
    region_ = profiles->text(name, "region");
    endpoint_ = profiles->text(name, "endpoint_url");
  }

  base::Task<Result<AwsCredentials>> get(std::int64_t now, RequestLimits limits) {
    now_ = now;
    return cached_.get(now, std::move(limits));
  }
  void drop() noexcept { cached_.drop(); }
  std::string first_of(std::initializer_list<const char*> names, const std::string& other) const {
    for (const auto* name : names) {
      if (auto value = around_.variable(name)) return *std::move(value);
    }
    return other;
  }
  std::string region() const { return first_of({"AWS_REGION", "AWS_DEFAULT_REGION"}, region_); }
  std::string endpoint() const {
    return first_of({"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"}, endpoint_);
  }

 private:
  using Found = Result<std::optional<AwsCredentials>>;

  base::Task<Result<AwsCredentials>> fetch(RequestLimits limits) {
    if (!profile_.empty()) {
      auto asking = from_profile(profile_, limits);
      auto found = co_await std::move(asking);
      if (!found) co_return std::move(found).error();
      if (!*found) co_return bad("the address names a profile that is not there", profile_);
      co_return **std::move(found);
    }
    if (auto given = from_environment()) co_return *std::move(given);
    auto identifying = from_web_identity(limits);
    auto found = co_await std::move(identifying);
    if (!found) co_return std::move(found).error();
    if (*found) co_return **std::move(found);
    auto profiling = from_profile(profile_name(around_.variable), limits);
    found = co_await std::move(profiling);
    if (!found) co_return std::move(found).error();
    if (*found) co_return **std::move(found);
    if (const auto named = around_.variable("AWS_PROFILE")) {
      co_return bad("AWS_PROFILE names a profile that is not there", *named);
    }
    auto machine = from_machine(limits);
    found = co_await std::move(machine);
    if (!found) co_return std::move(found).error();
    if (*found) co_return **std::move(found);
    co_return Error(Errc::unauthenticated, reason::no_credential,
                    "no credential was found: none in the environment, no web identity, no "
                    "profile, no container and no instance gives one")
        .with_hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE");
  }

  std::optional<AwsCredentials> from_environment() const {
    auto key = around_.variable("AWS_ACCESS_KEY_ID");
    auto secret = around_.variable("AWS_SECRET_ACCESS_KEY");
    if (!key || !secret) return {};
    AwsCredentials out;
    out.access_key = base::SecretText(*std::move(key));
    out.secret_key = base::SecretText(*std::move(secret));
    out.session_token = base::SecretText(around_.variable("AWS_SESSION_TOKEN").value_or(""));
    out.source = "environment (AWS_ACCESS_KEY_ID)";
    return out;
  }

  base::Task<Found> from_web_identity(RequestLimits limits) {
    const auto file = around_.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
    const auto arn = around_.variable("AWS_ROLE_ARN");
    if (!file || !arn) co_return std::optional<AwsCredentials>();
    AssumedRole role;
    role.arn = *arn;
    role.token_file = *file;
    role.session_name = around_.variable("AWS_ROLE_SESSION_NAME").value_or("");
    role.region = region();
    auto asking = services_.assume_with_token(std::move(role), std::move(limits));
    auto keys = co_await std::move(asking);
    if (!keys) co_return std::move(keys).error();
    co_return std::optional(make(*std::move(keys), "web identity, role " + *arn));
  }

  base::Task<Found> from_machine(RequestLimits limits) {
    auto container = services_.ask_container(limits);
    auto keys = co_await std::move(container);
    if (!keys) co_return std::move(keys).error();
    if (*keys) co_return std::optional(make(**std::move(keys), "the container"));
    auto instance = services_.ask_instance(limits);
    keys = co_await std::move(instance);
    if (!keys) co_return std::move(keys).error();
    if (*keys) co_return std::optional(make(**std::move(keys), "the instance's role (IMDSv2)"));
    co_return std::optional<AwsCredentials>();
  }

  base::Task<Found> from_profile(std::string name, RequestLimits limits) {
    auto read = [this] { return Profiles::read(around_.variable); };
    auto reading = base::run_on(*around_.env, around_.env->io(), read);
    auto profiles = co_await std::move(reading);
    if (!profiles) co_return std::move(profiles).error();
    if (!profiles->has(name)) co_return std::optional<AwsCredentials>();
    std::set<std::string> seen;
    auto asking = ask_profile(*profiles, std::move(name), seen, std::move(limits));
    auto found = co_await std::move(asking);
    co_return found;
  }

  // One profile, and those it refers to.
  base::Task<Found> ask_profile(const Profiles& profiles, std::string name,
                                std::set<std::string>& seen, RequestLimits limits) {
    if (!seen.insert(name).second || seen.size() > kProfilesMax) {
      co_return bad("profiles refer to each other in a circle, or too many in a row", name);
    }
    const auto source = "profile " + name;
    const auto arn = profiles.text(name, "role_arn");
    const bool again = seen.size() > 1 && profiles.text(name, "source_profile") == name;
    if (!arn.empty() && !again) {
      auto assuming = assume(profiles, name, arn, seen, std::move(limits));
      auto found = co_await std::move(assuming);
      co_return found;
    }
    const auto* key = profiles.find(name, "aws_access_key_id");
    const auto* secret = profiles.find(name, "aws_secret_access_key");
    if (key && secret) {
      AwsCredentials out;
      out.access_key = *key;
      out.secret_key = *secret;
      if (const auto* token = profiles.find(name, "aws_session_token")) out.session_token = *token;
      out.source = source;
      co_return std::optional(std::move(out));
    }
    const auto command = profiles.text(name, "credential_process");
    if (!command.empty()) {
      auto running = run_process(command, source);
      auto found = co_await std::move(running);
      co_return found;
    }
    if (!profiles.text(name, "sso_account_id").empty()) {
      auto asking = ask_sso(profiles, name, std::move(limits));
      auto found = co_await std::move(asking);
      co_return found;
    }
    // A profile with nothing but a region says nothing of credentials.
    co_return std::optional<AwsCredentials>();
  }

  base::Task<Found> assume(const Profiles& profiles, std::string name, std::string arn,
                           std::set<std::string>& seen, RequestLimits limits) {
    AssumedRole role;
    role.arn = arn;
    role.session_name = profiles.text(name, "role_session_name");
    role.external_id = profiles.text(name, "external_id");
    role.duration = profiles.text(name, "duration_seconds");
    role.region = region();
    role.token_file = profiles.text(name, "web_identity_token_file");
    const auto source = "profile " + name + ", role " + arn;
    if (!role.token_file.empty()) {
      auto asking = services_.assume_with_token(std::move(role), std::move(limits));
      auto keys = co_await std::move(asking);
      if (!keys) co_return std::move(keys).error();
      co_return std::optional(make(*std::move(keys), source));
    }
    auto finding = find_asker(profiles, name, seen, limits);
    auto asker = co_await std::move(finding);
    if (!asker) co_return std::move(asker).error();
    if (!*asker) co_return bad("who takes on the role of a profile has no credential", name);
    auto asking = services_.assume(std::move(role), signing_key(**asker), now_, std::move(limits));
    auto keys = co_await std::move(asking);
    if (!keys) co_return std::move(keys).error();
    co_return std::optional(make(*std::move(keys), source));
  }

  // Whose credential asks for the role.
  base::Task<Found> find_asker(const Profiles& profiles, std::string name,
                               std::set<std::string>& seen, RequestLimits limits) {
    const auto from = profiles.text(name, "source_profile");
    const auto kind = profiles.text(name, "credential_source");
    if (!from.empty()) {
      if (from == name) {  // its own keys ask
        seen.erase(name);
        seen.insert(name + " itself");
      }
      if (!profiles.has(from)) co_return bad("source_profile names no profile", name);
      auto asking = ask_profile(profiles, from, seen, std::move(limits));
      auto found = co_await std::move(asking);
      co_return found;
    }
    if (kind == "Environment") co_return from_environment();
    if (kind == "EcsContainer" || kind == "Ec2InstanceMetadata") {
      const bool container = kind == "EcsContainer";
      auto asking = container ? services_.ask_container(limits) : services_.ask_instance(limits);
      auto keys = co_await std::move(asking);
      if (!keys) co_return std::move(keys).error();
      if (!*keys) co_return std::optional<AwsCredentials>();
      co_return std::optional(make(**std::move(keys), kind));
    }
    co_return bad("a profile with role_arn says by source_profile or credential_source who asks",
                  name);
  }

  base::Task<Found> run_process(std::string command, std::string source) {
    auto work = [&]() -> Result<wire::AwsKeys> {
      SV_TRY(const auto words, split_command(command));
      SV_TRY(auto text, around_.run(words));
      auto keys = wire::parse_aws_keys(text);
      base::wipe(text);
      return keys;
    };
    auto running = base::run_on(*around_.env, around_.env->io(), work);
    auto keys = co_await std::move(running);
    if (!keys) co_return std::move(keys).error();
    co_return std::optional(make(*std::move(keys), source + ", credential_process"));
  }

  // The token that `aws sso login` left: ~/.aws/sso/cache/<SHA-1 of the session or start URL>.json
  base::Task<Found> ask_sso(const Profiles& profiles, std::string name, RequestLimits limits) {
    const auto session = profiles.text(name, "sso_session");
    const auto key = session.empty() ? profiles.text(name, "sso_start_url") : session;
    const auto region = session.empty() ? profiles.text(name, "sso_region")
                                        : profiles.session_text(session, "sso_region");
    const auto path =
        below_home(around_.variable, ".aws/sso/cache/" + wire::sha1_hex(key) + ".json");
    auto read = [&]() -> Result<wire::SsoToken> {
      SV_TRY(auto text, read_credential_file(path));
      auto token = wire::parse_sso_token(text);
      base::wipe(text);
      return token;
    };
    auto reading = base::run_on(*around_.env, around_.env->io(), read);
    auto token = co_await std::move(reading);
    if (!token || token->expires <= now_) {
      co_return Error(Errc::unauthenticated, reason::expired_credential,
                      "there is no SSO session that lives")
          .with_subject(name)
          .with_hint("run: aws sso login --profile " + name);
    }
    auto asking =
        services_.ask_sso(region, profiles.text(name, "sso_account_id"),
                          profiles.text(name, "sso_role_name"), token->text, std::move(limits));
    auto keys = co_await std::move(asking);
    if (!keys) co_return std::move(keys).error();
    co_return std::optional(make(*std::move(keys), "profile " + name + ", SSO"));
  }

  Surroundings around_;
  AwsServices services_;
  const std::string profile_;
  std::string region_, endpoint_;
  std::int64_t now_ = 0;
  Cached<AwsCredentials> cached_;
};

AwsCredentialChain::AwsCredentialChain(Surroundings around, const Address& address)
    : state_(std::make_unique<State>(std::move(around), address)) {}
AwsCredentialChain::~AwsCredentialChain() = default;

base::Task<Result<AwsCredentials>> AwsCredentialChain::get(std::int64_t now, RequestLimits limits) {
  return state_->get(now, std::move(limits));
}
void AwsCredentialChain::drop() noexcept { state_->drop(); }
std::string AwsCredentialChain::region() const { return state_->region(); }
std::string AwsCredentialChain::endpoint() const { return state_->endpoint(); }

}  // namespace snapvault::provider
