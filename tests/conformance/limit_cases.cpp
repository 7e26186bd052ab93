// Bad requests, deadlines and cancelling.
#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

using std::chrono::steady_clock;

RequestLimits stopped() {
  std::stop_source source;
  source.request_stop();
  return {.deadline = {}, .stop = source.get_token()};
}
RequestLimits late() { return {.deadline = steady_clock::now() - std::chrono::seconds(1)}; }
RequestLimits ample() { return {.deadline = steady_clock::now() + std::chrono::hours(1)}; }

// The codes of one request of each kind under `limits`, for an object that exists.
std::vector<std::optional<Errc>> codes_under(Store& store, const RequestLimits& limits) {
  const auto key = store.key("object");
  const auto get = store.start(GetRequest{.key = key, .limits = limits});
  const auto stat = store.start(StatRequest{.key = key, .limits = limits});
  const auto list = store.start(ListRequest{.prefix = key, .limits = limits});
  const auto put =
      store.start(PutRequest{.key = store.key("new"), .body = body_of("new"), .limits = limits});
  const auto sync = store.start(limits);
  const auto remove = store.start(RemoveRequest{.keys = {store.key("gone")}, .limits = limits});
  return {code(store.wait(get)), code(store.wait(stat)), code(store.wait(list)),
          code(store.wait(put)), code(store.wait(sync)), code(store.wait(remove))};
}

Failure cancelled(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  for (const auto& code : codes_under(store, stopped())) SV_EXPECT(code == Errc::cancelled);
  return {};
}

Failure deadline(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  for (const auto& code : codes_under(store, late())) SV_EXPECT(code == Errc::deadline_exceeded);
  return {};
}

Failure ample_deadline(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  for (const auto& code : codes_under(store, ample())) SV_EXPECT(!code);
  return {};
}

Failure cancelled_put(Store& store) {
  for (int i = 0; i < 5; ++i) {
    const auto name = std::to_string(i);
    const auto put = store.start(
        PutRequest{.key = store.key(name), .body = PutBody(Bytes(100'000)), .limits = stopped()});
    SV_EXPECT(code(store.wait(put)) == Errc::cancelled);
    const auto info = store.stat(name);
    SV_EXPECT(info ? info->size == 100'000 : info.error().code() == Errc::not_found);
  }
  return {};
}

Failure works_afterwards(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  (void)codes_under(store, stopped());
  (void)codes_under(store, late());
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "x");
  SV_EXPECT(store.put("after", "y").has_value());
  SV_EXPECT(store.sync().has_value());
  return {};
}

Failure stop_meanwhile(Store& store) {
  std::stop_source source;
  const RequestLimits limits{.deadline = {}, .stop = source.get_token()};
  std::vector<Pending<void>> puts;
  for (int i = 0; i < 8; ++i) {
    puts.push_back(store.start(PutRequest{.key = store.key(std::to_string(i)),
                                          .body = PutBody(Bytes(300'000)),
                                          .durable = false,
                                          .limits = limits}));
  }
  source.request_stop();
  for (const auto& put : puts) {
    const auto answer = code(store.wait(put));
    SV_EXPECT(!answer || *answer == Errc::cancelled);
  }
  return {};
}

Failure bad_keys(Store& store) {
  const std::string long_key(1025, 'k');
  for (const std::string& key :
       {std::string(), std::string("/"), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("."), std::string(".."), std::string("a/../b"), std::string("a/./b"),
        std::string("A"), std::string("a b"), std::string("a\\b"), std::string("a\nb"),
        std::string("a\0b", 3), std::string("\xff"), std::string("a%2fb"), long_key}) {
    SV_EXPECT(code(store.wait(store.start(GetRequest{.key = key}))) == Errc::invalid_argument);
    SV_EXPECT(code(store.wait(store.start(StatRequest{.key = key}))) == Errc::invalid_argument);
    SV_EXPECT(code(store.wait(store.start(PutRequest{.key = key, .body = body_of("x")}))) ==
              Errc::invalid_argument);
    SV_EXPECT(code(store.wait(store.start(RemoveRequest{.keys = {key}}))) ==
              Errc::invalid_argument);
  }
  return {};
}

Failure bad_key_among_good(Store& store) {
  SV_EXPECT(store.put("good", "x").has_value());
  const auto remove = store.start(RemoveRequest{.keys = {store.key("good"), "../escape"}});
  SV_EXPECT(code(store.wait(remove)) == Errc::invalid_argument);
  return {};
}

Failure bad_prefix(Store& store) {
  for (const char* prefix : {"/", "a//", "../", "a/../b", "A", "a b"}) {
    SV_EXPECT(code(store.wait(store.start(ListRequest{.prefix = prefix}))) ==
              Errc::invalid_argument);
  }
  return {};
}

Failure bad_page_size(Store& store) {
  SV_EXPECT(code(store.list("", "", 0)) == Errc::invalid_argument);
  SV_EXPECT(code(store.list("", "", 1001)) == Errc::invalid_argument);
  return {};
}

Failure bad_remove(Store& store) {
  SV_EXPECT(code(store.remove({})) == Errc::invalid_argument);
  SV_EXPECT(code(store.remove(std::vector<std::string>(1001, "k"))) == Errc::invalid_argument);
  return {};
}

template <class T>
bool has_words(const Result<T>& result) {
  return !result && !result.error().message().empty() && !result.error().reason().empty();
}

Failure errors_have_words(Store& store) {
  SV_EXPECT(has_words(store.get("missing")));
  SV_EXPECT(has_words(store.stat("missing")));
  SV_EXPECT(has_words(store.list("", "", 0)));
  SV_EXPECT(has_words(store.remove({})));
  const auto missing = store.get("missing");
  SV_EXPECT(missing.error().subject() == store.key("missing"));
  return {};
}

constexpr Case kCases[] = {
    {"a request that was stopped is cancelled", Needs::nothing, cancelled},
    {"a request behind its deadline says so", Needs::nothing, deadline},
    {"a deadline far away changes nothing", Needs::nothing, ample_deadline},
    {"a cancelled put leaves all or nothing", Needs::nothing, cancelled_put},
    {"a store works on after cancelled requests", Needs::nothing, works_afterwards},
    {"requests stopped meanwhile complete", Needs::nothing, stop_meanwhile},
    {"bad keys are refused", Needs::nothing, bad_keys},
    {"one bad key spoils a remove", Needs::nothing, bad_key_among_good},
    {"bad prefixes are refused", Needs::nothing, bad_prefix},
    {"a page of 0 or 1001 keys is refused", Needs::nothing, bad_page_size},
    {"a remove of 0 or 1001 keys is refused", Needs::nothing, bad_remove},
    {"errors come with words", Needs::nothing, errors_have_words},
};

}  // namespace

std::span<const Case> limit_cases() { return kCases; }

}  // namespace snapvault::conformance
