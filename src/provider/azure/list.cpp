// Lists of Azure, which go on by markers and cannot start behind a key.
#include <algorithm>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"
#include "provider/azure/store.hpp"
#include "provider/request.hpp"

namespace snapvault::provider::azure {
namespace {

constexpr std::uint64_t kAnswerMax = 8 << 20;
// Where keys are passed over, pages as large as fit into an answer that is taken in.
constexpr std::uint32_t kSkipping = 3000;
// Pages in a row without anything to give.
constexpr unsigned kEmptyPagesMax = 100'000;
constexpr std::size_t kMarksMax = 64;

}  // namespace

base::Task<Result<wire::AzureList>> AzureStore::list_raw(std::string prefix, std::string marker,
                                                         std::uint32_t most, RequestLimits limits) {
  auto call = make_call("GET", "");
  call.answer_max = kAnswerMax;
  auto& query = call.request.query;
  query.push_back({"comp", "list"});
  query.push_back({"maxresults", std::to_string(most)});
  if (!prefix.empty()) query.push_back({"prefix", std::move(prefix)});
  if (!marker.empty()) query.push_back({"marker", std::move(marker)});
  auto sending = exchanger_.send(std::move(call), std::move(limits));
  auto answer = co_await std::move(sending);
  if (!answer) co_return std::move(answer).error();
  auto list = wire::parse_azure_list(answer->text());
  if (list) co_return list;
  auto error = std::move(list).error();
  co_return std::move(error)
      .with_subject(account_.container)
      .with_native(answer->status)
      .with_request_id(request_id(*answer));
}

// Adds what is ours, and behind where the page starts: names of others beside ours are not ours to
// report. `before` is the last name that the store listed.
Result<void> AzureStore::add_own(const std::vector<ObjectInfo>& objects, const ListRequest& request,
                                 std::string& before, ListPage& page) const {
  const auto prefix = account_.prefix + request.prefix;
  for (const auto& object : objects) {
    if (!object.key.starts_with(prefix)) {
      return list_incomplete("the store listed a key outside of what it was asked for",
                             account_.container);
    }
    if (object.key <= before) {
      auto error = list_incomplete("the store lists keys out of their order", account_.container);
      return std::move(error).with_hint("an account with a hierarchical namespace cannot be used");
    }
    before = object.key;
    auto own = object;
    own.key.erase(0, account_.prefix.size());
    if (own.key > request.start_after && is_key(own.key)) page.objects.push_back(std::move(own));
  }
  return {};
}

const AzureStore::Mark* AzureStore::find_mark(const ListRequest& request) const noexcept {
  if (request.start_after.empty()) return nullptr;
  for (const auto& mark : marks_) {
    if (mark.last == request.start_after && mark.prefix == request.prefix) return &mark;
  }
  return nullptr;
}

void AzureStore::note_mark(const ListRequest& request, const std::string& last,
                           std::string marker) {
  std::erase_if(
      marks_, [&](const Mark& mark) { return mark.last == last && mark.prefix == request.prefix; });
  if (marks_.size() == kMarksMax) marks_.pop_front();
  marks_.push_back({request.prefix, last, std::move(marker)});
}

// Reads pages from `marker` on until there is something to give.
base::Task<Result<ListPage>> AzureStore::list_from(ListRequest request, std::string marker) {
  ListPage page;
  const auto prefix = account_.prefix + request.prefix;
  const bool skipping = !request.start_after.empty() && marker.empty();
  const auto most = skipping ? std::max(kSkipping, request.max_keys) : request.max_keys;
  std::string before;
  for (unsigned count = 0;; ++count) {
    auto listing = list_raw(prefix, marker, most, request.limits);
    auto list = co_await std::move(listing);
    if (!list) co_return std::move(list).error();
    SV_CO_CHECK_NOW(add_own(list->objects, request, before, page));
    auto& next = list->next_marker;
    if (!next.empty() && (next == marker || count >= kEmptyPagesMax)) {
      co_return list_incomplete("the store's list comes to no end", account_.container);
    }
    page.truncated = !next.empty();
    if (page.objects.size() > request.max_keys) {
      // What is left over is read again with the next page, from where this one was.
      page.objects.resize(request.max_keys);
      page.truncated = true;
      if (!marker.empty()) note_mark(request, page.objects.back().key, marker);
      co_return page;
    }
    if (next.empty()) co_return page;
    if (!page.objects.empty()) {
      note_mark(request, page.objects.back().key, std::move(next));
      co_return page;
    }
    marker = std::move(next);
  }
}

base::Task<Result<ListPage>> AzureStore::do_list(ListRequest request) {
  if (const auto* const mark = find_mark(request)) {
    auto listing = list_from(request, mark->marker);
    auto page = co_await std::move(listing);
    // A marker that is too old, perhaps: then from the start.
    if (page || page.error().code() != Errc::precondition_failed) co_return page;
  }
  auto listing = list_from(std::move(request), {});
  auto page = co_await std::move(listing);
  co_return page;
}

}  // namespace snapvault::provider::azure
