#include "store/pack_writer.hpp"

#include <exception>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "codec/crc64.hpp"

namespace snapvault::store {
namespace {

// A pack being filled or on its way up. Those who seal into it hold it too, so that its bytes stay
// until the last of them is done, whatever becomes of the upload.
struct OpenPack {
  OpenPack(base::Executor& loop, format::PackBuilder pack, base::Semaphore::Ticket place)
      : builder(std::move(pack)), buffer(std::move(place)), sealed(loop) {
    sealed.set();
  }
  format::PackBuilder builder;
  base::Semaphore::Ticket buffer;
  std::uint64_t sealing = 0;
  base::Event sealed;  // set while nobody seals
};

// Counts who is inside; `none` is set while that is nobody.
class Presence {
 public:
  Presence(std::uint64_t& count, base::Event& none) noexcept : count_(count), none_(none) {
    ++count_;
    none_.reset();
  }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  ~Presence() {
    if (--count_ == 0) none_.set();
  }

 private:
  std::uint64_t& count_;
  base::Event& none_;
};

// A pack's bytes, ready to go up.
struct SealedPack {
  std::shared_ptr<base::Bytes> bytes;
  std::shared_ptr<base::Bytes> spare;  // the buffer, if the bytes are a copy
  format::Footer footer;
  std::uint64_t crc = 0;  // of all bytes
};

// A store may keep what it is given (the memory provider does), so that a small pack must not hold
// a large buffer.
Result<SealedPack> seal_pack(format::PackBuilder builder) {
  SealedPack out;
  out.bytes = std::make_shared<base::Bytes>(std::move(builder).finish());
  if (out.bytes->size() < out.bytes->capacity() / 2) {
    out.spare = std::exchange(out.bytes, std::make_shared<base::Bytes>(*out.bytes));
  }
  const auto footer = base::ByteView(*out.bytes).last(format::kFooterSize);
  SV_TRY(out.footer, format::decode_footer(footer, out.bytes->size()));
  out.crc = codec::crc64(footer, out.footer.crc);
  return out;
}

}  // namespace

struct PackWriter::State {
  State(provider::Client& c, const format::KeyRing& k, Session& s, PackWriterOptions o)
      : client(c),
        keys(k),
        session(s),
        options(std::move(o)),
        env(c.env()),
        uploads_max(options.uploads_max > 0 ? options.uploads_max : 1),
        turn(env.loop(), 1),
        buffers(env.loop(), uploads_max + 1),
        uploads(env.loop(), uploads_max),
        quiet(env.loop()) {
    quiet.set();
  }

  base::Task<Result<FramePlace>> place(const Frame& frame);
  base::Task<Result<void>> make_room(std::uint64_t stored_size, std::uint32_t blocks);
  base::Task<Result<void>> rotate();
  base::Task<Result<void>> upload(std::shared_ptr<OpenPack> pack);
  base::Task<Result<void>> put(OpenPack& pack);
  base::Task<Result<void>> end();
  base::Bytes take_buffer();
  void give_back(std::shared_ptr<base::Bytes> buffer);
  void fail(Error error) noexcept {
    if (!failure) failure.emplace(std::move(error));
  }

  provider::Client& client;
  const format::KeyRing& keys;
  Session& session;
  PackWriterOptions options;
  base::Env& env;
  std::uint64_t uploads_max;

  base::Semaphore turn;     // one at a time finds its place, in order of asking
  base::Semaphore buffers;  // packs that hold one
  base::TaskGroup uploads;
  std::uint64_t appending = 0;
  base::Event quiet;  // nobody is inside append()
  std::shared_ptr<OpenPack> open;
  std::vector<std::shared_ptr<base::Bytes>> idle;  // buffers that were uploaded
  std::optional<Error> failure;                    // the first; nothing more goes up after it
  // Made at the start: without memory for it later, what runs could not be waited for.
  std::optional<base::Task<Result<void>>> ending;
  std::uint32_t next_pack = 0;
  std::uint64_t stored_bytes = 0, packs = 0;
};

// A buffer may be used again once the provider has let go of it.
base::Bytes PackWriter::State::take_buffer() {
  for (auto& candidate : idle) {
    if (candidate.use_count() != 1) continue;
    { const auto touch = candidate; }  // orders us after the last owner's reads
    auto bytes = std::move(*candidate);
    std::swap(candidate, idle.back());
    idle.pop_back();
    return bytes;
  }
  base::Bytes bytes;
  bytes.reserve(options.pack_size);
  return bytes;
}

void PackWriter::State::give_back(std::shared_ptr<base::Bytes> buffer) {
  if (idle.size() > uploads_max) idle.erase(idle.begin());
  idle.push_back(std::move(buffer));
}

// Holding the turn. On success the open pack has room for the frame.
base::Task<Result<void>> PackWriter::State::make_room(std::uint64_t stored_size,
                                                      std::uint32_t blocks) {
  while (!open || !open->builder.fits(stored_size, blocks)) {
    if (open && open->builder.empty()) {
      co_return Error(Errc::invalid_argument, reason::bad_pack_size,
                      "a frame is larger than a pack");
    }
    if (open) SV_CO_CHECK(rotate());
    auto buffer = co_await buffers.acquire(1);
    if (failure) co_return *failure;
    const format::PackId id{session.id(), options.pack_class, next_pack};
    const auto salt = session.salt();
    auto bytes = take_buffer();
    // A new buffer is zeroed once, which takes too long for the loop.
    const auto work = [&] { return format::PackBuilder(keys, id, salt, std::move(bytes)); };
    auto building = base::run_on(env, env.cpu(), work);
    auto builder = co_await std::move(building);
    open = std::make_shared<OpenPack>(env.loop(), std::move(builder), std::move(buffer));
    ++next_pack;
  }
  co_return Result<void>();
}

base::Task<Result<FramePlace>> PackWriter::State::place(const Frame& frame) {
  if (frame.payload.empty() || frame.prefixes.empty() ||
      frame.prefixes.size() > format::kFrameBlocksMax || frame.plain_size > format::kPlainMax ||
      frame.payload.size() > format::kPlainMax) {
    co_return Error(Errc::internal, reason::unexpected, "a frame is out of bounds");
  }
  auto mine = co_await turn.acquire(1);
  if (failure) co_return *failure;
  const auto blocks = static_cast<std::uint32_t>(frame.prefixes.size());
  SV_CO_CHECK(make_room(frame.payload.size(), blocks));
  const auto pack = open;
  const Presence sealing(pack->sealing, pack->sealed);
  const auto at = pack->builder.reserve(frame.payload.size(), frame.prefixes);
  { auto gone = std::move(mine); }

  const format::RecordHeader record{
      .kind = frame.kind,
      .codec = frame.codec,
      .key_class = format::first_class(pack->builder.keys().type()),
      .counter = at.counter,
      .plain_size = frame.plain_size,
      .stored_size = static_cast<std::uint32_t>(frame.payload.size())};
  const auto work = [&] {
    format::seal_record(pack->builder.keys(), record, frame.payload, at.bytes);
    return true;
  };
  auto task = base::run_on(env, env.cpu(), work);
  co_await std::move(task);
  co_return FramePlace{
      .pack = pack->builder.id(),
      .frame = at.frame,
      .start16 = at.start16,
      .stored = static_cast<std::uint32_t>(frame.payload.size() + format::kRecordOverhead)};
}

// Holding the turn: nobody reserves in the pack after this.
base::Task<Result<void>> PackWriter::State::rotate() {
  auto task = upload(std::exchange(open, nullptr));
  auto spawned = uploads.spawn(std::move(task));
  co_await std::move(spawned);
  if (failure) co_return *failure;
  co_return Result<void>();
}

// Never answers an error: the writer keeps the first one, and an upload that waits its turn must
// still run to let go of its pack in order.
base::Task<Result<void>> PackWriter::State::upload(std::shared_ptr<OpenPack> pack) {
  std::exception_ptr thrown;
  try {
    auto task = put(*pack);
    auto done = co_await std::move(task);
    if (!done) fail(std::move(done).error());
  } catch (...) {
    thrown = std::current_exception();
  }
  if (thrown) fail(base::error_from(thrown));
  co_return Result<void>();
}

base::Task<Result<void>> PackWriter::State::put(OpenPack& pack) {
  co_await pack.sealed.wait();
  if (failure) co_return *failure;  // a seal of this pack may be what failed
  FinishedPack finished;
  finished.directory = pack.builder.directory();
  finished.pack.id = pack.builder.id();
  finished.pack.header = pack.builder.keys().header();

  const auto work = [&] { return seal_pack(std::move(pack.builder)); };
  auto sealing = base::run_on(env, env.cpu(), work);
  SV_CO_TRY(auto sealed, std::move(sealing));
  finished.pack.size = sealed.bytes->size();
  finished.pack.directory_size = sealed.footer.directory_size;
  stored_bytes += finished.pack.size;
  ++packs;

  std::vector<PutBody::Part> parts{sealed.bytes};
  PutBody body(std::move(parts), sealed.crc);
  auto creating = client.create_own(format::pack_name(finished.pack.id), std::move(body));
  auto created = co_await std::move(creating);
  if (!created) co_return std::move(created).error();
  give_back(std::move(sealed.spare ? sealed.spare : sealed.bytes));
  if (options.on_finished) options.on_finished(std::move(finished));
  co_return Result<void>();
}

PackWriter::PackWriter(provider::Client& client, const format::KeyRing& keys, Session& session,
                       PackWriterOptions options)
    : state_(std::make_unique<State>(client, keys, session, std::move(options))) {
  state_->ending.emplace(state_->end());
}
PackWriter::~PackWriter() = default;

base::Task<Result<FramePlace>> PackWriter::append(const Frame& frame) {
  State& self = *state_;
  const Presence presence(self.appending, self.quiet);
  std::exception_ptr thrown;
  try {
    auto task = self.place(frame);
    auto placed = co_await std::move(task);
    co_return placed;
  } catch (...) {
    thrown = std::current_exception();
  }
  // A place may have been reserved and not been sealed, so the pack must not go up.
  self.fail(base::error_from(thrown));
  co_return *self.failure;
}

base::Task<Result<void>> PackWriter::State::end() {
  std::exception_ptr thrown;
  {
    auto mine = co_await turn.acquire(1);
    try {
      if (!failure && open && !open->builder.empty()) {
        auto task = rotate();
        auto rotated = co_await std::move(task);
        base::permit_unchecked(rotated, "the writer keeps its failure");
      }
    } catch (...) {
      thrown = std::current_exception();
    }
    open.reset();
  }
  if (thrown) fail(base::error_from(thrown));
  co_await quiet.wait();
  co_await uploads.idle();
  if (failure) co_return *failure;
  co_return Result<void>();
}

base::Task<Result<void>> PackWriter::finish() {
  if (!state_->ending) return state_->end();
  auto task = *std::move(state_->ending);
  state_->ending.reset();
  return task;
}

std::uint64_t PackWriter::stored_bytes() const noexcept { return state_->stored_bytes; }
std::uint64_t PackWriter::packs() const noexcept { return state_->packs; }

}  // namespace snapvault::store
