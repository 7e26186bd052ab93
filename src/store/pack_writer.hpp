// PackWriter: frames go in, sealed packs go up. One data and one map writer a session.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "format/pack.hpp"
#include "format/segment.hpp"
#include "provider/client.hpp"
#include "store/session.hpp"

namespace snapvault::store {

// A frame ready to be encrypted. What the views show must stay until append() returns.
struct Frame {
  format::RecordKind kind = format::RecordKind::frame;
  format::RecordCodec codec = format::RecordCodec::raw;
  std::uint32_t plain_size = 0;
  base::ByteView payload;                         // compressed, or as it is
  std::span<const format::BlockPrefix> prefixes;  // of its blocks or nodes, in slot order
};

// Where a frame went. What format::Place needs, with the pack by name.
struct FramePlace {
  format::PackId pack;
  std::uint32_t frame = 0;
  std::uint32_t start16 = 0;
  std::uint32_t stored = 0;
};

// A pack that is up: what an index segment says of it.
struct FinishedPack {
  format::IndexPack pack;
  format::Directory directory;
};

struct PackWriterOptions {
  format::PackClass pack_class = format::PackClass::data;
  std::uint64_t pack_size = 32u << 20;
  std::uint32_t uploads_max = 2;  // sealed packs in flight; buffers = uploads_max + 1, reused
  // Called on the loop after a pack was put, in order of completion.
  std::function<void(FinishedPack)> on_finished;
};

// Loop only; encryption and checksums run on env.cpu().
class PackWriter {
 public:
  PackWriter(provider::Client& client, const format::KeyRing& keys, Session& session,
             PackWriterOptions options);
  ~PackWriter();

  // Encrypts the frame into the open pack, opening and sealing packs as needed; waits while all
  // buffers are in flight. Many calls may run at once. After an upload failed, every call fails.
  base::Task<Result<FramePlace>> append(const Frame& frame);

  // Seals and uploads what is open and waits for all uploads. Must be awaited before destruction,
  // on every path; after a failure it just waits. The first call needs no memory.
  base::Task<Result<void>> finish();

  std::uint64_t stored_bytes() const noexcept;  // of packs sealed so far
  std::uint64_t packs() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::store
