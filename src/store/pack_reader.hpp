// PackReader: frames by place. Reads go by place, never through the index.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "format/segment.hpp"
#include "provider/client.hpp"
#include "store/repository.hpp"

namespace snapvault::store {

// A plain frame, shared by those who read blocks of it. Immutable.
using PlainFrame = std::shared_ptr<const base::Bytes>;

// One frame to fetch, for read_many.
struct FrameRequest {
  std::uint32_t start16 = 0;
  std::uint32_t stored = 0;
};

// Loop only; decryption runs on env.cpu(). Keeps the headers (keys) of packs it has seen, at most
// 4,096, and nothing else.
class PackReader {
 public:
  PackReader(provider::Client& client, const format::KeyRing& keys);
  ~PackReader();

  // One frame. Errors: data_loss (object_missing, not_authentic, bad_format, bad_compression).
  base::Task<Result<PlainFrame>> read(format::PackId pack, FrameRequest frame);

  // Frames of one pack, rising, fetched in one request that spans them all (gaps included) and
  // decrypted in parallel. One Result a frame: a bad one does not spoil its neighbours. An error of
  // the whole means the request failed.
  base::Task<Result<std::vector<Result<PlainFrame>>>> read_many(format::PackId pack,
                                                                std::vector<FrameRequest> frames);

  // Frames of one pack as they are stored, in one piece.
  class Fetched {
   public:
    // Decrypts a frame that was asked for. Any thread. Errors: data_loss.
    Result<void> open(FrameRequest frame, format::RecordReader& reader, base::Bytes& plain) const;
    std::uint64_t size() const noexcept { return bytes_.size(); }

   private:
    friend class PackReader;
    std::string name_;
    format::RecordKind kind_ = format::RecordKind::frame;
    std::uint64_t from_ = 0;
    base::Bytes bytes_;
    std::shared_ptr<const format::ObjectKeys> keys_;
  };
  // As read_many, for a caller that decrypts by itself when it has room for the frame.
  base::Task<Result<Fetched>> fetch(format::PackId pack, std::vector<FrameRequest> frames);

  // The directory of a pack, from its tail. `known`: what an index segment says of the pack, which
  // saves asking for its size and, most often, a second request. `whole`: reads all of it and
  // checks the CRC too. Errors: data_loss.
  struct PackDirectory {
    format::IndexPack pack;
    format::Directory directory;
  };
  base::Task<Result<PackDirectory>> directory(format::PackId pack, bool whole = false,
                                              const format::IndexPack* known = nullptr);

  // The keys of a pack; fetched (72 bytes) unless known.
  base::Task<Result<std::shared_ptr<const format::ObjectKeys>>> keys(format::PackId pack);
  // So that they need not be fetched.
  void learn(const format::PackId& pack, const format::ObjectHeader& header);

  base::Executor& loop() const noexcept;
  std::uint64_t frames_read() const noexcept;
  std::uint64_t gap_bytes() const noexcept;  // fetched but not asked for

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::store
