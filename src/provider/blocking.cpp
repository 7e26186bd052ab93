#include "provider/blocking.hpp"

#include <exception>

#include "base/try.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

// Checks `request`, then makes the call; what either throws becomes an Error.
template <class Request, class Call>
auto guarded(const Request& request, Call call) noexcept -> decltype(call()) {
  try {
    SV_CHECK(check(request));
    return call();
  } catch (...) {
    return base::error_from(std::current_exception());
  }
}

}  // namespace

Result<base::Bytes> BlockingProvider::get_now(const GetRequest& request) noexcept {
  return guarded(request, [&] { return do_get(request); });
}
Result<void> BlockingProvider::put_now(const PutRequest& request) noexcept {
  return guarded(request, [&] { return do_put(request); });
}
Result<ListPage> BlockingProvider::list_now(const ListRequest& request) noexcept {
  return guarded(request, [&] { return do_list(request); });
}
Result<void> BlockingProvider::remove_now(const RemoveRequest& request) noexcept {
  return guarded(request, [&] { return do_remove(request); });
}
Result<ObjectInfo> BlockingProvider::stat_now(const StatRequest& request) noexcept {
  return guarded(request, [&] { return do_stat(request); });
}
Result<void> BlockingProvider::sync_now(const RequestLimits& limits) noexcept {
  return guarded(limits, [&] { return do_sync(limits); });
}

void BlockingProvider::get(GetRequest request, Completion<std::vector<std::byte>> done) {
  done(get_now(request));
}
void BlockingProvider::put(PutRequest request, Completion<void> done) { done(put_now(request)); }
void BlockingProvider::list(ListRequest request, Completion<ListPage> done) {
  done(list_now(request));
}
void BlockingProvider::remove(RemoveRequest request, Completion<void> done) {
  done(remove_now(request));
}
void BlockingProvider::stat(StatRequest request, Completion<ObjectInfo> done) {
  done(stat_now(request));
}
void BlockingProvider::sync(RequestLimits limits, Completion<void> done) { done(sync_now(limits)); }

}  // namespace snapvault::provider
