// What a hostile S3 server may answer. The first byte of an input chooses the parser; what it
// accepts must hold what its header promises.
#include <cstdio>
#include <string>

#include "base/bytes.hpp"
#include "wire/s3_answers.hpp"

namespace snapvault::fuzz {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: %s\n", what);
  __builtin_trap();
}

void fuzz_list(std::string_view text) {
  const auto list = wire::parse_s3_list(text);
  if (!list) return;
  require(list->next_token.size() <= 2048, "a continuation token without bound");
  for (const auto& object : list->objects) {
    require(!object.key.empty(), "an object without a name");
    require(object.key.size() <= text.size(), "a key larger than the answer");
  }
}

void fuzz_error(std::string_view text) {
  const auto error = wire::parse_s3_error(text);
  require(
      error.code.size() + error.message.size() + error.region.size() + error.request_id.size() <=
          text.size(),
      "an error larger than the answer");
}

void fuzz_upload(std::string_view text) {
  const auto upload = wire::parse_s3_upload(text);
  if (upload) require(!upload->empty() && upload->size() <= 2048, "an upload's name without bound");
  const auto complete = wire::parse_s3_complete(text);
  if (complete) require(wire::parse_s3_error(text).code.empty(), "an error that is a success");
}

void fuzz_delete(std::string_view text) {
  const auto left = wire::parse_s3_delete(text);
  if (left) require(wire::parse_s3_error(text).code.empty(), "an error that is a success");
}

void fuzz_range(std::string_view text) {
  const auto range = wire::parse_content_range(text);
  if (!range) return;
  require(range->first <= range->last, "a range backwards");
  require(!range->size || range->last < *range->size, "a range past its object's end");
}

// What we send is read back as it was meant, whatever stands in it.
void fuzz_body(std::string_view text) {
  const auto body = wire::build_s3_delete({std::string(text), "x"});
  require(body.find("<Key>x</Key></Object></Delete>") == body.size() - 30,
          "a body broken by a key");
}

constexpr void (*kTargets[])(std::string_view) = {fuzz_list,   fuzz_error, fuzz_upload,
                                                  fuzz_delete, fuzz_range, fuzz_body};

}  // namespace

void fuzz_s3(base::ByteView input);

void fuzz_s3(base::ByteView input) {
  if (input.empty()) return;
  const auto target = std::to_integer<std::size_t>(input.front()) % std::size(kTargets);
  kTargets[target](base::as_text(input.subspan(1)));
}

}  // namespace snapvault::fuzz
