#include "store/pack_reader.hpp"

#include "unit/store/pack_world.hpp"

namespace snapvault::store {
namespace {

// One pack of `count` frames with 3 blocks each.
struct OnePack {
  format::PackId id;
  std::string name;
  std::vector<TestFrame> frames;
  std::vector<FrameRequest> requests;
  FinishedPack finished;
  base::Bytes object;
};

OnePack make_pack(PackWorld& world, std::uint64_t count, std::size_t padding = 0) {
  OnePack out;
  const auto session = world.session();
  PackWriterOptions options;
  options.pack_size = 8u << 20;
  options.on_finished = [&](FinishedPack pack) { out.finished = std::move(pack); };
  PackWriter writer(world.client, world.repository->keys, *session, std::move(options));
  for (std::uint64_t i = 0; i < count; ++i) {
    std::vector<format::BlockId> ids{block_id(3 * i), block_id(3 * i + 1), block_id(3 * i + 2)};
    out.frames.emplace_back(std::move(ids), padding);
    const auto frame = out.frames.back().view();
    const auto place = world.run(writer.append(frame));
    out.requests.push_back({place.start16, place.stored});
    out.id = place.pack;
  }
  world.run(writer.finish());
  CHECK(writer.packs() == 1);
  out.name = format::pack_name(out.id);
  out.object = world.run(world.client.get(out.name));
  return out;
}

std::vector<FrameRequest> some(const OnePack& pack, std::vector<std::size_t> which) {
  std::vector<FrameRequest> out;
  for (const auto i : which) out.push_back(pack.requests.at(i));
  return out;
}

TEST_SUITE("store/pack_reader") {
  TEST_CASE("frames are fetched with one request, and with the header if they stand near it") {
    PackWorld world;
    const auto pack = make_pack(world, 500, 1000);
    {
      PackReader reader(world.client, world.repository->keys);
      const auto before = world.client.traffic().gets;
      const auto near = world.run(reader.read_many(pack.id, some(pack, {1, 2, 5})));
      CHECK(world.client.traffic().gets == before + 1);
      CHECK(**near.at(2) == pack.frames[5].payload);
      const auto far = world.run(reader.read_many(pack.id, some(pack, {100, 300, 499})));
      CHECK(world.client.traffic().gets == before + 2);
      CHECK(**far.at(0) == pack.frames[100].payload);
      CHECK(**far.at(1) == pack.frames[300].payload);
      CHECK(**far.at(2) == pack.frames[499].payload);
      CHECK(reader.frames_read() == 6);
      CHECK(reader.gap_bytes() > 390 * 1000);
    }
    PackReader reader(world.client, world.repository->keys);
    const auto before = world.client.traffic().gets;
    const auto far = world.run(reader.read(pack.id, pack.requests[400]));
    CHECK(*far == pack.frames[400].payload);
    CHECK(world.client.traffic().gets == before + 2);

    PackReader taught(world.client, world.repository->keys);
    taught.learn(pack.id, pack.finished.pack.header);
    CHECK(*world.run(taught.read(pack.id, pack.requests[400])) == pack.frames[400].payload);
    CHECK(world.client.traffic().gets == before + 3);
    CHECK(world.run(taught.read_many(pack.id, {})).empty());
  }

  TEST_CASE("a wrong header is not believed") {
    PackWorld world;
    const auto pack = make_pack(world, 3);
    PackReader reader(world.client, world.repository->keys);
    auto header = pack.finished.pack.header;
    header[50] ^= std::byte{1};
    reader.learn(pack.id, header);
    CHECK(*world.run(reader.read(pack.id, pack.requests[2])) == pack.frames[2].payload);
  }

  TEST_CASE("a damaged frame does not spoil its neighbours") {
    PackWorld world;
    const auto pack = make_pack(world, 40, 20000);
    const auto at = std::uint64_t{pack.requests[7].start16} * 16;
    for (const auto offset : {0, 5, 17, 500}) {
      CAPTURE(offset);
      world.flip(pack.name, at + static_cast<std::uint64_t>(offset));
      PackReader reader(world.client, world.repository->keys);
      const auto frames = world.run(reader.read_many(pack.id, pack.requests));
      for (std::size_t i = 0; i < frames.size(); ++i) {
        CAPTURE(i);
        REQUIRE(frames[i].has_value() == (i != 7));
        if (frames[i]) CHECK(**frames[i] == pack.frames[i].payload);
      }
      CHECK(frames[7].error().code() == Errc::data_loss);
      CHECK(frames[7].error().subject() == pack.name);
      world.flip(pack.name, at + static_cast<std::uint64_t>(offset));
    }
  }

  TEST_CASE("a missing pack is a loss that names it") {
    PackWorld world;
    const auto pack = make_pack(world, 3);
    world.run(world.client.remove({pack.name}));
    PackReader reader(world.client, world.repository->keys);
    const auto frame = world.attempt(reader.read(pack.id, pack.requests[0]));
    REQUIRE(!frame);
    CHECK(frame.error().code() == Errc::data_loss);
    CHECK(frame.error().reason() == "object_missing");
    CHECK(frame.error().subject() == pack.name);
    CHECK(world.attempt(reader.directory(pack.id)).error().reason() == "object_missing");
    CHECK(world.attempt(reader.directory(pack.id, true)).error().reason() == "object_missing");
    CHECK(world.attempt(reader.keys(pack.id)).error().reason() == "object_missing");
  }

  TEST_CASE("of a pack that was cut short, the frames before the cut are read") {
    PackWorld world;
    const auto pack = make_pack(world, 10);
    const auto cut = std::uint64_t{pack.requests[6].start16} * 16 + 3;
    world.rewrite(pack.name, [&](base::Bytes& bytes) { bytes.resize(cut); });
    PackReader reader(world.client, world.repository->keys);
    const auto frames = world.run(reader.read_many(pack.id, pack.requests));
    for (std::size_t i = 0; i < frames.size(); ++i) {
      CHECK(frames[i].has_value() == (i < 6));
      if (!frames[i]) CHECK(frames[i].error().code() == Errc::data_loss);
    }
    CHECK(world.attempt(reader.directory(pack.id)).error().code() == Errc::data_loss);
    for (const std::size_t size : {0, 1, 31, 72, 103, 104}) {
      CAPTURE(size);
      world.rewrite(pack.name, [&](base::Bytes& bytes) { bytes.resize(size); });
      PackReader fresh(world.client, world.repository->keys);
      CHECK(world.attempt(fresh.directory(pack.id)).error().code() == Errc::data_loss);
      CHECK(world.attempt(fresh.read(pack.id, pack.requests[0])).error().code() == Errc::data_loss);
    }
  }

  TEST_CASE("places that cannot be are refused without a request") {
    PackWorld world;
    const auto pack = make_pack(world, 2);
    PackReader reader(world.client, world.repository->keys);
    const auto before = world.client.traffic().gets;
    for (const FrameRequest bad : {FrameRequest{0, 100}, FrameRequest{5, 0}, FrameRequest{5, 32},
                                   FrameRequest{5, 0xFFFFFFFF}, FrameRequest{0xFFFFFFFF, 100},
                                   FrameRequest{5, (16u << 20) + 33}}) {
      CHECK(world.attempt(reader.read(pack.id, bad)).error().code() == Errc::data_loss);
    }
    CHECK(world.client.traffic().gets == before);
    std::vector<FrameRequest> mixed{{5, 0}, pack.requests[1]};
    const auto frames = world.run(reader.read_many(pack.id, std::move(mixed)));
    CHECK(!frames[0]);
    CHECK(frames[1]);
  }

  TEST_CASE("a directory takes two requests, one if the pack is known, three if it is long") {
    PackWorld world;
    for (const std::uint64_t count : {20u, 3000u}) {
      CAPTURE(count);
      const auto pack = make_pack(world, count);
      PackReader reader(world.client, world.repository->keys);
      const auto requests = [&] { return world.client.traffic().requests(); };
      auto before = requests();
      const auto read = world.run(reader.directory(pack.id));
      CHECK(requests() - before == (count == 20 ? 2 : 4));
      CHECK(read.pack.size == pack.finished.pack.size);
      CHECK(read.pack.header == pack.finished.pack.header);
      CHECK(read.pack.directory_size == pack.finished.pack.directory_size);
      CHECK(read.directory.prefixes == pack.finished.directory.prefixes);
      CHECK(read.directory.frames.size() == count);

      PackReader fresh(world.client, world.repository->keys);
      before = requests();
      const auto known = world.run(fresh.directory(pack.id, false, &pack.finished.pack));
      CHECK(requests() - before == 1);
      CHECK(known.directory.prefixes == pack.finished.directory.prefixes);

      auto wrong = pack.finished.pack;
      wrong.size += 16;
      CHECK(world.attempt(fresh.directory(pack.id, false, &wrong)).error().code() ==
            Errc::data_loss);
    }
  }

  TEST_CASE("every flipped bit of a pack is seen by its checksum or its tags") {
    PackWorld world;
    const auto pack = make_pack(world, 2);
    const auto sound = world.run(world.client.get(pack.name));
    for (std::size_t at = 0; at < sound.size(); ++at) {
      CAPTURE(at);
      world.flip(pack.name, at);
      PackReader reader(world.client, world.repository->keys);
      const auto read = world.attempt(reader.directory(pack.id, true));
      REQUIRE(!read);
      CHECK(read.error().code() == Errc::data_loss);  // also where the header claims a later format
      world.flip(pack.name, at);
    }
  }

  TEST_CASE("frames that are fetched sealed open later, those that were asked for") {
    PackWorld world;
    const auto pack = make_pack(world, 6, 1000);
    PackReader reader(world.client, world.repository->keys);
    const auto fetched = world.run(reader.fetch(pack.id, some(pack, {3, 4})));
    CHECK(fetched.size() > 2000);
    const auto near = world.run(reader.fetch(pack.id, some(pack, {3, 4})));
    CHECK(near.size() < fetched.size());  // the header is known by now
    format::RecordReader records;
    base::Bytes plain;
    REQUIRE(near.open(pack.requests[4], records, plain));
    CHECK(plain == pack.frames[4].payload);
    for (const auto& other : {pack.requests[0], pack.requests[5], FrameRequest{0, 0}}) {
      const auto opened = near.open(other, records, plain);
      REQUIRE_FALSE(opened);
      CHECK(opened.error().code() == Errc::data_loss);
      CHECK(opened.error().subject() == pack.name);
    }
    const FrameRequest shifted{pack.requests[3].start16 + 1, pack.requests[3].stored};
    CHECK_FALSE(near.open(shifted, records, plain));  // inside, but no frame
    std::vector<FrameRequest> impossible{{0, 0}};
    const auto refused = world.attempt(reader.fetch(pack.id, impossible));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == Errc::data_loss);
  }

  TEST_CASE("a store that fails is no damaged pack, whatever is read") {
    PackWorld world;
    const auto pack = make_pack(world, 900, 1000);
    using Read = base::Task<Result<void>> (*)(PackReader&, const OnePack&);
    struct Reads {
      static base::Task<Result<void>> directory(PackReader& reader, const OnePack& from) {
        auto task = reader.directory(from.id);
        SV_CO_CHECK(std::move(task));
        co_return Result<void>();
      }
      static base::Task<Result<void>> fetch(PackReader& reader, const OnePack& from) {
        auto frames = some(from, {500, 501});
        auto task = reader.fetch(from.id, std::move(frames));
        SV_CO_CHECK(std::move(task));
        co_return Result<void>();
      }
      static base::Task<Result<void>> read(PackReader& reader, const OnePack& from) {
        auto frames = some(from, {1, 2, 899});
        auto task = reader.read_many(from.id, std::move(frames));
        SV_CO_TRY(const auto read, std::move(task));
        for (const auto& one : read) {
          if (!one) co_return one.error();
        }
        co_return Result<void>();
      }
    };
    for (const Read read : {Reads::directory, Reads::fetch, Reads::read}) {
      for (const bool cut : {false, true}) {
        if (cut) world.rewrite(pack.name, [](base::Bytes& bytes) { bytes.resize(900'000); });
        for (std::uint64_t call = 1;; ++call) {
          CAPTURE(call);
          CAPTURE(cut);
          PackReader reader(world.client, world.repository->keys);
          world.store->arm(provider::Fault::permission, call, false);
          const auto done = world.attempt(read(reader, pack));
          const bool hit = world.store->fired() > 0;
          world.store->disarm();
          if (hit) CHECK(done.error().code() == Errc::permission_denied);
          if (!hit && done) CHECK((!cut || read == Reads::fetch));
          if (!hit) break;
        }
        if (cut) world.rewrite(pack.name, [&](base::Bytes& bytes) { bytes = pack.object; });
      }
    }
  }

  TEST_CASE("who asks for the keys of one pack at once shares one request") {
    PackWorld world;
    const auto pack = make_pack(world, 2);
    PackReader reader(world.client, world.repository->keys);
    const auto ask = [&]() { return reader.keys(pack.id); };
    auto one = [](base::Task<Result<std::shared_ptr<const format::ObjectKeys>>> task)
        -> base::Task<Result<void>> {
      auto keys = co_await std::move(task);
      if (!keys) co_return std::move(keys).error();
      co_return Result<void>();
    };
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (int i = 0; i < 10; ++i) {
        auto task = one(ask());
        auto spawned = group.spawn(std::move(task));
        co_await std::move(spawned);
      }
      co_return Result<void>();
    };
    const auto before = world.client.traffic().gets;
    world.run(base::with_group(world.env->loop(), 10, body));
    CHECK(world.client.traffic().gets == before + 1);
  }
}

}  // namespace
}  // namespace snapvault::store
