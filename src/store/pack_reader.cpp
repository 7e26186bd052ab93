#include "store/pack_reader.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "base/try.hpp"
#include "codec/crc64.hpp"
#include "store/as_damage.hpp"
#include "store/loading_cache.hpp"

namespace snapvault::store {
namespace {

constexpr std::uint64_t kPacksKnownMax = 4096;
// A first frame this near the front is fetched together with the header.
constexpr std::uint64_t kFrontMax = 64u << 10;
// Frames are decrypted in batches of at least this much, so that small ones do not pay a hop each.
constexpr std::uint64_t kBatch = 256u << 10;

using Keys = std::shared_ptr<const format::ObjectKeys>;
using KeysCache = LoadingCache<format::PackId, format::ObjectKeys, format::PackIdHash>;

struct Span {
  std::uint64_t from = 0, to = 0;
  std::uint64_t size() const noexcept { return to - from; }
};

format::ObjectType type_of(const format::PackId& pack) noexcept {
  return pack.pack_class == format::PackClass::data ? format::ObjectType::data_pack
                                                    : format::ObjectType::map_pack;
}
format::RecordKind kind_of(const format::PackId& pack) noexcept {
  return pack.pack_class == format::PackClass::data ? format::RecordKind::frame
                                                    : format::RecordKind::node_frame;
}

Error too_short(const std::string& name) {
  return Error(Errc::data_loss, reason::bad_format, "a pack is shorter than it should be")
      .with_subject(name);
}

Error misplaced(const std::string& name) {
  return Error(Errc::data_loss, reason::bad_format, "a frame's place is impossible")
      .with_subject(name);
}

// A pack that somebody refers to must be there whole: its absence is a loss.
Error as_loss(Error error, const std::string& name) {
  if (error.code() == Errc::not_found) {
    return Error(Errc::data_loss, reason::object_missing, "a pack is missing").with_subject(name);
  }
  if (error.reason() == reason::range) return too_short(name);
  return error;
}

// Of the bytes from a directory's commitment to a pack's end.
constexpr std::uint64_t tail_size(std::uint32_t directory_size) noexcept {
  return format::kCommitment + base::round_up(directory_size, 16) + format::kFooterSize;
}

std::optional<Span> span_of(const FrameRequest& frame) noexcept {
  const auto from = std::uint64_t{frame.start16} * 16;
  const auto to = from + frame.stored;
  if (from < format::kHeaderSize || frame.stored <= format::kRecordOverhead ||
      frame.stored > format::kPlainMax + format::kRecordOverhead || to > format::kObjectMax) {
    return std::nullopt;
  }
  return Span{from, to};
}

}  // namespace

struct PackReader::State {
  State(provider::Client& c, const format::KeyRing& k)
      : client(c),
        keys(k),
        env(c.env()),
        known(env.loop(), kPacksKnownMax, [](const auto&) -> std::uint64_t { return 1; }) {}

  // One read_many: what to decrypt, and where the plain frames go.
  struct Job {
    std::string name;
    format::RecordKind kind = format::RecordKind::frame;
    Span span;
    base::Bytes bytes;  // of the span
    Keys keys;
    std::vector<FrameRequest> frames;
    std::vector<std::size_t> sound;  // indexes of frames whose place is possible
    std::uint64_t wanted = 0;        // bytes of these
    std::vector<Result<PlainFrame>> plain;
  };

  base::Task<Result<base::Bytes>> get(const std::string& name, std::uint64_t from,
                                      std::uint64_t length);
  base::Task<Result<Keys>> fetch_keys(format::PackId pack);
  base::Task<Result<Keys>> keys_of(format::PackId pack);
  Result<Keys> open_keys(const format::PackId& pack, base::ByteView header);
  static Job plan(const format::PackId& pack, std::vector<FrameRequest> frames);
  void count(const Job& job) noexcept;
  base::Task<Result<void>> fetch(const format::PackId& pack, Job& job);
  base::Task<Result<void>> fetch_each(const format::PackId& pack, Job& job);
  base::Task<Result<void>> open_all(Job& job);
  base::Task<Result<void>> open_batch(Job& job, std::size_t from, std::size_t to);
  base::Task<Result<std::vector<Result<PlainFrame>>>> read(format::PackId pack,
                                                           std::vector<FrameRequest> frames);

  provider::Client& client;
  const format::KeyRing& keys;
  base::Env& env;
  KeysCache known;
  std::vector<std::unique_ptr<format::RecordReader>> idle;  // at most one a cpu thread
  std::uint64_t frames_read = 0, gap_bytes = 0;
};

// Exactly `length` bytes (0: to the end), whatever the provider thinks.
base::Task<Result<base::Bytes>> PackReader::State::get(const std::string& name, std::uint64_t from,
                                                       std::uint64_t length) {
  auto task = client.get(name, from, length);
  auto bytes = co_await std::move(task);
  if (!bytes) co_return as_loss(std::move(bytes).error(), name);
  if (length > 0 && bytes->size() != length) co_return too_short(name);
  co_return bytes;
}

Result<Keys> PackReader::State::open_keys(const format::PackId& pack, base::ByteView header) {
  const auto name = format::pack_name(pack);
  auto opened = format::ObjectKeys::open(keys, type_of(pack), name, header);
  if (!opened) return as_damage(std::move(opened).error()).with_subject(name);
  return std::make_shared<const format::ObjectKeys>(*std::move(opened));
}

base::Task<Result<Keys>> PackReader::State::fetch_keys(format::PackId pack) {
  const auto name = format::pack_name(pack);
  SV_CO_TRY(const auto header, get(name, 0, format::kHeaderSize));
  co_return open_keys(pack, header);
}

base::Task<Result<Keys>> PackReader::State::keys_of(format::PackId pack) {
  const auto load = [this](const format::PackId& id) { return fetch_keys(id); };
  auto task = known.get(pack, load);
  auto loaded = co_await std::move(task);
  co_return loaded;
}

PackReader::State::Job PackReader::State::plan(const format::PackId& pack,
                                               std::vector<FrameRequest> frames) {
  Job job;
  job.name = format::pack_name(pack);
  job.kind = kind_of(pack);
  job.frames = std::move(frames);
  for (std::size_t i = 0; i < job.frames.size(); ++i) {
    const auto span = span_of(job.frames[i]);
    if (!span) continue;
    job.span.from = job.sound.empty() ? span->from : std::min(job.span.from, span->from);
    job.span.to = std::max(job.span.to, span->to);
    job.sound.push_back(i);
    job.wanted += span->size();
  }
  return job;
}

void PackReader::State::count(const Job& job) noexcept {
  frames_read += job.sound.size();
  gap_bytes += job.span.size() - std::min(job.wanted, job.span.size());
}

base::Task<Result<std::vector<Result<PlainFrame>>>> PackReader::State::read(
    format::PackId pack, std::vector<FrameRequest> frames) {
  auto job = plan(pack, std::move(frames));
  job.plain.assign(job.frames.size(), misplaced(job.name));
  if (job.sound.empty()) co_return std::move(job.plain);

  auto fetching = fetch(pack, job);
  auto fetched = co_await std::move(fetching);
  if (!fetched && fetched.error().reason() == reason::bad_format && job.sound.size() > 1) {
    // The pack is cut short: what stands before the cut can still be read.
    SV_CO_CHECK(fetch_each(pack, job));
    co_return std::move(job.plain);
  }
  if (!fetched) co_return std::move(fetched).error();
  count(job);
  SV_CO_CHECK(open_all(job));
  co_return std::move(job.plain);
}

// Fills the job's bytes and keys.
base::Task<Result<void>> PackReader::State::fetch(const format::PackId& pack, Job& job) {
  job.keys = known.find(pack);
  if (!job.keys && job.span.from <= kFrontMax) {
    job.span.from = 0;
    SV_CO_TRY(job.bytes, get(job.name, 0, job.span.to));
    SV_CO_TRY_NOW(job.keys, open_keys(pack, base::ByteView(job.bytes).first(format::kHeaderSize)));
    known.put(pack, job.keys);
    co_return Result<void>();
  }
  SV_CO_TRY(job.keys, keys_of(pack));
  SV_CO_TRY(job.bytes, get(job.name, job.span.from, job.span.size()));
  co_return Result<void>();
}

base::Task<Result<void>> PackReader::State::fetch_each(const format::PackId& pack, Job& job) {
  for (const auto i : job.sound) {
    std::vector<FrameRequest> one{job.frames[i]};
    auto task = read(pack, std::move(one));
    auto plain = co_await std::move(task);
    if (plain) {
      job.plain[i] = std::move(plain->front());
    } else if (plain.error().code() == Errc::data_loss) {
      job.plain[i] = std::move(plain).error();
    } else {
      co_return std::move(plain).error();
    }
  }
  co_return Result<void>();
}

base::Task<Result<void>> PackReader::State::open_all(Job& job) {
  if (job.span.size() <= kBatch) {
    auto task = open_batch(job, 0, job.sound.size());
    auto done = co_await std::move(task);
    co_return done;
  }
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (std::size_t from = 0; from < job.sound.size();) {
      std::uint64_t size = 0;
      auto to = from;
      while (to < job.sound.size() && size < kBatch) size += job.frames[job.sound[to++]].stored;
      auto batch = open_batch(job, from, to);
      auto spawned = group.spawn(std::move(batch));
      co_await std::move(spawned);
      from = to;
    }
    co_return Result<void>();
  };
  auto task = base::with_group(env.loop(), env.cpu_threads(), body);
  auto done = co_await std::move(task);
  co_return done;
}

// Decrypts some of the job's frames on one cpu thread.
base::Task<Result<void>> PackReader::State::open_batch(Job& job, std::size_t from, std::size_t to) {
  std::unique_ptr<format::RecordReader> reader;
  if (idle.empty()) {
    reader = std::make_unique<format::RecordReader>();
  } else {
    reader = std::move(idle.back());
    idle.pop_back();
  }
  const auto work = [&] {
    for (auto at = from; at < to; ++at) {
      const auto i = job.sound[at];
      const auto start = std::uint64_t{job.frames[i].start16} * 16 - job.span.from;
      const auto record = base::ByteView(job.bytes).subspan(start, job.frames[i].stored);
      auto plain = std::make_shared<base::Bytes>();
      auto opened = reader->open(*job.keys, job.kind, record, *plain);
      if (opened) {
        job.plain[i] = PlainFrame(std::move(plain));
      } else {
        job.plain[i] = std::move(opened).error().with_subject(job.name);
      }
    }
    return true;
  };
  auto task = base::run_on(env, env.cpu(), work);
  co_await std::move(task);
  if (idle.size() < env.cpu_threads()) idle.push_back(std::move(reader));
  co_return Result<void>();
}

PackReader::PackReader(provider::Client& client, const format::KeyRing& keys)
    : state_(std::make_unique<State>(client, keys)) {}
PackReader::~PackReader() = default;

base::Task<Result<PlainFrame>> PackReader::read(format::PackId pack, FrameRequest frame) {
  std::vector<FrameRequest> one{frame};
  auto task = state_->read(pack, std::move(one));
  auto plain = co_await std::move(task);
  if (!plain) co_return std::move(plain).error();
  co_return std::move(plain->front());
}

base::Task<Result<std::vector<Result<PlainFrame>>>> PackReader::read_many(
    format::PackId pack, std::vector<FrameRequest> frames) {
  return state_->read(pack, std::move(frames));
}

Result<void> PackReader::Fetched::open(FrameRequest frame, format::RecordReader& reader,
                                       base::Bytes& plain) const {
  const auto span = span_of(frame);
  if (!span || span->from < from_ || span->to - from_ > bytes_.size()) return misplaced(name_);
  const auto record = base::ByteView(bytes_).subspan(span->from - from_, span->size());
  auto opened = reader.open(*keys_, kind_, record, plain);
  if (!opened) return std::move(opened).error().with_subject(name_);
  return {};
}

base::Task<Result<PackReader::Fetched>> PackReader::fetch(format::PackId pack,
                                                          std::vector<FrameRequest> frames) {
  auto job = State::plan(pack, std::move(frames));
  if (job.sound.empty()) co_return misplaced(job.name);
  SV_CO_CHECK(state_->fetch(pack, job));
  state_->count(job);
  Fetched out;
  out.name_ = std::move(job.name);
  out.kind_ = job.kind;
  out.from_ = job.span.from;
  out.bytes_ = std::move(job.bytes);
  out.keys_ = std::move(job.keys);
  co_return out;
}

base::Task<Result<PackReader::PackDirectory>> PackReader::directory(
    format::PackId pack, bool whole, const format::IndexPack* known) {
  State& self = *state_;
  const auto name = format::pack_name(pack);
  PackDirectory out;
  out.pack.id = pack;
  if (known) {
    learn(pack, known->header);
    out.pack.size = known->size;
  } else {
    auto task = self.client.stat(name);
    auto info = co_await std::move(task);
    if (!info) co_return as_loss(std::move(info).error(), name);
    out.pack.size = info->size;
  }
  const auto size = out.pack.size;
  if (size < format::kHeaderSize + format::kFooterSize) co_return too_short(name);
  if (size > format::kObjectMax) {
    co_return Error(Errc::data_loss, reason::bad_format, "a pack is too large").with_subject(name);
  }
  auto length = format::kPackTail;
  if (known) length = std::max(length, tail_size(known->directory_size));
  length = whole ? size : std::min(size, length);
  SV_CO_TRY(auto tail, self.get(name, size - length, length));
  Keys keys;
  if (length == size) {
    SV_CO_TRY_NOW(keys, self.open_keys(pack, base::ByteView(tail).first(format::kHeaderSize)));
    self.known.put(pack, keys);
  } else {
    SV_CO_TRY(keys, self.keys_of(pack));
  }
  if (whole) {
    const auto sound = [&]() -> Result<void> {
      const auto body = base::ByteView(tail).first(size - format::kFooterSize);
      SV_TRY(const auto footer,
             format::decode_footer(base::ByteView(tail).last(format::kFooterSize), size));
      if (codec::crc64(body) == footer.crc) return {};
      return Error(Errc::data_loss, reason::bad_format, "a pack's checksum is wrong");
    };
    auto checking = base::run_on(self.env, self.env.cpu(), sound);
    auto checked = co_await std::move(checking);
    if (!checked) co_return std::move(checked).error().with_subject(name);
  }
  for (;;) {
    const auto work = [&] { return format::read_pack_tail(*keys, tail, size); };
    auto reading = base::run_on(self.env, self.env.cpu(), work);
    auto read = co_await std::move(reading);
    if (!read) co_return std::move(read).error().with_subject(name);
    if (read->complete) {
      out.pack.header = keys->header();
      out.pack.directory_size = read->footer.directory_size;
      out.directory = std::move(read->directory);
      co_return out;
    }
    const auto wanted = format::directory_bytes(read->footer);
    if (wanted <= tail.size() || wanted > size) co_return too_short(name);
    SV_CO_TRY(tail, self.get(name, size - wanted, wanted));
  }
}

base::Task<Result<std::shared_ptr<const format::ObjectKeys>>> PackReader::keys(
    format::PackId pack) {
  return state_->keys_of(pack);
}

void PackReader::learn(const format::PackId& pack, const format::ObjectHeader& header) {
  if (state_->known.find(pack)) return;
  // A header that does not fit is none: then the pack's own is fetched.
  auto keys = state_->open_keys(pack, header);
  if (keys) state_->known.put(pack, *std::move(keys));
}

base::Executor& PackReader::loop() const noexcept { return state_->env.loop(); }
std::uint64_t PackReader::frames_read() const noexcept { return state_->frames_read; }
std::uint64_t PackReader::gap_bytes() const noexcept { return state_->gap_bytes; }

}  // namespace snapvault::store
