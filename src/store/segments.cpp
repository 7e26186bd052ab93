#include "store/segments.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/reasons.hpp"
#include "base/try.hpp"

namespace snapvault::store {
namespace {

// Segments read or searched side by side.
constexpr std::size_t kParallel = 8;
// Records decrypted at a time while a segment is loaded.
constexpr std::size_t kRecordsAtOnce = 4;
constexpr std::uint64_t kFilterEntriesMin = 1u << 16;

// What a damaged object answers, as against a store that does not.
bool is_damage(const Error& error) noexcept {
  return error.code() == Errc::data_loss || error.code() == Errc::unsupported ||
         error.code() == Errc::not_found || error.code() == Errc::invalid_argument;
}

Result<void> parse_segment(const format::KeyRing& keys, base::ByteView object,
                           Segments::Segment& segment) {
  SV_TRY(segment.table, format::read_segment_table(keys, segment.name, object));
  SV_TRY(auto opened,
         format::ObjectKeys::open(keys, format::ObjectType::segment, segment.name,
                                  object.first(std::min(object.size(), format::kHeaderSize))));
  segment.keys.emplace(std::move(opened));
  return {};
}

// One record out of the whole object.
Result<std::vector<format::IndexEntry>> read_entries(
    const Segments::Segment& segment, const format::SegmentTable::EntryRecord& record,
    base::ByteView object) {
  if (record.offset > object.size() || record.stored > object.size() - record.offset) {
    return Error(Errc::data_loss, reason::bad_format, "a segment is shorter than it should be");
  }
  return format::read_segment_entries(*segment.keys, segment.table, record,
                                      object.subspan(record.offset, record.stored));
}

}  // namespace

Segments::Segments(provider::Client& client, const format::KeyRing& keys,
                   std::uint64_t memory_bytes_max, Lookup lookup)
    : client_(client),
      keys_(keys),
      env_(client.env()),
      filter_bytes_max_(memory_bytes_max / 2),
      loading_bytes_max_(memory_bytes_max / 8),
      lookup_(lookup),
      loading_(env_.loop(), 1),
      records_(env_.loop(), memory_bytes_max / 8, [](const Entries& entries) -> std::uint64_t {
        return entries.capacity() * sizeof(format::IndexEntry);
      }) {}

base::Task<Result<void>> Segments::load(format::SessionId own) {
  if (loaded_) co_return Result<void>();
  const auto turn = co_await loading_.acquire(1);
  if (loaded_) co_return Result<void>();
  auto listing = client_.list("index/s-");
  SV_CO_TRY(auto objects, std::move(listing));
  std::erase_if(objects, [&](const ObjectInfo& object) {
    const auto entry = format::parse_segment_name(object.key);
    return !entry || entry->session == own;
  });
  std::uint64_t bytes = 0;
  for (const auto& object : objects) bytes += std::min(object.size, format::kObjectMax);
  // Entries make up nearly all of a segment.
  const auto entries = bytes / format::kIndexEntrySize;
  Loading found;
  if (is_crowded(entries)) {
    found.hooks.emplace(filter_bytes_max_);
  } else {
    found.filter.emplace(entries, filter_bytes_max_);
  }
  auto loading = load_all(std::move(objects), found);
  SV_CO_CHECK(std::move(loading));
  segments_.reserve(found.segments.size());
  if (found.filter && bytes > 0) filters_.push_back(*std::move(found.filter));
  hooks_ = std::move(found.hooks);
  for (auto& segment : found.segments) add(std::move(segment));
  loaded_ = true;
  co_return Result<void>();
}

// With fewer bits an entry, too many blocks that are new would cost a look into every segment.
bool Segments::is_crowded(std::uint64_t entries) const noexcept {
  if (lookup_ == Lookup::exact) return false;
  return !client_.provider().capabilities().local ||
         entries > std::max(kFilterEntriesMin, filter_bytes_max_ / Bloom::kBytesPerEntry);
}

base::Task<Result<void>> Segments::load_all(std::vector<ObjectInfo> objects, Loading& into) {
  base::Semaphore memory(env_.loop(), loading_bytes_max_);
  auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
    for (auto& object : objects) {
      auto task = load_one(std::move(object), memory, into);
      auto spawned = group.spawn(std::move(task));
      co_await std::move(spawned);
      if (group.failed()) break;
    }
    co_return Result<void>();
  };
  auto task = base::with_group(env_.loop(), kParallel, body);
  auto done = co_await std::move(task);
  co_return done;
}

base::Task<Result<void>> Segments::load_one(ObjectInfo object, base::Semaphore& memory,
                                            Loading& into) {
  if (object.size > format::kObjectMax) {
    ++damaged_;
    co_return Result<void>();
  }
  const auto ticket = co_await memory.acquire(object.size);
  auto getting = client_.get(object.key);
  auto got = co_await std::move(getting);
  if (!got) {
    if (got.error().code() == Errc::not_found) co_return Result<void>();  // merged meanwhile
    co_return std::move(got).error();
  }
  auto bytes = std::make_shared<const base::Bytes>(*std::move(got));
  auto parsing = parse(object.key, bytes);
  auto segment = co_await std::move(parsing);
  if (!segment) {
    if (!is_damage(segment.error())) co_return std::move(segment).error();
    ++damaged_;
    co_return Result<void>();
  }
  const auto& known = **segment;
  (*segment)->ordinal = into.segments.size();
  into.segments.push_back(*std::move(segment));
  auto feeding = feed(known, *bytes, into);
  auto done = co_await std::move(feeding);
  co_return done;
}

base::Task<Result<std::shared_ptr<Segments::Segment>>> Segments::parse(
    std::string name, std::shared_ptr<const base::Bytes> object) {
  auto segment = std::make_shared<Segment>();
  segment->name = std::move(name);
  const auto work = [&] { return parse_segment(keys_, *object, *segment); };
  auto task = base::run_on(env_, env_.cpu(), work);
  SV_CO_CHECK(std::move(task));
  co_return segment;
}

// The filter or the hooks get the entries of a segment, a few records at a time.
base::Task<Result<void>> Segments::feed(const Segment& segment, base::ByteView object,
                                        Loading& into) {
  const auto ordinal = static_cast<std::uint32_t>(segment.ordinal);
  const std::span records(segment.table.records);
  for (std::size_t from = 0; from < records.size(); from += kRecordsAtOnce) {
    const auto some = records.subspan(from, std::min(kRecordsAtOnce, records.size() - from));
    Entries entries;
    std::uint64_t damaged = 0;
    const auto work = [&] {
      for (const auto& record : some) {
        const auto read = read_entries(segment, record, object);
        if (read) {
          entries.insert(entries.end(), read->begin(), read->end());
        } else {
          ++damaged;
        }
      }
      return true;
    };
    auto task = base::run_on(env_, env_.cpu(), work);
    co_await std::move(task);
    for (const auto& entry : entries) {
      if (into.filter) into.filter->add(entry.prefix);
      if (into.hooks) into.hooks->add(entry.prefix, ordinal);
    }
    damaged_ += damaged;
  }
  co_return Result<void>();
}

void Segments::add(std::shared_ptr<Segment> segment) {
  segment->ordinal = segments_.size();
  segments_.push_back(segment);
  entries_ += segment->table.entries;
}

void Segments::add(const format::BlockPrefix& prefix) {
  if (hooks_) {
    hooks_->add(prefix, static_cast<std::uint32_t>(segments_.size() - 1));
  } else {
    open_filter().add(prefix);
  }
}

base::Task<Result<void>> Segments::make_room() {
  if (hooks_ || !is_crowded(entries_)) co_return Result<void>();
  Loading into;
  into.hooks.emplace(filter_bytes_max_);
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    auto task = hook(segments_[i], into);
    SV_CO_CHECK(std::move(task));
  }
  hooks_ = std::move(into.hooks);
  filters_.clear();
  co_return Result<void>();
}

base::Task<Result<void>> Segments::hook(Pointer segment, Loading& into) {
  auto getting = client_.get(segment->name);
  auto got = co_await std::move(getting);
  if (!got) {
    if (!is_damage(got.error())) co_return std::move(got).error();
    ++damaged_;
    co_return Result<void>();
  }
  auto feeding = feed(*segment, *got, into);
  auto done = co_await std::move(feeding);
  co_return done;
}

// The filter that new entries go to: a new one, twice as large, when the last is full, as long as
// the bound leaves room for it; then the largest there is.
Bloom& Segments::open_filter() {
  if (!filters_.empty() && !filters_.back().full()) return filters_.back();
  std::uint64_t used = 0;
  for (const auto& filter : filters_) used += filter.bytes();
  const auto entries =
      std::max(kFilterEntriesMin, filters_.empty() ? 0 : 2 * filters_.back().capacity());
  if (filters_.empty() || used + entries * Bloom::kBytesPerEntry <= filter_bytes_max_) {
    return filters_.emplace_back(entries, filter_bytes_max_ - std::min(used, filter_bytes_max_));
  }
  return *std::max_element(filters_.begin(), filters_.end(),
                           [](const Bloom& a, const Bloom& b) { return a.bytes() < b.bytes(); });
}

bool Segments::may_contain(const format::BlockPrefix& prefix) const noexcept {
  if (hooks_) return !hooks_->is_sampled(prefix) || hooks_->segment_of(prefix).has_value();
  return std::any_of(filters_.begin(), filters_.end(),
                     [&](const Bloom& filter) { return filter.may_contain(prefix); });
}

base::Task<Result<void>> Segments::search(std::vector<Question>& questions, PackPlaces& places) {
  auto task = hooks_ ? search_hooked(questions, places) : search_all(questions, places);
  auto done = co_await std::move(task);
  co_return done;
}

// A hook that catches brings in its pack, which then answers for the block's neighbours: those
// asked about later, and in the end those before.
base::Task<Result<void>> Segments::search_hooked(std::vector<Question>& questions,
                                                 PackPlaces& places) {
  bool caught = false;
  for (auto& question : questions) {
    if (!question.place && caught) question.place = places.recent(question.prefix);
    if (question.place || !hooks_->is_sampled(question.prefix)) continue;
    const auto ordinal = hooks_->segment_of(question.prefix);
    if (!ordinal || *ordinal >= segments_.size()) continue;
    auto task = search_one(segments_[*ordinal], std::span(&question, 1), places);
    SV_CO_CHECK(std::move(task));
    caught = true;
  }
  if (!caught) co_return Result<void>();
  for (auto& question : questions) {
    if (!question.place) question.place = places.recent(question.prefix);
  }
  co_return Result<void>();
}

base::Task<Result<void>> Segments::search_all(std::vector<Question>& questions,
                                              PackPlaces& places) {
  std::vector<Pointer> order(segments_.begin(), segments_.end());
  std::size_t at = 0;
  if (recent_) {
    std::swap(order.front(), order[recent_->ordinal]);
    auto first = search_one(order[at++], questions, places);
    SV_CO_CHECK(std::move(first));
  }
  const auto open = [](const Question& question) { return !question.place; };
  while (at < order.size() && std::any_of(questions.begin(), questions.end(), open)) {
    const auto to = std::min(order.size(), at + kParallel);
    auto body = [&](base::TaskGroup& group) -> base::Task<Result<void>> {
      for (; at < to; ++at) {
        auto task = search_one(order[at], questions, places);
        auto spawned = group.spawn(std::move(task));
        co_await std::move(spawned);
      }
      co_return Result<void>();
    };
    auto task = base::with_group(env_.loop(), kParallel, body);
    SV_CO_CHECK(std::move(task));
  }
  co_return Result<void>();
}

base::Task<Result<void>> Segments::search_one(Pointer segment, std::span<Question> questions,
                                              PackPlaces& places) {
  const auto& records = segment->table.records;
  for (auto& question : questions) {
    if (question.place) continue;
    // Equal prefixes may stand on both sides of a record's end.
    auto record = std::lower_bound(
        records.begin(), records.end(), question.prefix,
        [](const auto& one, const format::BlockPrefix& want) { return one.first < want; });
    if (record != records.begin()) --record;
    for (; record != records.end() && record->first <= question.prefix && !question.place;
         ++record) {
      const auto index = static_cast<std::size_t>(record - records.begin());
      SV_CO_CHECK(answer(*segment, index, question, places));
    }
    if (question.place) recent_ = segment;
  }
  co_return Result<void>();
}

base::Task<Result<void>> Segments::answer(const Segment& segment, std::size_t record,
                                          Question& question, PackPlaces& places) {
  const auto load = [&](std::uint64_t) { return read_record(segment, record); };
  auto task = records_.get(segment.ordinal << 32 | record, load);
  SV_CO_TRY(const auto entries, std::move(task));
  auto entry = std::lower_bound(entries->begin(), entries->end(), question.prefix,
                                [](const format::IndexEntry& one, const format::BlockPrefix& want) {
                                  return one.prefix < want;
                                });
  for (; entry != entries->end() && entry->prefix == question.prefix; ++entry) {
    if (question.place) break;  // another segment was quicker
    if (entry->pack >= segment.table.packs.size()) continue;
    auto placing =
        places.at(segment.table.packs[entry->pack], entry->frame, entry->slot, question.prefix);
    SV_CO_TRY(auto place, std::move(placing));
    if (place && !question.place) question.place = place;
  }
  co_return Result<void>();
}

// A damaged record holds nothing, and stays in the cache as such.
base::Task<Result<Segments::Cache::Pointer>> Segments::read_record(const Segment& segment,
                                                                   std::size_t record) {
  const auto& place = segment.table.records[record];
  auto getting = client_.get(segment.name, place.offset, place.stored);
  auto stored = co_await std::move(getting);
  auto entries = std::make_shared<Entries>();
  if (!stored && !is_damage(stored.error())) co_return std::move(stored).error();
  const auto work = [&]() -> Result<void> {
    if (!stored) return stored.error();
    SV_TRY(*entries, format::read_segment_entries(*segment.keys, segment.table, place, *stored));
    return {};
  };
  auto task = base::run_on(env_, env_.cpu(), work);
  const auto read = co_await std::move(task);
  if (!read) ++damaged_;
  co_return Cache::Pointer(std::move(entries));
}

bool Segments::names(const format::PackId& pack) const noexcept {
  return std::any_of(segments_.begin(), segments_.end(), [&](const auto& segment) {
    const auto& packs = segment->table.packs;
    return std::any_of(packs.begin(), packs.end(), [&](const auto& one) { return one.id == pack; });
  });
}

}  // namespace snapvault::store
