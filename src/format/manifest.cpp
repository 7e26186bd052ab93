#include "format/manifest.hpp"

#include <algorithm>
#include <bit>

#include "base/try.hpp"
#include "format/errors.hpp"
#include "format/json.hpp"

namespace snapvault::format {
namespace {

constexpr std::size_t kManifestMax = 8u << 20;  // of JSON
constexpr std::size_t kTokenMax = 4096;
constexpr std::size_t kSamplesMax = 256;
constexpr std::uint32_t kBlockSizeMin = 4096, kBlockSizeMax = 4u << 20;

// The fields of `counts`, in order of writing.
using Counts = Manifest::Counts;
struct CountField {
  std::string_view name;
  std::uint64_t Counts::*field;
};
constexpr CountField kCountFields[] = {{"read_bytes", &Counts::read_bytes},
                                       {"changed_bytes", &Counts::changed_bytes},
                                       {"new_bytes", &Counts::new_bytes},
                                       {"stored_bytes", &Counts::stored_bytes},
                                       {"total", &Counts::total},
                                       {"zero", &Counts::zero},
                                       {"hole", &Counts::hole},
                                       {"unchanged", &Counts::unchanged},
                                       {"duplicate", &Counts::duplicate},
                                       {"fresh", &Counts::fresh},
                                       {"requests", &Counts::requests}};

using FingerprintBytes = std::array<std::byte, 16>;
FingerprintBytes bytes_of(const codec::Fingerprint& fingerprint) noexcept {
  FingerprintBytes out;
  base::store(out.data(), fingerprint.low);
  base::store(out.data() + 8, fingerprint.high);
  return out;
}

std::string write_map(const std::map<std::string, std::string>& values) {
  JsonWriter json;
  for (const auto& [key, value] : values) json.text(key, value);
  return std::move(json).finish();
}

std::string write_refs_object(const RefsBase& refs) {
  JsonWriter json;
  json.number("order", refs.order).hex("session", refs.session.view());
  json.number("n", refs.n).number("entries", refs.entries);
  return std::move(json).finish();
}

std::string write_bad(const std::vector<BadExtent>& extents) {
  Json::Array list;
  for (const auto& extent : extents) {
    list.push_back(Json{Json::Array{Json{extent.offset}, Json{extent.length}}});
  }
  std::string out;
  write_json(out, Json{std::move(list)});
  return out;
}

std::string write_samples(const std::vector<AuditSample>& samples) {
  Json::Array list;
  for (const auto& sample : samples) {
    list.push_back(
        Json{Json::Array{Json{sample.offset}, Json{base::hex(bytes_of(sample.fingerprint))}}});
  }
  std::string out;
  write_json(out, Json{std::move(list)});
  return out;
}

void write_extra(JsonWriter& json, const std::string& extra) {
  const auto parsed = parse_json(base::as_bytes(extra));
  const auto* const members = parsed ? std::get_if<Json::Object>(&parsed->value) : nullptr;
  if (members == nullptr) return;
  for (const auto& [key, value] : *members) write_json(json.key(key).raw(), value);
}

std::string write_manifest(const Commit& commit) {
  const auto& manifest = commit.manifest;
  JsonWriter json;
  json.text("source", manifest.source).text("kind", manifest.kind);
  json.number("size", manifest.size).number("block_size", manifest.block_size);
  json.number("height", manifest.height);
  json.signed_number("started", manifest.started).signed_number("finished", manifest.finished);
  if (manifest.parent) {
    JsonWriter parent;
    parent.number("order", manifest.parent->order).hex("session", manifest.parent->session.view());
    json.key("parent").raw() += std::move(parent).finish();
  }
  json.number("chain", manifest.chain).text("mode", manifest.mode);
  json.text("mode_reason", manifest.mode_reason);
  json.boolean("crash_consistent", manifest.crash_consistent);
  json.text("file_system", manifest.file_system);
  json.key("tags").raw() += write_map(manifest.tags);
  json.key("attributes").raw() += write_map(manifest.attributes);
  json.hex("base_token", manifest.base_token);
  json.key("bad").raw() += write_bad(manifest.bad);
  json.key("samples").raw() += write_samples(manifest.samples);
  JsonWriter counts;
  for (const auto& [name, field] : kCountFields) counts.number(name, manifest.counts.*field);
  json.key("counts").raw() += std::move(counts).finish();
  json.text("dedup", manifest.dedup).texts("read_required", manifest.read_required);
  json.texts("write_required", manifest.write_required);
  if (commit.refs_object) json.key("refs").raw() += write_refs_object(*commit.refs_object);
  write_extra(json, manifest.extra_json);
  return std::move(json).finish();
}

// The two items of a pair in an array, or null.
const Json::Array* pair_of(const Json& json) noexcept {
  const auto* const items = std::get_if<Json::Array>(&json.value);
  return items != nullptr && items->size() == 2 ? items : nullptr;
}

void read_map(JsonReader& reader, std::string_view name, std::map<std::string, std::string>& out) {
  for (const auto& [key, value] : std::get<Json::Object>(reader.object(name).value)) {
    const auto* const text = std::get_if<std::string>(&value.value);
    if (text == nullptr) return reader.fail(name);
    out.emplace(key, *text);
  }
}

void read_bad(JsonReader& reader, std::uint64_t size, std::vector<BadExtent>& out) {
  std::uint64_t end = 0;
  for (const auto& item : reader.array("bad")) {
    const auto* const pair = pair_of(item);
    const auto* const offset = pair ? std::get_if<std::uint64_t>(&(*pair)[0].value) : nullptr;
    const auto* const length = pair ? std::get_if<std::uint64_t>(&(*pair)[1].value) : nullptr;
    if (offset == nullptr || length == nullptr || *offset < end || *length == 0 || *offset > size ||
        *length > size - *offset) {
      return reader.fail("bad");
    }
    end = *offset + *length;
    out.push_back({*offset, *length});
  }
}

void read_samples(JsonReader& reader, std::uint64_t size, std::vector<AuditSample>& out) {
  for (const auto& item : reader.array("samples")) {
    const auto* const pair = pair_of(item);
    const auto* const offset = pair ? std::get_if<std::uint64_t>(&(*pair)[0].value) : nullptr;
    const auto* const digits = pair ? std::get_if<std::string>(&(*pair)[1].value) : nullptr;
    FingerprintBytes bytes;
    if (offset == nullptr || digits == nullptr || *offset >= size || out.size() == kSamplesMax ||
        !base::unhex(*digits, bytes)) {
      return reader.fail("samples");
    }
    out.push_back(
        {*offset,
         {base::load<std::uint64_t>(bytes.data()), base::load<std::uint64_t>(bytes.data() + 8)}});
  }
}

// A member that is an object of its own.
Result<void> read_parent(JsonReader& reader, std::optional<Manifest::Parent>& out) {
  if (!reader.has("parent")) return {};
  JsonReader members(reader.object("parent"));
  Manifest::Parent parent;
  parent.order = members.number("order");
  members.hex("session", parent.session.bytes);
  out = parent;
  return members.finish();
}

Result<void> read_counts(JsonReader& reader, Counts& out) {
  JsonReader members(reader.object("counts"));
  for (const auto& [name, field] : kCountFields) out.*field = members.number(name);
  return members.finish();
}

Result<void> read_refs_object(JsonReader& reader, std::optional<RefsBase>& out) {
  if (!reader.has("refs")) return {};
  JsonReader members(reader.object("refs"));
  RefsBase refs;
  refs.order = members.number("order");
  members.hex("session", refs.session.bytes);
  refs.n = static_cast<std::uint32_t>(members.number("n", RefsBase::kInline - 1));
  refs.entries = static_cast<std::uint32_t>(members.number("entries", UINT32_MAX));
  out = refs;
  return members.finish();
}

void check_ranges(JsonReader& reader, const Manifest& manifest) {
  if (!check_source_name(manifest.source)) reader.fail("source");
  if (manifest.block_size < kBlockSizeMin || !std::has_single_bit(manifest.block_size)) {
    return reader.fail("block_size");
  }
  if (manifest.height != map_height(manifest.size, manifest.block_size)) reader.fail("height");
}

Result<Commit> read_manifest(base::ByteView text) {
  if (text.size() > kManifestMax) return bad_format("a manifest is too large");
  SV_TRY(const auto json, parse_json(text));
  JsonReader reader(json);
  Commit commit;
  auto& manifest = commit.manifest;
  manifest.read_required = reader.texts("read_required");
  SV_CHECK(check_features(manifest.read_required));
  manifest.source = reader.text("source");
  manifest.kind = reader.text("kind");
  manifest.size = reader.number("size");
  manifest.block_size = static_cast<std::uint32_t>(reader.number("block_size", kBlockSizeMax));
  manifest.height = static_cast<std::uint32_t>(reader.number("height", UINT32_MAX));
  manifest.started = reader.signed_number("started");
  manifest.finished = reader.signed_number("finished");
  SV_CHECK(read_parent(reader, manifest.parent));
  manifest.chain = static_cast<std::uint32_t>(reader.number("chain", UINT32_MAX));
  manifest.mode = reader.text("mode");
  manifest.mode_reason = reader.text("mode_reason");
  manifest.crash_consistent = reader.boolean("crash_consistent");
  manifest.file_system = reader.text("file_system");
  read_map(reader, "tags", manifest.tags);
  read_map(reader, "attributes", manifest.attributes);
  manifest.base_token = reader.hex("base_token", kTokenMax);
  read_bad(reader, manifest.size, manifest.bad);
  read_samples(reader, manifest.size, manifest.samples);
  SV_CHECK(read_counts(reader, manifest.counts));
  manifest.dedup = reader.text("dedup");
  manifest.write_required = reader.texts("write_required");
  SV_CHECK(read_refs_object(reader, commit.refs_object));
  check_ranges(reader, manifest);
  SV_CHECK(reader.finish());
  manifest.extra_json.clear();
  write_json(manifest.extra_json, Json{reader.rest()});
  return commit;
}

// The inline nodes are those the height asks for, and nothing else.
Result<void> check_top(const InlineNodes& nodes, std::uint32_t height) {
  std::size_t expected = 1;
  if (height == 1) {
    SV_CHECK(decode_leaf(nodes.nodes.front()));
  } else {
    SV_TRY(const auto root, decode_inner(nodes.nodes.front()));
    const auto children = std::count_if(root.children.begin(), root.children.end(),
                                        [](const auto& c) { return c.state == ChildState::node; });
    const bool are_inline = height > 2;
    if (children > 0 && root.packs.empty() != are_inline) {
      return bad_format("the root of the map is malformed");
    }
    if (are_inline) expected += static_cast<std::size_t>(children);
  }
  if (nodes.nodes.size() != expected) return bad_format("a manifest lacks nodes of its map");
  for (std::size_t i = 1; i < expected; ++i) {
    SV_TRY(const auto inner, decode_inner(nodes.nodes[i]));
    const bool has_nodes = std::any_of(inner.children.begin(), inner.children.end(),
                                       [](auto& c) { return c.state == ChildState::node; });
    if (has_nodes && inner.packs.empty()) return bad_format("an inline node names no packs");
  }
  return {};
}

}  // namespace

base::Bytes build_commit(const KeyRing& keys, std::string_view name,
                         std::span<const std::byte, 24> salt, const Commit& commit) {
  ObjectBuilder object(keys, ObjectType::manifest, name, salt);
  object.add(RecordKind::json, base::as_bytes(write_manifest(commit)));
  object.add(RecordKind::nodes, encode_inline_nodes(commit.nodes));
  if (commit.refs) object.add(RecordKind::refs, encode_refs(*commit.refs));
  return std::move(object).finish();
}

Result<Commit> read_commit(const KeyRing& keys, std::string_view name, base::ByteView object) {
  SV_TRY(const auto records, read_object(keys, ObjectType::manifest, name, object));
  if (records.size() < 2 || records.size() > 3 || records[0].kind != RecordKind::json ||
      records[1].kind != RecordKind::nodes ||
      (records.size() == 3 && records[2].kind != RecordKind::refs)) {
    return bad_format("a manifest consists of other records than it should");
  }
  SV_TRY(auto commit, read_manifest(records[0].plain));
  SV_TRY(commit.nodes, decode_inline_nodes(records[1].plain));
  SV_CHECK(check_top(commit.nodes, commit.manifest.height));
  if (records.size() == 3) {
    SV_TRY(commit.refs, decode_refs(records[2].plain));
  }
  if (commit.refs.has_value() == commit.refs_object.has_value()) {
    return bad_format("a manifest has no refs, or has them twice");
  }
  return commit;
}

}  // namespace snapvault::format
