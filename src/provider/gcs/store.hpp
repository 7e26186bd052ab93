// GcsStore: the requests of a provider as requests of Google Cloud Storage's JSON API. GCS.md says
// which request makes which promise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "provider/gcs/settings.hpp"
#include "provider/gcs/tokens.hpp"
#include "provider/remote.hpp"
#include "wire/gcs_answers.hpp"

namespace snapvault::provider::gcs {

class GcsStore final : public RemoteStore {
 public:
  GcsStore(Settings settings, Surroundings around);
  Capabilities capabilities() const override;

 private:
  Answering<base::Bytes> do_get(GetRequest request) override;
  Answering<void> do_put(PutRequest request) override;
  Answering<ListPage> do_list(ListRequest request) override;
  Answering<void> do_remove(RemoveRequest request) override;
  Answering<ObjectInfo> do_stat(StatRequest request) override;
  Answering<void> do_prepare(RequestLimits limits) override;
  Answering<void> do_create_root(RequestLimits limits) override;
  Answering<std::vector<Finding>> do_examine(RequestLimits limits) override;

  // store.cpp
  // A request of the bucket ("") or of an object in it.
  Call make_call(std::string method, const std::string& key) const;
  Answering<wire::Response> send_to_object(Call call, RequestLimits limits);

  // list.cpp
  Answering<wire::GcsPage> list_raw(const ListRequest& request, std::string token,
                                    std::uint32_t most);
  Result<void> add_own(const std::vector<wire::GcsObject>& objects, const ListRequest& request,
                       std::string& before, ListPage& page) const;

  // put.cpp
  Call upload_call(const PutRequest& request, std::string_view kind) const;
  Result<void> check_kept(const wire::Response& answer, const PutBody& body, std::string_view crc,
                          std::string_view key) const;
  Answering<void> put_whole(PutRequest request, std::string crc);
  // resumable.cpp
  Answering<std::string> begin_upload(const PutRequest& request, std::string_view crc);
  Answering<wire::Response> send_piece(const PutRequest& request, const std::string& session,
                                       std::uint64_t offset, const PutBody& piece);
  Answering<wire::Response> ask_upload(const PutRequest& request, const std::string& session);
  Answering<void> put_in_pieces(PutRequest request, std::string crc, std::uint64_t piece_size);

  // remove.cpp
  Answering<void> remove_batch(std::vector<std::string> keys, RequestLimits limits,
                               std::vector<std::string>& left, bool& refused) override;
  Answering<void> remove_one(std::string key, RequestLimits limits) override;

  // examine.cpp
  Answering<void> look_at_root(RequestLimits limits) override;

  const Settings settings_;
  Tokens tokens_;
  const std::shared_ptr<net::Transport> transport_;
  Exchanger exchanger_;
  std::uint64_t part_size_;
  bool bucket_seen_ = false;
};

}  // namespace snapvault::provider::gcs
