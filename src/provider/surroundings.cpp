#include "provider/surroundings.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <mutex>
#include <new>

#include "base/reasons.hpp"
#include "base/secret_text.hpp"
#include "base/try.hpp"
#include "net/client.hpp"
#include "provider/posix.hpp"

namespace snapvault::provider {
namespace {

constexpr std::size_t kTextMax = 64 << 10;
constexpr base::Nanoseconds kRunMost = 60 * base::kSecond;

Error bad(std::string_view message, std::string_view subject) {
  return Error(Errc::unauthenticated, reason::bad_credential, message).with_subject(subject);
}

// The Env of all stores on the network of this process: a loop and few threads, which end with the
// last store. A forked child makes its own; of its parent's it has no threads, so it leaves that
// alone for good.
class SharedEnv {
 public:
  static std::shared_ptr<base::Env> get() {
    static auto& shared = *new SharedEnv;  // stores may outlive what is destroyed at exit
    return shared.lend();
  }

 private:
  std::shared_ptr<base::Env> lend() {
    const std::lock_guard lock(mutex_);
    if (owner_ != getpid()) {
      abandon(std::move(parked_));
      lent_.reset();
      owner_ = getpid();
    }
    if (auto env = lent_.lock()) return env;
    auto env = std::move(parked_);
    base::EnvOptions options;
    options.io_threads = 2;
    if (!env) env = base::make_thread_env(options);
    auto* const raw = env.get();
    auto end = [this, owner = owner_, env = std::move(env)](base::Env*) mutable {
      take_back(std::move(env), owner);
    };
    std::shared_ptr<base::Env> out(raw, std::move(end));
    lent_ = out;
    return out;
  }
  // The last store may go in a completion of its own, on a thread of the Env, which cannot wait for
  // itself: the Env is kept for the next store then.
  void take_back(std::shared_ptr<base::Env> env, pid_t owner) noexcept {
    if (owner != getpid()) return abandon(std::move(env));
    if (!env->inside()) return;
    const std::lock_guard lock(mutex_);
    parked_.swap(env);  // another one that was kept ends here
  }
  static void abandon(std::shared_ptr<base::Env> env) noexcept {
    if (env) (void)new (std::nothrow) std::shared_ptr<base::Env>(std::move(env));
  }

  std::mutex mutex_;
  std::weak_ptr<base::Env> lent_;
  std::shared_ptr<base::Env> parked_;
  pid_t owner_ = getpid();
};

std::optional<std::string> read_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (!value || !*value) return {};
  return std::string(value);
}

// A command that runs: it ends with this object at the latest.
class Child {
 public:
  explicit Child(pid_t id) noexcept : id_(id) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (id_ <= 0) return;
    ::kill(id_, SIGKILL);
    while (::waitpid(id_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  // How it ended, once it did. A host that ignores SIGCHLD takes the answer from us: then nobody
  // knows, and what was printed speaks.
  std::optional<int> status() noexcept {
    int status = 0;
    const auto got = ::waitpid(id_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR)) return {};
    id_ = 0;
    return got < 0 ? 0 : status;
  }

 private:
  pid_t id_;
};

// What a command printed.
class Output {
 public:
  Output() { text_.reserve(kTextMax + 1); }  // never moves: no copy of a secret is left behind
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output() { base::wipe(text_); }

  bool too_much() const noexcept { return text_.size() > kTextMax; }
  std::string take() noexcept { return std::move(text_); }
  // What is there of `file`; true at its end. errno tells of a failure.
  bool read(const posix::File& file, int& error) {
    const auto size = text_.size();
    text_.resize(kTextMax + 1);
    const auto got = ::read(file.get(), text_.data() + size, text_.size() - size);
    error = got < 0 && errno != EINTR && errno != EAGAIN ? errno : 0;
    text_.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    return got == 0;
  }

 private:
  std::string text_;
};

void close_all_others(posix_spawn_file_actions_t& actions) {
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);
#else
  (void)actions;  // ours are closed by O_CLOEXEC
#endif
}

Result<pid_t> spawn(const std::vector<std::string>& command, const posix::File& out) {
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // First: `out` may have the number of one that the others replace.
  posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  close_all_others(actions);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return child;
  return bad("a command that gives the credential cannot be started", command.front())
      .with_native(error);
}

// Reads to the end of the output, then waits for the end of the command.
Result<std::string> await_output(base::Env& env, Child& child, const posix::File& file,
                                 const std::string& program, base::Nanoseconds end) {
  Output output;
  bool read_all = false;
  while (env.monotonic() < end) {
    if (read_all) {
      if (const auto status = child.status()) {
        if (WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return output.take();
        return bad("a command that gives the credential failed", program)
            .with_hint("run it by hand: it says why");
      }
      ::poll(nullptr, 0, 5);
      continue;
    }
    pollfd waiting{file.get(), POLLIN, 0};
    if (::poll(&waiting, 1, 100) <= 0) continue;
    int error = 0;
    read_all = output.read(file, error);
    if (error != 0) {
      return bad("what a command that gives the credential says cannot be read", program)
          .with_native(error);
    }
    if (output.too_much()) {
      return bad("a command that gives the credential says more than 64 KiB", program);
    }
  }
  return Error(Errc::deadline_exceeded, reason::deadline,
               "a command that gives the credential took too long")
      .with_subject(program);
}

}  // namespace

Result<Surroundings> real_surroundings(const Address& address, const StoreOptions& options) {
  Surroundings out;
  out.env = SharedEnv::get();
  out.variable = read_variable;
  out.run = [env = out.env](const std::vector<std::string>& command) {
    return base::answer([&] { return run_command(*env, command, kRunMost); });
  };
  out.options = options;
  net::ClientOptions client;
  client.ca_file = address.ca;
  // What the vendors' own programs take for the same.
  if (client.ca_file.empty() && address.scheme == "s3") {
    client.ca_file = read_variable("AWS_CA_BUNDLE").value_or("");
  }
  if (client.ca_file.empty() && address.scheme == "swift") {
    client.ca_file = read_variable("OS_CACERT").value_or("");
  }
  client.client_cert = address.client_cert;
  client.client_key = address.client_key;
  net::read_proxies(read_variable, client);
  SV_TRY(out.transport, net::make_client(std::move(client)));
  return out;
}

Result<std::string> run_command(base::Env& env, const std::vector<std::string>& command,
                                base::Nanoseconds most) {
  if (command.empty() || command.front().empty()) {
    return bad("the command that gives the credential is empty", {});
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return bad("no pipe to a command that gives the credential", command.front())
        .with_native(errno);
  }
  const posix::File ours(ends[0]);
  posix::File theirs(ends[1]);
  SV_TRY(const auto id, spawn(command, theirs));
  Child child(id);
  posix::close(theirs);
  return await_output(env, child, ours, command.front(), env.monotonic() + most);
}

Result<std::string> read_credential_file(const std::string& path) {
  posix::File file;
  const auto opened = posix::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, file);
  if (opened != 0) {
    return bad(opened == ENOENT   ? "a credentials file is not there"
               : opened == EACCES ? "a credentials file may not be read by this user"
                                  : "a credentials file cannot be opened",
               path)
        .with_native(opened);
  }
  struct stat about {};
  if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) {
    return bad("a credentials file is no regular file", path);
  }
  Output output;
  for (int error = 0; !output.read(file, error);) {
    if (error != 0) return bad("a credentials file cannot be read", path).with_native(error);
    if (output.too_much()) return bad("a credentials file is larger than 64 KiB", path);
  }
  return output.take();
}

}  // namespace snapvault::provider
