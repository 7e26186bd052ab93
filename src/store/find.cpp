// Snapshots by the names people type.
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "store/sources.hpp"

namespace snapvault::store {
namespace {

constexpr std::size_t kIdDigitsLeast = 6;
constexpr std::size_t kIdDigits = 32;

// SOURCE@latest~back, SOURCE-id or id; no source: all of them.
struct Wanted {
  std::optional<std::string> source;
  std::uint64_t back = 0;
  std::string id;  // first digits; empty: by `back`
};

bool is_id(std::string_view text) noexcept {
  return text.size() >= kIdDigitsLeast && text.size() <= kIdDigits &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

Error bad_name(const std::string& name) {
  return Error(Errc::invalid_argument, reason::bad_name, "this does not name a snapshot")
      .with_subject(name)
      .with_hint("write SOURCE@latest, SOURCE@latest~N, SOURCE-ID, or 6 or more digits of an id");
}

Error no_snapshot(const std::string& name) {
  return Error(Errc::not_found, reason::no_snapshot, "there is no such snapshot")
      .with_subject(name);
}

// What follows '@'.
std::optional<std::uint64_t> parse_back(std::string_view text) noexcept {
  constexpr std::string_view kLatest = "latest";
  if (!text.starts_with(kLatest)) return std::nullopt;
  text.remove_prefix(kLatest.size());
  if (text.empty()) return 0;
  if (text.front() != '~') return std::nullopt;
  text.remove_prefix(1);
  std::uint64_t back = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), back);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return back;
}

Result<Wanted> parse(const std::string& name) {
  Wanted out;
  if (const auto at = name.find('@'); at != name.npos) {
    const auto back = parse_back(std::string_view(name).substr(at + 1));
    if (!back) return bad_name(name);
    out.source = name.substr(0, at);
    out.back = *back;
  } else if (is_id(name)) {
    out.id = name;
  } else {
    const auto dash = name.rfind('-');
    if (dash == name.npos || !is_id(std::string_view(name).substr(dash + 1))) return bad_name(name);
    out.source = name.substr(0, dash);
    out.id = name.substr(dash + 1);
  }
  if (out.source) SV_CHECK(format::check_source_name(*out.source));
  return out;
}

// The sessions of a listing that are newer than `name`.
std::vector<SnapshotName> newer_than(const SourceListing& listing, const SnapshotName& name) {
  std::vector<SnapshotName> out;
  for (const auto& one : listing.committed) {
    if (one > name) out.push_back(one);
  }
  return out;
}

base::Task<Result<FoundSnapshot>> find_back(provider::Client& client, const Repository& repository,
                                            const std::string& name, const Wanted& wanted) {
  auto list = list_source(client, repository.keys.source_tag(*wanted.source));
  SV_CO_TRY(const auto whole, std::move(list));
  auto listing = whole;
  for (auto back = wanted.back;; --back) {
    auto reading = latest_snapshot(client, repository, listing);
    SV_CO_TRY(auto snapshot, std::move(reading));
    if (!snapshot) co_return no_snapshot(name);
    if (back == 0) {
      auto newer = newer_than(whole, snapshot->name);
      co_return FoundSnapshot{*std::move(snapshot), std::move(newer)};
    }
    auto& names = listing.committed;
    names.erase(names.begin(), std::ranges::find(names, snapshot->name) + 1);
  }
}

base::Task<Result<FoundSnapshot>> find_id(provider::Client& client, const Repository& repository,
                                          const std::string& name, const Wanted& wanted) {
  AllSources sources;
  if (wanted.source) {
    const auto tag = repository.keys.source_tag(*wanted.source);
    auto list = list_source(client, tag);
    SV_CO_TRY(sources[tag], std::move(list));
  } else {
    auto list = list_sources(client);
    SV_CO_TRY(sources, std::move(list));
  }
  std::optional<FoundSnapshot> found;
  for (const auto& [tag, listing] : sources) {
    for (const auto& candidate : listing.committed) {
      if (!candidate.session.hex().starts_with(wanted.id)) continue;
      auto reading = read_snapshot(client, repository, candidate);
      SV_CO_TRY(auto snapshot, std::move(reading));
      if (!snapshot) continue;
      if (found) {
        co_return Error(Errc::invalid_argument, reason::ambiguous_name,
                        "more than one snapshot's id begins like this")
            .with_subject(name)
            .with_hint("give more digits");
      }
      found.emplace(FoundSnapshot{*std::move(snapshot), newer_than(listing, candidate)});
    }
  }
  if (!found) co_return no_snapshot(name);
  co_return *std::move(found);
}

}  // namespace

base::Task<Result<FoundSnapshot>> find_among(provider::Client& client, const Repository& repository,
                                             std::string name) {
  SV_CO_TRY_NOW(const auto wanted, parse(name));
  auto finding = wanted.id.empty() ? find_back(client, repository, name, wanted)
                                   : find_id(client, repository, name, wanted);
  auto found = co_await std::move(finding);
  co_return found;
}

base::Task<Result<Snapshot>> find_snapshot(provider::Client& client, const Repository& repository,
                                           std::string name) {
  auto finding = find_among(client, repository, std::move(name));
  SV_CO_TRY(auto found, std::move(finding));
  co_return std::move(found.snapshot);
}

}  // namespace snapvault::store
