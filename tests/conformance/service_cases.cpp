// What a store does besides keeping objects: being made, prepared and examined.
#include <algorithm>

#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

Failure prepare_again(Store& store) {
  SV_EXPECT(store.prepare().has_value());
  SV_EXPECT(store.prepare().has_value());
  SV_EXPECT(store.put("object", "x").has_value());
  return {};
}

// What stands in the store now and did not `before`.
Failure nothing_came(Store& store, const std::vector<std::string>& before) {
  const auto after = store.all_below("");
  SV_EXPECT(after.has_value());
  for (const auto& key : *after) {
    if (!std::binary_search(before.begin(), before.end(), key)) return "left behind: " + key;
  }
  return {};
}

Failure prepare_leaves_nothing(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  const auto before = store.all_below("");
  SV_EXPECT(before.has_value());
  SV_EXPECT(store.prepare().has_value());
  return nothing_came(store, *before);
}

Failure prepare_keeps_capabilities(Store& store) {
  const auto before = store.capabilities();
  SV_EXPECT(store.prepare().has_value());
  const auto after = store.capabilities();
  SV_EXPECT(after.kind == before.kind);
  SV_EXPECT(after.exclusive_create == before.exclusive_create);
  SV_EXPECT(after.exclusive_create == after.weak_because.empty());
  return {};
}

Failure prepare_stopped(Store& store) {
  std::stop_source stop;
  stop.request_stop();
  // A store that has nothing to find out need not look.
  const auto prepared = store.prepare({.stop = stop.get_token()});
  SV_EXPECT(prepared || prepared.error().code() == Errc::cancelled);
  SV_EXPECT(store.put("object", "x").has_value());
  return {};
}

Failure root_again(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  SV_EXPECT(store.create_root().has_value());
  SV_EXPECT(store.create_root().has_value());
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "x");
  return {};
}

Failure examine_good(Store& store) {
  const auto findings = store.examine();
  SV_EXPECT(findings.has_value());
  SV_EXPECT(!findings->empty());
  for (const auto& finding : *findings) SV_EXPECT(finding.state != Finding::State::bad);
  return {};
}

Failure examine_has_words(Store& store) {
  const auto findings = store.examine();
  SV_EXPECT(findings.has_value());
  for (const auto& finding : *findings) {
    SV_EXPECT(!finding.topic.empty());
    SV_EXPECT(!finding.detail.empty());
    SV_EXPECT(finding.state == Finding::State::good || !finding.hint.empty());
  }
  return {};
}

Failure examine_leaves_nothing(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  const auto before = store.all_below("");
  SV_EXPECT(before.has_value());
  SV_EXPECT(store.examine().has_value());
  return nothing_came(store, *before);
}

Failure examine_stopped(Store& store) {
  std::stop_source stop;
  stop.request_stop();
  const auto findings = store.examine({.stop = stop.get_token()});
  SV_EXPECT(findings || findings.error().code() == Errc::cancelled);
  return {};
}

// A completion may ask for more: it must not come while the store holds a lock of its own.
Failure request_from_completion(Store& store) {
  SV_EXPECT(store.put("object", "some bytes").has_value());
  const auto inner = std::make_shared<Pending<ObjectInfo>>();
  Pending<void> outer;
  store.provider().get({.key = store.key("object")},
                       [&store, inner, done = outer.completion()](Result<Bytes> got) {
                         store.provider().stat({.key = store.key("object")}, inner->completion());
                         done(got ? Result<void>() : Result<void>(got.error()));
                       });
  SV_EXPECT(store.wait(outer).has_value());
  const auto info = store.wait(*inner);
  SV_EXPECT(info.has_value());
  SV_EXPECT(info->size == 10);
  return {};
}

// Where several racers win, a server may write one of them down after its removal (rclone).
constexpr Case kCases[] = {
    {"prepare can be repeated", Needs::nothing, prepare_again},
    {"prepare leaves nothing behind", Needs::exclusive_create, prepare_leaves_nothing},
    {"prepare finds again what it found", Needs::nothing, prepare_keeps_capabilities},
    {"a stopped prepare does no harm", Needs::nothing, prepare_stopped},
    {"making a root that is there changes nothing", Needs::nothing, root_again},
    {"examine finds nothing bad in a good store", Needs::nothing, examine_good},
    {"findings have words, and what is not good a hint", Needs::nothing, examine_has_words},
    {"examine leaves nothing behind", Needs::exclusive_create, examine_leaves_nothing},
    {"a stopped examine completes", Needs::nothing, examine_stopped},
    {"a completion may ask for more", Needs::nothing, request_from_completion},
};

}  // namespace

std::span<const Case> service_cases() { return kCases; }

}  // namespace snapvault::conformance
