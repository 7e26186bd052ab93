// Fuzzes every decoder of the format. The first byte of an input chooses the target, the rest is
// what it decodes. What is inside the encryption is sealed here, so that the fuzzer reaches it.
//
// A decoder must refuse or accept; what it accepts must be encoded to the same bytes again.
#include "fuzz/fuzz.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>

#include "codec/crc64.hpp"
#include "format/control.hpp"
#include "format/manifest.hpp"
#include "format/segment.hpp"

namespace snapvault::format {
namespace {

// Ends the run where the sanitizers and the fuzzer see it.
void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  __builtin_trap();
}
void require_equal(const base::Bytes& again, base::ByteView input) {
  require(std::equal(again.begin(), again.end(), input.begin(), input.end()),
          "decoded and encoded again, the bytes differ");
}

template <std::size_t N>
std::array<std::byte, N> filled(unsigned value) {
  std::array<std::byte, N> out;
  out.fill(static_cast<std::byte>(value));
  return out;
}

const KeyRing& keys() {
  static const KeyRing ring = [] {
    KeyRing made(RepositoryId{filled<16>(1)}, codec::Key(filled<32>(2)));
    const auto secret = codec::Key(filled<32>(3));
    require(made.add_epoch(0, made.wrap_epoch(0, secret)).has_value(), "no epoch");
    return made;
  }();
  return ring;
}

constexpr std::string_view kName = "name";

// An object of one JSON record, and what `more` adds.
base::Bytes sealed(ObjectType type, RecordKind kind, base::ByteView plain, auto more) {
  ObjectBuilder object(keys(), type, kName, filled<24>(4));
  object.add_raw(kind, plain);
  more(object);
  return std::move(object).finish();
}
base::Bytes sealed(ObjectType type, RecordKind kind, base::ByteView plain) {
  return sealed(type, kind, plain, [](ObjectBuilder&) {});
}

void fuzz_object(base::ByteView input) {
  for (const auto type : {ObjectType::manifest, ObjectType::data_pack, ObjectType::segment}) {
    (void)read_object(keys(), type, kName, input);
    (void)ObjectKeys::open(keys(), type, kName, input.first(std::min(input.size(), kHeaderSize)));
  }
  (void)decode_footer(input.last(std::min(input.size(), kFooterSize)), input.size());
  (void)decode_record_header(input);
  (void)object_type(input);
}

// Overwrites bytes of an authentic object, then corrects its checksum.
void fuzz_patched_object(base::ByteView input) {
  const auto small = [](ObjectBuilder& object) {
    object.add(RecordKind::nodes, base::Bytes(100));
    object.add_raw(RecordKind::refs, base::Bytes(5));
  };
  const auto good = sealed(ObjectType::manifest, RecordKind::json, base::as_bytes("{}"), small);
  auto object = good;
  base::ByteReader reader(input);
  for (int i = 0; i < 16 && !reader.rest().empty(); ++i) {
    const auto at = reader.read<std::uint16_t>();
    const auto value = reader.read<std::uint8_t>();
    object[at % object.size()] ^= static_cast<std::byte>(value);
  }
  const auto area = base::ByteView(object).first(object.size() - kFooterSize);
  base::store(object.data() + area.size() + 16, codec::crc64(area));
  const bool accepted = read_object(keys(), ObjectType::manifest, kName, object).has_value();
  require(accepted == (object == good), "a changed object was accepted");
}

void fuzz_directory(base::ByteView input) {
  if (const auto out = decode_directory(input, kObjectMax)) {
    require_equal(encode_directory(*out), input);
  }
}
void fuzz_leaf(base::ByteView input) {
  if (auto out = decode_leaf(input)) {
    require_equal(encode_leaf(*out), input);
    compact_packs(*out);
    require(decode_leaf(encode_leaf(*out)).has_value(), "a compact leaf is refused");
  }
}
void fuzz_inner(base::ByteView input) {
  if (auto out = decode_inner(input)) {
    require_equal(encode_inner(*out), input);
    compact_packs(*out);
    require(decode_inner(encode_inner(*out)).has_value(), "a compact node is refused");
  }
}
void fuzz_node_frame(base::ByteView input) {
  const auto out = decode_node_frame(input);
  if (!out) return;
  std::vector<base::Bytes> nodes;
  for (const auto view : *out) nodes.emplace_back(view.begin(), view.end());
  require_equal(encode_node_frame(nodes), input);
}
void fuzz_inline_nodes(base::ByteView input) {
  if (const auto out = decode_inline_nodes(input)) require_equal(encode_inline_nodes(*out), input);
}
void fuzz_refs(base::ByteView input) {
  const auto out = decode_refs(input);
  if (!out) return;
  require_equal(encode_refs(*out), input);
  auto base = *out;
  base.base.reset();
  if (out->base) (void)apply_refs(base, *out);
}

void fuzz_segment(base::ByteView input) {
  (void)read_segment_table(keys(), kName, input);
  // u16 bytes of packs | u16 bytes of entries | packs | entries | directory
  base::ByteReader reader(input);
  const auto packs_size = reader.read<std::uint16_t>();
  const auto entries_size = reader.read<std::uint16_t>();
  const auto packs = reader.take(packs_size);
  const auto entries = reader.take(entries_size);
  if (!reader.ok()) return;
  const auto more = [&](ObjectBuilder& object) {
    object.add_raw(RecordKind::entries, entries);
    object.add_raw(RecordKind::directory, reader.rest());
  };
  const auto object = sealed(ObjectType::segment, RecordKind::packs, packs, more);
  const auto table = read_segment_table(keys(), kName, object);
  if (!table) return;
  const auto header = base::ByteView(object).first(kHeaderSize);
  const auto object_keys = ObjectKeys::open(keys(), ObjectType::segment, kName, header);
  for (const auto& record : table->records) {
    const auto stored = base::ByteView(object).subspan(record.offset, record.stored);
    (void)read_segment_entries(*object_keys, *table, record, stored);
  }
}

void fuzz_slot(base::ByteView input) {
  const auto id = keys().repository();
  const auto kek = codec::Key(filled<32>(5));
  (void)unwrap_slot(id, input, kek);
  base::Bytes object(input.begin(), input.end());  // the same with a checksum that fits
  base::append(object, codec::crc64(object));
  (void)unwrap_slot(id, object, kek);
  if (const auto slot = decode_slot(object)) {
    const auto again = encode_slot(id, *slot, slot_salt(*slot), kek, keys().master());
    require(decode_slot(again).has_value(), "a slot is refused when encoded again");
  }
  auto ring = KeyRing(id, keys().master());
  (void)ring.add_epoch(0, input);
}

void fuzz_repo(base::ByteView input) {
  (void)check_repo(input, keys());
  auto text = std::string(base::as_text(input)) + "\n";
  const auto mac = keys().repo_mac(base::as_bytes(text));
  text += base::hex(mac) + "\n";
  const auto repo = decode_repo(base::as_bytes(text));
  if (!repo) return;
  require(check_repo(base::as_bytes(text), keys()).has_value(), "a right MAC is refused");
  const auto again = encode_repo(*repo, keys());
  const auto back = decode_repo(again);
  require(back && encode_repo(*back, keys()) == again, "repo changes when encoded twice");
}

void fuzz_manifest(base::ByteView input) {
  const auto more = [](ObjectBuilder& object) {
    object.add_raw(RecordKind::nodes, encode_inline_nodes({{encode_leaf(Leaf{})}}));
    object.add_raw(RecordKind::refs, encode_refs(Refs{}));
  };
  const auto object = sealed(ObjectType::manifest, RecordKind::json, input, more);
  const auto commit = read_commit(keys(), kName, object);
  if (!commit) return;
  const auto again = build_commit(keys(), kName, filled<24>(4), *commit);
  const auto back = read_commit(keys(), kName, again);
  require(back && build_commit(keys(), kName, filled<24>(4), *back) == again,
          "a manifest changes when encoded twice");
}

void fuzz_control(base::ByteView input) {
  const auto salt = filled<24>(4);
  (void)read_tomb(keys(), kName, sealed(ObjectType::tomb, RecordKind::json, input));
  (void)read_abort(keys(), kName, sealed(ObjectType::abort, RecordKind::json, input));
  const auto begin = read_begin(keys(), kName, sealed(ObjectType::begin, RecordKind::json, input));
  if (begin) {
    const auto again = build_begin(keys(), kName, salt, *begin);
    require(read_begin(keys(), kName, again).has_value(), "a begin is refused when encoded again");
  }
  const auto log = read_log(keys(), kName, sealed(ObjectType::log, RecordKind::json, input));
  if (!log) return;
  const auto again = build_log(keys(), kName, salt, *log);
  const auto back = read_log(keys(), kName, again);
  require(back && build_log(keys(), kName, salt, *back) == again,
          "a log record changes when encoded twice");
}

void fuzz_names(base::ByteView input) {
  const auto name = base::as_text(input);
  if (const auto pack = parse_pack_name(name)) require(pack_name(*pack) == name, "pack name");
  if (const auto entry = parse_source_entry(name)) {
    require(source_entry_name(*entry) == name, "source entry name");
  }
  if (const auto entry = parse_segment_name(name)) {
    require(segment_name(entry->session, entry->n) == name, "segment name");
  }
  (void)parse_control_name(keys().repository(), name);
  (void)check_source_name(name);
}

constexpr void (*kTargets[])(base::ByteView) = {
    fuzz_object, fuzz_patched_object, fuzz_directory,    fuzz_leaf,    fuzz_inner,
    fuzz_refs,   fuzz_node_frame,     fuzz_inline_nodes, fuzz_segment, fuzz_slot,
    fuzz_repo,   fuzz_manifest,       fuzz_control,      fuzz_names};

}  // namespace
}  // namespace snapvault::format

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto input = std::as_bytes(std::span(data, size));
  const auto target = data[0] % std::size(snapvault::format::kTargets);
  snapvault::format::kTargets[target](input.subspan(1));
  return 0;
}
