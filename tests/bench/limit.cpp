// The limit: reads an image on all cores and runs only the primitives that the work cannot do
// without. No format, no pipeline. Prints one JSON object a phase: what snapvault is measured
// against. First each primitive on one core, over a sample of the image that stays in SAMPLE for
// the tools of others (`zstd -b`): bench.py holds the one against the other.
//
//   limit IMAGE CHANGED SCRATCH SAMPLE [THREADS]
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "codec/compress.hpp"
#include "codec/crypto.hpp"
#include "codec/fingerprint.hpp"

namespace {

using namespace snapvault;

constexpr std::uint64_t kFrame = 1u << 20;
constexpr std::uint64_t kBlock = 64u << 10;

struct Stored {  // a frame in the scratch file
  std::uint64_t offset = 0, size = 0;
  std::vector<std::uint64_t> blocks;  // of the image, rising
  bool packed = false;
};

struct Bench {
  int image = -1, scratch = -1;  // `image`: what the phase reads
  std::uint64_t size = 0;
  unsigned threads = 1;
  std::array<std::byte, 192> secret{};
  std::array<std::byte, 32> key{};
  std::atomic<std::uint64_t> next{0}, end{0};
  std::mutex mutex;
  std::vector<Stored> stored;
  std::vector<codec::Fingerprint> base;  // of each block, as `scan` saw it
  std::vector<std::uint8_t> differs;     // of each block: `changed` saw another
};

[[noreturn]] void die(const char* what) {
  std::perror(what);
  std::exit(1);
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Work>
void phase(Bench& bench, const char* name, Work work) {
  bench.next = 0;
  const auto before = bench.end.load();
  const auto start = std::chrono::steady_clock::now();
  const auto cpu = cpu_seconds();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < bench.threads; ++i) threads.emplace_back([&] { work(bench); });
  for (auto& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("{\"phase\":\"%s\",\"seconds\":%.4f,\"cpu_seconds\":%.4f,\"stored_bytes\":%llu}\n",
              name, took.count(), cpu_seconds() - cpu,
              static_cast<unsigned long long>(bench.end.load() - before));
}

// Reads a window, holes skipped as the file system tells them; false behind the end.
bool read_window(Bench& bench, base::Bytes& buffer, std::uint64_t& window) {
  for (;;) {
    window = bench.next.fetch_add(1);
    const auto offset = window * kFrame;
    if (offset >= bench.size) return false;
    const auto data = lseek(bench.image, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0 || static_cast<std::uint64_t>(data) >= offset + kFrame) continue;
    const auto want = std::min(kFrame, bench.size - offset);
    std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(want), buffer.end(), std::byte{});
    for (std::uint64_t at = 0; at < want; at += 256u << 10) {
      const auto step = std::min<std::uint64_t>(256u << 10, want - at);
      if (pread(bench.image, buffer.data() + at, step, static_cast<off_t>(offset + at)) !=
          static_cast<ssize_t>(step)) {
        die("read");
      }
    }
    return true;
  }
}

// Takes blocks that hold data; each full frame is compressed, checked if asked, sealed, written.
class Writer {
 public:
  Writer(Bench& bench, bool check) : bench_(bench), check_(check) {}

  void add(std::uint64_t number, base::ByteView block) {
    hmac_(block);
    std::memcpy(plain_.data() + one_.blocks.size() * kBlock, block.data(), kBlock);
    one_.blocks.push_back(number);
    if (one_.blocks.size() == kFrame / kBlock) write();
  }
  void write() {
    auto one = std::exchange(one_, {});
    if (one.blocks.empty()) return;
    const auto plain = base::ByteView(plain_).first(one.blocks.size() * kBlock);
    auto payload = plain;
    if (const auto size = compressor_.compress(plain, packed_)) {
      payload = base::ByteView(packed_).first(*size);
      one.packed = true;
      if (check_ &&
          (!decompressor_.decompress(payload, base::MutableBytes(again_).first(plain.size())) ||
           std::memcmp(again_.data(), plain.data(), plain.size()) != 0)) {
        die("check");
      }
    }
    base::store(nonce_.data(), one.blocks.front());
    const auto out = base::MutableBytes(sealed_).first(payload.size() + codec::Aead::kTag);
    aead_.seal(nonce_, {}, payload, out);
    one.size = out.size();
    one.offset = bench_.end.fetch_add(out.size());
    if (pwrite(bench_.scratch, out.data(), out.size(), static_cast<off_t>(one.offset)) !=
        static_cast<ssize_t>(out.size())) {
      die("write");
    }
    const std::lock_guard lock(bench_.mutex);
    bench_.stored.push_back(std::move(one));
  }

 private:
  Bench& bench_;
  const bool check_;
  Stored one_;
  base::Bytes plain_ = base::Bytes(kFrame), packed_ = base::Bytes(kFrame + 4096);
  base::Bytes again_ = base::Bytes(kFrame), sealed_ = base::Bytes(kFrame + 4096);
  codec::Compressor compressor_{3};
  codec::Decompressor decompressor_;
  codec::Hmac hmac_{bench_.key};
  codec::Aead aead_{bench_.key};
  std::array<std::byte, 12> nonce_{};
};

void full(Bench& bench, bool check) {
  base::Bytes buffer(kFrame);
  Writer writer(bench, check);
  for (std::uint64_t window = 0; read_window(bench, buffer, window);) {
    for (std::uint64_t i = 0; i < kFrame / kBlock; ++i) {
      const auto block = base::ByteView(buffer).subspan(i * kBlock, kBlock);
      if (base::is_zero(block)) continue;
      codec::fingerprint(bench.secret, block);
      writer.add(window * (kFrame / kBlock) + i, block);
    }
    writer.write();
  }
}

void scan(Bench& bench) {
  base::Bytes buffer(kFrame);
  for (std::uint64_t window = 0; read_window(bench, buffer, window);) {
    for (std::uint64_t i = 0; i < kFrame / kBlock; ++i) {
      bench.base[window * (kFrame / kBlock) + i] =
          codec::fingerprint(bench.secret, base::ByteView(buffer).subspan(i * kBlock, kBlock));
    }
  }
}

// A scan that stores the blocks whose fingerprint is not the base's.
void changed(Bench& bench) {
  base::Bytes buffer(kFrame);
  Writer writer(bench, true);
  for (std::uint64_t window = 0; read_window(bench, buffer, window);) {
    for (std::uint64_t i = 0; i < kFrame / kBlock; ++i) {
      const auto block = base::ByteView(buffer).subspan(i * kBlock, kBlock);
      const auto number = window * (kFrame / kBlock) + i;
      const auto seen = codec::fingerprint(bench.secret, block);
      bench.differs[number] = seen != bench.base[number];
      if (bench.differs[number] && !base::is_zero(block)) writer.add(number, block);
    }
    writer.write();
  }
}

// All blocks, or only those that differ.
void restore(Bench& bench, int out, bool all) {
  base::Bytes sealed(kFrame + 4096), payload(kFrame + 4096), plain(kFrame);
  codec::Decompressor decompressor;
  codec::Aead aead(bench.key);
  std::array<std::byte, 12> nonce{};
  for (;;) {
    const auto n = bench.next.fetch_add(1);
    if (n >= bench.stored.size()) return;
    const auto& one = bench.stored[n];
    const auto wanted = [&](std::uint64_t block) { return all || bench.differs[block] != 0; };
    if (std::none_of(one.blocks.begin(), one.blocks.end(), wanted)) continue;
    if (pread(bench.scratch, sealed.data(), one.size, static_cast<off_t>(one.offset)) !=
        static_cast<ssize_t>(one.size)) {
      die("read");
    }
    base::store(nonce.data(), one.blocks.front());
    const auto opened = base::MutableBytes(payload).first(one.size - codec::Aead::kTag);
    if (!aead.open(nonce, {}, base::ByteView(sealed).first(one.size), opened)) die("tag");
    base::ByteView data = opened;
    if (one.packed) {
      const auto unpacked = base::MutableBytes(plain).first(one.blocks.size() * kBlock);
      if (!decompressor.decompress(data, unpacked)) die("unpack");
      data = unpacked;
    }
    for (std::size_t i = 0; i < one.blocks.size();) {
      auto last = i;
      const auto end = one.blocks.size();
      while (last + 1 < end && one.blocks[last + 1] == one.blocks[last] + 1 &&
             wanted(one.blocks[last + 1]) == wanted(one.blocks[i])) {
        ++last;
      }
      if (!wanted(one.blocks[i])) {
        i = last + 1;
        continue;
      }
      const auto run = data.subspan(i * kBlock, (last + 1 - i) * kBlock);
      for (std::uint64_t at = 0; at < run.size(); at += kBlock) {
        codec::fingerprint(bench.secret, run.subspan(at, kBlock));
      }
      const auto to = one.blocks[i] * kBlock;
      if (pwrite(out, run.data(), run.size(), static_cast<off_t>(to)) !=
          static_cast<ssize_t>(run.size())) {
        die("write");
      }
      i = last + 1;
    }
  }
}

// Megabytes a second of one primitive over the sample, in pieces of `piece`.
template <class Work>
void primitive(const char* name, base::ByteView sample, std::uint64_t piece, Work work) {
  const auto start = cpu_seconds();
  std::uint64_t bytes = 0;
  while (cpu_seconds() - start < 1) {
    for (std::uint64_t at = 0; at < sample.size(); at += piece) work(sample.subspan(at, piece));
    bytes += sample.size();
  }
  std::printf("{\"primitive\":\"%s\",\"mb_per_second\":%.0f}\n", name,
              static_cast<double>(bytes) / (cpu_seconds() - start) / 1e6);
}

// The first 128 MiB of windows that hold data, written to `path`.
base::Bytes take_sample(Bench& bench, const char* path) {
  base::Bytes sample, buffer(kFrame);
  bench.next = 0;
  for (std::uint64_t window = 0; sample.size() < 128 * kFrame;) {
    if (!read_window(bench, buffer, window)) break;
    if (!base::is_zero(buffer)) sample.insert(sample.end(), buffer.begin(), buffer.end());
  }
  const int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  for (std::size_t at = 0; at < sample.size(); at += kFrame) {
    if (write(out, sample.data() + at, kFrame) != static_cast<ssize_t>(kFrame)) die("sample");
  }
  close(out);
  return sample;
}

void primitives(Bench& bench, const char* path) {
  const auto sample = take_sample(bench, path);
  base::Bytes packed(kFrame + 4096), plain(kFrame), sealed(kFrame + 4096);
  codec::Compressor compressor(3);
  codec::Decompressor decompressor;
  codec::Hmac hmac(bench.key);
  codec::Aead aead(bench.key);
  const std::array<std::byte, 12> nonce{};
  primitive("hmac-sha256", sample, kBlock, [&](base::ByteView block) { hmac(block); });
  // One frame again and again, as `openssl speed` does: else it is the memory that is measured.
  primitive("aes-256-gcm", base::ByteView(sample).first(kFrame), kFrame, [&](base::ByteView frame) {
    aead.seal(nonce, {}, frame, base::MutableBytes(sealed).first(kFrame + codec::Aead::kTag));
  });
  primitive("xxh3-128", sample, kBlock,
            [&](base::ByteView block) { codec::fingerprint(bench.secret, block); });
  std::vector<std::pair<base::Bytes, bool>> frames;
  primitive("zstd-3", sample, kFrame, [&](base::ByteView frame) {
    const auto size = compressor.compress(frame, packed);
    if (frames.size() * kFrame < sample.size() && size) {
      frames.emplace_back(base::Bytes(packed.begin(), packed.begin() + std::ptrdiff_t(*size)),
                          true);
    } else if (frames.size() * kFrame < sample.size()) {
      frames.emplace_back(base::Bytes(), false);
    }
  });
  primitive("unzstd", sample, kFrame, [&](base::ByteView frame) {
    const auto& [bytes, shrank] =
        frames[static_cast<std::size_t>(frame.data() - sample.data()) / kFrame];
    if (shrank && !decompressor.decompress(bytes, plain)) die("unpack");
  });
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    return std::fputs("usage: limit IMAGE CHANGED SCRATCH SAMPLE [THREADS]\n", stderr), 2;
  }
  Bench bench;
  const int image = bench.image = open(argv[1], O_RDONLY | O_CLOEXEC);
  const int later = open(argv[2], O_RDONLY | O_CLOEXEC);
  bench.scratch = open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  struct stat info {};
  if (image < 0 || later < 0 || bench.scratch < 0 || fstat(image, &info) != 0) die("open");
  bench.size = static_cast<std::uint64_t>(info.st_size);
  bench.base.resize((bench.size / kFrame + 1) * (kFrame / kBlock));
  bench.differs.resize(bench.base.size());
  bench.threads =
      argc > 5 ? static_cast<unsigned>(std::atoi(argv[5])) : std::thread::hardware_concurrency();
  primitives(bench, argv[4]);
  const std::string restored = std::string(argv[3]) + ".restored";
  const int out = open(restored.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0 || ftruncate(out, info.st_size) != 0) die("target");
  phase(bench, "scan", scan);
  bench.image = later;
  phase(bench, "changed", changed);
  bench.image = image;
  bench.stored.clear();
  phase(bench, "full_unchecked", [](Bench& b) { full(b, false); });
  bench.stored.clear();
  phase(bench, "full", [](Bench& b) { full(b, true); });
  phase(bench, "restore", [out](Bench& b) { restore(b, out, true); });
  // The changed blocks alone, over that file, and flushed: a restore in place behind its scan.
  fsync(out);
  phase(bench, "restore_changed", [out](Bench& b) {
    restore(b, out, false);
    if (fdatasync(out) != 0) die("flush");
  });
  unlink(restored.c_str());
  unlink(argv[3]);
  return 0;
}
