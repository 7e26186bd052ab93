#include "property/history.hpp"

#include <snapvault/snapvault.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "api/state.hpp"
#include "property/checks.hpp"
#include "property/teller.hpp"
#include "provider/fault.hpp"
#include "provider/memory.hpp"
#include "support/memory_volume.hpp"

namespace snapvault::test {
namespace {

constexpr std::uint64_t kBlock = 4096;

// Bytes that no volume holds, at little cost.
base::Bytes garbage(std::uint64_t size, std::uint64_t seed) {
  static const auto pool = noise(1u << 20, ~0ull);
  base::Bytes out(size);
  for (std::uint64_t at = 0; at < size;) {
    const auto from = at == 0 ? seed % pool.size() : 0;
    const auto count = std::min<std::uint64_t>(size - at, pool.size() - from);
    std::memcpy(out.data() + at, pool.data() + from, count);
    at += count;
  }
  return out;
}

// One of few contents, so that equal blocks meet.
base::Bytes content(std::uint64_t size, std::uint64_t which) {
  constexpr std::uint64_t kLength = 512u << 10;
  static const auto pool = noise(20 * kLength, 1);
  base::Bytes out(size);
  for (std::uint64_t at = 0; at < size; at += kLength) {
    const auto from = (which + at / kLength) % 20 * kLength;
    std::memcpy(out.data() + at, pool.data() + from, std::min(kLength, size - at));
  }
  return out;
}

class History {
 public:
  explicit History(std::uint64_t seed)
      : draw_(seed),
        runtime_(make_runtime(base::make_virtual_env(seed), chance(4) ? 256u << 20 : 64u << 20)),
        bytes_(std::dynamic_pointer_cast<provider::BlockingProvider>(provider::make_memory())),
        store_(must(provider::FaultProvider::wrap(bytes_), "wrap")),
        repository_(make()) {
    volumes_[0].name = "cluster/a";
    volumes_[1].name = "b";
    constexpr std::uint32_t kSizes[] = {kBlock, 2 * kBlock, 16 * kBlock};
    if (chance(2)) volumes_[1].block_size = kSizes[below(3)];
    for (auto& volume : volumes_) volume.source.bytes.resize(random_size());
    fill(volumes_[0]);
    fill(volumes_[1]);
  }

  void run() {
    const auto steps = below(5) + 2;
    for (std::uint64_t step = 0; step < steps; ++step) {
      at_ = "step " + std::to_string(step) + ": ";
      auto& volume = volumes_[below(4) == 0 ? 1 : 0];
      live(volume);
      if (step > 0 && chance(5)) break_off(volume);
      if (step > 0 && chance(9)) damage();
      back_up(volume);
      check_latest();
      if (chance(3)) reopen();
      if (taken_.size() > 1 && chance(3)) check_older();
      if (taken_.size() > 1 && chance(5)) remove_one();
    }
    at_ = "in the end: ";
    verify_all();
  }
  const std::string& at() const { return at_; }

 private:
  struct Volume {
    std::string name;
    std::uint32_t block_size = kBlock;
    Teller source;
  };
  struct Taken {
    SnapshotInfo info;
    base::Bytes bytes;
    bool lossy = false;  // damage has hit it, and nothing may have healed it
  };

  std::uint64_t below(std::uint64_t bound) { return draw_() % bound; }
  bool chance(std::uint64_t one_in) { return below(one_in) == 0; }
  RawKey key() const {
    RawKey out{};
    out[0] = std::byte{7};
    return out;
  }

  Repository make() {
    InitOptions options;
    options.raw_key = key();
    options.runtime = runtime_;
    options.pack_size = 1u << 20;
    options.compression = chance(3) ? "none" : "zstd:1";
    constexpr std::uint32_t kEvery[] = {0, 2, 7};
    options.full_every = kEvery[below(3)];
    return must(Repository::init(store_, options), "init");
  }
  void reopen() {
    OpenOptions options;
    options.raw_key = key();
    options.runtime = runtime_;
    options.access = Access::manage;
    repository_ = must(Repository::open(store_, options), "open");
  }

  std::uint64_t random_size() {
    const auto kind = below(40);
    const auto tail = chance(2) ? below(kBlock) : 0;
    if (kind == 0) return (4u << 20) + below(8) * (256u << 10) + tail;  // some units
    if (kind == 1 && chance(10)) return (18u << 20) + tail;             // three levels of map
    if (kind < 8) return below(3) * kBlock + tail;
    if (kind < 16) return below(6) * (256u << 10) + tail;
    return below(160) * kBlock + tail;
  }
  // A range of the volume, never empty: on blocks, or anywhere.
  ByteRange random_range(std::uint64_t size) {
    ByteRange out;
    out.offset = below(size);
    const std::uint64_t lengths[] = {1, 512, kBlock, 16 * kBlock, 64 * kBlock, size};
    out.length = below(lengths[below(6)]) + 1;
    if (chance(2)) {
      out.offset = out.offset / kBlock * kBlock;
      out.length = base::round_up(out.length, kBlock);
    }
    out.length = std::min(out.length, size - out.offset);
    return out;
  }

  void write(Volume& volume, ByteRange range) {
    auto& bytes = volume.source.bytes;
    auto data = content(range.length, below(20));
    if (const auto& other = volumes_[below(2)].source.bytes; chance(3) && !other.empty()) {
      const auto from = below(other.size()) / kBlock * kBlock;
      const auto count = std::min<std::uint64_t>(range.length, other.size() - from);
      std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), count, data.begin());
    }
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(range.offset));
  }
  void fill(Volume& volume) {
    const auto size = volume.source.bytes.size();
    if (size == 0) return;
    if (chance(2) && size < (4u << 20)) write(volume, {0, size});
    for (auto writes = below(4); writes > 0; --writes) write(volume, random_range(size));
  }
  void resize(Volume& volume, bool by_little) {
    auto& bytes = volume.source.bytes;
    const auto before = bytes.size();
    const auto step = below(3 * kBlock);
    const auto size = !by_little  ? random_size()
                      : chance(2) ? before + step
                                  : before - std::min<std::uint64_t>(before, step);
    bytes.resize(size);
    if (size > before && chance(2)) write(volume, {before, size - before});
  }
  void change(Volume& volume) {
    auto& bytes = volume.source.bytes;
    const auto what = below(10);
    if (what < 3) return resize(volume, chance(2));
    if (bytes.empty()) return;
    const auto range = random_range(bytes.size());
    if (what < 7) return write(volume, range);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length,
                std::byte{});
  }

  // What happens between two backups. If little, the source knows all of it, so that long runs are
  // kept as they were.
  void live(Volume& volume) {
    calm_ = chance(4);
    if (calm_ && chance(2)) return resize(volume, true);
    for (auto changes = calm_ ? 0 : below(4); changes > 0; --changes) change(volume);
  }

  Teller::Style random_style() {
    Teller::Style out;
    out.changes = calm_ || !chance(5);
    out.zeros = !chance(4);
    out.over_report = !calm_ && chance(3);
    out.silent = !calm_ && chance(3);
    out.claims_growth = chance(2);
    constexpr Gaps kGaps[] = {Gaps::unknown, Gaps::zero, Gaps::unchanged};
    out.gaps = kGaps[below(3)];
    constexpr std::uint64_t kGrains[] = {512, 4096, 65536, 1000};
    out.grain = kGrains[below(4)];
    out.page = chance(2) ? ~0ull : below(1u << 20) + 4000;
    out.io_optimal = chance(2) ? 262144 : 4096;
    out.seed = draw_();
    return out;
  }

  BackupOptions random_backup(Volume& volume) {
    auto& source = volume.source;
    source.begin();
    source.style = random_style();
    source.keeps_tokens = !chance(6);
    BackupOptions options;
    options.source = volume.name;
    options.audit = chance(8) ? 50 : 0;
    options.verify_metadata_only = chance(4);
    const auto* parent = newest_of(volume.name);
    constexpr BackupMode kModes[] = {BackupMode::automatic,   BackupMode::automatic,
                                     BackupMode::incremental, BackupMode::incremental,
                                     BackupMode::full,        BackupMode::full_physical};
    options.mode = kModes[below(6)];
    if (!parent && options.mode == BackupMode::incremental) options.mode = BackupMode::automatic;
    if (!parent) options.block_size = volume.block_size;
    if (parent && chance(4)) options.parent = taken_[below(taken_.size())].info.name;
    return options;
  }
  void back_up(Volume& volume) {
    const auto options = random_backup(volume);
    store_->disarm();
    auto report = repository_.backup(volume.source, options);
    calls_ = store_->calls();
    check_backup(volume, options, must(std::move(report), "backup"));
  }
  void check_backup(const Volume& volume, const BackupOptions& options,
                    const BackupReport& report) {
    const bool full = options.mode == BackupMode::full ||
                      options.mode == BackupMode::full_physical || !newest_of(volume.name);
    const auto& info = report.snapshot;
    at_ += info.mode + "/" + info.mode_reason + ": ";
    expect(info.size == volume.source.bytes.size(), "the snapshot has another size");
    expect(info.block_size == volume.block_size, "the snapshot has another block size");
    expect(!report.audit_failed, "the audit found changes where none were hidden");
    expect(!full || !info.is_incremental, "a full backup has a parent");
    const auto& blocks = info.blocks;
    expect(blocks.zero + blocks.unchanged + blocks.duplicate + blocks.fresh == blocks.total,
           "the counts of blocks do not add up");
    taken_.push_back({info, volume.source.bytes});
  }

  // The store goes away during a backup. Packs that no snapshot and no segment names may be left;
  // whoever reuses them must look whether they are whole.
  void break_off(Volume& volume) {
    const auto options = random_backup(volume);
    const auto packs = keys("packs/"), segments = keys("index/");
    store_->arm(provider::Fault::unavailable, calls_ - below(std::min<std::uint64_t>(calls_, 8)),
                true);
    const auto report = repository_.backup(volume.source, options);
    store_->disarm();
    at_ += "broken off: ";
    if (report) check_backup(volume, options, *report);
    expect(must(repository_.snapshots(), "snapshots").size() == taken_.size(),
           "a backup that failed is listed, or one that succeeded is not");
    if (report || keys("index/") != segments) return;
    for (const auto& key : keys("packs/")) {
      if (std::ranges::find(packs, key) == packs.end() && chance(2)) hit(key);
    }
  }

  const Taken* newest_of(const std::string& source) const {
    for (auto i = taken_.rbegin(); i != taken_.rend(); ++i) {
      if (i->info.source == source) return &*i;
    }
    return nullptr;
  }

  void check_latest() {
    const auto& taken = taken_.back();
    const auto name = taken.info.source + "@latest";
    const auto snapshot = must(repository_.snapshot(name), "snapshot");
    expect(snapshot.info().id == taken.info.id, "@latest is another snapshot");
    restore_new(snapshot, taken.bytes);
    restore_dirty(snapshot, taken.bytes);
    restore_sparse(snapshot, taken.bytes);
    restore_in_place(snapshot, taken.bytes);
    restore_stream(snapshot, taken.bytes);
    if (!taken.bytes.empty()) restore_range(snapshot, taken.bytes);
    read_anywhere(snapshot, taken.bytes);
    check_extents(snapshot, taken.bytes);
  }
  void check_older() {
    auto& taken = taken_[below(taken_.size())];
    if (taken.lossy) {
      check_bad(taken);
      return;
    }
    const auto snapshot = must(repository_.snapshot(taken.info.name), "older snapshot");
    restore_dirty(snapshot, taken.bytes);
    if (!taken_.back().lossy) check_diff(taken, taken_.back());
  }

  base::Bytes garbage(std::uint64_t size) { return test::garbage(size, draw_()); }

  void restore(const Snapshot& from, MemoryVolume& to, const RestoreOptions& options,
               const char* what) {
    const auto report = must(Restorer(repository_).restore(from, to, options), what);
    expect(report.bad.empty(), "a restore calls ranges bad");
    expect(
        report.bytes_total == report.written_bytes + report.zeroed_bytes + report.unchanged_bytes,
        "the counts of bytes of a restore do not add up");
    const auto misuse = to.misuse();
    expect(misuse.empty(), misuse.c_str());
    expect(to.finished == true && to.flushed, "a target was not flushed and finished");
  }
  RestoreOptions random_options() {
    RestoreOptions out;
    out.check_ids = chance(2);
    return out;
  }

  void restore_new(const Snapshot& from, const base::Bytes& want) {
    MemoryVolume to;
    to.starts_zero = true;
    restore(from, to, random_options(), "restore to a new target");
    expect_equal(to.bytes, want, "new target");
  }
  void restore_dirty(const Snapshot& from, const base::Bytes& want) {
    const auto more = chance(2) ? below(3 * kBlock) : 0;
    MemoryVolume to(garbage(want.size() + more));
    to.fixed_size = chance(2);
    to.io_optimal = chance(2) ? 262144 : 4096;
    const auto before = to.bytes;
    restore(from, to, random_options(), "restore to a dirty target");
    expect_equal(base::ByteView(to.bytes).first(want.size()), want, "dirty target");
    if (!to.fixed_size) return expect(to.bytes.size() == want.size(), "dirty target has a tail");
    expect_equal(base::ByteView(to.bytes).subspan(want.size()),
                 base::ByteView(before).subspan(want.size()), "behind the volume");
  }
  void restore_sparse(const Snapshot& from, const base::Bytes& want) {
    MemoryVolume to(want.size());
    to.fixed_size = true;
    to.knows_holes = true;
    if (!want.empty()) to.fill(0, garbage(below(want.size()) / 2));
    restore(from, to, random_options(), "restore to a sparse target");
    expect_equal(to.bytes, want, "sparse target");
  }
  void restore_in_place(const Snapshot& from, const base::Bytes& want) {
    MemoryVolume to(taken_[below(taken_.size())].bytes);
    if (chance(3)) to.bytes = want;
    for (auto damages = below(3); damages > 0 && !to.bytes.empty(); --damages) {
      const auto range = random_range(to.bytes.size());
      to.fill(range.offset, garbage(std::min<std::uint64_t>(range.length, 9000)));
    }
    to.knows_holes = chance(2);
    to.io_optimal = chance(2) ? 262144 : 4096;
    to.max_concurrency = chance(3) ? 1 : 16;
    auto options = random_options();
    options.in_place = true;
    restore(from, to, options, "restore in place");
    expect_equal(to.bytes, want, "in place");
  }
  void restore_stream(const Snapshot& from, const base::Bytes& want) {
    MemoryVolume to(want.size());
    to.fixed_size = true;
    to.rising_only = true;
    to.max_concurrency = 1;
    to.readable = false;
    restore(from, to, random_options(), "restore to a stream");
    expect_equal(to.bytes, want, "stream");
  }
  void restore_range(const Snapshot& from, const base::Bytes& want) {
    MemoryVolume to(garbage(want.size()));
    auto expected = to.bytes;
    auto options = random_options();
    const auto range = random_range(want.size());
    options.range = range;
    options.in_place = chance(2);
    const auto begin = static_cast<std::ptrdiff_t>(range.offset);
    std::copy_n(want.begin() + begin, range.length, expected.begin() + begin);
    restore(from, to, options, "restore of a range");
    expect_equal(to.bytes, expected, "range");
  }

  void read_anywhere(const Snapshot& from, const base::Bytes& want) {
    for (int i = 0; i < 4 && !want.empty(); ++i) {
      const auto range = random_range(want.size());
      base::Bytes got(range.length, std::byte{0xAA});
      must(from.read(range.offset, got), "read");
      expect_equal(got, base::ByteView(want).subspan(range.offset, range.length), "read");
    }
    std::byte one{};
    expect(!from.read(want.size(), {&one, 1}), "a read behind the end succeeded");
  }

  // Zero where every byte of the block is zero, and nowhere else.
  void check_extents(const Snapshot& from, const base::Bytes& want) {
    const std::uint64_t block_size = from.info().block_size;
    for (std::uint64_t at = 0; at < want.size();) {
      const auto length = std::min<std::uint64_t>(want.size() - at, below(1u << 22) + 1);
      const auto page = must(from.extents(at, length), "extents");
      expect(page.covered_to > at && page.covered_to <= at + length, "extents cover nothing");
      expect(page.gaps == Gaps::unknown, "gaps of extents mean something");
      for (const auto& extent : page.extents) {
        expect(extent.offset == at && extent.length > 0, "extents are not one after another");
        at += extent.length;
        const bool zero = has(extent.flags, ExtentFlags::zero);
        expect(zero || !has(extent.flags, ExtentFlags::hole), "a hole that is not zero");
        for (auto block = extent.offset / block_size; block * block_size < at; ++block) {
          const auto begin = block * block_size;
          const auto size = std::min<std::uint64_t>(block_size, want.size() - begin);
          if (base::is_zero(base::ByteView(want).subspan(begin, size)) == zero) continue;
          throw Failure("extents are wrong at byte " + std::to_string(begin));
        }
      }
      expect(at == page.covered_to, "extents do not reach covered_to");
    }
  }

  // Every byte that differs is inside, and of blocks that are equal only what lies behind the end
  // of the shorter volume.
  void check_diff(const Taken& a, const Taken& b) {
    const auto got = must(repository_.diff(a.info.name, b.info.name), "diff");
    const auto end = std::max(a.bytes.size(), b.bytes.size());
    const auto common = std::min(a.bytes.size(), b.bytes.size());
    std::vector<bool> inside(end);
    std::uint64_t behind = 0;
    const std::uint64_t block_size = a.info.block_size;
    const bool comparable = b.info.block_size == block_size;
    for (const auto& range : got) {
      expect(range.length > 0 && range.offset >= behind && range.offset + range.length <= end &&
                 (behind == 0 || range.offset > behind),
             "ranges of a diff are empty, unsorted or not merged");
      behind = range.offset + range.length;
      std::fill_n(inside.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length, true);
    }
    for (std::uint64_t begin = 0; begin < end; begin += block_size) {
      const auto stop = std::min(end, begin + block_size);
      bool differs = stop > common;
      for (auto at = begin; at < stop; ++at) {
        const bool equal = at < common && a.bytes[at] == b.bytes[at];
        differs = differs || !equal;
        if (!equal && !inside[at]) throw Failure("a diff leaves out byte " + std::to_string(at));
      }
      if (differs || !comparable || !inside[begin]) continue;
      throw Failure("a diff has an equal block at byte " + std::to_string(begin));
    }
  }

  void remove_one() {
    const auto at = static_cast<std::ptrdiff_t>(below(taken_.size()));
    const auto name = taken_[static_cast<std::size_t>(at)].info.name;
    must(repository_.remove({name}), "remove");
    taken_.erase(taken_.begin() + at);
    at_ += "removed " + name + ": ";
    expect(!repository_.snapshot(name), "a removed snapshot is there");
    const auto listed = must(repository_.snapshots(), "snapshots");
    expect(listed.size() == taken_.size(), "another number of snapshots is listed");
    check_older();
  }

  std::vector<std::string> keys(const std::string& prefix) {
    std::vector<std::string> out;
    for (const auto& object : must(bytes_->list_now({.prefix = prefix}), "list").objects) {
      out.push_back(object.key);
    }
    return out;
  }
  // Damages one object: a bit flips, the end is lost, or all of it.
  void hit(const std::string& key) {
    damaged_ = true;
    auto object = must(bytes_->get_now({.key = key}), "get");
    const auto how = below(6);
    if (how == 0) return must(bytes_->remove_now({.keys = {key}}), "remove");
    if (how == 1) object.resize(below(object.size()));
    if (how > 1) object[below(object.size())] ^= std::byte{1};
    PutRequest put{.key = key, .body = PutBody(std::move(object)), .if_absent = false};
    must(bytes_->put_now(put), "put");
  }
  // Packs are damaged and verify finds out: whatever is backed up from then on is whole.
  void damage() {
    const auto packs = keys("packs/");
    if (packs.empty()) return;
    for (auto hits = below(2) + 1; hits > 0; --hits) {
      if (const auto& key = packs[below(packs.size())]; bytes_->stat_now({.key = key})) hit(key);
    }
    at_ += "damaged: ";
    check_damage();
  }
  // What verify says is lost is exactly what a restore has to leave out.
  void check_damage() {
    VerifyOptions options;
    options.depth = VerifyDepth::data;
    const auto report = must(repository_.verify(options), "verify");
    expect(report.snapshots == taken_.size(), "verify saw another number of snapshots");
    for (auto& taken : taken_) {
      const auto bad = check_bad(taken);
      const auto hit = std::ranges::find(report.affected, taken.info.name, &DamagedSnapshot::name);
      const bool named = hit != report.affected.end();
      expect(named || bad.empty(), "verify does not name a snapshot that is hit");
      expect(!named || hit->extents == bad, "verify names other ranges than a restore leaves out");
    }
  }
  // Restores what is left of a snapshot; the ranges that are not.
  std::vector<ByteRange> check_bad(Taken& taken) {
    const auto snapshot = must(repository_.snapshot(taken.info.name), "damaged snapshot");
    MemoryVolume to(garbage(taken.bytes.size()));
    auto expected = taken.bytes;
    auto options = random_options();
    options.keep_going = true;
    options.in_place = chance(2);
    const auto report = must(Restorer(repository_).restore(snapshot, to, options), "keep going");
    for (const auto& range : report.bad) {
      std::copy_n(to.bytes.begin() + static_cast<std::ptrdiff_t>(range.offset), range.length,
                  expected.begin() + static_cast<std::ptrdiff_t>(range.offset));
    }
    expect_equal(to.bytes, expected, "beside the damage");
    taken.lossy = !report.bad.empty();
    options.keep_going = false;
    const auto strict = Restorer(repository_).restore(snapshot, to, options);
    expect(strict.has_value() != taken.lossy, "a strict restore passes damage over, or finds more");
    expect(strict || strict.error().code() == Errc::data_loss, "damage is called something else");
    return report.bad;
  }

  void verify_all() {
    if (damaged_) return check_damage();
    for (const auto& taken : taken_) {
      const auto snapshot = must(repository_.snapshot(taken.info.name), "snapshot");
      restore_new(snapshot, taken.bytes);
    }
    VerifyOptions options;
    options.depth = VerifyDepth::data;
    const auto report = must(repository_.verify(options), "verify");
    expect(report.snapshots == taken_.size(), "verify saw another number of snapshots");
    for (const auto& object : report.objects) {
      throw Failure("verify: " + object.key + ": " + object.reason + ": " + object.message);
    }
    expect(report.clean(), "verify is not clean");
  }

  std::mt19937_64 draw_;
  Runtime runtime_;
  std::shared_ptr<provider::BlockingProvider> bytes_;
  std::shared_ptr<provider::FaultProvider> store_;
  Repository repository_;
  Volume volumes_[2];
  std::vector<Taken> taken_;
  std::uint64_t calls_ = 1;  // of the store, by the last backup
  bool damaged_ = false;
  bool calm_ = false;
  std::string at_ = "at the start: ";
};

}  // namespace

std::string run_history(std::uint64_t seed) {
  History history(seed);
  try {
    history.run();
  } catch (const std::exception& failure) {
    return history.at() + failure.what();
  }
  return {};
}

}  // namespace snapvault::test
