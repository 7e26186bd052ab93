// S3Store: the requests of a provider as requests of S3. S3.md says which request makes which
// promise.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/line.hpp"
#include "base/reasons.hpp"
#include "provider/remote.hpp"
#include "provider/s3/settings.hpp"
#include "provider/s3/signer.hpp"
#include "wire/s3_answers.hpp"

namespace snapvault::provider {

class S3Store final : public RemoteStore {
 public:
  S3Store(S3Settings settings, std::unique_ptr<S3Signer> signer, Surroundings around);
  Capabilities capabilities() const override;

 private:
  // By what the server checks an object that it is sent.
  enum class Checksum { crc64, md5 };
  // An upload in parts.
  struct Upload {
    std::string id;
    Checksum checksum = Checksum::crc64;
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
  // A request of the bucket ("") or of an object of it.
  Call make_call(std::string method, const std::string& key) const;
  // Hashes the body as the signature wants it, and sends.
  Answering<wire::Response> send(Call call, RequestLimits limits);
  void add_sse_c(wire::Fields& headers) const;
  Answering<wire::Response> head(std::string key, RequestLimits limits);
  // What a HEAD that was refused for `error` does not say. Success: ask again.
  Answering<void> explain(std::string key, Error error, RequestLimits limits);
  Answering<wire::S3List> list_raw(std::string prefix, std::string start_after, std::string token,
                                   std::uint32_t max_keys, RequestLimits limits);
  Result<void> add_own(std::vector<ObjectInfo> objects, const std::string& start_after,
                       ListPage& page) const;

  // put.cpp
  void add_object_fields(wire::Fields& headers, const std::string& key) const;
  base::Task<void> add_checksum(wire::Request& request, Checksum checksum);
  void note_checksum(const wire::Response& answer, Checksum sent) noexcept;
  Answering<wire::Response> send_patiently(Call call, RequestLimits limits);
  Answering<wire::Response> send_whole(PutRequest request, Checksum checksum);
  Answering<void> put_whole(PutRequest request);
  Answering<void> put_learning(PutRequest request, bool in_parts);

  // parts.cpp
  Answering<bool> parts_are_conditional(RequestLimits limits);
  Answering<bool> look_at_parts(RequestLimits limits);
  Answering<Upload> begin_parts(std::string key, Checksum checksum, RequestLimits limits);
  Answering<Upload> begin_learning(std::string key, RequestLimits limits);
  Answering<void> put_part(const std::string& key, const Upload& upload, PutBody body,
                           std::size_t number, RequestLimits limits, wire::S3Part& sent);
  Answering<void> send_parts(const PutRequest& request, const Upload& upload,
                             const std::vector<PutBody>& parts, std::vector<wire::S3Part>& sent);
  Answering<void> finish_parts(PutRequest request, const Upload& upload,
                               std::vector<wire::S3Part> sent);
  base::Task<void> abort_parts(std::string key, std::string upload);
  Answering<void> put_in_parts(PutRequest request, std::uint64_t part_size);

  // remove.cpp
  Answering<void> remove_batch(std::vector<std::string> keys, RequestLimits limits,
                               std::vector<std::string>& left, bool& refused) override;
  Answering<void> remove_one(std::string key, RequestLimits limits) override;

  // examine.cpp
  Answering<void> look_at_root(RequestLimits limits) override;
  std::string store_name() const;

  const S3Settings settings_;
  const std::unique_ptr<S3Signer> signer_;
  const std::shared_ptr<net::Transport> transport_;
  Exchanger exchanger_;
  std::uint64_t part_size_;
  Checksum checksum_ = Checksum::crc64;  // until the server does not keep it
  bool bucket_seen_ = false;             // some request of it succeeded
  base::Line parts_line_{1};             // one looks at a time
};

}  // namespace snapvault::provider
