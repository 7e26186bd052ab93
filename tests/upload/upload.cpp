// Backs up a volume of so many GiB that cannot be compressed and is made as it is read, and watches
// its own memory:
//
//   upload URL GIB
//
// Prints one line of JSON: what was sent, how long it took, and the most memory (RSS, in bytes)
// that was seen in each quarter of the job. Makes the repository, with a key of zeros.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <vector>

#include <snapvault/snapvault.hpp>

namespace {

// Every 8 bytes depend on their offset only (SplitMix64).
class Endless final : public snapvault::BlockSource {
 public:
  explicit Endless(std::uint64_t size) : size_(size) {}
  snapvault::Result<snapvault::BlockInfo> info() override {
    snapvault::BlockInfo out;
    out.size = size_;
    return out;
  }
  snapvault::Result<void> read(std::uint64_t offset, std::span<std::byte> into) override {
    for (std::size_t at = 0; at < into.size(); at += 8) {
      std::uint64_t z = (offset + at) * 0x9E3779B97F4A7C15u + 0x9E3779B97F4A7C15u;
      z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
      z = (z ^ z >> 27) * 0x94D049BB133111EBu;
      z ^= z >> 31;
      std::memcpy(into.data() + at, &z, std::min<std::size_t>(8, into.size() - at));
    }
    return {};
  }

 private:
  const std::uint64_t size_;
};

std::uint64_t resident() {
  std::ifstream file("/proc/self/statm");
  std::uint64_t size = 0, pages = 0;
  file >> size >> pages;
  return pages * 4096;
}

template <class T>
T need(snapvault::Result<T> result) {
  if (result) return *std::move(result);
  const auto message = result.error().message();
  std::fprintf(stderr, "upload: %.*s\n", static_cast<int>(message.size()), message.data());
  std::exit(1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: upload URL GIB\n");
    return 2;
  }
  snapvault::InitOptions made;
  made.raw_key = snapvault::RawKey{};
  auto repository = need(snapvault::Repository::init(argv[1], made));
  Endless source(static_cast<std::uint64_t>(std::atof(argv[2]) * (1 << 30)));
  std::vector<std::uint64_t> most(4);
  snapvault::BackupOptions options;
  options.source = "endless";
  options.progress_period_ms = 50;
  options.on_progress = [&most](const snapvault::Progress& now) {
    if (now.bytes_total == 0) return;
    const auto quarter = std::min<std::uint64_t>(3, 4 * now.bytes_done / now.bytes_total);
    most[quarter] = std::max(most[quarter], resident());
  };
  const auto report = need(repository.backup(source, options));
  std::printf(
      "{\"bytes_up\":%llu,\"puts\":%llu,\"seconds\":%.1f,\"resident\":[%llu,%llu,%llu,%llu]}\n",
      static_cast<unsigned long long>(report.traffic.bytes_up),
      static_cast<unsigned long long>(report.traffic.puts), report.seconds,
      static_cast<unsigned long long>(most[0]), static_cast<unsigned long long>(most[1]),
      static_cast<unsigned long long>(most[2]), static_cast<unsigned long long>(most[3]));
  return 0;
}
