#include "store/pack_writer.hpp"

#include <map>
#include <set>

#include "codec/crc64.hpp"
#include "provider/blocking.hpp"
#include "unit/store/pack_world.hpp"

namespace snapvault::store {
namespace {

// What a run of the writer left: where each frame went, and what it said of its packs.
struct Written {
  std::vector<TestFrame> frames;
  std::vector<Result<FramePlace>> places;
  std::vector<FinishedPack> finished;
  Result<void> end;
  std::uint64_t packs = 0, stored_bytes = 0;
};

base::Task<Result<void>> append_one(PackWriter& writer, Written& out, std::size_t i) {
  const auto frame = out.frames[i].view();
  out.places[i] = co_await writer.append(frame);
  co_return Result<void>();
}

base::Task<Result<Written>> write(PackWorld& world, Session& session, std::uint64_t count,
                                  PackWriterOptions options) {
  Written out;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::vector<format::BlockId> ids;
    for (std::uint64_t j = 0; j <= i % 5; ++j) ids.push_back(block_id(i * 8 + j));
    out.frames.emplace_back(std::move(ids), scramble(i) % 700);
  }
  out.places.assign(count, Error(Errc::internal, "unexpected", "not appended"));
  options.on_finished = [&](FinishedPack pack) { out.finished.push_back(std::move(pack)); };
  PackWriter writer(world.client, world.repository->keys, session, std::move(options));
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t i = 0; i < count; ++i) {
      auto task = append_one(writer, out, i);
      auto spawned = group.spawn(std::move(task));
      co_await std::move(spawned);
    }
    co_return Result<void>();
  };
  auto all = base::with_group(world.env->loop(), 24, body);
  SV_CO_CHECK(std::move(all));
  out.end = co_await writer.finish();
  out.packs = writer.packs();
  out.stored_bytes = writer.stored_bytes();
  co_return out;
}

PackWriterOptions small_packs() {
  PackWriterOptions options;
  options.pack_size = 16u << 10;
  return options;
}

void check_frames(PackWorld& world, const Written& out) {
  PackReader reader(world.client, world.repository->keys);
  for (std::size_t i = 0; i < out.frames.size(); ++i) {
    REQUIRE(out.places[i]);
    const auto& place = *out.places[i];
    const auto plain = world.run(reader.read(place.pack, {place.start16, place.stored}));
    CHECK(*plain == out.frames[i].payload);
  }
}

// Every pack in the store is whole.
std::uint64_t check_packs(PackWorld& world) {
  PackReader reader(world.client, world.repository->keys);
  const auto names = world.keys("packs/");
  for (const auto& name : names) {
    const auto id = format::parse_pack_name(name);
    REQUIRE(id);
    world.run(reader.directory(*id, true));
  }
  return names.size();
}

// Keeps no body, and notes where the bodies stood in memory.
class Discard final : public provider::BlockingProvider {
 public:
  Capabilities capabilities() const override { return {}; }
  std::set<const void*> places;
  std::uint64_t puts = 0;

 private:
  Result<base::Bytes> do_get(const GetRequest&) override { return base::Bytes(); }
  Result<void> do_put(const PutRequest& request) override {
    for (const auto& part : request.body.parts()) places.insert(part->data());
    ++puts;
    return {};
  }
  Result<ListPage> do_list(const ListRequest&) override { return ListPage(); }
  Result<void> do_remove(const RemoveRequest&) override { return {}; }
  Result<ObjectInfo> do_stat(const StatRequest&) override { return ObjectInfo(); }
  Result<void> do_sync(const RequestLimits&) override { return {}; }
};

TEST_SUITE("store/pack_writer") {
  TEST_CASE("frames appended at once come back as they were, from packs that list them") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      CAPTURE(seed);
      PackWorld world(seed);
      const auto session = world.session();
      const auto out = world.run(write(world, *session, 200, small_packs()));
      REQUIRE(out.end);
      check_frames(world, out);
      CHECK(check_packs(world) == out.packs);
      CHECK(out.finished.size() == out.packs);
      CHECK(out.packs > 6);

      std::map<format::PackId, const FinishedPack*> by_id;
      std::uint64_t bytes = 0;
      for (const auto& pack : out.finished) {
        by_id[pack.pack.id] = &pack;
        bytes += pack.pack.size;
        CHECK(pack.pack.size <= small_packs().pack_size);
      }
      CHECK(bytes == out.stored_bytes);
      for (std::size_t i = 0; i < out.frames.size(); ++i) {
        const auto& directory = by_id.at(out.places[i]->pack)->directory;
        const auto& entry = directory.frames.at(out.places[i]->frame);
        CHECK(entry.start16 == out.places[i]->start16);
        CHECK(entry.stored == out.places[i]->stored);
        CHECK(directory.prefixes.at(entry.first) == out.frames[i].prefixes.front());
      }
    }
  }

  TEST_CASE("with real threads, too") {
    PackWorld world(base::make_thread_env({.cpu_threads = 2, .io_threads = 3}));
    const auto session = world.session();
    const auto out = world.run(write(world, *session, 400, small_packs()));
    REQUIRE(out.end);
    check_frames(world, out);
    CHECK(check_packs(world) == out.packs);
  }

  TEST_CASE("without a frame there is no pack") {
    PackWorld world;
    const auto session = world.session();
    const auto out = world.run(write(world, *session, 0, {}));
    CHECK(out.end);
    CHECK(world.keys("packs/").empty());
  }

  TEST_CASE("a frame larger than a pack, or of nothing, is refused, and the writer goes on") {
    PackWorld world;
    const auto session = world.session();
    PackWriter writer(world.client, world.repository->keys, *session, small_packs());
    const TestFrame large({block_id(1)}, 20000), empty({}), sound({block_id(2)});
    CHECK(world.attempt(writer.append(large.view())).error().code() == Errc::invalid_argument);
    CHECK(world.attempt(writer.append(empty.view())).error().code() == Errc::internal);
    const auto frame = sound.view();
    CHECK(world.attempt(writer.append(frame)));
    CHECK(world.attempt(writer.finish()));
    CHECK(check_packs(world) == 1);
  }

  TEST_CASE("the buffers of packs that are up are used again") {
    PackWorld world;
    const auto session = world.session();
    auto discard = std::make_shared<Discard>();
    world.client = provider::Client(*world.env, discard);
    const auto out = world.run(write(world, *session, 600, small_packs()));
    REQUIRE(out.end);
    CHECK(discard->puts == out.packs);
    CHECK(out.packs > 20);
    CHECK(discard->places.size() <= 4);  // three buffers, and the copy of a small last pack
  }

  TEST_CASE("whichever upload fails, all later calls fail with it and only whole packs are left") {
    for (const auto fault : {provider::Fault::no_space, provider::Fault::permission,
                             provider::Fault::lost_before, provider::Fault::lost_after}) {
      for (const bool for_ever : {false, true}) {
        std::uint64_t visited = 0;
        for (std::uint64_t n = 1; n < 100; ++n) {
          CAPTURE(std::string(provider::to_string(fault)));
          CAPTURE(n);
          PackWorld world(n);
          const auto session = world.session();
          world.store->arm(fault, n, for_ever);
          const auto out = world.run(write(world, *session, 60, small_packs()));
          const bool last = world.store->calls() < n;
          visited += world.store->fired() > 0 ? 1 : 0;
          world.store->disarm();
          CHECK(check_packs(world) >= out.finished.size());
          if (out.end) {
            check_frames(world, out);
          } else {
            const auto code = out.end.error().code();
            for (const auto& place : out.places) {
              if (!place) CHECK(place.error().code() == code);
            }
          }
          if (last) break;
        }
        CHECK(visited >= 3);
      }
    }
  }

  TEST_CASE("after a failure append gives that error, and so does every finish") {
    PackWorld world;
    const auto session = world.session();
    PackWriter writer(world.client, world.repository->keys, *session, small_packs());
    world.store->arm(provider::Fault::no_space, 1, false);
    const TestFrame one({block_id(2)});
    const auto frame = one.view();
    CHECK(world.attempt(writer.append(frame)));
    CHECK(world.attempt(writer.finish()).error().code() == Errc::resource_exhausted);
    CHECK(world.attempt(writer.append(frame)).error().code() == Errc::resource_exhausted);
    CHECK(world.attempt(writer.finish()).error().code() == Errc::resource_exhausted);
    CHECK(world.keys("packs/").empty());
  }
}

}  // namespace
}  // namespace snapvault::store
