#include "provider/surroundings.hpp"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>

#include "base/launch.hpp"
#include "base/reasons.hpp"
#include "base/sync.hpp"
#include "scratch.hpp"

TEST_SUITE_BEGIN("provider/surroundings");

namespace snapvault::provider {
namespace {

Surroundings make() { return *real_surroundings(Address{}, {}); }

base::Task<Result<bool>> runs_inside(base::Env& env) { co_return env.inside(); }

bool works(base::Env& env) {
  const auto inside = base::run_sync(env, runs_inside(env));
  return inside && *inside;
}

// A program of a few lines.
Result<std::string> shell(const std::string& script, base::Nanoseconds most = 20 * base::kSecond) {
  const auto env = base::make_thread_env({});
  return run_command(*env, {"/bin/sh", "-c", script}, most);
}

void write(const std::string& path, std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Lets go of what it holds on the loop, then says so.
base::Task<void> let_go(std::shared_ptr<base::Env> held, std::atomic<bool>& gone) {
  held.reset();
  gone = true;
  co_return;
}

}  // namespace

TEST_CASE("all stores of a process share one Env, which ends with the last and begins anew") {
  auto one = make(), two = make();
  CHECK(one.env == two.env);
  CHECK(one.transport != two.transport);
  CHECK(works(*one.env));
  one = {};
  CHECK(works(*two.env));
  two = {};
  CHECK(works(*make().env));
}

TEST_CASE("the last store may go on a thread of its own Env") {
  for (int i = 0; i < 5; ++i) {
    std::atomic<bool> gone{false};
    auto env = make().env;
    auto& on = *env;
    base::launch(on, let_go(std::move(env), gone));
    while (!gone) ::sched_yield();
    CHECK(works(*make().env));
  }
}

// A child of a sanitizer's may wait for ever for a lock that its allocator held in the parent.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a forked child has an Env of its own") {
  const auto around = make();
  REQUIRE(works(*around.env));
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);
    const auto own = real_surroundings(Address{}, {});
    const bool good = own && own->env != around.env && works(*own->env);
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(works(*around.env));
}
#endif

TEST_CASE("a variable that is not set and an empty one are the same") {
  const auto around = make();
  ::unsetenv("SNAPVAULT_TEST_VARIABLE");
  CHECK_FALSE(around.variable("SNAPVAULT_TEST_VARIABLE"));
  ::setenv("SNAPVAULT_TEST_VARIABLE", "", 1);
  CHECK_FALSE(around.variable("SNAPVAULT_TEST_VARIABLE"));
  ::setenv("SNAPVAULT_TEST_VARIABLE", "a b", 1);
  CHECK(*around.variable("SNAPVAULT_TEST_VARIABLE") == "a b");
}

TEST_CASE("a file of certificates that is not there is the address's fault") {
  Address address;
  address.ca = "/nowhere/ca.pem";
  CHECK(real_surroundings(address, {}).error().reason() == reason::bad_argument);
}

TEST_CASE("a command gives what it prints, and no shell sees its arguments") {
  const auto around = make();
  CHECK(*around.run({"/bin/echo", "$HOME", "a;b", "c  d"}) == "$HOME a;b c  d\n");
  CHECK(*around.run({"echo", "by PATH"}) == "by PATH\n");
  CHECK(*around.run({"true"}) == "");
  CHECK(*shell("printf '%0.s.' $(seq 65536)") == std::string(65536, '.'));
}

TEST_CASE("a command that fails or says too much is a bad credential") {
  for (const auto* script : {"echo secret; exit 3", "kill -9 $$", "yes secret | head -c 65537"}) {
    CAPTURE(script);
    const auto failed = shell(script);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code() == Errc::unauthenticated);
    CHECK(failed.error().reason() == reason::bad_credential);
    CHECK(failed.error().subject() == "/bin/sh");
    CHECK(failed.error().message().find("secret") == std::string_view::npos);
  }
  const auto around = make();
  for (const auto& command : std::vector<std::vector<std::string>>{
           {}, {""}, {"/nowhere/program", "x"}, {"/etc/passwd"}, {"/"}}) {
    CHECK(around.run(command).error().reason() == reason::bad_credential);
  }
}

TEST_CASE("a command that does not end in time is ended, whatever it does") {
  for (const auto* script : {"exec sleep 1000", "exec sleep 1000 >&-",
                             "while :; do echo x; sleep 0.02; done", "trap '' TERM; sleep 1000"}) {
    CAPTURE(script);
    const auto failed = shell(script, 200 * base::kMillisecond);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code() == Errc::deadline_exceeded);
  }
  CHECK(*shell("echo early; exec >&-; sleep 0.05") == "early\n");
}

TEST_CASE("a command gets none of our descriptors, no input, and is heard on stdout only") {
  const int open = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC
  REQUIRE(open > 2);
  CHECK(*shell(
            "for f in /proc/self/fd/*; do echo ${f##*/}; done | sort -n | head -n 3 | tail -n 1") ==
        "2\n");
  CHECK(*shell("test -e /proc/self/fd/" + std::to_string(open) + " && echo open || echo closed") ==
        "closed\n");
  ::close(open);
  CHECK(*shell("cat; echo end; echo noise >&2") == "end\n");
}

TEST_CASE("a host that ignores the end of its children still hears what they said") {
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  const auto said = shell("echo hello");
  ::signal(SIGCHLD, before);
  REQUIRE(said);
  CHECK(*said == "hello\n");
}

TEST_CASE("a credentials file is a regular file of at most 64 KiB, also behind a link") {
  const Scratch scratch;
  const auto file = scratch / "token", link = scratch / "link", pipe = scratch / "pipe";
  write(file, "a token\n");
  CHECK(*read_credential_file(file) == "a token\n");
  REQUIRE(::symlink("token", link.c_str()) == 0);
  CHECK(*read_credential_file(link) == "a token\n");
  write(file, "");
  CHECK(*read_credential_file(file) == "");
  write(file, std::string(65536, 'x'));
  CHECK(read_credential_file(file)->size() == 65536);
  write(file, std::string(65537, 'x'));
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  for (const auto& path : {file, pipe, scratch.path(), scratch / "missing",
                           std::string("/dev/zero"), std::string("/dev/null"), std::string()}) {
    CAPTURE(path);
    const auto failed = read_credential_file(path);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code() == Errc::unauthenticated);
    CHECK(failed.error().reason() == reason::bad_credential);
    CHECK(failed.error().subject() == path);
  }
}

}  // namespace snapvault::provider

TEST_SUITE_END();
