#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

Failure round_trip(Store& store, const std::string& name, Bytes bytes) {
  PutRequest request{.key = name, .body = PutBody(bytes), .durable = false};
  SV_EXPECT(store.put(request).has_value());
  const auto info = store.stat(name);
  SV_EXPECT(info.has_value());
  SV_EXPECT(info->size == bytes.size());
  const auto got = store.get(name);
  SV_EXPECT(got.has_value());
  SV_EXPECT(*got == bytes);
  return {};
}

PutBody in_parts(const std::vector<Bytes>& pieces) {
  std::vector<PutBody::Part> parts;
  Bytes whole;
  for (const auto& piece : pieces) {
    parts.push_back(std::make_shared<const Bytes>(piece));
    whole.insert(whole.end(), piece.begin(), piece.end());
  }
  return PutBody(std::move(parts), PutBody(std::move(whole)).crc64_nvme());
}

Failure put_and_get(Store& store) { return round_trip(store, "object", bytes_of("some bytes")); }

Failure durable_put(Store& store) {
  SV_EXPECT(store.put("object", "some bytes", true).has_value());
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "some bytes");
  return {};
}

Failure empty(Store& store) {
  SV_EXPECT(store.put("empty", "").has_value());
  const auto got = store.get("empty");
  SV_EXPECT(got.has_value());
  SV_EXPECT(got->empty());
  return {};
}

Failure empty_stat_and_list(Store& store) {
  SV_EXPECT(store.put("empty", "").has_value());
  const auto info = store.stat("empty");
  SV_EXPECT(info.has_value());
  SV_EXPECT(info->size == 0);
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == std::vector<std::string>{"empty"});
  return {};
}

Failure default_body(Store& store) {
  SV_EXPECT(store.put({.key = "none", .body = PutBody()}).has_value());
  const auto got = store.get("none");
  SV_EXPECT(got.has_value());
  SV_EXPECT(got->empty());
  return {};
}

Failure sizes(Store& store) {
  for (const std::size_t size : {1u, 2u, 511u, 512u, 4095u, 4096u, 4097u, 65'535u, 65'537u}) {
    if (auto failure = round_trip(store, "size-" + std::to_string(size), noise(size, size))) {
      return failure;
    }
  }
  return {};
}

Failure every_byte(Store& store) {
  Bytes bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<std::byte>(i));
  return round_trip(store, "bytes", bytes);
}

Failure zeros(Store& store) { return round_trip(store, "zeros", Bytes(10'000)); }

Failure zeros_at_the_end(Store& store) {
  auto bytes = bytes_of("text");
  bytes.resize(5000);
  return round_trip(store, "zeros", bytes);
}

Failure text_of_lines(Store& store) {
  return round_trip(store, "lines", bytes_of("one\r\ntwo\n\nthree\r\n\x1a"));
}

Failure medium(Store& store) { return round_trip(store, "medium", noise(5u << 20, 5)); }

Failure large(Store& store) { return round_trip(store, "large", noise((10u << 20) + 3, 10)); }

Failure parts_in_order(Store& store) {
  const auto body = in_parts({bytes_of("one,"), bytes_of("two,"), bytes_of("three")});
  SV_EXPECT(store.put({.key = "parts", .body = body}).has_value());
  SV_EXPECT(text_of(store.get("parts").value_or(Bytes())) == "one,two,three");
  SV_EXPECT(store.stat("parts").value().size == 13);
  return {};
}

Failure empty_parts(Store& store) {
  const auto body = in_parts({{}, bytes_of("a"), {}, {}, bytes_of("b"), {}});
  SV_EXPECT(store.put({.key = "parts", .body = body}).has_value());
  SV_EXPECT(text_of(store.get("parts").value_or(Bytes())) == "ab");
  return {};
}

Failure many_parts(Store& store) {
  std::vector<Bytes> pieces;
  Bytes whole;
  for (std::size_t i = 0; i < 1500; ++i) {
    pieces.push_back(noise(i * 37 % 1000, i));
    whole.insert(whole.end(), pieces.back().begin(), pieces.back().end());
  }
  SV_EXPECT(store.put({.key = "parts", .body = in_parts(pieces)}).has_value());
  SV_EXPECT(store.get("parts").value_or(Bytes()) == whole);
  return {};
}

Failure body_is_kept(Store& store) {
  PutRequest request{.key = "body", .body = body_of("sealed")};
  const auto body = request.body;
  SV_EXPECT(store.put(request).has_value());
  SV_EXPECT(text_of(*body.parts().front()) == "sealed");
  request.key = "again";
  SV_EXPECT(store.put(request).has_value());
  SV_EXPECT(text_of(store.get("again").value_or(Bytes())) == "sealed");
  return {};
}

Failure longest_key(Store& store) {
  std::string name;
  while (store.key(name).size() < 1024) name += name.size() % 100 == 99 ? '/' : 'k';
  if (name.ends_with('/')) name.back() = 'k';
  SV_EXPECT(store.key(name).size() == 1024);
  if (auto failure = round_trip(store, name, bytes_of("long"))) return failure;
  name.back() = 'x';
  SV_EXPECT(code(store.get(name)) == Errc::not_found);
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(page->objects.size() == 1);
  SV_EXPECT(page->objects[0].key.size() == 1024);
  return {};
}

Failure longest_component(Store& store) {
  const std::string name(200, 'n');
  SV_EXPECT(store.put(name + "1", "one").has_value());
  SV_EXPECT(store.put(name + "2", "two").has_value());
  SV_EXPECT(text_of(store.get(name + "1").value_or(Bytes())) == "one");
  SV_EXPECT(text_of(store.get(name + "2").value_or(Bytes())) == "two");
  return {};
}

Failure deep_key(Store& store) {
  std::string name = "d";
  for (int i = 0; i < 60; ++i) name += "/d";
  return round_trip(store, name, bytes_of("deep"));
}

Failure key_characters(Store& store) {
  return round_trip(store, "abcdefghijklmnopqrstuvwxyz/0123456789/.-_/_-.", bytes_of("all"));
}

Failure dotted_keys(Store& store) {
  for (const char* name : {".a", "..a", "a.", "a..", "...", ".c/..b", "a-/x", "-", "_", "-a/_"}) {
    if (auto failure = round_trip(store, name, bytes_of(name))) return failure;
  }
  return {};
}

Failure keys_apart(Store& store) {
  const std::vector<std::string> names = {"a-b", "a.b", "a_b", "ab", "a0b", "a/b", "aa", "a1"};
  for (const auto& name : names) SV_EXPECT(store.put(name, name).has_value());
  for (const auto& name : names) {
    SV_EXPECT(text_of(store.get(name).value_or(Bytes())) == name);
  }
  return {};
}

Failure missing(Store& store) {
  SV_EXPECT(failed(store.get("missing"), Errc::not_found, "no_object"));
  SV_EXPECT(failed(store.get("no/such/folder"), Errc::not_found, "no_object"));
  return {};
}

Failure missing_stat(Store& store) {
  SV_EXPECT(failed(store.stat("missing"), Errc::not_found, "no_object"));
  SV_EXPECT(failed(store.stat("no/such/folder"), Errc::not_found, "no_object"));
  return {};
}

Failure near_names_are_missing(Store& store) {
  SV_EXPECT(store.put("folder/object", "x").has_value());
  for (const char* name :
       {"folder", "folder/objec", "folder/object1", "folder/object/x", "object"}) {
    SV_EXPECT(failed(store.get(name), Errc::not_found, "no_object"));
    SV_EXPECT(failed(store.stat(name), Errc::not_found, "no_object"));
  }
  return {};
}

Failure create_refuses(Store& store) {
  SV_EXPECT(store.put("object", "first").has_value());
  SV_EXPECT(failed(store.put("object", "second"), Errc::already_exists, "object_exists"));
  return {};
}

Failure create_keeps_the_first(Store& store) {
  SV_EXPECT(store.put("object", "first").has_value());
  SV_EXPECT(!store.put("object", "second, and longer").has_value());
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "first");
  SV_EXPECT(store.stat("object").value().size == 5);
  return {};
}

Failure create_refuses_equal_bytes(Store& store) {
  SV_EXPECT(store.put("object", "same").has_value());
  SV_EXPECT(code(store.put("object", "same")) == Errc::already_exists);
  SV_EXPECT(store.put("empty", "").has_value());
  SV_EXPECT(code(store.put("empty", "")) == Errc::already_exists);
  return {};
}

Failure create_refuses_durably(Store& store) {
  SV_EXPECT(store.put("one", "x", true).has_value());
  SV_EXPECT(code(store.put("one", "x", false)) == Errc::already_exists);
  SV_EXPECT(store.put("two", "x", false).has_value());
  SV_EXPECT(code(store.put("two", "x", true)) == Errc::already_exists);
  return {};
}

Failure create_after_remove(Store& store) {
  SV_EXPECT(store.put("object", "first").has_value());
  SV_EXPECT(store.remove({"object"}).has_value());
  SV_EXPECT(store.put("object", "second").has_value());
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "second");
  return {};
}

Failure failed_create_changes_nothing(Store& store) {
  SV_EXPECT(store.put("object", "first").has_value());
  for (int i = 0; i < 5; ++i) SV_EXPECT(!store.put("object", "other").has_value());
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == std::vector<std::string>{"object"});
  return {};
}

Failure overwrite(Store& store) {
  SV_EXPECT(store.put({.key = "object", .body = body_of("a long first"), .if_absent = false})
                .has_value());
  SV_EXPECT(
      store.put({.key = "object", .body = body_of("second"), .if_absent = false}).has_value());
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "second");
  SV_EXPECT(store.stat("object").value().size == 6);
  return {};
}

Failure stat_answers(Store& store) {
  SV_EXPECT(store.put("object", "12345").has_value());
  const auto info = store.stat("object");
  SV_EXPECT(info.has_value());
  SV_EXPECT(info->key == store.key("object"));
  SV_EXPECT(info->size == 5);
  return {};
}

Failure modified(Store& store) {
  SV_EXPECT(store.put("object", "x").has_value());
  const auto time = store.stat("object").value().modified;
  SV_EXPECT(time == 0 || time > 1'600'000'000);
  const auto page = store.list();
  SV_EXPECT(page.has_value() && page->objects.size() == 1);
  SV_EXPECT(page->objects[0].modified == 0 || page->objects[0].modified > 1'600'000'000);
  return {};
}

Failure capabilities(Store& store) {
  const auto can = store.capabilities();
  SV_EXPECT(!can.kind.empty());
  SV_EXPECT(can.object_size_max >= 512u << 20);
  SV_EXPECT(can.parallel_requests >= 1);
  SV_EXPECT(can.weak_because.empty() || !can.exclusive_create);
  SV_EXPECT(store.put("object", "x").has_value());
  SV_EXPECT(store.capabilities().kind == can.kind);
  return {};
}

constexpr Case kCases[] = {
    {"a put object reads back", Needs::nothing, put_and_get},
    {"a durable put reads back", Needs::nothing, durable_put},
    {"an empty object is an object", Needs::nothing, empty},
    {"an empty object is found and listed", Needs::nothing, empty_stat_and_list},
    {"a body without parts is an empty object", Needs::nothing, default_body},
    {"objects of odd sizes read back", Needs::nothing, sizes},
    {"every byte value survives", Needs::nothing, every_byte},
    {"zeros survive", Needs::nothing, zeros},
    {"zeros at the end survive", Needs::nothing, zeros_at_the_end},
    {"line ends survive", Needs::nothing, text_of_lines},
    {"an object of 5 MiB reads back", Needs::nothing, medium},
    {"an object of 10 MiB reads back", Needs::nothing, large},
    {"parts are put in order", Needs::nothing, parts_in_order},
    {"empty parts change nothing", Needs::nothing, empty_parts},
    {"a body of 1500 parts reads back", Needs::nothing, many_parts},
    {"a body can be put again", Needs::nothing, body_is_kept},
    {"a key of 1024 bytes works", Needs::nothing, longest_key},
    {"a component of 201 bytes is kept to its last", Needs::nothing, longest_component},
    {"a deep key works", Needs::nothing, deep_key},
    {"a key may hold every allowed character", Needs::nothing, key_characters},
    {"dots and dashes stand anywhere in a key", Needs::nothing, dotted_keys},
    {"keys that differ in one byte are apart", Needs::nothing, keys_apart},
    {"get of a missing object says no_object", Needs::nothing, missing},
    {"stat of a missing object says no_object", Needs::nothing, missing_stat},
    {"names near an object's are missing", Needs::nothing, near_names_are_missing},
    {"a second create fails", Needs::nothing, create_refuses},
    {"a second create leaves the first object", Needs::nothing, create_keeps_the_first},
    {"a second create of equal bytes fails", Needs::nothing, create_refuses_equal_bytes},
    {"durability does not change who may create", Needs::nothing, create_refuses_durably},
    {"create after remove succeeds", Needs::nothing, create_after_remove},
    {"a failed create leaves nothing else", Needs::nothing, failed_create_changes_nothing},
    {"without the precondition a put replaces", Needs::nothing, overwrite},
    {"stat gives key and size", Needs::nothing, stat_answers},
    {"a time of change is unknown or plausible", Needs::nothing, modified},
    {"capabilities are sane", Needs::nothing, capabilities},
};

}  // namespace

std::span<const Case> object_cases() { return kCases; }

}  // namespace snapvault::conformance
