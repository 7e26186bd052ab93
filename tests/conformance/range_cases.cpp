#include <limits>

#include "conformance.hpp"

namespace snapvault::conformance {
namespace {

constexpr std::string_view kText = "0123456789abcdefg";

std::string text(Store& store, std::uint64_t offset, std::uint64_t length) {
  const auto got = store.get("object", offset, length);
  return got ? text_of(*got) : "failed: " + std::string(got.error().reason());
}

bool refused(Store& store, std::uint64_t offset, std::uint64_t length) {
  return failed(store.get("object", offset, length), Errc::invalid_argument, "range");
}

Failure first_and_last(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  SV_EXPECT(text(store, 0, 1) == "0");
  SV_EXPECT(text(store, 16, 1) == "g");
  return {};
}

Failure all_ranges(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  for (std::size_t from = 0; from < kText.size(); ++from) {
    for (std::size_t length = 1; from + length <= kText.size(); ++length) {
      SV_EXPECT(text(store, from, length) == kText.substr(from, length));
    }
  }
  return {};
}

Failure to_the_end(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  for (std::size_t from = 0; from < kText.size(); ++from) {
    SV_EXPECT(text(store, from, 0) == kText.substr(from));
  }
  return {};
}

Failure whole(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  SV_EXPECT(text(store, 0, kText.size()) == kText);
  return {};
}

Failure past_the_end(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  SV_EXPECT(refused(store, 0, kText.size() + 1));
  SV_EXPECT(refused(store, 16, 2));
  SV_EXPECT(refused(store, 5, 1'000'000));
  return {};
}

Failure at_the_end(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  SV_EXPECT(refused(store, kText.size(), 1));
  SV_EXPECT(refused(store, kText.size(), 0));
  SV_EXPECT(refused(store, kText.size() + 1, 0));
  SV_EXPECT(refused(store, 1'000'000'000'000, 1));
  return {};
}

Failure overflow(Store& store) {
  SV_EXPECT(store.put("object", kText).has_value());
  const auto most = std::numeric_limits<std::uint64_t>::max();
  SV_EXPECT(refused(store, 1, most));
  SV_EXPECT(refused(store, most, 1));
  SV_EXPECT(refused(store, most, most));
  SV_EXPECT(refused(store, most / 2 + 1, most / 2 + 1));
  return {};
}

Failure of_an_empty_object(Store& store) {
  SV_EXPECT(store.put("object", "").has_value());
  SV_EXPECT(text(store, 0, 0).empty());
  SV_EXPECT(refused(store, 0, 1));
  SV_EXPECT(refused(store, 1, 0));
  return {};
}

Failure across_parts(Store& store) {
  std::vector<PutBody::Part> parts;
  Bytes bytes;
  for (std::size_t i = 0; i < 20; ++i) {
    auto piece = noise(100 + i, i);
    bytes.insert(bytes.end(), piece.begin(), piece.end());
    parts.push_back(std::make_shared<const Bytes>(std::move(piece)));
  }
  PutBody body(parts, PutBody(bytes).crc64_nvme());
  SV_EXPECT(store.put({.key = "object", .body = body}).has_value());
  for (std::size_t from = 0; from < bytes.size(); from += 61) {
    const auto length = std::min<std::size_t>(250, bytes.size() - from);
    SV_EXPECT(store.get("object", from, length).value_or(Bytes()) ==
              Bytes(bytes.begin() + from, bytes.begin() + from + length));
  }
  return {};
}

Failure of_a_large_object(Store& store) {
  const auto bytes = noise(9u << 20, 9);
  SV_EXPECT(store.put({.key = "object", .body = PutBody(bytes), .durable = false}).has_value());
  for (const std::size_t from : {1u, 4095u, (1u << 20) - 1, (8u << 20) - 7, (9u << 20) - 4097}) {
    for (const std::size_t length : {1u, 4096u}) {
      SV_EXPECT(store.get("object", from, length).value_or(Bytes()) ==
                Bytes(bytes.begin() + from, bytes.begin() + from + length));
    }
  }
  SV_EXPECT(store.get("object", 1, (9u << 20) - 2).value_or(Bytes()) ==
            Bytes(bytes.begin() + 1, bytes.end() - 1));
  return {};
}

Failure of_a_missing_object(Store& store) {
  SV_EXPECT(failed(store.get("object", 1, 1), Errc::not_found, "no_object"));
  return {};
}

constexpr Case kCases[] = {
    {"the first and the last byte can be read alone", Needs::nothing, first_and_last},
    {"every range inside of an object reads exactly", Needs::nothing, all_ranges},
    {"a range of length 0 goes to the end", Needs::nothing, to_the_end},
    {"a range may be the whole object", Needs::nothing, whole},
    {"a range past the end is refused", Needs::nothing, past_the_end},
    {"a range at or behind the end is refused", Needs::nothing, at_the_end},
    {"a range that overflows is refused", Needs::nothing, overflow},
    {"ranges of an empty object", Needs::nothing, of_an_empty_object},
    {"a range across parts reads exactly", Needs::nothing, across_parts},
    {"ranges of a large object read exactly", Needs::nothing, of_a_large_object},
    {"a range of a missing object says no_object", Needs::nothing, of_a_missing_object},
};

}  // namespace

std::span<const Case> range_cases() { return kCases; }

}  // namespace snapvault::conformance
