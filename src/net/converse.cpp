#include "net/converse.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/reasons.hpp"
#include "net/answer_parser.hpp"

namespace snapvault::net {
namespace {

constexpr std::size_t kInputSize = 64 << 10;
// A body grows so: what is set to zero is still in the cache when it is read into.
constexpr std::size_t kGrowth = 256 << 10;
// So much moves before others of the same thread have their turn.
constexpr std::size_t kTurn = 1 << 20;
constexpr std::uint64_t kErrorBodyMax = 64 << 10;
constexpr std::chrono::milliseconds kContinuePatience{1000};
constexpr int kInterimMax = 8;
static_assert(kInputSize > kHeadMax);

Error bad(std::string_view message) { return Error(Errc::data_loss, reason::bad_answer, message); }

// What came and was not used yet.
class Input {
 public:
  base::ByteView bytes() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
  bool empty() const noexcept { return begin_ == end_; }
  bool full() const noexcept { return end_ - begin_ == kInputSize; }
  void use(std::size_t count) noexcept { begin_ += count; }
  // Where more goes: not empty unless full().
  base::MutableBytes room() {
    if (!data_) data_ = std::make_unique_for_overwrite<std::byte[]>(kInputSize);
    if (begin_ > 0) {
      std::memmove(data_.get(), data_.get() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
    }
    return {data_.get() + end_, kInputSize - end_};
  }
  void came(std::size_t count) noexcept { end_ += count; }

 private:
  std::unique_ptr<std::byte[]> data_;
  std::size_t begin_ = 0, end_ = 0;
};

// What is to be sent, as it is in memory.
class Output {
 public:
  void add(base::ByteView part) {
    if (!part.empty()) parts_.push_back(part);
  }
  bool empty() const noexcept { return next_ == parts_.size(); }
  std::span<const base::ByteView> parts() const noexcept {
    return std::span(parts_).subspan(next_);
  }
  void use(std::size_t count) noexcept {
    while (next_ < parts_.size() && count >= parts_[next_].size()) count -= parts_[next_++].size();
    if (count > 0) parts_[next_] = parts_[next_].subspan(count);
  }

 private:
  std::vector<base::ByteView> parts_;
  std::size_t next_ = 0;
};

class Talk {
 public:
  Talk(Stream& stream, Watch& watch, const Exchange& exchange, std::chrono::milliseconds step,
       Conversation& so_far)
      : stream_(stream), watch_(watch), exchange_(exchange), step_(step), so_far_(so_far) {}

  Awaitable<Result<wire::Response>> run(const std::string& head);

 private:
  enum class Continue { go, refused, lost };

  Error lost(const Moved& why) const;
  Error lost() const { return lost(fault_); }
  void receive() noexcept;
  bool is_refused() const noexcept;
  Awaitable<void> take_turns(std::size_t moved);
  Awaitable<void> send(Output& output);
  Awaitable<Continue> wait_for_continue();
  Awaitable<Result<void>> fill();
  Awaitable<Result<void>> read_head(AnswerParser& parser);
  Awaitable<Result<wire::Response>> read_answer();
  Awaitable<Result<bool>> read_body(AnswerParser& parser, base::Bytes& body, std::uint64_t most);
  Awaitable<Result<void>> read_sized(base::Bytes& body, std::size_t wanted);
  Awaitable<Result<bool>> read_chunked(AnswerParser& parser, base::Bytes& body, std::uint64_t most);
  Awaitable<Result<bool>> read_to_end(base::Bytes& body, std::uint64_t most);

  Stream& stream_;
  Watch& watch_;
  const Exchange& exchange_;
  const std::chrono::milliseconds step_;
  Conversation& so_far_;
  Input input_;
  Moved fault_;            // of reading, as soon as there is one
  bool whole_ = false;     // the whole request was sent
  std::size_t moved_ = 0;  // since others had their turn
};

Awaitable<Result<wire::Response>> Talk::run(const std::string& head) {
  const auto& body = exchange_.request.body;
  const bool waits = exchange_.expect_continue && body.size() > 0;
  Output output;
  output.add(base::as_bytes(head));
  bool go = true;
  if (waits) {
    auto sending = send(output);
    co_await std::move(sending);
    go = output.empty();
    if (go) {
      auto waiting = wait_for_continue();
      go = co_await std::move(waiting) == Continue::go;
    }
  }
  if (go) {
    so_far_.body_begun = body.size() > 0;
    for (const auto& part : body.parts()) output.add(*part);
    auto sending = send(output);
    co_await std::move(sending);
    whole_ = output.empty();
  }
  auto reading = read_answer();
  auto answer = co_await std::move(reading);
  co_return answer;
}

// The connection does not give what is awaited of it.
Error Talk::lost(const Moved& why) const {
  if (why.fault == Fault::tls && !so_far_.answered) return stream_.tls()->explain();
  std::string text = so_far_.answered ? "the connection ended in the middle of an answer"
                                      : "the connection ended before the answer";
  if (why.fault == Fault::cut) text += ", without TLS's own end";
  if (why.fault == Fault::tls) text += ": " + std::string(stream_.tls()->explain().message());
  if (why.fault == Fault::system) text += ": " + std::generic_category().message(why.number);
  if (!so_far_.sent) return Error(Errc::unavailable, reason::unreachable, text);
  return Error(Errc::outcome_unknown, reason::lost_answer, text);
}

// Takes what came, without waiting.
void Talk::receive() noexcept {
  if (fault_.fault != Fault::none || input_.full()) return;
  const auto moved = stream_.read(input_.room());
  if (moved.bytes > 0) so_far_.answered = true;
  input_.came(moved.bytes);
  if (moved.fault != Fault::none) fault_ = moved;
}

// The server says no before it has the whole request, and may not take the rest of it.
bool Talk::is_refused() const noexcept { return peek_status(input_.bytes()) >= 300; }

Awaitable<void> Talk::take_turns(std::size_t moved) {
  moved_ += moved;
  if (moved_ < kTurn) co_return;
  moved_ = 0;
  const auto strand = co_await asio::this_coro::executor;
  auto turning = asio::post(strand, asio::use_awaitable);
  co_await std::move(turning);
}

// Until all is sent, or the server does not want it: whatever is wrong with writing, there may be
// an answer that says why.
Awaitable<void> Talk::send(Output& output) {
  watch_.expect("sending the request", step_);
  while (!output.empty()) {
    const auto moved = stream_.write(output.parts());
    if (moved.bytes > 0) {
      so_far_.sent = true;
      output.use(moved.bytes);
      watch_.expect("sending the request", step_);
    }
    if (output.empty()) co_return;
    receive();
    if (fault_.fault != Fault::none || is_refused()) co_return;
    if (moved.fault != Fault::none) co_return;  // reading tells more
    if (moved.need == Need::nothing) {
      auto turning = take_turns(moved.bytes);
      co_await std::move(turning);
      continue;
    }
    const bool listens = !input_.full();
    auto waiting = stream_.wait_long(moved.need, listens ? Need::input : moved.need, {});
    co_await std::move(waiting);
  }
}

// Whether to send the body: the server says so, or nothing for a second.
Awaitable<Talk::Continue> Talk::wait_for_continue() {
  watch_.expect("waiting for leave to send the body", step_);
  const auto end = Watch::Clock::now() + kContinuePatience;
  for (int interim = 0; interim <= kInterimMax;) {
    receive();
    const auto size = find_head(input_.bytes());
    const auto status = peek_status(input_.bytes());
    if (!size || status >= 200) co_return Continue::refused;
    if (*size > 0) {
      input_.use(*size);
      ++interim;
      if (status == 100) co_return Continue::go;
      continue;
    }
    if (fault_.fault != Fault::none) co_return Continue::lost;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Watch::Clock::now());
    if (left.count() <= 0) co_return Continue::go;
    auto waiting = stream_.wait_long(Need::input, Need::nothing, left);
    co_await std::move(waiting);
  }
  co_return Continue::refused;
}

// At least one byte more in the input, which is not full.
Awaitable<Result<void>> Talk::fill() {
  for (;;) {
    if (fault_.fault != Fault::none) co_return lost();
    const auto moved = stream_.read(input_.room());
    input_.came(moved.bytes);
    if (moved.bytes > 0) {
      so_far_.answered = true;
      watch_.expect("reading the answer", step_);
      auto turning = take_turns(moved.bytes);
      co_await std::move(turning);
      co_return Result<void>();
    }
    if (moved.fault != Fault::none) fault_ = moved;
    auto waiting = stream_.wait(moved.need);
    co_await std::move(waiting);
  }
}

Awaitable<Result<void>> Talk::read_head(AnswerParser& parser) {
  watch_.expect("waiting for the answer", step_);
  for (int interim = 0; interim <= kInterimMax;) {
    const auto size = find_head(input_.bytes());
    if (!size) co_return size.error();
    if (*size == 0) {
      auto filling = fill();
      auto filled = co_await std::move(filling);
      if (!filled) co_return filled;
      continue;
    }
    const auto head = input_.bytes().first(*size);
    const auto status = peek_status(head);
    if (status == 101) co_return bad("the server switches to another protocol");
    if (status < 100) co_return bad("the first line of an answer is not well formed");
    if (status >= 200) {
      auto put = parser.put_head(head, exchange_.request.method == "HEAD");
      input_.use(*size);
      co_return put;
    }
    input_.use(*size);
    ++interim;
  }
  co_return bad("the server announces an answer again and again");
}

Awaitable<Result<wire::Response>> Talk::read_answer() {
  AnswerParser parser;
  auto heading = read_head(parser);
  auto head = co_await std::move(heading);
  if (!head) co_return std::move(head).error();
  const bool success = parser.status() < 300;
  const auto most = success ? exchange_.answer_max : kErrorBodyMax;
  auto response = parser.response();
  auto bodying = read_body(parser, response.body, most);
  auto whole = co_await std::move(bodying);
  if (!whole) co_return std::move(whole).error();
  if (!*whole && success) co_return bad("an answer is larger than was asked for");
  so_far_.reusable =
      *whole && whole_ && fault_.fault == Fault::none && parser.keep_alive() && input_.empty();
  co_return response;
}

// false: there is more than `most`.
Awaitable<Result<bool>> Talk::read_body(AnswerParser& parser, base::Bytes& body,
                                        std::uint64_t most) {
  if (parser.body() == AnswerParser::Body::chunked) {
    auto reading = read_chunked(parser, body, most);
    auto whole = co_await std::move(reading);
    co_return whole;
  }
  if (parser.body() == AnswerParser::Body::to_end) {
    auto reading = read_to_end(body, most);
    auto whole = co_await std::move(reading);
    co_return whole;
  }
  const bool fits = parser.length() <= most;
  if (!fits && parser.status() < 300) co_return false;
  auto reading = read_sized(body, static_cast<std::size_t>(std::min(parser.length(), most)));
  auto read = co_await std::move(reading);
  if (!read) co_return std::move(read).error();
  co_return fits;
}

// Straight into its place.
Awaitable<Result<void>> Talk::read_sized(base::Bytes& body, std::size_t wanted) {
  body.reserve(wanted);
  const auto first = input_.bytes().first(std::min(wanted, input_.bytes().size()));
  body.assign(first.begin(), first.end());
  input_.use(first.size());
  std::size_t have = body.size();
  while (have < wanted) {
    if (have == body.size()) body.resize(std::min(wanted, have + kGrowth));
    if (fault_.fault != Fault::none) co_return lost();
    const auto moved = stream_.read(base::MutableBytes(body).subspan(have));
    have += moved.bytes;
    if (moved.bytes > 0) {
      watch_.expect("reading the answer", step_);
      auto turning = take_turns(moved.bytes);
      co_await std::move(turning);
    } else if (moved.fault != Fault::none) {
      fault_ = moved;
    } else {
      auto waiting = stream_.wait(moved.need);
      co_await std::move(waiting);
    }
  }
  co_return Result<void>();
}

Awaitable<Result<bool>> Talk::read_chunked(AnswerParser& parser, base::Bytes& body,
                                           std::uint64_t most) {
  for (;;) {
    const auto have = body.size();
    // One byte more than allowed shows that there are too many.
    const auto room = std::min<std::uint64_t>(most - have, kInputSize) + 1;
    body.resize(have + static_cast<std::size_t>(room));
    auto decoded = parser.decode(input_.bytes(), base::MutableBytes(body).subspan(have));
    if (!decoded) co_return std::move(decoded).error();
    body.resize(have + decoded->made);
    input_.use(decoded->took);
    if (body.size() > most) {
      body.resize(static_cast<std::size_t>(most));
      co_return false;
    }
    if (parser.is_done()) co_return true;
    if (decoded->took > 0 && !input_.empty()) continue;
    if (input_.full()) co_return bad("what stands between the chunks of an answer is too large");
    auto filling = fill();
    auto filled = co_await std::move(filling);
    if (!filled) co_return std::move(filled).error();
  }
}

Awaitable<Result<bool>> Talk::read_to_end(base::Bytes& body, std::uint64_t most) {
  for (;;) {
    const auto bytes = input_.bytes();
    const auto room =
        static_cast<std::size_t>(std::min<std::uint64_t>(most - body.size(), bytes.size()));
    base::append(body, bytes.first(room));
    if (room < bytes.size()) co_return false;
    input_.use(room);
    auto filling = fill();
    auto filled = co_await std::move(filling);
    if (filled) continue;
    if (fault_.fault == Fault::end) co_return true;
    co_return std::move(filled).error();
  }
}

}  // namespace

Awaitable<Result<wire::Response>> converse(Stream& stream, Watch& watch, const Exchange& exchange,
                                           const std::string& head, std::chrono::milliseconds step,
                                           Conversation& so_far) {
  Talk talk(stream, watch, exchange, step, so_far);
  auto running = talk.run(head);
  auto answer = co_await std::move(running);
  co_return answer;
}

}  // namespace snapvault::net
