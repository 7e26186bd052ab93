// Bytes that something on the way could take for its own, and objects that a store may keep in
// parts.
#include <algorithm>

#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

constexpr std::size_t kMiB = 1 << 20;
// Of tests/cloud, which sets part_mib=5.
constexpr std::size_t kPart = 5 * kMiB;

Failure round_trip(Store& store, const std::string& name, const Bytes& bytes) {
  SV_EXPECT(store.put({.key = name, .body = PutBody(bytes), .durable = false}).has_value());
  const auto got = store.get(name);
  SV_EXPECT(got.has_value());
  SV_EXPECT(*got == bytes);
  const auto part = bytes.size() < 2 ? store.get(name) : store.get(name, 1, bytes.size() - 1);
  SV_EXPECT(part.has_value());
  if (bytes.size() >= 2) SV_EXPECT(std::equal(part->begin(), part->end(), bytes.begin() + 1));
  return {};
}

// A store that takes gzip off on the way, or puts it on, changes what we sealed.
Failure gzip(Store& store) {
  auto bytes = noise(1000, 1);
  const unsigned char head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
  for (std::size_t i = 0; i < std::size(head); ++i) bytes[i] = static_cast<std::byte>(head[i]);
  return round_trip(store, "object.gz", bytes);
}

Failure markup(Store& store) {
  return round_trip(store, "index.html",
                    bytes_of("<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code></Error>"));
}

Failure json(Store& store) {
  return round_trip(store, "object.json", bytes_of("{\"error\":{\"code\":404}}"));
}

// What an upload with several parts, or in chunks, is made of.
Failure framing(Store& store) {
  return round_trip(store, "object",
                    bytes_of("--object_0\r\n\r\n--\r\n5;chunk-signature=0\r\nabc\r\n0\r\n\r\n"
                             "HTTP/1.1 500 Internal Server Error\r\n\r\n"));
}

Failure one_byte(Store& store) {
  for (const unsigned value : {0u, 10u, 13u, 255u}) {
    const Bytes bytes(1, static_cast<std::byte>(value));
    if (auto failure = round_trip(store, "byte-" + std::to_string(value), bytes)) return failure;
  }
  return {};
}

Failure equal_objects(Store& store) {
  const auto bytes = noise(5000, 7);
  if (auto failure = round_trip(store, "one", bytes)) return failure;
  if (auto failure = round_trip(store, "two", bytes)) return failure;
  SV_EXPECT(store.remove({"one"}).has_value());
  const auto two = store.get("two");
  SV_EXPECT(two.has_value());
  SV_EXPECT(*two == bytes);
  return {};
}

Failure around_a_part(Store& store) {
  for (const auto size : {kPart - 1, kPart, kPart + 1}) {
    const auto name = "size-" + std::to_string(size);
    if (auto failure = round_trip(store, name, noise(size, size))) return failure;
    SV_EXPECT(store.remove({name}).has_value());
  }
  return {};
}

Failure large_size(Store& store) {
  const auto bytes = noise(2 * kPart + 3, 3);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(bytes), .durable = false}).has_value());
  const auto info = store.stat("large");
  SV_EXPECT(info.has_value());
  SV_EXPECT(info->size == bytes.size());
  return {};
}

// Parts that a store keeps elsewhere do not show beside the object.
Failure large_list(Store& store) {
  const auto bytes = noise(2 * kPart + 3, 4);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(bytes), .durable = false}).has_value());
  const auto page = store.list();
  SV_EXPECT(page.has_value());
  SV_EXPECT(store.names(*page) == std::vector<std::string>{"large"});
  SV_EXPECT(page->objects.front().size == bytes.size());
  return {};
}

Failure large_ranges(Store& store) {
  const auto bytes = noise(2 * kPart + 3, 5);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(bytes), .durable = false}).has_value());
  for (const auto offset : {std::size_t{0}, kPart - 1, kPart, 2 * kPart - 5, 2 * kPart}) {
    const auto length = std::min<std::size_t>(11, bytes.size() - offset);
    const auto got = store.get("large", offset, length);
    SV_EXPECT(got.has_value());
    SV_EXPECT(got->size() == length);
    SV_EXPECT(
        std::equal(got->begin(), got->end(), bytes.begin() + static_cast<std::ptrdiff_t>(offset)));
  }
  return {};
}

Failure large_past_the_end(Store& store) {
  const auto bytes = noise(2 * kPart + 3, 6);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(bytes), .durable = false}).has_value());
  SV_EXPECT(failed(store.get("large", bytes.size(), 1), Errc::invalid_argument, "range"));
  SV_EXPECT(failed(store.get("large", bytes.size() - 1, 2), Errc::invalid_argument, "range"));
  return {};
}

Failure large_second_create(Store& store) {
  SV_EXPECT(store.put("large", "small").has_value());
  const auto bytes = noise(2 * kPart + 3, 8);
  const auto again = store.put({.key = "large", .body = PutBody(bytes), .durable = false});
  SV_EXPECT(failed(again, Errc::already_exists, "object_exists"));
  SV_EXPECT(text_of(store.get("large").value_or(Bytes())) == "small");
  return {};
}

Failure small_second_create(Store& store) {
  const auto bytes = noise(2 * kPart + 3, 9);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(bytes), .durable = false}).has_value());
  SV_EXPECT(failed(store.put("large", "small"), Errc::already_exists, "object_exists"));
  const auto got = store.get("large");
  SV_EXPECT(got.has_value());
  SV_EXPECT(*got == bytes);
  return {};
}

Failure large_remove(Store& store) {
  const auto bytes = noise(2 * kPart + 3, 10);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(bytes), .durable = false}).has_value());
  SV_EXPECT(store.put("small", "x").has_value());
  SV_EXPECT(store.remove({"large", "small"}).has_value());
  SV_EXPECT(failed(store.get("large"), Errc::not_found, "no_object"));
  SV_EXPECT(failed(store.stat("small"), Errc::not_found, "no_object"));
  return {};
}

Failure large_again(Store& store) {
  const auto first = noise(2 * kPart + 3, 11), second = noise(2 * kPart + 7, 12);
  SV_EXPECT(store.put({.key = "large", .body = PutBody(first), .durable = false}).has_value());
  SV_EXPECT(store.remove({"large"}).has_value());
  return round_trip(store, "large", second);
}

Failure overwritten_size(Store& store) {
  PutRequest request{.key = "object", .body = body_of("long text"), .if_absent = false};
  SV_EXPECT(store.put(request).has_value());
  request.body = body_of("short");
  SV_EXPECT(store.put(request).has_value());
  const auto info = store.stat("object");
  SV_EXPECT(info.has_value());
  SV_EXPECT(info->size == 5);
  SV_EXPECT(text_of(store.get("object").value_or(Bytes())) == "short");
  return {};
}

constexpr Case kCases[] = {
    {"bytes that look compressed come back as they are", Needs::nothing, gzip},
    {"an object that looks like an error is an object", Needs::nothing, markup},
    {"an object that looks like JSON is an object", Needs::nothing, json},
    {"bytes that look like framing come back as they are", Needs::nothing, framing},
    {"objects of one byte read back", Needs::nothing, one_byte},
    {"equal objects live apart", Needs::nothing, equal_objects},
    {"objects around the size of a part read back", Needs::nothing, around_a_part},
    {"stat gives the whole size of a large object", Needs::nothing, large_size},
    {"a large object is one entry of a list", Needs::consistent_list, large_list},
    {"ranges across a store's own parts read exactly", Needs::nothing, large_ranges},
    {"a range past a large object's end is refused", Needs::nothing, large_past_the_end},
    {"a large object does not replace a small one", Needs::nothing, large_second_create},
    {"a small object does not replace a large one", Needs::nothing, small_second_create},
    {"a large object goes with a small one", Needs::nothing, large_remove},
    {"a large object may come again", Needs::nothing, large_again},
    {"an object that was replaced has the new size", Needs::nothing, overwritten_size},
};

}  // namespace

std::span<const Case> content_cases() { return kCases; }

}  // namespace snapvault::conformance
