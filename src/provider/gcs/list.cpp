// Lists of Google Cloud Storage, which start at a name and go on by tokens.
#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/gcs/store.hpp"
#include "provider/request.hpp"

namespace snapvault::provider::gcs {
namespace {

constexpr std::uint64_t kAnswerMax = 8 << 20;
constexpr std::uint32_t kMostPerPage = 1000;
// Pages in a row without anything to give.
constexpr unsigned kEmptyPagesMax = 100'000;

}  // namespace

base::Task<Result<wire::GcsPage>> GcsStore::list_raw(const ListRequest& request, std::string token,
                                                     std::uint32_t most) {
  auto call = make_call("GET", "");
  call.request.path += "/o";
  call.answer_max = kAnswerMax;
  auto& query = call.request.query;
  query.push_back({"fields", "items(name,size,updated),nextPageToken"});
  query.push_back({"maxResults", std::to_string(most)});
  const auto prefix = settings_.prefix + request.prefix;
  if (!prefix.empty()) query.push_back({"prefix", prefix});
  if (!request.start_after.empty()) {
    query.push_back({"startOffset", settings_.prefix + request.start_after});
  }
  if (!token.empty()) query.push_back({"pageToken", std::move(token)});
  auto sending = exchanger_.send(std::move(call), request.limits);
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  auto page = wire::parse_gcs_page(answer->text());
  if (page) co_return page;
  auto error = std::move(page).error();
  co_return std::move(error)
      .with_subject(settings_.bucket)
      .with_native(answer->status)
      .with_request_id(request_id(*answer));
}

// Adds what is ours, and behind where the page starts: names of others beside ours are not ours to
// report. `before` is the last name that the store listed.
Result<void> GcsStore::add_own(const std::vector<wire::GcsObject>& objects,
                               const ListRequest& request, std::string& before,
                               ListPage& page) const {
  const auto prefix = settings_.prefix + request.prefix;
  for (const auto& object : objects) {
    if (!object.name.starts_with(prefix)) {
      return list_incomplete("the store listed a key outside of what it was asked for",
                             settings_.bucket);
    }
    if (object.name <= before) {
      return list_incomplete("the store lists keys out of their order", settings_.bucket);
    }
    before = object.name;
    ObjectInfo own;
    own.key = object.name.substr(settings_.prefix.size());
    own.size = object.size;
    own.modified = object.updated;
    if (own.key > request.start_after && is_key(own.key)) page.objects.push_back(std::move(own));
  }
  return {};
}

// startOffset includes the name itself, so one more is asked for.
base::Task<Result<ListPage>> GcsStore::do_list(ListRequest request) {
  ListPage page;
  const auto more = request.start_after.empty() ? 0u : 1u;
  const auto most = std::min(request.max_keys + more, kMostPerPage);
  std::string before, token;
  for (unsigned count = 0;; ++count) {
    auto listing = list_raw(request, token, most);
    auto list = co_await std::move(listing);
    if (!list) co_return std::move(list).error();
    SV_CO_CHECK_NOW(add_own(list->objects, request, before, page));
    auto& next = list->next_page;
    if (!next.empty() && (next == token || count >= kEmptyPagesMax)) {
      co_return list_incomplete("the store's list comes to no end", settings_.bucket);
    }
    page.truncated = !next.empty();
    if (page.objects.size() > request.max_keys) {
      page.objects.resize(request.max_keys);
      page.truncated = true;
    }
    // The next page starts behind the last key of this one; no token outlives a call.
    if (!page.truncated || !page.objects.empty()) co_return page;
    token = std::move(next);
  }
}

}  // namespace snapvault::provider::gcs
