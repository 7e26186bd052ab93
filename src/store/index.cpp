#include "store/index.hpp"

#include <algorithm>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/sync.hpp"
#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "store/segments.hpp"

namespace snapvault::store {
namespace {

constexpr std::uint64_t kSegmentPacks = 64;
static_assert(format::kFramesMax * format::kFrameBlocksMax <= format::kSegmentEntriesMax,
              "any pack fits a segment");
constexpr base::Nanoseconds kSegmentAge = 60 * base::kSecond;
// What a block of a pack that no segment names yet costs in memory, with its share of the table.
constexpr std::uint64_t kOwnBlockBytes = 80;
constexpr std::uint64_t kSegmentEntriesMin = 4096;

struct PrefixHash {
  std::size_t operator()(const format::BlockPrefix& prefix) const noexcept {
    return base::load<std::size_t>(prefix.bytes.data());  // cut from an HMAC
  }
};

// A place with its pack as an ordinal.
struct OwnPlace {
  std::uint32_t pack = 0, frame = 0, start16 = 0, stored = 0;
  std::uint8_t slot = 0;
};

// Who waits for a claim: woken with the place, or without one.
struct ClaimWait : base::WaitList::Waiter {
  explicit ClaimWait(base::WaitList& claim) noexcept : list(claim) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) noexcept {
    handle = waiting;
    list.push(*this);
  }
  std::optional<BlockPlace> await_resume() const noexcept { return place; }

  base::WaitList& list;
  std::optional<BlockPlace> place;
};

using Batch = std::list<FinishedPack>;

std::uint64_t blocks_of(const FinishedPack& pack) noexcept {
  return pack.directory.prefixes.size();
}

// The object that names the blocks of a batch.
base::Bytes build(const format::KeyRing& keys, const std::string& name,
                  const std::array<std::byte, 24>& salt, const Batch& batch) {
  std::vector<format::IndexPack> packs;
  std::vector<format::IndexEntry> entries;
  std::uint64_t blocks = 0;
  for (const auto& pack : batch) blocks += blocks_of(pack);
  packs.reserve(batch.size());
  entries.reserve(blocks);
  for (const auto& pack : batch) {
    const auto ordinal = static_cast<std::uint32_t>(packs.size());
    packs.push_back(pack.pack);
    for (std::size_t frame = 0; frame < pack.directory.frames.size(); ++frame) {
      const auto& entry = pack.directory.frames[frame];
      for (std::uint32_t slot = 0; slot < entry.blocks; ++slot) {
        entries.push_back({.prefix = pack.directory.prefixes[entry.first + slot],
                           .pack = ordinal,
                           .frame = static_cast<std::uint16_t>(frame),
                           .slot = static_cast<std::uint8_t>(slot)});
      }
    }
  }
  return format::build_segment(keys, name, salt, packs, std::move(entries));
}

}  // namespace

struct Index::State {
  State(provider::Client& c, const Repository& r, Session& s, PackReader& p, IndexOptions o)
      : client(c),
        repository(r),
        session(s),
        reader(p),
        options(o),
        env(c.env()),
        entries_max(std::clamp(o.memory_bytes_max / 4 / kOwnBlockBytes, kSegmentEntriesMin,
                               std::uint64_t{format::kSegmentEntriesMax})),
        segments(c, r.keys, o.memory_bytes_max, Lookup::affordable),
        places(p, r, env.loop(), o.memory_bytes_max / 8),
        writing(env.loop(), 1) {}

  std::optional<BlockPlace> own_place(const format::BlockPrefix& prefix) const;
  void keep(const format::BlockPrefix& prefix, const BlockPlace& place);
  void settle(const format::BlockPrefix& prefix, const std::optional<BlockPlace>& place) noexcept;
  Answer found(const BlockPlace& place);
  base::Task<Result<void>> ask(std::vector<Segments::Question>& questions);

  bool due() const noexcept;
  void queue(FinishedPack pack);
  Batch take_batch() noexcept;
  void put_back(Batch& batch) noexcept;
  base::Task<Result<void>> write(bool all);
  base::Task<Result<void>> write_segment(const Batch& batch);
  void forget(const Batch& batch);
  base::Task<Result<void>> adopt_pack(format::PackId id);

  provider::Client& client;
  const Repository& repository;
  Session& session;
  PackReader& reader;
  IndexOptions options;
  base::Env& env;
  std::uint64_t entries_max;  // of a segment, unless one pack alone has more

  // Blocks of packs that no segment names yet: this session's, and those it adopted.
  std::unordered_map<format::BlockPrefix, OwnPlace, PrefixHash> own;
  std::vector<format::PackId> own_packs;
  std::unordered_map<format::PackId, std::uint32_t, format::PackIdHash> own_ordinals;
  std::unordered_map<format::BlockPrefix, base::WaitList, PrefixHash> claims;
  Segments segments;
  PackPlaces places;

  base::Semaphore writing;  // one segment at a time
  Batch pending;            // packs for the next segment
  std::uint64_t pending_blocks = 0;
  base::Nanoseconds pending_since = 0;
  std::uint32_t next_segment = 0;
  std::uint64_t stored_bytes = 0;
  std::uint64_t skipped = 0;  // packs of dead sessions that could not be read
};

namespace {

// The claims that a find() has made; all are dropped unless it hands them to its caller.
template <class State>
class Claims {
 public:
  Claims(State& state, std::size_t most) : state_(state) { prefixes_.reserve(most); }
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;
  ~Claims() {
    for (const auto& prefix : prefixes_) state_.settle(prefix, std::nullopt);
  }
  void add(const format::BlockPrefix& prefix) {
    state_.claims.try_emplace(prefix);
    prefixes_.push_back(prefix);
  }
  void hand_over() noexcept { prefixes_.clear(); }

 private:
  State& state_;
  std::vector<format::BlockPrefix> prefixes_;
};

}  // namespace

std::optional<BlockPlace> Index::State::own_place(const format::BlockPrefix& prefix) const {
  const auto found = own.find(prefix);
  if (found == own.end()) return std::nullopt;
  const auto& at = found->second;
  BlockPlace out;
  out.frame = {own_packs[at.pack], at.frame, at.start16, at.stored};
  out.slot = at.slot;
  return out;
}

void Index::State::keep(const format::BlockPrefix& prefix, const BlockPlace& place) {
  const auto ordinal = static_cast<std::uint32_t>(own_packs.size());
  const auto [pack, is_new] = own_ordinals.try_emplace(place.frame.pack, ordinal);
  if (is_new) {
    try {
      own_packs.push_back(place.frame.pack);
    } catch (...) {
      own_ordinals.erase(pack);
      throw;
    }
  }
  own.try_emplace(prefix, OwnPlace{.pack = pack->second,
                                   .frame = place.frame.frame,
                                   .start16 = place.frame.start16,
                                   .stored = place.frame.stored,
                                   .slot = place.slot});
}

void Index::State::settle(const format::BlockPrefix& prefix,
                          const std::optional<BlockPlace>& place) noexcept {
  auto claim = claims.extract(prefix);
  if (!claim) return;
  auto& waiting = claim.mapped();
  while (!waiting.empty()) {
    static_cast<ClaimWait*>(waiting.front())->place = place;
    waiting.wake_front(env.loop());
  }
}

Index::Answer Index::State::found(const BlockPlace& place) {
  if (place.frame.pack.session != session.id()) session.reuses(place.frame.pack);
  return {.kind = Answer::Kind::found, .place = place};
}

// Looks in the segments; answers are left in the questions.
base::Task<Result<void>> Index::State::ask(std::vector<Segments::Question>& questions) {
  std::sort(questions.begin(), questions.end(),
            [](const auto& a, const auto& b) { return a.prefix < b.prefix; });
  for (auto& question : questions) question.place = places.recent(question.prefix);
  const auto open = [](const Segments::Question& question) { return !question.place; };
  if (std::none_of(questions.begin(), questions.end(), open)) co_return Result<void>();
  auto task = segments.search(questions, places);
  auto done = co_await std::move(task);
  co_return done;
}

bool Index::State::due() const noexcept {
  if (pending.empty()) return false;
  return pending.size() >= kSegmentPacks || pending_blocks >= entries_max ||
         env.monotonic() - pending_since >= kSegmentAge;
}

void Index::State::queue(FinishedPack pack) {
  if (pending.empty()) pending_since = env.monotonic();
  const auto blocks = blocks_of(pack);
  pending.push_back(std::move(pack));
  pending_blocks += blocks;
}

// As many packs as fit a segment, at least one.
Batch Index::State::take_batch() noexcept {
  Batch batch;
  std::uint64_t blocks = 0;
  while (!pending.empty()) {
    const auto more = blocks_of(pending.front());
    if (!batch.empty() && blocks + more > entries_max) break;
    if (batch.size() == format::kSegmentPacksMax) break;
    batch.splice(batch.end(), pending, pending.begin());
    blocks += more;
  }
  pending_blocks -= blocks;
  pending_since = env.monotonic();
  return batch;
}

void Index::State::put_back(Batch& batch) noexcept {
  for (const auto& pack : batch) pending_blocks += blocks_of(pack);
  pending.splice(pending.begin(), batch);
}

base::Task<Result<void>> Index::State::write(bool all) {
  const auto turn = co_await writing.acquire(1);
  while (all ? !pending.empty() : due()) {
    // Until its segment is durable, a batch belongs to those that are still to be written.
    struct Taken {
      State& state;
      Batch batch;
      explicit Taken(State& s) : state(s), batch(s.take_batch()) {}
      ~Taken() { state.put_back(batch); }
    };
    Taken taken(*this);
    auto task = write_segment(taken.batch);
    SV_CO_CHECK(std::move(task));
    forget(taken.batch);
    taken.batch.clear();
    auto making_room = segments.make_room();
    SV_CO_CHECK(std::move(making_room));
  }
  co_return Result<void>();
}

base::Task<Result<void>> Index::State::write_segment(const Batch& batch) {
  const auto name = format::segment_name(session.id(), next_segment++);
  const auto salt = session.salt();
  const auto work = [&] {
    return std::make_shared<const base::Bytes>(build(repository.keys, name, salt, batch));
  };
  auto building = base::run_on(env, env.cpu(), work);
  const auto object = co_await std::move(building);
  std::vector<PutBody::Part> parts{object};
  PutBody body(std::move(parts), codec::crc64(*object));
  auto creating = client.create_own(name, std::move(body));
  SV_CO_CHECK(std::move(creating));
  stored_bytes += object->size();
  auto parsing = segments.parse(name, object);
  SV_CO_TRY(auto segment, std::move(parsing));
  segments.add(std::move(segment));
  co_return Result<void>();
}

// The blocks of a batch are found in its segment from now on.
void Index::State::forget(const Batch& batch) {
  for (const auto& pack : batch) {
    for (const auto& prefix : pack.directory.prefixes) segments.add(prefix);
  }
  for (const auto& pack : batch) {
    for (const auto& prefix : pack.directory.prefixes) {
      const auto found = own.find(prefix);
      if (found != own.end() && own_packs[found->second.pack] == pack.pack.id) own.erase(found);
    }
  }
}

base::Task<Result<void>> Index::State::adopt_pack(format::PackId id) {
  auto reading = reader.directory(id, true);
  auto read = co_await std::move(reading);
  if (!read) {
    if (read.error().code() != Errc::data_loss) co_return std::move(read).error();
    ++skipped;  // torn, or of a later format: as if it was not there
    co_return Result<void>();
  }
  const auto& directory = read->directory;
  for (std::uint32_t frame = 0; frame < directory.frames.size(); ++frame) {
    const auto& entry = directory.frames[frame];
    if (!places.usable(id, entry.start16)) continue;
    BlockPlace place;
    place.frame = {id, frame, entry.start16, entry.stored};
    for (std::uint32_t slot = 0; slot < entry.blocks; ++slot) {
      const auto& prefix = directory.prefixes[entry.first + slot];
      place.slot = static_cast<std::uint8_t>(slot);
      if (!claims.contains(prefix)) keep(prefix, place);
    }
  }
  FinishedPack pack;
  pack.pack = read->pack;
  pack.directory = std::move(read->directory);
  queue(std::move(pack));
  co_return Result<void>();
}

Index::Index(provider::Client& client, const Repository& repository, Session& session,
             PackReader& reader, IndexOptions options)
    : state_(std::make_unique<State>(client, repository, session, reader, options)) {}
Index::~Index() = default;

base::Task<Result<std::vector<Index::Answer>>> Index::find(std::vector<format::BlockId> blocks) {
  State& self = *state_;
  if (!self.options.own_only) SV_CO_CHECK(self.segments.load(self.session.id()));
  std::vector<Answer> answers(blocks.size());
  Claims<State> claimed(self, blocks.size());
  std::vector<Segments::Question> questions;
  std::vector<std::size_t> waiting;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const auto prefix = format::prefix_of(blocks[i]);
    if (const auto place = self.own_place(prefix)) {
      answers[i] = self.found(*place);
    } else if (self.claims.contains(prefix)) {
      answers[i].kind = Answer::Kind::pending;
      waiting.push_back(i);
    } else {
      // Claimed before it is looked up, so that nobody else looks for it or stores it meanwhile.
      claimed.add(prefix);
      if (!self.segments.may_contain(prefix)) continue;
      questions.push_back({.prefix = prefix, .asked_as = i, .place = {}});
    }
  }
  if (!questions.empty()) {
    SV_CO_CHECK(self.ask(questions));
    for (const auto& question : questions) {
      if (!question.place) continue;
      answers[question.asked_as] = self.found(*question.place);
      self.settle(question.prefix, question.place);
    }
  }
  // Repeats in this batch of what was just found.
  for (const auto i : waiting) {
    const auto prefix = format::prefix_of(blocks[i]);
    const auto question = std::lower_bound(
        questions.begin(), questions.end(), prefix,
        [](const auto& one, const format::BlockPrefix& want) { return one.prefix < want; });
    if (question == questions.end() || question->prefix != prefix || !question->place) continue;
    answers[i] = answers[question->asked_as];
  }
  claimed.hand_over();
  co_return answers;
}

void Index::stored(const format::BlockId& block, const BlockPlace& place) {
  const auto prefix = format::prefix_of(block);
  state_->settle(prefix, place);
  state_->keep(prefix, place);
}

void Index::dropped(const format::BlockId& block) {
  state_->settle(format::prefix_of(block), std::nullopt);
}

base::Task<std::optional<BlockPlace>> Index::wait_for(format::BlockId block) {
  State& self = *state_;
  const auto prefix = format::prefix_of(block);
  for (;;) {
    if (const auto place = self.own_place(prefix)) co_return self.found(*place).place;
    if (const auto claim = self.claims.find(prefix); claim != self.claims.end()) {
      ClaimWait wait(claim->second);
      co_return co_await wait;
    }
    // Settled since the caller asked: a segment holds it by now, or it was dropped.
    std::vector<format::BlockId> one{block};
    auto finding = find(std::move(one));
    const auto answers = co_await std::move(finding);
    if (!answers) co_return std::nullopt;
    const auto& answer = answers->front();
    if (answer.kind == Answer::Kind::found) co_return answer.place;
    if (answer.kind == Answer::Kind::pending) continue;
    dropped(block);
    co_return std::nullopt;
  }
}

base::Task<Result<void>> Index::add_pack(FinishedPack pack) {
  state_->queue(std::move(pack));
  if (!state_->due()) co_return Result<void>();
  auto task = state_->write(false);
  auto done = co_await std::move(task);
  co_return done;
}

base::Task<Result<void>> Index::flush() { return state_->write(true); }

base::Task<Result<void>> Index::adopt(const format::SessionId& dead) {
  State& self = *state_;
  if (self.options.own_only) co_return Result<void>();
  SV_CO_CHECK(self.segments.load(self.session.id()));
  auto listing = self.client.list(format::packs_prefix(dead));
  SV_CO_TRY(const auto objects, std::move(listing));
  for (const auto& object : objects) {
    const auto id = format::parse_pack_name(object.key);
    if (!id || id->pack_class != format::PackClass::data || id->session != dead) continue;
    if (self.own_ordinals.contains(*id) || self.segments.names(*id)) continue;
    if (!self.places.usable(*id, 0)) continue;  // the pack as a whole is condemned
    SV_CO_CHECK(self.adopt_pack(*id));
  }
  co_return Result<void>();
}

bool Index::is_exact() const noexcept { return state_->segments.is_exact(); }
std::uint64_t Index::entries() const noexcept { return state_->segments.entries(); }
std::uint64_t Index::stored_bytes() const noexcept { return state_->stored_bytes; }
std::uint64_t Index::damaged() const noexcept {
  return state_->segments.damaged() + state_->places.unreadable() + state_->skipped;
}

}  // namespace snapvault::store
