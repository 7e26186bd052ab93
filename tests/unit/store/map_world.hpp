// A repository in memory and virtual time, in which tests write maps and read them again.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "store/map_reader.hpp"
#include "store/map_writer.hpp"
#include "store/session.hpp"

namespace snapvault::store {

// A snapshot as far as maps go.
struct MapSnapshot {
  format::Commit commit;  // with the refs as they are stored: a full table or a delta
  format::Refs full;      // the table they come to
  format::RefsBase base;  // how a child names the full table
  format::Refs base_full;
  std::uint64_t packs = 0;            // written for it
  std::vector<std::uint64_t> frames;  // nodes of each frame
};

class MapWorld {
 public:
  MapWorld() {
    Lock lock;
    lock.kind = Lock::Kind::none;
    auto task = init(client, std::move(lock), Policy());
    repository.emplace(run(std::move(task)));
  }

  template <class T>
  T run(base::Task<Result<T>> task) {
    auto result = base::run_sync(*env, std::move(task));
    INFO((result ? std::string() : std::string(result.error().message())));
    REQUIRE(result);
    if constexpr (!std::is_void_v<T>) return *std::move(result);
  }
  template <class T>
  Result<T> attempt(base::Task<Result<T>> task) {
    return base::run_sync(*env, std::move(task));
  }

  // Describes a volume to the writer from start to end. `parent`: reads the parent's map, or null.
  using Describe = std::function<base::Task<Result<void>>(MapWriter& writer, MapReader* parent)>;

  MapSnapshot take(std::uint64_t size, std::uint32_t block_size, const MapSnapshot* parent,
                   const Describe& describe) {
    return run(write(size, block_size, parent, describe));
  }
  Result<MapSnapshot> try_take(std::uint64_t size, std::uint32_t block_size,
                               const MapSnapshot* parent, const Describe& describe) {
    return attempt(write(size, block_size, parent, describe));
  }

  // Reads a map with fresh caches.
  struct Reading {
    Reading(MapWorld& world, const MapSnapshot& snapshot)
        : packs(world.client, world.repository->keys),
          map(snapshot.commit, packs, world.repository->keys) {}
    PackReader packs;
    MapReader map;
  };

  std::shared_ptr<base::Env> env = base::make_virtual_env(7);
  std::shared_ptr<provider::FaultProvider> store =
      *provider::FaultProvider::wrap(provider::make_memory());
  provider::Client client{*env, store};
  std::optional<Repository> repository;

 private:
  base::Task<Result<MapSnapshot>> write(std::uint64_t size, std::uint32_t block_size,
                                        const MapSnapshot* parent, const Describe& describe) {
    const SourceListing listing;
    auto begin = Session::begin(client, *repository, "map", listing, std::nullopt);
    SV_CO_TRY(auto session, std::move(begin));
    MapSnapshot out;
    PackWriterOptions options;
    options.pack_class = format::PackClass::map;
    options.pack_size = 512u << 10;
    options.on_finished = [&out](FinishedPack pack) {
      ++out.packs;
      for (const auto& frame : pack.directory.frames) out.frames.push_back(frame.blocks);
    };
    PackWriter packs(client, repository->keys, *session, std::move(options));
    std::optional<Reading> reading;
    if (parent) reading.emplace(*this, *parent);
    MapReader* old = reading ? &reading->map : nullptr;
    MapWriter writer(size, block_size, old, packs, repository->keys, *env);
    auto described = co_await describe(writer, old);
    auto finished = co_await writer.finish();
    auto stored = co_await packs.finish();
    if (!described) co_return std::move(described).error();
    if (!finished) co_return std::move(finished).error();
    if (!stored) co_return std::move(stored).error();
    out.commit.manifest.size = size;
    out.commit.manifest.block_size = block_size;
    out.commit.manifest.height = finished->height;
    out.commit.nodes = std::move(finished->nodes);
    SV_CO_CHECK_NOW(keep_books(out, writer.book(), parent, session->id()));
    co_return out;
  }

  static Result<void> keep_books(MapSnapshot& out, const RefsBook& book, const MapSnapshot* parent,
                                 const format::SessionId& session) {
    if (parent) {
      out.base = parent->base;
      out.base_full = parent->base_full;
      out.commit.refs = book.delta(*parent->commit.refs, out.base);
      SV_TRY(out.full, format::apply_refs(out.base_full, *out.commit.refs));
    } else {
      out.commit.refs = book.table();
      out.full = *out.commit.refs;
      out.base_full = out.full;
      out.base.session = session;
      out.base.entries = static_cast<std::uint32_t>(out.full.entries.size());
    }
    return {};
  }
};

// The refs of a map, counted by walking all of it.
class RefsCount {
 public:
  static base::Task<Result<std::map<format::PackId, std::int64_t>>> walk(MapReader& map) {
    RefsCount count(map);
    SV_CO_CHECK(count.node(map.height() - 1, 0));
    co_return std::move(count.counts_);
  }

 private:
  explicit RefsCount(MapReader& map) : map_(map) {}

  base::Task<Result<void>> node(std::uint32_t level, std::uint64_t index) {
    SV_CO_TRY(const NodeEntry entry, map_.entry(level, index));
    if (entry.state != format::ChildState::node) co_return Result<void>();
    if (!entry.inlined) ++counts_[entry.pack];
    if (level == 0) {
      SV_CO_TRY(const auto leaf, map_.leaf(index));
      for (const auto& block : leaf->blocks) {
        if (block.state == format::BlockState::data) ++counts_[leaf->packs[block.place.pack]];
      }
      co_return Result<void>();
    }
    SV_CO_TRY(const auto inner, map_.inner(level, index));
    for (std::uint64_t i = 0; i < format::kFanout; ++i) {
      if (inner->children[i].state != format::ChildState::node) continue;
      SV_CO_CHECK(node(level - 1, index * format::kFanout + i));
    }
    co_return Result<void>();
  }

  MapReader& map_;
  std::map<format::PackId, std::int64_t> counts_;
};

inline std::map<format::PackId, std::int64_t> as_map(const format::Refs& refs) {
  std::map<format::PackId, std::int64_t> out;
  for (const auto& entry : refs.entries) out[entry.pack] = entry.live;
  return out;
}

// A data block that no other is like.
inline format::BlockEntry numbered_block(format::Leaf& leaf, std::uint64_t number,
                                         std::uint32_t pack) {
  format::BlockEntry block;
  block.state = format::BlockState::data;
  base::store(block.id.bytes.data(), number);
  block.fingerprint.low = number * 0x9E3779B97F4A7C15u;
  format::PackId id;
  id.session.bytes[0] = std::byte{0xDA};
  id.n = pack;
  block.place.pack = format::intern_pack(leaf.packs, id);
  block.place.slot = static_cast<std::uint8_t>(number);
  block.place.start16 = static_cast<std::uint32_t>(16 + number % 1000);
  block.place.stored = 4096;
  return block;
}

// A leaf full of such blocks.
inline format::Leaf numbered_leaf(std::uint64_t number, std::uint32_t pack = 0) {
  format::Leaf leaf;
  for (std::uint64_t i = 0; i < format::kFanout; ++i) {
    leaf.blocks[i] = numbered_block(leaf, number * format::kFanout + i, pack);
  }
  return leaf;
}

}  // namespace snapvault::store
