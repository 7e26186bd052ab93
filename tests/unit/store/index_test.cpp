#include "store/index.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "format/segment.hpp"
#include "unit/store/pack_world.hpp"
#include "unit/store/short_memory.hpp"

namespace snapvault::store {
namespace {

// One session with its index and writer, storing blocks as a backup does.
class Backup {
 public:
  explicit Backup(PackWorld& in, IndexOptions options = {}, std::uint64_t pack_size = 4096)
      : world(in),
        session(in.session()),
        reader(in.client, in.repository->keys),
        index(in.client, *in.repository, *session, reader, options),
        writer(in.client, in.repository->keys, *session, writer_options(pack_size)) {}

  // Stores the blocks that are new, in frames of at most 4, and finds out where each one is.
  base::Task<Result<void>> store(std::vector<std::uint64_t> numbers) {
    std::vector<format::BlockId> open;
    for (const auto n : numbers) open.push_back(block_id(n));
    while (!open.empty()) {
      std::vector<format::BlockId> fresh, waiting, again;
      for (auto* list : {&fresh, &waiting, &again}) list->reserve(open.size());
      Claimed claimed{index, fresh};
      auto finding = index.find(open);
      SV_CO_TRY(const auto answers, std::move(finding));
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (answers[i].kind == Index::Answer::Kind::claimed) fresh.push_back(open[i]);
        if (answers[i].kind == Index::Answer::Kind::pending) waiting.push_back(open[i]);
      }
      for (std::size_t i = 0; i < open.size(); ++i) {
        if (answers[i].kind == Index::Answer::Kind::found) note(open[i], answers[i].place, found);
      }
      auto storing = store_fresh(claimed, again);
      SV_CO_CHECK(std::move(storing));
      for (const auto& id : waiting) {
        const auto place = co_await index.wait_for(id);
        if (place) {
          note(id, *place, found);
        } else {
          again.push_back(id);
          ++unanswered;
        }
      }
      open = std::move(again);
    }
    co_return co_await take_in();
  }

  base::Task<Result<void>> finish() {
    auto written = co_await writer.finish();
    if (!written) co_return written;
    auto taken = co_await take_in();
    if (!taken) co_return taken;
    co_return co_await index.flush();
  }

  PackWorld& world;
  std::unique_ptr<Session> session;
  PackReader reader;
  Index index;
  PackWriter writer;
  std::map<format::BlockId, BlockPlace> places;  // of all blocks asked for
  std::uint64_t found = 0, stored = 0;
  std::uint64_t unanswered = 0;  // waited for in vain
  std::uint64_t drop_every = 0;  // drops each n-th frame, as if it had failed

 private:
  PackWriterOptions writer_options(std::uint64_t pack_size) {
    PackWriterOptions options;
    options.pack_size = pack_size;
    options.on_finished = [this](FinishedPack pack) { finished_.push_back(std::move(pack)); };
    return options;
  }
  void note(const format::BlockId& id, const BlockPlace& place, std::uint64_t& count) {
    places[id] = place;
    ++count;
  }
  // Drops the claims that are not settled when memory is short, as others wait for them.
  struct Claimed {
    Index& index;
    const std::vector<format::BlockId>& blocks;
    std::size_t settled = 0;
    ~Claimed() {
      while (settled < blocks.size()) index.dropped(blocks[settled++]);
    }
  };
  // Those that were dropped are to be asked for again.
  base::Task<Result<void>> store_fresh(Claimed& claimed, std::vector<format::BlockId>& again) {
    const auto& fresh = claimed.blocks;
    std::optional<Error> failure;
    for (std::size_t i = 0; i < fresh.size(); i += 4) {
      const auto to = std::min(fresh.size(), i + 4);
      const TestFrame frame({fresh.begin() + static_cast<std::ptrdiff_t>(i),
                             fresh.begin() + static_cast<std::ptrdiff_t>(to)});
      const auto view = frame.view();
      const bool drop = drop_every > 0 && ++frames_ % drop_every == 0;
      std::optional<FramePlace> place;
      if (!failure && !drop) {
        auto placed = co_await writer.append(view);
        if (placed) {
          place = *placed;
        } else {
          failure = placed.error();
        }
      }
      for (auto at = i; at < to; ++at) {
        ++claimed.settled;
        if (!place) {
          index.dropped(fresh[at]);
          again.push_back(fresh[at]);
          continue;
        }
        BlockPlace block;
        block.frame = *place;
        block.slot = static_cast<std::uint8_t>(at - i);
        index.stored(fresh[at], block);
        note(fresh[at], block, stored);
      }
    }
    if (failure) co_return *failure;
    co_return Result<void>();
  }
  base::Task<Result<void>> take_in() {
    while (!finished_.empty()) {
      auto pack = std::move(finished_.back());
      finished_.pop_back();
      auto task = index.add_pack(std::move(pack));
      SV_CO_CHECK(std::move(task));
    }
    co_return Result<void>();
  }

  std::vector<FinishedPack> finished_;
  std::uint64_t frames_ = 0;
};

// Each batch is a coroutine of its own, and many run at once.
base::Task<Result<void>> store_all(Backup& backup,
                                   std::vector<std::vector<std::uint64_t>> batches) {
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (auto& batch : batches) {
      auto task = backup.store(std::move(batch));
      auto spawned = group.spawn(std::move(task));
      co_await std::move(spawned);
    }
    co_return Result<void>();
  };
  auto task = base::with_group(backup.world.env->loop(), 8, body);
  auto done = co_await std::move(task);
  auto finished = co_await backup.finish();
  if (!done) co_return done;
  co_return finished;
}

// Every block that was asked for is where the index said.
void check_places(Backup& backup) {
  PackReader reader(backup.world.client, backup.world.repository->keys);
  for (const auto& [id, place] : backup.places) {
    const auto plain =
        backup.world.run(reader.read(place.frame.pack, {place.frame.start16, place.frame.stored}));
    const auto expected = block_bytes(id);
    REQUIRE(plain->size() >= (place.slot + 1) * kBlockBytes);
    CHECK(std::equal(expected.begin(), expected.end(),
                     plain->begin() + place.slot * static_cast<std::ptrdiff_t>(kBlockBytes)));
  }
}

std::vector<std::uint64_t> numbers(std::uint64_t from, std::uint64_t to) {
  std::vector<std::uint64_t> out;
  for (auto n = from; n < to; ++n) out.push_back(n);
  return out;
}

// Stores blocks [from, to) in a session of its own.
std::uint64_t back_up(PackWorld& world, std::uint64_t from, std::uint64_t to,
                      IndexOptions options = {}) {
  Backup backup(world, options);
  world.run(store_all(backup, {numbers(from, to)}));
  check_places(backup);
  return backup.stored;
}

// Random histories against a set: every block is stored once in all sessions together.
void check_histories(std::uint64_t seed, const IndexOptions& options, std::uint64_t drop_every) {
  CAPTURE(seed);
  PackWorld world(seed);
  std::unordered_set<std::uint64_t> model;
  std::uint64_t random = seed;
  for (int session = 0; session < 5; ++session) {
    std::vector<std::vector<std::uint64_t>> batches;
    const auto before = model.size();
    for (int batch = 0; batch < 20; ++batch) {
      auto& one = batches.emplace_back();
      for (int i = 0; i < 24; ++i) one.push_back((random = scramble(random)) % 2500);
      model.insert(one.begin(), one.end());
    }
    Backup backup(world, options);
    backup.drop_every = drop_every;
    world.run(store_all(backup, std::move(batches)));
    CHECK(backup.stored == model.size() - before);
    CHECK(backup.index.damaged() == 0);
    if (drop_every == 0) CHECK(backup.unanswered == 0);
    check_places(backup);
  }
  CHECK(world.keys("index/").size() >= 5);
}

TEST_SUITE("store/index") {
  TEST_CASE("over random histories every block is stored exactly once") {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) check_histories(seed, {}, 0);
  }

  TEST_CASE("answers are exact with next to no memory") {
    IndexOptions options;
    options.memory_bytes_max = 512;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) check_histories(seed, options, 0);
  }

  TEST_CASE("a claim that is dropped passes to those who wait for it") {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) check_histories(seed, {}, 5);
  }

  TEST_CASE("with real threads, too") {
    PackWorld world(base::make_thread_env({.cpu_threads = 2, .io_threads = 3}));
    CHECK(back_up(world, 0, 1000) == 1000);
    Backup backup(world);
    std::vector<std::vector<std::uint64_t>> batches;
    for (std::uint64_t i = 0; i < 40; ++i) batches.push_back(numbers(i * 30, i * 30 + 60));
    world.run(store_all(backup, std::move(batches)));
    CHECK(backup.stored == 1230 - 1000);
    check_places(backup);
  }

  TEST_CASE("segments are written every 64 packs and every 60 s, the rest by flush") {
    PackWorld world;
    Backup backup(world);
    const auto segments = [&] { return world.keys("index/").size(); };
    std::uint64_t at = 0;
    while (backup.writer.packs() < 66) {
      world.run(backup.store(numbers(at, at + 8)));
      at += 8;
    }
    CHECK(segments() == 1);
    CHECK(backup.index.entries() > 64);
    auto sleep = [](base::Env& env) -> base::Task<Result<void>> {
      co_await base::sleep_until(env, env.monotonic() + 61 * base::kSecond);
      co_return Result<void>();
    };
    const auto before = backup.writer.packs();
    while (backup.writer.packs() < before + 2) {
      world.run(backup.store(numbers(at, at + 8)));
      at += 8;
    }
    CHECK(segments() == 1);
    world.run(sleep(*world.env));
    const auto then = backup.writer.packs();
    while (backup.writer.packs() < then + 2) {
      world.run(backup.store(numbers(at, at + 8)));
      at += 8;
    }
    CHECK(segments() == 2);
    world.run(backup.finish());
    CHECK(segments() == 3);
    CHECK(backup.index.entries() == at);
    CHECK(backup.index.stored_bytes() > at * format::kIndexEntrySize);
    world.run(backup.index.flush());
    CHECK(segments() == 3);
    // All of it is found again, in this session and the next.
    world.run(backup.store(numbers(0, at)));
    CHECK(backup.stored == at);
    CHECK(back_up(world, 0, at) == 0);
  }

  TEST_CASE("what was written together is found with two requests a pack") {
    PackWorld world;
    {
      Backup backup(world, {}, 1u << 20);
      world.run(store_all(backup, {numbers(0, 4000)}));
      CHECK(backup.writer.packs() == 1);
    }
    Backup backup(world, {}, 1u << 20);
    const auto before = world.client.traffic().requests();
    for (std::uint64_t i = 0; i < 4000; i += 100) world.run(backup.store(numbers(i, i + 100)));
    CHECK(backup.found == 4000);
    // The list and the segment; then its two records, and the pack's directory.
    CHECK(world.client.traffic().requests() - before <= 5);
  }

  TEST_CASE("physically full means: only this session's own blocks count") {
    PackWorld world;
    back_up(world, 0, 300);
    IndexOptions options;
    options.own_only = true;
    Backup backup(world, options);
    world.run(store_all(backup, {numbers(0, 300), numbers(0, 300)}));
    CHECK(backup.stored == 300);
    world.run(backup.store(numbers(0, 300)));  // from its own segment
    CHECK(backup.stored == 300);
    check_places(backup);
  }

  TEST_CASE("blocks in damaged frames and condemned packs count as absent") {
    PackWorld world;
    Backup first(world);
    world.run(store_all(first, {numbers(0, 400)}));
    const auto& place = first.places.at(block_id(100));
    world.repository->log.damaged.add_frame(place.frame.pack, place.frame.start16);
    std::set<std::uint64_t> lost;
    for (std::uint64_t n = 0; n < 400; ++n) {
      const auto& frame = first.places.at(block_id(n)).frame;
      if (frame.pack == place.frame.pack && frame.start16 == place.frame.start16) lost.insert(n);
    }
    CHECK(lost.size() == 4);
    CHECK(back_up(world, 0, 400) == 4);
    CHECK(back_up(world, 0, 400) == 0);  // the new copy answers now

    const auto& other = first.places.at(block_id(0)).frame.pack;
    REQUIRE(other != place.frame.pack);
    world.repository->log.condemned.add_pack(other);
    std::uint64_t condemned = 0;
    for (const auto& [id, at] : first.places) condemned += at.frame.pack == other ? 1 : 0;
    CHECK(back_up(world, 0, 400) == condemned);
    CHECK(back_up(world, 0, 400) == 0);
  }

  TEST_CASE("a damaged segment or pack costs its blocks, not the backup, and is counted") {
    PackWorld world;
    back_up(world, 0, 200);
    back_up(world, 200, 400);
    const auto segments = world.keys("index/");
    REQUIRE(segments.size() == 2);
    const auto sound = world.run(world.client.get(segments[0]));
    for (std::size_t at = 0; at < sound.size(); at += 97) {
      CAPTURE(at);
      world.flip(segments[0], at);
      Backup backup(world);
      std::vector<format::BlockId> ids;
      for (std::uint64_t n = 0; n < 400; ++n) ids.push_back(block_id(n));
      const auto answers = world.run(backup.index.find(ids));
      const auto found = std::count_if(answers.begin(), answers.end(), [](const auto& answer) {
        return answer.kind == Index::Answer::Kind::found;
      });
      CHECK(found == 200);
      CHECK(backup.index.damaged() > 0);
      world.flip(segments[0], at);
    }
    const auto packs = world.keys("packs/");
    world.rewrite(packs[0], [](base::Bytes& bytes) { bytes.resize(bytes.size() - 1); });
    world.run(world.client.remove({packs[1]}));
    Backup backup(world);
    world.run(store_all(backup, {numbers(0, 400)}));
    CHECK(backup.stored > 0);
    CHECK(backup.stored < 400);
    CHECK(backup.index.damaged() == 2);
    check_places(backup);
    CHECK(back_up(world, 0, 400) == 0);
  }

  TEST_CASE("a record that is damaged after it was loaded counts as empty") {
    PackWorld world;
    back_up(world, 0, 200);
    const auto name = world.keys("index/").front();
    Backup backup(world);
    world.run(backup.store({1000}));
    const auto object = world.run(world.client.get(name));
    const auto table = *format::read_segment_table(world.repository->keys, name, object);
    world.flip(name, table.records.front().offset + 40);
    world.run(store_all(backup, {numbers(0, 200)}));
    CHECK(backup.stored == 201);
    CHECK(backup.index.damaged() == 1);
  }

  TEST_CASE("the packs of a dead session are taken in and named by the next segment") {
    PackWorld world;
    format::SessionId dead;
    std::uint64_t packs = 0;
    {
      Backup backup(world);
      dead = backup.session->id();
      world.run(backup.store(numbers(0, 500)));
      world.run(backup.writer.finish());
      packs = backup.writer.packs();
    }
    REQUIRE(packs > 4);
    CHECK(world.keys("index/").empty());
    const auto names = world.keys(format::packs_prefix(dead));
    world.rewrite(names[1], [](base::Bytes& bytes) { bytes.resize(bytes.size() / 2); });
    world.flip(names[2], 200);
    std::uint64_t stored = 0;
    {
      Backup backup(world);
      world.run(backup.index.adopt(dead));
      CHECK(backup.index.damaged() == 2);
      world.run(backup.index.adopt(dead));  // nothing twice
      world.run(store_all(backup, {numbers(0, 500), numbers(0, 500)}));
      stored = backup.stored;
      CHECK(stored > 0);
      CHECK(stored < 500 * 3 / packs);
      CHECK(backup.index.entries() == 500);
      check_places(backup);
    }
    {
      // Named now: the next session that adopts reads none of them, but finds all.
      Backup backup(world);
      const auto before = world.client.traffic().bytes_down;
      world.run(backup.index.adopt(dead));
      CHECK(world.client.traffic().bytes_down - before < 500 * 40);
      world.run(store_all(backup, {numbers(0, 500)}));
      CHECK(backup.stored == 0);
    }
  }

  TEST_CASE("a store that fails while packs are taken in is no reason to pass over them") {
    PackWorld world;
    format::SessionId dead;
    {
      Backup backup(world);
      dead = backup.session->id();
      world.run(backup.store(numbers(0, 100)));
      world.run(backup.writer.finish());
    }
    const auto packs = world.keys(format::packs_prefix(dead));
    world.repository->log.damaged.add_pack(*format::parse_pack_name(packs.at(0)));
    for (std::uint64_t call = 1;; ++call) {
      CAPTURE(call);
      Backup backup(world);
      world.store->arm(provider::Fault::permission, call, false);
      const auto adopted = world.attempt(backup.index.adopt(dead));
      const bool hit = world.store->fired() > 0;
      world.store->disarm();
      if (!hit) {
        CHECK(adopted);
        CHECK(backup.index.damaged() == 0);
        break;
      }
      REQUIRE_FALSE(adopted);
      CHECK(adopted.error().code() == Errc::permission_denied);
      world.run(backup.index.adopt(dead));
    }
    IndexOptions own;
    own.own_only = true;
    Backup backup(world, own);
    world.run(backup.index.adopt(dead));  // nothing of others counts
    CHECK(backup.index.entries() == 0);
  }

  TEST_CASE("adopted packs are indexed even if nothing else is new") {
    PackWorld world;
    format::SessionId dead;
    {
      Backup backup(world);
      dead = backup.session->id();
      world.run(backup.store(numbers(0, 100)));
      world.run(backup.writer.finish());
    }
    Backup backup(world);
    world.run(backup.index.adopt(dead));
    world.run(backup.finish());
    CHECK(world.keys("index/").size() == 1);
    CHECK(back_up(world, 0, 100) == 0);
  }

  TEST_CASE("whatever call fails, nothing hangs, and the same backup succeeds afterwards") {
    for (const auto fault : provider::kFaults) {
      for (const bool for_ever : {false, true}) {
        std::uint64_t visited = 0;
        for (std::uint64_t n = 1; n < 200; ++n) {
          CAPTURE(std::string(provider::to_string(fault)));
          CAPTURE(n);
          PackWorld world(n);
          back_up(world, 0, 60);
          {
            Backup backup(world);
            world.store->arm(fault, n, for_ever);
            const auto done = world.attempt(
                store_all(backup, {numbers(20, 60), numbers(40, 90), numbers(80, 100)}));
            visited += world.store->fired() > 0 ? 1 : 0;
            const bool last = world.store->calls() < n;
            world.store->disarm();
            if (done) check_places(backup);
            if (last) break;
          }
          back_up(world, 0, 100);
          CHECK(back_up(world, 0, 100) == 0);
        }
        CHECK(visited >= 1);
      }
    }
  }

  TEST_CASE("whichever allocation fails, nothing hangs, and the same backup succeeds afterwards") {
    std::int64_t visited = 0;
    for (std::int64_t n = 1;; n += n < 400 ? 1 : 17) {
      CAPTURE(n);
      PackWorld world(static_cast<std::uint64_t>(n));
      back_up(world, 0, 60);
      bool last = false;
      {
        Backup backup(world);
        Result<void> done = Error(Errc::resource_exhausted, "no_memory", "it threw");
        std::vector<std::vector<std::uint64_t>> batches{numbers(20, 60), numbers(40, 90),
                                                        numbers(80, 100)};
        try {
          const ShortMemory memory(n);
          done = world.attempt(store_all(backup, std::move(batches)));
          last = !memory.failed();
        } catch (const std::bad_alloc&) {  // of the coroutine's own frame, before it began
          done = Error(Errc::resource_exhausted, "no_memory", "it could not begin");
        }
        base::permit_unchecked(world.attempt(backup.writer.finish()), "it waits for what runs");
        if (done) check_places(backup);
        CHECK((done || done.error().code() == Errc::resource_exhausted));
        if (last) CHECK(done);
      }
      back_up(world, 0, 100);
      CHECK(back_up(world, 0, 100) == 0);
      if (last) break;
      ++visited;
    }
    CHECK(visited > 300);
  }

  TEST_CASE("with more blocks than memory for a filter, a sample finds what was written together") {
    IndexOptions options;
    options.memory_bytes_max = 64u << 10;
    PackWorld world;
    const std::uint64_t count = 80'000;
    Backup first(world, options, 256u << 10);
    for (std::uint64_t i = 0; i < count; i += 1000) world.run(first.store(numbers(i, i + 1000)));
    world.run(first.finish());
    CHECK(first.stored == count);
    CHECK_FALSE(first.index.is_exact());  // changed over while it ran
    world.run(first.store(numbers(0, 1000)));
    CHECK(first.stored <= count + 50);

    Backup second(world, options, 256u << 10);
    const auto before = world.client.traffic().gets;
    for (std::uint64_t i = 0; i < count; i += 1000) world.run(second.store(numbers(i, i + 1000)));
    CHECK_FALSE(second.index.is_exact());
    CHECK(second.stored <= count / 20);
    CHECK(second.found >= count - count / 20);
    const auto packs = first.writer.packs();
    CHECK(world.client.traffic().gets - before <= world.keys("index/").size() + 8 * packs);
    world.run(second.finish());
    check_places(second);
  }

  TEST_CASE("a segment holds what its packs hold, and a filter of the right size") {
    // Synthetic: one segment of many entries. Blocks that are not in it are nearly never looked up.
    PackWorld world;
    const std::uint64_t count = 100'000;
    std::vector<format::IndexPack> packs(1);
    packs[0].directory_size = 64;
    packs[0].size = 4096;
    std::vector<format::IndexEntry> entries(count);
    for (std::uint64_t i = 0; i < count; ++i) entries[i].prefix = format::prefix_of(block_id(i));
    const auto salt = fresh_salt(*world.env);
    format::SessionId other;
    other.bytes[0] = std::byte{1};
    packs[0].id.session = other;
    const auto name = format::segment_name(other, 0);
    world.run(
        world.client.create(name, PutBody(format::build_segment(world.repository->keys, name, salt,
                                                                packs, std::move(entries)))));
    Backup backup(world);
    std::vector<format::BlockId> absent;
    for (std::uint64_t i = 0; i < 2000; ++i) absent.push_back(block_id(count + i));
    const auto before = world.client.traffic().gets;
    const auto answers = world.run(backup.index.find(absent));
    CHECK(backup.index.entries() == count);
    CHECK(world.client.traffic().gets - before <= 1 + 20);
    for (const auto& answer : answers) CHECK(answer.kind == Index::Answer::Kind::claimed);
    for (const auto& id : absent) backup.index.dropped(id);
  }
}

}  // namespace
}  // namespace snapvault::store
