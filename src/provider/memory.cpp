#include "provider/memory.hpp"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/try.hpp"
#include "provider/blocking.hpp"
#include "provider/request.hpp"

namespace snapvault::provider {
namespace {

// Bodies are immutable and shared, so a put copies nothing.
class MemoryProvider final : public BlockingProvider {
 public:
  Capabilities capabilities() const override {
    Capabilities out;
    out.kind = "memory";
    out.exclusive_create = true;
    out.local = true;
    return out;
  }

 private:
  Result<base::Bytes> do_get(const GetRequest& request) override;
  Result<void> do_put(const PutRequest& request) override;
  Result<ListPage> do_list(const ListRequest& request) override;
  Result<void> do_remove(const RemoveRequest& request) override;
  Result<ObjectInfo> do_stat(const StatRequest& request) override;
  Result<void> do_sync(const RequestLimits&) override { return {}; }

  std::mutex mutex_;
  std::map<std::string, PutBody, std::less<>> objects_;  // guarded by mutex_
};

base::Bytes copy_range(const PutBody& body, std::uint64_t offset, std::uint64_t length) {
  base::Bytes out;
  out.reserve(length);
  for (const auto& part : body.parts()) {
    if (offset >= part->size()) {
      offset -= part->size();
      continue;
    }
    const auto here = std::min<std::uint64_t>(part->size() - offset, length);
    base::append(out, base::ByteView(*part).subspan(offset, here));
    length -= here;
    offset = 0;
  }
  return out;
}

Result<base::Bytes> MemoryProvider::do_get(const GetRequest& request) {
  PutBody body;
  {
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(request.key);
    if (found == objects_.end()) return no_object(request.key);
    body = found->second;
  }
  SV_TRY(const auto length, range_length(request, body.size()));
  return copy_range(body, request.offset, length);
}

Result<void> MemoryProvider::do_put(const PutRequest& request) {
  const std::lock_guard lock(mutex_);
  if (!request.if_absent) {
    objects_.insert_or_assign(request.key, request.body);
    return {};
  }
  if (!objects_.try_emplace(request.key, request.body).second) return object_exists(request.key);
  return {};
}

Result<ListPage> MemoryProvider::do_list(const ListRequest& request) {
  ListPage page;
  const std::lock_guard lock(mutex_);
  auto at = request.start_after >= request.prefix ? objects_.upper_bound(request.start_after)
                                                  : objects_.lower_bound(request.prefix);
  for (; at != objects_.end() && at->first.starts_with(request.prefix); ++at) {
    if (page.objects.size() == request.max_keys) {
      page.truncated = true;
      break;
    }
    page.objects.push_back({.key = at->first, .size = at->second.size()});
  }
  return page;
}

Result<void> MemoryProvider::do_remove(const RemoveRequest& request) {
  const std::lock_guard lock(mutex_);
  for (const auto& key : request.keys) objects_.erase(key);
  return {};
}

Result<ObjectInfo> MemoryProvider::do_stat(const StatRequest& request) {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(request.key);
  if (found == objects_.end()) return no_object(request.key);
  return ObjectInfo{.key = request.key, .size = found->second.size()};
}

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Provider>> stores;
};

// Never destroyed: another thread may still open a store while the process exits.
Registry& registry() {
  static auto& instance = *new Registry;
  return instance;
}

}  // namespace

std::shared_ptr<Provider> make_memory() { return std::make_shared<MemoryProvider>(); }

std::shared_ptr<Provider> open_memory(const std::string& name) {
  auto& all = registry();
  const std::lock_guard lock(all.mutex);
  if (const auto found = all.stores.find(name); found != all.stores.end()) {
    if (auto store = found->second.lock()) return store;
  }
  std::erase_if(all.stores, [](const auto& entry) { return entry.second.expired(); });
  auto store = make_memory();
  all.stores.insert_or_assign(name, store);
  return store;
}

}  // namespace snapvault::provider
