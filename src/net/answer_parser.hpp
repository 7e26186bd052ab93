// AnswerParser: the bytes of one HTTP/1.1 answer, strictly (RFC 9112).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include <snapvault/result.hpp>

#include "base/bytes.hpp"
#include "wire/http.hpp"

namespace snapvault::net {

inline constexpr std::size_t kHeadMax = 32 << 10;

// The size of the head at the beginning of `bytes`, its empty line included; 0 if it is not whole
// yet. Errors: data_loss (bad_answer): no HTTP/1 begins so, or the head is too large.
Result<std::size_t> find_head(base::ByteView bytes);
// The status in the first line, as soon as it is there; 0 before that.
int peek_status(base::ByteView bytes) noexcept;

class AnswerParser {
 public:
  AnswerParser();
  ~AnswerParser();

  // The whole head, once. `bodiless`: the answer to a HEAD has no body, whatever its fields say.
  // Errors: data_loss (bad_answer): not well formed, or fields that contradict each other.
  Result<void> put_head(base::ByteView head, bool bodiless);
  int status() const noexcept;
  // With all fields and no body.
  wire::Response response() const;

  enum class Body { sized, chunked, to_end };
  Body body() const noexcept;
  // Of a sized body; 0: there is none.
  std::uint64_t length() const noexcept;
  // Whether the server keeps the connection for another request.
  bool keep_alive() const noexcept;

  struct Decoded {
    std::size_t took = 0, made = 0;
  };
  // A chunked body. Errors: data_loss (bad_answer).
  Result<Decoded> decode(base::ByteView from, base::MutableBytes into);
  bool is_done() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace snapvault::net
