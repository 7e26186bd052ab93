// Counts on synthetic volumes too large to exist: bytes read and stored, requests, memory. Data
// packs are counted and dropped; all else lies in a real file repository. Prints one line a row.
//
//   counts DIRECTORY [F8 F9 F10 F11 F14 F15]
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <snapvault/snapvault.hpp>

namespace {

using namespace snapvault;

constexpr std::uint64_t KiB = 1024, MiB = KiB * 1024, GiB = MiB * 1024, TiB = GiB * 1024;

std::uint64_t mix(std::uint64_t z) {  // splitmix64 (Steele, Lea, Flood 2014)
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// A volume whose bytes follow from their offset and a version; runs of data, holes between them.
class Synthetic final : public BlockSource {
 public:
  struct Run {
    std::uint64_t offset, length, version;
  };
  std::uint64_t size = 0;
  std::vector<Run> runs;       // rising
  bool tells_changes = false;  // only `changed` differs from the base
  std::vector<Extent> changed;
  std::atomic<std::uint64_t> bytes_read{0};

  Result<BlockInfo> info() override {
    BlockInfo out;
    out.size = size;
    return out;
  }
  Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    bytes_read += into.size();
    const auto end = offset + into.size();
    std::fill(into.begin(), into.end(), std::byte{});
    for (auto run = at_or_behind(offset); run != runs.end() && run->offset < end; ++run) {
      fill(into, offset, {run->offset, run->length}, run->version);
    }
    for (const auto& extent : changed) fill(into, offset, extent, 77);
    return {};
  }
  Result<ExtentPage> extents(std::uint64_t offset, std::uint64_t length) override {
    ExtentPage page;
    page.covered_to = offset + length;
    const auto end = offset + length;
    if (tells_changes) {
      page.gaps = Gaps::unchanged;
      for (const auto& extent : changed) {
        const auto begin = std::max(extent.offset, offset);
        const auto stop = std::min(extent.offset + extent.length, end);
        if (begin < stop) page.extents.push_back({begin, stop - begin, ExtentFlags::changed});
      }
      return page;
    }
    page.gaps = Gaps::zero;
    for (auto run = at_or_behind(offset); run != runs.end() && run->offset < end; ++run) {
      if (page.extents.size() == 4096) {
        page.covered_to = run->offset;
        break;
      }
      const auto begin = std::max(run->offset, offset);
      page.extents.push_back({begin, std::min(run->offset + run->length, end) - begin});
    }
    return page;
  }
  Result<bool> open_base(std::span<const std::byte>) override { return tells_changes; }

 private:
  std::vector<Run>::const_iterator at_or_behind(std::uint64_t offset) const {
    return std::partition_point(runs.begin(), runs.end(), [offset](const Run& run) {
      return run.offset + run.length <= offset;
    });
  }
  // What of `extent` lies in `into`, which begins at `offset`; all are multiples of 8.
  static void fill(std::span<std::byte> into, std::uint64_t offset, const Extent& extent,
                   std::uint64_t version) {
    const auto end = std::min(extent.offset + extent.length, offset + into.size());
    for (auto at = std::max(extent.offset, offset); at < end; at += 8) {
      const auto word = mix(at * 0x9E3779B97F4A7C15u + version);
      std::memcpy(into.data() + (at - offset), &word, 8);
    }
  }
};

// Keeps everything but data packs, of which only the size is known.
class Dropping final : public Provider {
 public:
  explicit Dropping(std::shared_ptr<Provider> inner) : inner_(std::move(inner)) {}
  std::atomic<std::uint64_t> data_bytes{0}, other_bytes{0}, requests{0};

  Capabilities capabilities() const override { return inner_->capabilities(); }
  void get(GetRequest r, Completion<std::vector<std::byte>> done) override {
    ++requests;
    inner_->get(std::move(r), std::move(done));
  }
  void put(PutRequest r, Completion<void> done) override {
    ++requests;
    const auto slash = r.key.rfind('/');
    if (r.key.starts_with("packs/") && r.key[slash + 1] == 'd') {
      data_bytes += r.body.size();
      done({});
      return;
    }
    other_bytes += r.body.size();
    inner_->put(std::move(r), std::move(done));
  }
  void list(ListRequest r, Completion<ListPage> done) override {
    ++requests;
    inner_->list(std::move(r), std::move(done));
  }
  void remove(RemoveRequest r, Completion<void> done) override {
    inner_->remove(std::move(r), std::move(done));
  }
  void stat(StatRequest r, Completion<ObjectInfo> done) override {
    ++requests;
    inner_->stat(std::move(r), std::move(done));
  }
  void sync(RequestLimits limits, Completion<void> done) override {
    inner_->sync(std::move(limits), std::move(done));
  }

 private:
  std::shared_ptr<Provider> inner_;
};

struct World {
  std::shared_ptr<Dropping> store;
  Repository repository;
};

World make_world(const std::filesystem::path& where, std::uint64_t memory,
                 const char* compression) {
  std::filesystem::remove_all(where);
  auto store = std::make_shared<Dropping>(Provider::open(where.string()).value());
  RuntimeOptions runtime;
  runtime.memory_max = memory;
  InitOptions options;
  options.no_passphrase = true;
  options.full_every = 0;
  options.compression = compression;
  options.runtime = Runtime::create(runtime).value();
  auto repository = Repository::init(store, options).value();
  return {std::move(store), std::move(repository)};
}

std::uint64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * KiB;
  }
  return 0;
}
void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

double mib(std::uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(MiB); }

void f8(const std::filesystem::path& where) {
  const auto measure = [&](const char* what, std::uint64_t data, std::uint64_t run, double goal) {
    auto world = make_world(where, 256 * MiB, "none");
    Synthetic volume;
    volume.size = TiB;
    const auto count = data / run;
    for (std::uint64_t i = 0; i < count; ++i) {
      volume.runs.push_back({i * (TiB / count) / (4 * MiB) * (4 * MiB), run, 1});
    }
    const auto report = world.repository.backup(volume, {.source = "f8"}).value();
    const auto stored = world.store->data_bytes + world.store->other_bytes;
    const auto metadata = static_cast<double>(stored - report.snapshot.new_bytes);
    std::printf(
        "F8   1 TiB, %s: read %.0f of %.0f MiB, metadata %.3f %% of the data (goal %.2f %%), %.1f "
        "s\n",
        what, mib(volume.bytes_read), mib(data), 100 * metadata / double(data), goal,
        report.seconds);
  };
  measure("runs of 4 MiB", 20 * GiB, 4 * MiB, 0.15);
  measure("isolated blocks", 4 * GiB, 64 * KiB, 0.35);
}

// A large volume with data here and there, so that its map is not trivial.
void spread(Synthetic& volume, std::uint64_t size, std::uint64_t blocks) {
  volume.size = size;
  for (std::uint64_t i = 0; i < blocks; ++i) {
    volume.runs.push_back({i * (size / blocks) / (64 * KiB) * (64 * KiB), 64 * KiB, 1});
  }
}

void f9(const std::filesystem::path& where) {
  auto world = make_world(where, 256 * MiB, "none");
  Synthetic volume;
  spread(volume, 6 * TiB, 65536);
  world.repository.backup(volume, {.source = "f9"}).value();
  volume.tells_changes = true;
  const auto before = world.store->requests.load();
  const auto read_before = volume.bytes_read.load();
  const auto start = std::chrono::steady_clock::now();
  OpenOptions open;
  auto again = Repository::open(world.store, open).value();
  again.backup(volume, {.source = "f9"}).value();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf(
      "F9   6 TiB, nothing changed: %.2f s (goal 2), %llu requests with opening (goal 16), audit "
      "read %.0f MiB\n",
      took.count(), static_cast<unsigned long long>(world.store->requests - before),
      mib(volume.bytes_read - read_before));
}

void f10(const std::filesystem::path& where) {
  auto world = make_world(where, 256 * MiB, "none");
  Synthetic volume;
  spread(volume, 16 * TiB, 65536);
  world.repository.backup(volume, {.source = "f10"}).value();
  volume.tells_changes = true;
  volume.changed = {{5 * TiB, MiB, ExtentFlags::changed}};
  const auto before = world.store->data_bytes + world.store->other_bytes;
  world.repository.backup(volume, {.source = "f10"}).value();
  std::printf("F10  16 TiB, 1 MiB changed: stored %.2f MiB (goal 2)\n",
              mib(world.store->data_bytes + world.store->other_bytes - before));
}

void f11(const std::filesystem::path& where) {
  for (const std::uint64_t memory : {64 * MiB, 256 * MiB}) {
    auto world = make_world(where, memory, "none");
    reset_peak_memory();
    Synthetic volume;
    volume.size = 40 * GiB;
    volume.runs = {{0, 40 * GiB, 1}};
    BackupOptions options;
    options.source = "f11";
    options.block_size = 4096;
    const auto report = world.repository.backup(volume, options).value();
    std::printf(
        "F11  %.1f million chunks, memory_max %.0f MiB: peak %.0f MiB (goal %.0f), %.0f s\n",
        double(report.snapshot.blocks.fresh) / 1e6, mib(memory), mib(peak_memory()),
        mib(memory + 64 * MiB), report.seconds);
    std::fflush(stdout);
  }
}

// A sink that takes everything and keeps nothing.
class Nowhere final : public BlockSink {
 public:
  Result<BlockInfo> info() override { return BlockInfo{}; }
  Result<void> resize(std::uint64_t) override { return {}; }
  Result<void> write(std::uint64_t, std::span<const std::byte>) override { return {}; }
  Result<void> zero(std::uint64_t, std::uint64_t, bool) override { return {}; }
  bool reads_zero_initially() const override { return true; }
  Result<void> flush() override { return {}; }
};

void f14(const std::filesystem::path&) {
  InitOptions options;
  options.no_passphrase = true;
  options.full_every = 0;
  auto repository = Repository::init("memory:f14", options).value();
  Synthetic volume;
  volume.size = 64 * MiB;
  constexpr std::uint64_t kBlock = 64 * KiB;
  for (std::uint64_t at = 0; at < volume.size; at += kBlock) volume.runs.push_back({at, kBlock, 1});
  for (std::uint64_t i = 0; i <= 1000; ++i) {
    for (int k = 0; i > 0 && k < 10; ++k) {  // 1 % of the blocks
      volume.runs[mix(i * 100 + k) % volume.runs.size()].version = i + 1;
    }
    repository.backup(volume, {.source = "f14"}).value();
  }
  const auto snapshot = repository.snapshot("f14@latest").value();
  Nowhere sink;
  const auto report = Restorer(repository).restore(snapshot, sink).value();
  std::printf(
      "F14  restore after 1,000 increments: %llu frames for %llu blocks, gaps %.1f %% (goal 5), "
      "%llu requests\n",
      static_cast<unsigned long long>(report.frames),
      static_cast<unsigned long long>(snapshot.info().blocks.total),
      100 * double(report.gap_bytes) / double(report.fetched_bytes),
      static_cast<unsigned long long>(report.requests));
}

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// How long a job goes on after its stop is requested, `delay` after it began.
struct Stopped {
  double told = -1,
         ended = 0;  // seconds until Phase::cancelling was reported, and until the return
};
template <class Job>
Stopped stop_after(std::chrono::milliseconds delay, Job job) {
  Stopped out;
  std::stop_source stop;
  std::mutex mutex;
  std::optional<Clock::time_point> asked;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(delay);
    {
      const std::lock_guard lock(mutex);
      asked = Clock::now();
    }
    stop.request_stop();
  });
  job(stop.get_token(), [&](const Progress& progress) {
    const std::lock_guard lock(mutex);
    if (progress.phase == Progress::Phase::cancelling && out.told < 0) out.told = since(*asked);
  });
  stopper.join();
  out.ended = std::max(0.0, since(*asked));
  return out;
}

void f15(const std::filesystem::path& where) {
  std::filesystem::remove_all(where);
  InitOptions init;
  init.no_passphrase = true;
  auto repository = Repository::init(where.string(), init).value();
  Synthetic volume, small;
  volume.size = TiB;
  volume.runs = {{0, TiB, 1}};
  small.size = 4 * GiB;
  small.runs = {{0, 4 * GiB, 1}};
  repository.backup(small, {.source = "f15"}).value();
  const auto snapshot = repository.snapshot("f15@latest").value();
  double told = 0, ended = 0;
  int cancelled = 0;
  const auto note = [&](const Stopped& stopped, Errc code) {
    if (code != Errc::cancelled) return;
    ++cancelled;
    told = std::max(told, stopped.told < 0 ? stopped.ended : stopped.told);
    ended = std::max(ended, stopped.ended);
  };
  for (int i = 0; i < 20; ++i) {
    const std::chrono::milliseconds delay(mix(std::uint64_t(i)) % 1000);
    Errc code{};
    auto stopped = stop_after(delay, [&](std::stop_token stop, ProgressFunction progress) {
      BackupOptions options;
      options.source = "f15/large";
      options.stop = std::move(stop);
      options.on_progress = std::move(progress);
      const auto done = repository.backup(volume, options);
      if (!done) code = done.error().code();
    });
    note(stopped, code);
    stopped = stop_after(delay, [&](std::stop_token stop, ProgressFunction progress) {
      Nowhere sink;
      RestoreOptions options;
      options.stop = std::move(stop);
      options.on_progress = std::move(progress);
      const auto done = Restorer(repository).restore(snapshot, sink, options);
      code = done ? Errc{} : done.error().code();
    });
    note(stopped, code);
  }
  std::printf(
      "F15  %d jobs cancelled: told after %.0f ms (goal 100), ended after %.0f ms (goal 1000)\n",
      cancelled, 1000 * told, 1000 * ended);
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc < 2) return std::fputs("usage: counts DIRECTORY [F8 F9 F10 F11 F14 F15]\n", stderr), 2;
  const std::filesystem::path where = std::filesystem::path(argv[1]) / "counts-repository";
  using Row = std::pair<const char*, void (*)(const std::filesystem::path&)>;
  const std::array<Row, 6> rows = {Row{"F8", f8}, {"F9", f9},   {"F10", f10},
                                   {"F11", f11},  {"F14", f14}, {"F15", f15}};
  for (const auto& [name, measure] : rows) {
    bool wanted = argc == 2;
    for (int i = 2; i < argc; ++i) wanted = wanted || std::string_view(argv[i]) == name;
    if (wanted) measure(where);
    std::fflush(stdout);
  }
  std::filesystem::remove_all(where);
  return 0;
} catch (const snapvault::Exception& failure) {
  std::fprintf(stderr, "counts: %s\n", failure.what());
  return 1;
}
