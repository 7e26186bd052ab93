#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <thread>

#include <snapvault/source.hpp>

#include "base/reasons.hpp"
#include "place.hpp"

TEST_SUITE_BEGIN("source/stream");

namespace snapvault::source {
namespace {

struct Pipe {
  File reader;
  File writer;
};
Pipe pipe_of(int flags = 0) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | flags) == 0);
  return {File(ends[0]), File(ends[1])};
}

std::unique_ptr<BlockSink> stream(const File& file, std::uint64_t size) {
  auto sink = VolumeTarget::stream(file.get());
  REQUIRE(sink.has_value());
  CHECK((*sink)->info()->max_concurrency == 1);
  REQUIRE((*sink)->resize(size).has_value());
  CHECK((*sink)->info()->size == size);
  return *std::move(sink);
}

// All that comes, until the writer closes.
base::Bytes drain(const File& reader) {
  base::Bytes out;
  base::Bytes buffer(10'000);
  for (;;) {
    const auto count = ::read(reader.get(), buffer.data(), buffer.size());
    if (count <= 0) return out;
    out.insert(out.end(), buffer.begin(), buffer.begin() + count);
  }
}

// A volume of data, zeros and data, through `writer` to `reader`.
void pass_through(File writer, const File& reader) {
  base::Bytes arrived;
  std::thread other([&] { arrived = drain(reader); });
  auto expected = noise(300'000);
  auto sink = stream(writer, 300'000);
  CHECK_FALSE(sink->reads_zero_initially());
  CHECK(sink->write(0, base::ByteView(expected).first(100'000)).has_value());
  CHECK(sink->zero(100'000, 150'001, true).has_value());
  CHECK(sink->write(250'001, base::ByteView(expected).subspan(250'001)).has_value());
  CHECK(sink->flush().has_value());
  CHECK(sink->finish(true).has_value());
  writer.close();
  other.join();
  std::fill_n(expected.begin() + 100'000, 150'001, std::byte{0});
  CHECK(arrived == expected);
}

TEST_CASE("of a range only its bytes are sent, all of them and no more") {
  for (const std::uint64_t length : {1'000u, 0u}) {
    auto [reader, writer] = pipe_of();
    auto sink = VolumeTarget::stream(writer.get(), 5'000, length);
    REQUIRE(sink.has_value());
    REQUIRE((*sink)->resize(6'000).has_value());
    const auto data = noise(1'000);
    CHECK((*sink)->write(0, data).error().reason() == reason::range);
    CHECK((*sink)->write(5'000, base::ByteView(data).first(600)).has_value());
    CHECK((*sink)->finish(true).error().code() == Errc::internal);
    CHECK((*sink)->write(5'600, base::ByteView(data).subspan(600)).has_value());
    CHECK((*sink)->finish(true).has_value());
    writer.close();
    CHECK(drain(reader) == data);
  }
  CHECK(VolumeTarget::stream(1, 1, UINT64_MAX).error().reason() == reason::range);
}

TEST_CASE("a pipe gets every byte in order, zeros too") {
  auto pipe = pipe_of();
  pass_through(std::move(pipe.writer), pipe.reader);
}

TEST_CASE("a pipe that does not block gets every byte too") {
  auto pipe = pipe_of(O_NONBLOCK);
  ::fcntl(pipe.reader.get(), F_SETFL, 0);
  pass_through(std::move(pipe.writer), pipe.reader);
}

TEST_CASE("a socket gets every byte in order") {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  pass_through(File(ends[0]), File(ends[1]));
}

TEST_CASE("a file gets every byte, and stays open for the caller") {
  const Place place;
  File file;
  REQUIRE(open(place / "image", O_WRONLY | O_CREAT, file, 0600) == 0);
  auto sink = stream(file, 9000);
  CHECK(sink->write(0, noise(5000)).has_value());
  CHECK(sink->zero(5000, 4000, true).has_value());
  CHECK(sink->flush().has_value());
  CHECK(sink->finish(true).has_value());
  sink.reset();
  CHECK(::fcntl(file.get(), F_GETFD) >= 0);
  auto expected = noise(5000);
  expected.resize(9000);
  CHECK(slurp(place / "image") == expected);
}

TEST_CASE("what is not in order, or too much, is refused, and harms nothing") {
  auto pipe = pipe_of();
  auto sink = stream(pipe.writer, 10);
  const auto some = noise(5);
  check_error(sink->write(1, some), Errc::invalid_argument, reason::range);
  CHECK(sink->write(0, some).has_value());
  check_error(sink->write(0, some), Errc::invalid_argument, reason::range);
  check_error(sink->zero(6, 1, false), Errc::invalid_argument, reason::range);
  check_error(sink->zero(5, 6, false), Errc::invalid_argument, reason::range);
  check_error(sink->finish(true), Errc::internal, reason::unexpected);
  CHECK(sink->finish(false).has_value());
  pipe.writer.close();
  CHECK(drain(pipe.reader) == some);
}

TEST_CASE("what cannot be written to is no stream") {
  check_error(VolumeTarget::stream(-1), Errc::invalid_argument, reason::bad_argument);
  const auto pipe = pipe_of();
  check_error(VolumeTarget::stream(pipe.reader.get()), Errc::invalid_argument,
              reason::bad_argument);
}

volatile sig_atomic_t sigpipes = 0;

TEST_CASE("a reader that went away is an error for good, and no signal") {
  sigpipes = 0;
  struct sigaction count {};
  struct sigaction before {};
  count.sa_handler = [](int) { sigpipes = sigpipes + 1; };
  REQUIRE(::sigaction(SIGPIPE, &count, &before) == 0);
  auto pipe = pipe_of();
  auto sink = stream(pipe.writer, 100);
  pipe.reader.close();
  const auto failed = sink->write(0, noise(10));
  check_error(failed, Errc::unavailable, reason::target_failed);
  CHECK(failed.error().native() == EPIPE);
  check_error(sink->zero(0, 10, false), Errc::unavailable, reason::target_failed);
  check_error(sink->flush(), Errc::unavailable, reason::target_failed);
  CHECK(sigpipes == 0);
  // One that was waiting before is not ours to take.
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::raise(SIGPIPE);
  auto other = stream(pipe.writer, 100);
  check_error(other->write(0, noise(10)), Errc::unavailable, reason::target_failed);
  CHECK(sigpipes == 0);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  CHECK(sigpipes == 1);
  ::sigaction(SIGPIPE, &before, nullptr);
}

TEST_CASE("a stream on a full disk says so") {
  const Place place;
  const Mount mount("none", place / "mnt", "tmpfs", "size=64k");
  File file;
  REQUIRE(open(mount / "image", O_WRONLY | O_CREAT, file, 0600) == 0);
  auto sink = stream(file, 1u << 20);
  check_error(sink->zero(0, 1u << 20, false), Errc::resource_exhausted, reason::no_space);
}

TEST_CASE("an interrupt ends a write that waits for its reader") {
  auto pipe = pipe_of();
  auto sink = stream(pipe.writer, 1u << 20);
  std::thread other([&] { sink->interrupt(); });
  check_error(sink->write(0, noise(1u << 20)), Errc::cancelled, reason::cancelled);
  other.join();
  check_error(sink->flush(), Errc::cancelled, reason::cancelled);
}

}  // namespace
}  // namespace snapvault::source
TEST_SUITE_END();
