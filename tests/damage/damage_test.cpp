// Every damage to a small repository: detected or harmless, never wrong bytes, never a crash; and
// verify names what cannot be restored.
//
// SNAPVAULT_SHARD=0/2 looks at every second damage, 1/2 at the others: two processes do all.
#include <malloc.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "damage/small.hpp"

namespace snapvault::test {
namespace {

using Ranges = std::vector<ByteRange>;

// Builds that are many times slower look at a part of the damages.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kEvery = 17;
#else
constexpr unsigned kEvery = 1;
#endif

struct Shard {
  unsigned number = 0, of = 1;
  Shard() {
    const char* set = std::getenv("SNAPVAULT_SHARD");
    if (set) REQUIRE(std::sscanf(set, "%u/%u", &number, &of) == 2);
    REQUIRE(number < of);
  }
};

void check_clear(const Error& error) {
  INFO(std::string(error.reason()), ": ", std::string(error.message()));
  CHECK(error.code() != Errc::internal);
  CHECK(error.reason() != reason::unexpected);
  CHECK(!error.reason().empty());
  CHECK(!error.message().empty());
}

// Vectors of bytes are compared one by one otherwise.
bool same(const base::Bytes& a, const base::Bytes& b, std::size_t from, std::size_t length) {
  return std::memcmp(a.data() + from, b.data() + from, length) == 0;
}
bool same(const base::Bytes& a, const base::Bytes& b) {
  return a.size() == b.size() && same(a, b, 0, a.size());
}

std::string name_of(const Small::Taken& taken) { return "volume-" + taken.id.substr(0, 12); }

bool covers(const Ranges& ranges, const Ranges& all) {
  return std::all_of(all.begin(), all.end(), [&](const ByteRange& one) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const ByteRange& range) {
      return range.offset <= one.offset && one.offset + one.length <= range.offset + range.length;
    });
  });
}

// Looks at a repository through everything that reads.
class Look {
 public:
  explicit Look(Small& small)
      : small_(small), dirt_(noise(small.taken.front().bytes.size(), 9)), kept_(opened()) {}

  // Whether anything was detected. `control`: what a repository is opened from may be damaged.
  // `silent`: a snapshot may be missing without a trace.
  bool at(bool control, bool silent = false) {
    if (control) {
      auto repository = small_.open();
      if (!repository) check_clear(repository.error());
      return !repository || inside(*repository, silent);
    }
    return inside(kept_, silent);
  }

 private:
  Repository opened() { return Small::must(small_.open()); }

  bool inside(Repository& repository, bool silent) {
    VerifyOptions options;
    options.depth = VerifyDepth::data;
    options.record_damage = false;
    const auto report = repository.verify(options);
    if (!report) check_clear(report.error());
    REQUIRE(report);
    const auto listed = Small::must(repository.snapshots());
    bool found = !report->clean();
    for (const auto& taken : small_.taken) {
      const auto lost = restore(repository, taken);
      found = found || !lost.empty();
      if (silent) continue;
      const auto named = affected(*report, taken);
      CHECK(covers(named, lost));
      CHECK(covers(lost, named));  // nothing is called lost that is not
      const bool shown = std::any_of(listed.begin(), listed.end(), [&](const auto& info) {
        return info.id == taken.id && info.name == name_of(taken) && info.source == "volume" &&
               info.size == taken.bytes.size() && info.block_size == Small::kBlock;
      });
      CHECK((shown || named == everything(taken)));
    }
    return found;
  }

  static Ranges everything(const Small::Taken& taken) { return {{0, taken.bytes.size()}}; }

  // What verify says cannot be restored of a snapshot.
  static Ranges affected(const VerifyReport& report, const Small::Taken& taken) {
    for (const auto& one : report.affected) {
      if (one.unreadable && one.name.find(taken.id) != std::string::npos) return everything(taken);
      if (one.name == name_of(taken)) return one.extents;
    }
    return {};
  }

  // What a restore cannot give. What it gives is right.
  Ranges restore(Repository& repository, const Small::Taken& taken) {
    const auto snapshot = repository.snapshot("volume-" + taken.id);
    if (!snapshot) {
      check_clear(snapshot.error());
      return everything(taken);
    }
    MemoryVolume all(dirt_);
    const auto done = Restorer(repository).restore(*snapshot, all);
    CHECK(all.finished.value_or(false) == done.has_value());
    if (done) {
      CHECK(same(all.bytes, taken.bytes));
      CHECK(done->bad.empty());
      return {};
    }
    check_clear(done.error());
    bool right = true;  // what was written, if anything
    for (std::size_t at = 0; at < dirt_.size(); at += Small::kBlock) {
      const auto length = std::min<std::size_t>(Small::kBlock, dirt_.size() - at);
      right =
          right && (same(all.bytes, taken.bytes, at, length) || same(all.bytes, dirt_, at, length));
    }
    CHECK(right);
    MemoryVolume part(dirt_);
    RestoreOptions options;
    options.keep_going = true;
    const auto kept_on = Restorer(repository).restore(*snapshot, part, options);
    if (!kept_on) {
      check_clear(kept_on.error());
      return everything(taken);
    }
    auto expected = taken.bytes;
    for (const auto& bad : kept_on->bad) {
      std::copy_n(dirt_.begin() + static_cast<std::ptrdiff_t>(bad.offset), bad.length,
                  expected.begin() + static_cast<std::ptrdiff_t>(bad.offset));
    }
    CHECK(same(part.bytes, expected));
    CHECK_FALSE(kept_on->bad.empty());
    return kept_on->bad;
  }

  Small& small_;
  const base::Bytes dirt_;  // what the target holds before
  Repository kept_;
};

// Visits damages one by one and counts them by kind of object.
class Sweep {
 public:
  explicit Sweep(const char* what) : look_(small), what_(what) {
    // What is freed is used again at once, instead of given back to the system.
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    small.reads().clear();
    CHECK_FALSE(look_.at(true));  // nothing is damaged yet
    read_ = small.reads();
    std::uint64_t size = 0;
    for (const auto& [key, bytes] : small.objects) size += bytes.size();
    CHECK(size <= 24u << 10);
  }
  ~Sweep() {
    for (const auto& [kind, count] : counts_) {
      MESSAGE(kind, ", ", std::string(what_), ": ", count.detected, " detected, ", count.harmless,
              " harmless");
    }
  }

  // Whether this process does the next damage.
  bool mine() { return next_++ % (shard_.of * kEvery) == shard_.number; }
  // Whether anything that looks reads the object. If not, bits of it cannot matter to them.
  bool is_read(const std::string& key) const { return read_.contains(key); }
  // After a damage to `key` that nothing reads and that changes no size.
  void pass(const std::string& key) {
    ++counts_[kind_of(key)].harmless;
    if (kind_of(key) == "segment") check_next(true);
  }
  // After a damage to `key`, and to nothing else if `alone`.
  void visit(const std::string& key, bool alone = true, bool silent = false) {
    const auto kind = kind_of(key);
    const bool detected = look_.at(key == "repo" || key.starts_with("ctl/"), silent);
    ++(detected ? counts_[kind].detected : counts_[kind].harmless);
    if (kind == "segment") check_next(alone);
  }
  // The next backup succeeds, and is right; or, if it need not succeed, says why not.
  void check_next(bool must_succeed) {
    const auto got = small.next_backup(changed_);
    if (got) CHECK(same(*got, changed_));
    if (!got) check_clear(got.error());
    if (must_succeed) CHECK(got);
  }

  Small small;

 private:
  struct Count {
    std::uint64_t detected = 0, harmless = 0;
  };
  Look look_;
  const base::Bytes changed_ = small.changed();
  const char* what_;
  std::set<std::string> read_;
  const Shard shard_;
  std::uint64_t next_ = 0;
  std::map<std::string, Count> counts_;
};

TEST_CASE("the small repository holds an object of each kind") {
  const Small small;
  std::map<std::string, int> kinds;
  for (const auto& [key, bytes] : small.objects) ++kinds[kind_of(key)];
  for (const char* kind : {"repo", "slot", "epoch", "log", "begin", "commit", "tomb", "data pack",
                           "map pack", "refs", "segment"}) {
    CHECK_MESSAGE(kinds[kind] > 0, kind);
  }
  CHECK(small.taken.size() == 2);
}

TEST_CASE("each flipped bit is detected or harmless") {
  Sweep sweep("flipped");
  for (const auto& [key, good] : sweep.small.objects) {
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
      if (!sweep.mine()) continue;
      CAPTURE(key);
      CAPTURE(bit);
      auto bad = good;
      bad[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
      sweep.small.put(key, std::move(bad));
      // All the same every 16th byte of what nothing reads is looked at.
      const bool look = sweep.is_read(key) || bit / 8 % 16 == 0;
      look ? sweep.visit(key) : sweep.pass(key);
    }
    sweep.small.mend(key);
  }
}

TEST_CASE("each file cut at each length is detected or harmless") {
  Sweep sweep("cut");
  for (const auto& [key, good] : sweep.small.objects) {
    for (std::size_t length = 0; length < good.size(); ++length) {
      if (!sweep.mine()) continue;
      CAPTURE(key);
      CAPTURE(length);
      const auto end = good.begin() + static_cast<std::ptrdiff_t>(length);
      sweep.small.put(key, base::Bytes(good.begin(), end));
      sweep.visit(key);
    }
    sweep.small.mend(key);
  }
}

TEST_CASE("every two files exchanged, and each one gone, are detected or harmless") {
  Sweep sweep("exchanged or gone");
  auto& small = sweep.small;
  for (const auto& [a, good] : small.objects) {
    for (const auto& [b, other] : small.objects) {
      if (a >= b || !sweep.mine()) continue;
      CAPTURE(a);
      CAPTURE(b);
      small.put(a, other);
      small.put(b, good);
      // Control objects come first in the order of names; `repo` is one behind.
      sweep.visit(b == "repo" ? b : a, false);
      sweep.check_next(false);
      small.mend(a);
      small.mend(b);
    }
    if (!sweep.mine()) continue;
    CAPTURE(a);
    small.erase(a);
    sweep.visit(a, true, a.ends_with(".commit"));  // a commit that is gone leaves no trace
    sweep.check_next(false);
    small.mend(a);
  }
}

}  // namespace
}  // namespace snapvault::test
