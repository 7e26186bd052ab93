// BlockingProvider: a provider whose requests are plain calls that return when they are done.
#pragma once

#include <snapvault/provider.hpp>

#include "base/bytes.hpp"

namespace snapvault::provider {

// The *_now functions check the request, run it on the calling thread and throw nothing. The client
// runs them on the threads for input and output; the completion-based functions run them inline, so
// those block too.
//
// Thread safety: as Provider.
class BlockingProvider : public Provider {
 public:
  Result<base::Bytes> get_now(const GetRequest& request) noexcept;
  Result<void> put_now(const PutRequest& request) noexcept;
  Result<ListPage> list_now(const ListRequest& request) noexcept;
  Result<void> remove_now(const RemoveRequest& request) noexcept;
  Result<ObjectInfo> stat_now(const StatRequest& request) noexcept;
  Result<void> sync_now(const RequestLimits& limits) noexcept;

  void get(GetRequest request, Completion<std::vector<std::byte>> done) final;
  void put(PutRequest request, Completion<void> done) final;
  void list(ListRequest request, Completion<ListPage> done) final;
  void remove(RemoveRequest request, Completion<void> done) final;
  void stat(StatRequest request, Completion<ObjectInfo> done) final;
  void sync(RequestLimits limits, Completion<void> done) final;

 private:
  // The request was checked. What these throw becomes an Error.
  virtual Result<base::Bytes> do_get(const GetRequest& request) = 0;
  virtual Result<void> do_put(const PutRequest& request) = 0;
  virtual Result<ListPage> do_list(const ListRequest& request) = 0;
  virtual Result<void> do_remove(const RemoveRequest& request) = 0;
  virtual Result<ObjectInfo> do_stat(const StatRequest& request) = 0;
  virtual Result<void> do_sync(const RequestLimits& limits) = 0;
};

}  // namespace snapvault::provider
