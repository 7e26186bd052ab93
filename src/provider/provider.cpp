#include <snapvault/provider.hpp>

#include <utility>

namespace snapvault {

Provider::~Provider() = default;

void Provider::prepare(RequestLimits, Completion<void> done) { done({}); }
void Provider::create_root(RequestLimits, Completion<void> done) { done({}); }

void Provider::examine(RequestLimits, Completion<std::vector<Finding>> done) {
  const auto what = capabilities();
  using State = Finding::State;
  std::vector<Finding> findings;
  findings.push_back({"store", State::good, what.kind, {}});
  if (what.exclusive_create) {
    findings.push_back({"capabilities", State::good, "racing creates have one winner", {}});
  } else {
    findings.push_back(
        {"capabilities", State::warning, "weak: " + what.weak_because, "one writer at a time"});
  }
  done(std::move(findings));
}

}  // namespace snapvault
