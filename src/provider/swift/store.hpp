// SwiftProvider: containers and objects of one Swift account. SWIFT.md says which request makes
// which promise.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "provider/awaiting.hpp"
#include "provider/exchanger.hpp"
#include "provider/probe.hpp"
#include "provider/swift/session.hpp"

namespace snapvault::provider::swift {

class SwiftProvider final : public AwaitingProvider {
 public:
  SwiftProvider(Address address, Surroundings around, Account account);
  Capabilities capabilities() const override;

 private:
  template <class T>
  using Answering = base::Task<Result<T>>;

  Answering<base::Bytes> do_get(GetRequest request) override;
  Answering<void> do_put(PutRequest request) override;
  Answering<ListPage> do_list(ListRequest request) override;
  Answering<void> do_remove(RemoveRequest request) override;
  Answering<ObjectInfo> do_stat(StatRequest request) override;
  Answering<void> do_prepare(RequestLimits limits) override;
  Answering<void> do_create_root(RequestLimits limits) override;
  Answering<std::vector<Finding>> do_examine(RequestLimits limits) override;

  // store.cpp. Parameters by reference outlive the task.
  std::string object_name(std::string_view key) const { return address_.prefix + std::string(key); }
  static std::string path_of(std::string_view container, std::string_view name = {});
  Call call_for(std::string method, std::string path, std::string subject) const;
  Call object_call(std::string method, const std::string& key) const;
  Answering<wire::Response> ask(Call call, RequestLimits limits);
  // What a 404 of an object means: `error`, or that the container is missing.
  base::Task<Error> explain(Error error, RequestLimits limits);
  Answering<void> create_container(std::string name, RequestLimits limits);
  Answering<ObjectInfo> look(const std::string& key, RequestLimits limits, bool newest);
  Answering<void> put_whole(const PutRequest& request);
  Answering<std::vector<wire::SwiftEntry>> list_entries(std::string container, std::string prefix,
                                                        std::string marker, std::uint32_t limit,
                                                        RequestLimits limits);
  Answering<void> add_entry(ListPage& page, wire::SwiftEntry entry, RequestLimits limits);
  Answering<std::string> md5_of(const PutBody& body);

  // large.cpp
  bool shrink_parts(std::uint64_t refused) noexcept;
  std::string segments_container() const { return address_.container + "_segments"; }
  std::string new_segments_prefix(const std::string& key);
  Answering<void> put_large(const PutRequest& request);
  Answering<void> put_segments(const PutRequest& request, const std::vector<PutBody>& pieces,
                               std::vector<wire::SwiftSegment>& segments);
  Answering<void> put_segment(const PutBody& piece, wire::SwiftSegment& segment,
                              RequestLimits limits);
  Answering<void> put_manifest(const PutRequest& request,
                               const std::vector<wire::SwiftSegment>& segments);
  base::Task<void> drop_segments(const std::vector<wire::SwiftSegment>& segments,
                                 RequestLimits limits);

  // remove.cpp
  Answering<bool> has_segments(RequestLimits limits);
  Answering<void> sort_out(const std::string& key, RequestLimits limits,
                           std::vector<std::string>& large, std::vector<std::string>& small);
  Answering<void> remove_small(std::vector<std::string> paths, RequestLimits limits);
  Answering<std::vector<std::string>> remove_bulk(std::vector<std::string> paths,
                                                  RequestLimits limits);
  Answering<void> remove_each(const std::vector<std::string>& paths, RequestLimits limits);
  Answering<void> remove_one(std::string path, RequestLimits limits);
  Answering<void> remove_large(std::string key, RequestLimits limits);

  // Loop only, all that changes.
  const Address address_;
  Sessions sessions_;
  Exchanger exchanger_;
  std::uint64_t part_size_;
  std::size_t bulk_max_ = 1000;
  bool bulk_works_ = true;
  bool container_seen_ = false;
  bool segments_made_ = false;  // their container is there
};

}  // namespace snapvault::provider::swift
