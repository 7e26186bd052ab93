#include "engine/verify.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/reasons.hpp"
#include "engine/block_bytes.hpp"
#include "engine/damage.hpp"
#include "engine/describe.hpp"
#include "engine/map_walk.hpp"
#include "store/copies.hpp"
#include "store/map_reader.hpp"
#include "store/map_writer.hpp"

namespace snapvault::engine {
namespace {

using base::Task;
using format::BlockState;
using store::MapReader;

constexpr std::size_t kFrameBatch = 16;           // frames of one request
constexpr std::uint64_t kFrameSpan = 8u << 20;    // bytes of one request
constexpr std::uint64_t kBlocksAPass = 1u << 16;  // at least; more where memory allows

// A block that must be where the map says.
struct Expected {
  std::uint32_t start16 = 0;
  std::uint32_t stored = 0;
  std::uint8_t slot = 0;
  std::uint32_t block_size = 0;
  std::uint64_t length = 0;  // of the block
  format::BlockId id;
  codec::Fingerprint fingerprint;
  bool operator<(const Expected& other) const noexcept {
    return std::pair(start16, slot) < std::pair(other.start16, other.slot);
  }
};
using ExpectedByPack =
    std::unordered_map<format::PackId, std::vector<Expected>, format::PackIdHash>;

// One verify on its way. Three walks: the maps (structure), the packs (frames), and, if something
// is broken, the maps again to say whom it hits.
class Verify {
 public:
  Verify(Job& job, const VerifyOptions& options)
      : job_(job),
        options_(options),
        reader_(job.client, job.repository.keys),
        copies_(job.client, job.repository, reader_, job.memory_bytes_max / 16) {}

  Task<Result<VerifyReport>> run();

 private:
  Task<Result<void>> collect();
  Task<Result<std::optional<store::Snapshot>>> load(const store::Snapshot& listed);
  Task<Result<void>> check_structure();
  Task<Result<void>> walk_map(const store::Snapshot& snapshot);
  Task<Result<void>> check_refs(const store::Snapshot& snapshot, const store::RefsBook& book);
  Task<Result<void>> check_packs();
  Task<Result<void>> list_packs();
  Task<Result<void>> check_directory(format::PackId pack);
  Task<Result<void>> try_frames(format::PackId pack);
  Task<Result<void>> check_frames();
  Task<Result<void>> gather(std::uint64_t pass, std::uint64_t passes, ExpectedByPack& expected);
  Task<Result<void>> check_pack_frames(format::PackId pack, std::vector<Expected> expected);
  Task<Result<void>> check_batch(format::PackId pack, std::span<const Expected> expected);
  Result<void> check_blocks(const base::Bytes& frame, std::span<const Expected> expected);
  Task<Result<void>> find_affected();
  Task<Result<void>> find_affected(const store::Snapshot& snapshot);
  Task<Result<bool>> lost(const format::Leaf& leaf, const format::BlockEntry& block);
  Task<Result<void>> record();
  bool drawn();

  Job& job_;
  const VerifyOptions& options_;
  store::PackReader reader_;
  store::Copies copies_;
  std::vector<store::Snapshot> snapshots_;  // as listed; load() has the rest
  std::set<format::PackId> packs_;          // that maps refer to
  std::uint64_t blocks_ = 0;                // entries seen, an upper bound of the distinct ones
  Damage damage_;
  VerifyReport report_;
};

Task<Result<VerifyReport>> Verify::run() {
  SV_CO_CHECK(collect());
  SV_CO_CHECK(check_structure());
  if (options_.snapshot.empty() && options_.depth == VerifyDepth::data) SV_CO_CHECK(list_packs());
  SV_CO_CHECK(check_packs());
  if (options_.depth != VerifyDepth::structure) SV_CO_CHECK(check_frames());
  if (!damage_.empty()) SV_CO_CHECK(find_affected());
  if (!damage_.empty() && options_.record_damage) SV_CO_CHECK(record());
  report_.objects = damage_.objects();
  report_.snapshots = snapshots_.size();
  report_.packs = packs_.size();
  report_.traffic = job_.client.traffic();
  report_.requests = report_.traffic.requests();
  co_return std::move(report_);
}

Task<Result<void>> Verify::collect() {
  if (!options_.snapshot.empty()) {
    auto finding = store::find_snapshot(job_.client, job_.repository, options_.snapshot);
    auto found = co_await std::move(finding);
    if (!found) co_return std::move(found).error();
    snapshots_.push_back(*std::move(found));
    co_return Result<void>();
  }
  auto listing = store::list_snapshots(job_.client, job_.repository, std::nullopt);
  auto all = co_await std::move(listing);
  if (!all) co_return std::move(all).error();
  snapshots_ = std::move(all->snapshots);
  for (const auto& commit : all->damaged) {
    damage_.object(commit.name.commit(), commit.error);
    report_.affected.push_back({commit.name.commit(), true, {}});
  }
  co_return Result<void>();
}

// The whole record of a listed snapshot; nothing if it was damaged meanwhile, which is noted.
Task<Result<std::optional<store::Snapshot>>> Verify::load(const store::Snapshot& listed) {
  auto reading = store::read_snapshot(job_.client, job_.repository, listed.name);
  auto snapshot = co_await std::move(reading);
  if (snapshot) co_return snapshot;
  const auto code = snapshot.error().code();
  if (code != Errc::data_loss && code != Errc::not_found) co_return std::move(snapshot).error();
  damage_.object(listed.name.commit(), snapshot.error());
  co_return std::optional<store::Snapshot>();
}

Task<Result<void>> Verify::check_structure() {
  for (const auto& snapshot : snapshots_) job_.meter.total += snapshot.commit.manifest.size;
  for (const auto& snapshot : snapshots_) {
    SV_CO_CHECK_NOW(job_.check());
    SV_CO_TRY(const auto whole, load(snapshot));
    if (whole) SV_CO_CHECK(walk_map(*whole));
    if (!whole) report_.affected.push_back({snapshot.name.commit(), true, {}});
  }
  co_return Result<void>();
}

// Reads every node of one map. A node that cannot be read is noted and stepped over.
Task<Result<void>> Verify::walk_map(const store::Snapshot& snapshot) {
  MapReader map(snapshot.commit, reader_, job_.repository.keys);
  store::RefsBook book;
  bool whole = true;
  for (std::uint64_t at = 0; at < map.leaves();) {
    SV_CO_CHECK_NOW(job_.check());
    auto asking = map.at(at);
    auto item = co_await std::move(asking);
    if (!item) {
      if (item.error().code() != Errc::data_loss) co_return std::move(item).error();
      whole = false;
      auto locating = locate_broken(map, at);
      const auto where = co_await std::move(locating);
      if (where.entry.inlined) damage_.object(snapshot.name.commit(), item.error());
      if (!where.entry.inlined) {
        damage_.frame(where.entry.pack, where.entry.start16, item.error());
      }
      at = where.first + where.count;
      continue;
    }
    at = item->first + item->count;
    if (item->kind != MapReader::Item::Kind::leaf) continue;
    ++report_.nodes;
    for (const auto& block : item->leaf->blocks) {
      if (block.state != BlockState::data) continue;
      ++blocks_;
      const auto& pack = item->leaf->packs[block.place.pack];
      packs_.insert(pack);
      book.add(pack, 1);
    }
  }
  auto counting = count_nodes(map, book);
  auto counted = co_await std::move(counting);
  if (!counted && counted.error().code() != Errc::data_loss) co_return counted;
  if (options_.depth == VerifyDepth::structure) job_.meter.done += snapshot.commit.manifest.size;
  if (!whole || !counted) co_return Result<void>();
  auto checking = check_refs(snapshot, book);
  auto checked = co_await std::move(checking);
  co_return checked;
}

// The sum over refs equals the entries of the map.
Task<Result<void>> Verify::check_refs(const store::Snapshot& snapshot,
                                      const store::RefsBook& book) {
  auto reading = store::read_refs(job_.client, job_.repository, snapshot);
  auto refs = co_await std::move(reading);
  if (!refs) {
    if (refs.error().code() != Errc::data_loss) co_return std::move(refs).error();
    damage_.object(snapshot.name.commit(), refs.error());
    co_return Result<void>();
  }
  const auto counted = book.table();
  const auto same = [](const format::RefsEntry& a, const format::RefsEntry& b) {
    return a.pack == b.pack && a.live == b.live;
  };
  for (const auto& entry : refs->entries) packs_.insert(entry.pack);
  if (!std::equal(counted.entries.begin(), counted.entries.end(), refs->entries.begin(),
                  refs->entries.end(), same)) {
    damage_.object(snapshot.name.commit(), Error(Errc::data_loss, reason::bad_format,
                                                 "the snapshot's refs do not agree with its map"));
  }
  co_return Result<void>();
}

// Also packs that no map needs: the index offers them to the next backup.
Task<Result<void>> Verify::list_packs() {
  auto listing = job_.client.list("packs/");
  SV_CO_TRY(const auto objects, std::move(listing));
  for (const auto& object : objects) {
    if (const auto pack = format::parse_pack_name(object.key)) packs_.insert(*pack);
  }
  co_return Result<void>();
}

// Every pack is there and its directory can be read.
Task<Result<void>> Verify::check_packs() {
  auto body = [&](base::TaskGroup& group) -> Task<Result<void>> {
    for (const auto& pack : packs_) {
      SV_CO_CHECK_NOW(job_.check());
      if (damage_.hits(pack)) continue;
      auto checking = check_directory(pack);
      auto spawning = group.spawn(std::move(checking));
      co_await std::move(spawning);
    }
    co_return Result<void>();
  };
  auto checking = base::with_group(job_.env.loop(), 8, body);
  auto checked = co_await std::move(checking);
  co_return checked;
}

Task<Result<void>> Verify::check_directory(format::PackId pack) {
  // With every byte wanted, the whole object and its checksum are read.
  const bool whole = options_.depth == VerifyDepth::data;
  auto reading = reader_.directory(pack, whole);
  auto read = co_await std::move(reading);
  if (read) co_return Result<void>();
  if (read.error().code() != Errc::data_loss) co_return std::move(read).error();
  // A pack whose frames can all be read is damaged, but loses nothing: only a missing one is lost.
  if (read.error().reason() == reason::object_missing) {
    damage_.pack(pack, read.error());
  } else {
    damage_.object(format::pack_name(pack), read.error());
    if (whole) SV_CO_CHECK(try_frames(pack));
  }
  co_return Result<void>();
}

// Each frame of a pack that is not as it was written. Maps that can still be read do not name all
// of them, and what is not known to be damaged is used again. Without its directory nothing is.
Task<Result<void>> Verify::try_frames(format::PackId pack) {
  auto reading = reader_.directory(pack, false);
  auto read = co_await std::move(reading);
  if (!read && read.error().code() != Errc::data_loss) co_return std::move(read).error();
  if (!read) co_return Result<void>();
  for (const auto& frame : read->directory.frames) {
    SV_CO_CHECK_NOW(job_.check());
    const store::FrameRequest request{frame.start16, frame.stored};
    auto opening = reader_.read(pack, request);
    auto opened = co_await std::move(opening);
    if (opened) continue;
    if (opened.error().code() != Errc::data_loss) co_return std::move(opened).error();
    damage_.frame(pack, frame.start16, opened.error());
  }
  co_return Result<void>();
}

// Frames in as many passes as memory asks for: each pass looks at the packs of one share.
Task<Result<void>> Verify::check_frames() {
  const auto a_pass = std::max(kBlocksAPass, job_.memory_bytes_max / 4 / (sizeof(Expected) + 16));
  const auto passes = blocks_ / a_pass + 1;
  for (std::uint64_t pass = 0; pass < passes; ++pass) {
    ExpectedByPack expected;
    SV_CO_CHECK(gather(pass, passes, expected));
    auto body = [&](base::TaskGroup& group) -> Task<Result<void>> {
      for (auto& [pack, blocks] : expected) {
        SV_CO_CHECK_NOW(job_.check());
        auto checking = check_pack_frames(pack, std::move(blocks));
        auto spawning = group.spawn(std::move(checking));
        co_await std::move(spawning);
      }
      co_return Result<void>();
    };
    auto checking = base::with_group(job_.env.loop(), job_.env.cpu_threads() + 1, body);
    SV_CO_CHECK(std::move(checking));
  }
  co_return Result<void>();
}

Task<Result<void>> Verify::gather(std::uint64_t pass, std::uint64_t passes,
                                  ExpectedByPack& expected) {
  for (const auto& listed : snapshots_) {
    SV_CO_TRY(const auto whole, load(listed));
    if (!whole) continue;
    const auto& snapshot = *whole;
    MapReader map(snapshot.commit, reader_, job_.repository.keys);
    const auto block_size = snapshot.commit.manifest.block_size;
    const auto size = snapshot.commit.manifest.size;
    for (std::uint64_t at = 0; at < map.leaves();) {
      auto asking = map.at(at);
      auto item = co_await std::move(asking);
      if (!item) {
        if (item.error().code() != Errc::data_loss) co_return std::move(item).error();
        auto locating = locate_broken(map, at);
        const auto where = co_await std::move(locating);
        at = where.first + where.count;
        continue;
      }
      at = item->first + item->count;
      if (item->kind != MapReader::Item::Kind::leaf) continue;
      for (std::uint32_t i = 0; i < format::kFanout; ++i) {
        const auto& block = item->leaf->blocks[i];
        if (block.state != BlockState::data) continue;
        const auto& pack = item->leaf->packs[block.place.pack];
        if (format::PackIdHash{}(pack) % passes != pass || damage_.hits(pack)) continue;
        const auto offset = (item->first * format::kFanout + i) * block_size;
        expected[pack].push_back({block.place.start16, block.place.stored, block.place.slot,
                                  block_size, std::min<std::uint64_t>(block_size, size - offset),
                                  block.id, block.fingerprint});
      }
    }
  }
  co_return Result<void>();
}

Task<Result<void>> Verify::check_pack_frames(format::PackId pack, std::vector<Expected> expected) {
  std::sort(expected.begin(), expected.end());
  const auto same = [](const Expected& a, const Expected& b) {
    return a.start16 == b.start16 && a.slot == b.slot && a.id == b.id &&
           a.fingerprint == b.fingerprint && a.stored == b.stored && a.block_size == b.block_size &&
           a.length == b.length;
  };
  expected.erase(std::unique(expected.begin(), expected.end(), same), expected.end());
  for (std::size_t begin = 0; begin < expected.size();) {
    SV_CO_CHECK_NOW(job_.check());
    std::vector<Expected> batch;
    std::size_t frames = 0;
    std::uint64_t span = 0;
    auto end = begin;
    while (end < expected.size() && frames < kFrameBatch && span < kFrameSpan) {
      auto next = end;
      while (next < expected.size() && expected[next].start16 == expected[end].start16) ++next;
      if (options_.depth == VerifyDepth::data || drawn()) {
        batch.insert(batch.end(), expected.begin() + static_cast<std::ptrdiff_t>(end),
                     expected.begin() + static_cast<std::ptrdiff_t>(next));
        ++frames;
      }
      span = (std::uint64_t{expected[end].start16} - expected[begin].start16) * 16;
      end = next;
    }
    if (!batch.empty()) SV_CO_CHECK(check_batch(pack, batch));
    begin = end;
  }
  co_return Result<void>();
}

Task<Result<void>> Verify::check_batch(format::PackId pack, std::span<const Expected> expected) {
  std::vector<store::FrameRequest> frames;
  for (const auto& block : expected) {
    if (frames.empty() || frames.back().start16 != block.start16) {
      frames.push_back({block.start16, block.stored});
    }
  }
  auto reading = reader_.read_many(pack, frames);
  auto read = co_await std::move(reading);
  if (!read) {
    if (read.error().code() != Errc::data_loss) co_return std::move(read).error();
    // The request as a whole failed, say past the end of a short pack: frame by frame then.
    for (const auto& frame : frames) {
      auto alone = reader_.read(pack, frame);
      auto one = co_await std::move(alone);
      if (!one && one.error().code() != Errc::data_loss) co_return std::move(one).error();
      if (!one) damage_.frame(pack, frame.start16, one.error());
    }
    co_return Result<void>();
  }
  std::size_t first = 0;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    auto last = first;
    while (last < expected.size() && expected[last].start16 == frames[i].start16) ++last;
    const auto blocks = expected.subspan(first, last - first);
    first = last;
    auto& frame = (*read)[i];
    if (!frame && frame.error().code() != Errc::data_loss) co_return std::move(frame).error();
    if (!frame) {
      damage_.frame(pack, frames[i].start16, frame.error());
      continue;
    }
    const auto& plain = **frame;
    auto check = [&] { return check_blocks(plain, blocks); };
    auto checking = base::run_on(job_.env, job_.env.cpu(), check);
    auto checked = co_await std::move(checking);
    if (!checked) damage_.frame(pack, frames[i].start16, checked.error());
    ++report_.frames;
    report_.blocks += blocks.size();
    report_.bytes += plain.size();
    job_.meter.done += std::min<std::uint64_t>(plain.size(), job_.meter.total - job_.meter.done);
    job_.meter.stored = job_.client.traffic().bytes_down;
  }
  co_return Result<void>();
}

// Ids and fingerprints of the blocks of one frame.
Result<void> Verify::check_blocks(const base::Bytes& frame, std::span<const Expected> expected) {
  format::IdHasher ids(job_.repository.keys, format::IdType::block);
  for (const auto& block : expected) {
    const BlockCheck check{block.id, block.fingerprint, block.length, block.block_size, block.slot};
    const auto bytes = find_block(frame, check, job_.repository.keys.fingerprint_secret());
    if (bytes.empty()) {
      return Error(Errc::data_loss, reason::fingerprint_mismatch,
                   "a block is not the one that was backed up");
    }
    if (ids(bytes) != block.id) {
      return Error(Errc::data_loss, reason::id_mismatch, "a block's content does not match its id");
    }
  }
  return {};
}

Task<Result<void>> Verify::find_affected() {
  for (const auto& snapshot : snapshots_) {
    SV_CO_CHECK_NOW(job_.check());
    SV_CO_TRY(const auto whole, load(snapshot));
    if (whole) SV_CO_CHECK(find_affected(*whole));
  }
  co_return Result<void>();
}

Task<Result<void>> Verify::find_affected(const store::Snapshot& snapshot) {
  const auto& manifest = snapshot.commit.manifest;
  MapReader map(snapshot.commit, reader_, job_.repository.keys);
  DamagedSnapshot hit{snapshot_name(manifest.source, snapshot.name.session), false, {}};
  const auto add = [&](std::uint64_t first_block, std::uint64_t blocks) {
    const auto begin = std::min(manifest.size, first_block * manifest.block_size);
    const auto end = std::min(manifest.size, (first_block + blocks) * manifest.block_size);
    if (end > begin) add_range(hit.extents, begin, end - begin);
  };
  for (std::uint64_t at = 0; at < map.leaves();) {
    auto asking = map.at(at);
    auto item = co_await std::move(asking);
    if (!item) {
      if (item.error().code() != Errc::data_loss) co_return std::move(item).error();
      auto locating = locate_broken(map, at);
      const auto where = co_await std::move(locating);
      add(where.first * format::kFanout, where.count * format::kFanout);
      at = where.first + where.count;
      continue;
    }
    at = item->first + item->count;
    if (item->kind != MapReader::Item::Kind::leaf) continue;
    for (std::uint32_t i = 0; i < format::kFanout; ++i) {
      const auto& block = item->leaf->blocks[i];
      if (block.state != BlockState::data) continue;
      SV_CO_TRY(const auto gone, lost(*item->leaf, block));
      if (gone) add(item->first * format::kFanout + i, 1);
    }
  }
  if (!hit.extents.empty()) report_.affected.push_back(std::move(hit));
  co_return Result<void>();
}

// Broken where the map says it is, and no other copy known.
Task<Result<bool>> Verify::lost(const format::Leaf& leaf, const format::BlockEntry& block) {
  const auto& pack = leaf.packs[block.place.pack];
  if (!damage_.hits(pack, block.place.start16)) co_return false;
  store::FramePlace broken{pack, 0, block.place.start16, block.place.stored};
  for (int tried = 0; tried < store::kCopiesTried; ++tried) {
    SV_CO_TRY(const auto copy, copies_.find(block.id, broken));
    if (!copy) break;
    if (!damage_.hits(copy->frame.pack, copy->frame.start16)) co_return false;
    broken = copy->frame;
  }
  co_return true;
}

// As many records of the log as it takes.
Task<Result<void>> Verify::record() {
  auto parts = damage_.records(job_.repository.log.damaged);
  for (auto& part : parts) {
    const format::LogRecord entry = std::move(part);
    auto appending = store::append_log(job_.client, job_.repository, entry);
    SV_CO_CHECK(std::move(appending));
  }
  co_return Result<void>();
}

bool Verify::drawn() {
  std::array<std::byte, 8> bytes;
  job_.env.random(bytes);
  const auto draw = static_cast<double>(base::load<std::uint64_t>(bytes.data()) >> 11);
  return draw / 9007199254740992.0 * 100 < options_.sample_percent;
}

}  // namespace

Task<Result<VerifyReport>> verify(Job& job, const VerifyOptions& options) {
  if (!(options.sample_percent >= 0 && options.sample_percent <= 100)) {
    co_return Error(Errc::invalid_argument, reason::bad_argument,
                    "the sample must be from 0 to 100 percent");
  }
  Verify work(job, options);
  auto running = work.run();
  auto report = co_await std::move(running);
  co_return report;
}

}  // namespace snapvault::engine
