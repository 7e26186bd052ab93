// AzureStore: the requests of a provider as requests of Azure Blob. AZURE.md says which request
// makes which promise.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "provider/azure/account.hpp"
#include "provider/azure/judge.hpp"
#include "provider/azure/signer.hpp"
#include "provider/remote.hpp"
#include "wire/azure_answers.hpp"

namespace snapvault::provider::azure {

class AzureStore final : public RemoteStore {
 public:
  AzureStore(Account account, Surroundings around);
  Capabilities capabilities() const override;

 private:
  // By what the server checks what it is sent.
  enum class Checksum { crc64, md5 };
  // Where a list goes on: behind `last`, the last key of a page below `prefix`, at `marker`.
  struct Mark {
    std::string prefix, last, marker;
  };

  Answering<base::Bytes> do_get(GetRequest request) override;
  Answering<void> do_put(PutRequest request) override;
  Answering<ListPage> do_list(ListRequest request) override;
  Answering<void> do_remove(RemoveRequest request) override;
  Answering<ObjectInfo> do_stat(StatRequest request) override;
  Answering<void> do_prepare(RequestLimits limits) override;
  Answering<void> do_create_root(RequestLimits limits) override;
  Answering<std::vector<Finding>> do_examine(RequestLimits limits) override;

  // store.cpp
  // A request of the container ("") or of a blob in it.
  Call make_call(std::string method, const std::string& key) const;
  Circumstances circumstances(const wire::Response& response) const;

  // list.cpp
  Answering<wire::AzureList> list_raw(std::string prefix, std::string marker, std::uint32_t most,
                                      RequestLimits limits);
  Answering<ListPage> list_from(ListRequest request, std::string marker);
  Result<void> add_own(const std::vector<ObjectInfo>& objects, const ListRequest& request,
                       std::string& before, ListPage& page) const;
  const Mark* find_mark(const ListRequest& request) const noexcept;
  void note_mark(const ListRequest& request, const std::string& last, std::string marker);

  // put.cpp
  base::Task<void> add_checksum(wire::Request& request, Checksum checksum);
  Answering<void> send_checked(Call call, RequestLimits limits);
  Answering<void> put_whole(PutRequest request);
  Answering<void> put_block(const PutRequest& request, std::string id, PutBody body);
  Answering<void> put_in_blocks(PutRequest request, std::uint64_t part_size);
  Answering<void> put_patiently(PutRequest request, std::uint64_t part_size);

  // remove.cpp
  Answering<std::string> build_removal(const std::vector<std::string>& keys,
                                       std::string_view boundary, RequestLimits limits);
  Answering<void> remove_batch(std::vector<std::string> keys, RequestLimits limits,
                               std::vector<std::string>& left, bool& refused) override;
  Answering<void> remove_one(std::string key, RequestLimits limits) override;

  // examine.cpp
  Answering<void> look_at_root(RequestLimits limits) override;

  const Account account_;
  AzureSigner signer_;
  const std::shared_ptr<net::Transport> transport_;
  Exchanger exchanger_;
  std::uint64_t part_size_;
  Checksum checksum_ = Checksum::crc64;  // until the server takes no notice of it
  std::deque<Mark> marks_;
};

}  // namespace snapvault::provider::azure
