#include "format/control.hpp"

#include "base/try.hpp"
#include "format/errors.hpp"
#include "format/json.hpp"

namespace snapvault::format {
namespace {

constexpr std::size_t kSmallMax = 64u << 10;  // of JSON: begin, tomb, abort
constexpr std::size_t kFramesDamagedMax = 100'000;
constexpr std::size_t kPacksListedMax = 200'000;

base::Bytes build(const KeyRing& keys, ObjectType type, std::string_view name, Salt salt,
                  JsonWriter json) {
  ObjectBuilder object(keys, type, name, salt);
  object.add(RecordKind::json, base::as_bytes(std::move(json).finish()));
  return std::move(object).finish();
}

// The JSON of an object that holds nothing else.
Result<Json> read(const KeyRing& keys, ObjectType type, std::string_view name,
                  base::ByteView object, std::size_t size_max) {
  SV_TRY(const auto records, read_object(keys, type, name, object));
  if (records.size() != 1 || records[0].kind != RecordKind::json ||
      records[0].plain.size() > size_max) {
    return bad_format("a control record is malformed");
  }
  return parse_json(records[0].plain);
}

// <session>-d<n> or <session>-m<n>
constexpr std::size_t kPackText = 42;
std::string text_of(const PackId& pack) {
  return pack.session.hex() + (pack.pack_class == PackClass::data ? "-d" : "-m") +
         base::hex8(pack.n);
}
std::optional<PackId> parse_pack(const Json& json) noexcept {
  const auto* const text = std::get_if<std::string>(&json.value);
  if (text == nullptr || text->size() != kPackText || (*text)[32] != '-') return std::nullopt;
  const auto view = std::string_view(*text);
  const auto session = parse_session(view.substr(0, 32));
  const auto n = base::parse_hex(view.substr(34));
  if (!session || !n || (view[33] != 'd' && view[33] != 'm')) return std::nullopt;
  PackId pack;
  pack.session = *session;
  pack.pack_class = view[33] == 'd' ? PackClass::data : PackClass::map;
  pack.n = static_cast<std::uint32_t>(*n);
  return pack;
}

void write_packs(JsonWriter& json, const std::vector<PackId>& packs) {
  std::vector<std::string> texts;
  for (const auto& pack : packs) texts.push_back(text_of(pack));
  json.texts("packs", texts);
}
void read_packs(JsonReader& reader, std::vector<PackId>& packs) {
  for (const auto& item : reader.array("packs")) {
    const auto pack = parse_pack(item);
    if (!pack || packs.size() == kPacksListedMax) return reader.fail("packs");
    packs.push_back(*pack);
  }
}

struct LogWriter {
  JsonWriter json;

  void operator()(const PolicyRecord& policy) {
    json.text("kind", "policy");
    if (policy.full_every) json.number("full_every", *policy.full_every);
    if (policy.protect_parents) json.boolean("protect_parents", *policy.protect_parents);
    if (policy.compression) json.text("compression", *policy.compression);
    if (policy.pack_size) json.number("pack_size", *policy.pack_size);
  }
  void operator()(const DamageRecord& damage) {
    json.text("kind", "damage");
    Json::Array frames;
    for (const auto& frame : damage.frames) {
      frames.push_back(
          Json{Json::Array{Json{text_of(frame.pack)}, Json{std::uint64_t{frame.start16}}}});
    }
    write_json(json.key("frames").raw(), Json{std::move(frames)});
    write_packs(json, damage.packs);
  }
  void operator()(const FeaturesRecord& features) {
    json.text("kind", "features").texts("read_required", features.read_required);
    json.texts("write_required", features.write_required).texts("optional", features.optional);
  }
  void operator()(const CondemnRecord& condemn) {
    json.text("kind", "condemn");
    write_packs(json, condemn.packs);
    json.number("watermark", condemn.watermark);
  }
  void operator()(const UnknownRecord& unknown) { json.text("kind", unknown.kind); }
};

PolicyRecord read_policy(JsonReader& reader) {
  PolicyRecord policy;
  if (reader.has("full_every")) {
    policy.full_every = static_cast<std::uint32_t>(reader.number("full_every", UINT32_MAX));
  }
  if (reader.has("protect_parents")) policy.protect_parents = reader.boolean("protect_parents");
  if (reader.has("compression")) policy.compression = reader.text("compression");
  if (reader.has("pack_size")) policy.pack_size = reader.number("pack_size", kObjectMax);
  return policy;
}

DamageRecord read_damage(JsonReader& reader) {
  DamageRecord damage;
  for (const auto& item : reader.array("frames")) {
    const auto* const pair = std::get_if<Json::Array>(&item.value);
    const bool is_pair = pair != nullptr && pair->size() == 2;
    const auto pack = is_pair ? parse_pack((*pair)[0]) : std::nullopt;
    const auto* const start = is_pair ? std::get_if<std::uint64_t>(&(*pair)[1].value) : nullptr;
    if (!pack || start == nullptr || *start > kObjectMax / 16 ||
        damage.frames.size() == kFramesDamagedMax) {
      reader.fail("frames");
      break;
    }
    damage.frames.push_back({*pack, static_cast<std::uint32_t>(*start)});
  }
  read_packs(reader, damage.packs);
  return damage;
}

FeaturesRecord read_features(JsonReader& reader) {
  FeaturesRecord features;
  features.read_required = reader.texts("read_required");
  features.write_required = reader.texts("write_required");
  features.optional = reader.texts("optional");
  return features;
}

CondemnRecord read_condemn(JsonReader& reader) {
  CondemnRecord condemn;
  read_packs(reader, condemn.packs);
  condemn.watermark = reader.number("watermark");
  return condemn;
}

LogRecord read_kind(JsonReader& reader, std::string kind) {
  if (kind == "policy") return read_policy(reader);
  if (kind == "damage") return read_damage(reader);
  if (kind == "features") return read_features(reader);
  if (kind == "condemn") return read_condemn(reader);
  return UnknownRecord{std::move(kind)};
}

}  // namespace

base::Bytes build_begin(const KeyRing& keys, std::string_view name, Salt salt, const Begin& begin) {
  JsonWriter json;
  json.text("source", begin.source).signed_number("time", begin.time);
  if (begin.parent) {
    JsonWriter parent;
    parent.number("order", begin.parent_order).hex("session", begin.parent->view());
    json.key("parent").raw() += std::move(parent).finish();
  }
  return build(keys, ObjectType::begin, name, salt, std::move(json));
}

base::Bytes build_tomb(const KeyRing& keys, std::string_view name, Salt salt, const Tomb& tomb) {
  JsonWriter json;
  json.signed_number("time", tomb.time);
  return build(keys, ObjectType::tomb, name, salt, std::move(json));
}

base::Bytes build_abort(const KeyRing& keys, std::string_view name, Salt salt, const Abort& abort) {
  JsonWriter json;
  json.signed_number("time", abort.time).text("why", abort.why);
  return build(keys, ObjectType::abort, name, salt, std::move(json));
}

base::Bytes build_log(const KeyRing& keys, std::string_view name, Salt salt,
                      const LogRecord& record) {
  LogWriter writer;
  std::visit(writer, record);
  return build(keys, ObjectType::log, name, salt, std::move(writer.json));
}

Result<Begin> read_begin(const KeyRing& keys, std::string_view name, base::ByteView object) {
  SV_TRY(const auto json, read(keys, ObjectType::begin, name, object, kSmallMax));
  JsonReader reader(json);
  Begin begin;
  begin.source = reader.text("source");
  begin.time = reader.signed_number("time");
  if (reader.has("parent")) {
    JsonReader members(reader.object("parent"));
    SessionId parent;
    begin.parent_order = members.number("order");
    members.hex("session", parent.bytes);
    begin.parent = parent;
    SV_CHECK(members.finish());
  }
  if (!check_source_name(begin.source)) reader.fail("source");
  SV_CHECK(reader.finish());
  return begin;
}

Result<Tomb> read_tomb(const KeyRing& keys, std::string_view name, base::ByteView object) {
  SV_TRY(const auto json, read(keys, ObjectType::tomb, name, object, kSmallMax));
  JsonReader reader(json);
  Tomb tomb;
  tomb.time = reader.signed_number("time");
  SV_CHECK(reader.finish());
  return tomb;
}

Result<Abort> read_abort(const KeyRing& keys, std::string_view name, base::ByteView object) {
  SV_TRY(const auto json, read(keys, ObjectType::abort, name, object, kSmallMax));
  JsonReader reader(json);
  Abort abort;
  abort.time = reader.signed_number("time");
  abort.why = reader.text("why");
  SV_CHECK(reader.finish());
  return abort;
}

Result<LogRecord> read_log(const KeyRing& keys, std::string_view name, base::ByteView object) {
  SV_TRY(const auto json, read(keys, ObjectType::log, name, object, kPlainMax));
  JsonReader reader(json);
  auto kind = reader.text("kind");
  if (kind.starts_with('!'))
    return newer_format("the log has a critical record of a newer version");
  auto record = read_kind(reader, std::move(kind));
  SV_CHECK(reader.finish());
  return record;
}

}  // namespace snapvault::format
