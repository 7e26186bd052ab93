// Where passphrases and raw keys come from. Never from an argument.
#include <fcntl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

#include "command.hpp"

namespace cli {
namespace {

using snapvault::Errc;
using snapvault::Error;
using snapvault::Result;

constexpr std::size_t kSecretMax = 4096;

Error no_secret(const std::string& message) {
  return Error(Errc::unauthenticated, "key_required", message)
      .with_hint("use --passphrase-file, --passphrase-command, SNAPVAULT_PASSPHRASE or --key-file");
}

// The first line of a stream, without its end.
Result<std::string> first_line(std::FILE* from, const std::string& what) {
  std::string line;
  for (int c = std::fgetc(from); c != EOF && c != '\n'; c = std::fgetc(from)) {
    if (line.size() == kSecretMax) return no_secret(what + " is longer than 4,096 bytes");
    line += static_cast<char>(c);
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (line.empty()) return no_secret(what + " is empty");
  return line;
}

Result<std::string> from_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             std::fclose);
  if (!file) return no_secret("the passphrase file: " + std::string(std::strerror(errno)));
  return first_line(file.get(), "the passphrase file");
}

Result<std::string> from_command(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "re");
  if (!pipe) return no_secret("the passphrase command could not be started");
  auto line = first_line(pipe, "what the passphrase command prints");
  std::array<char, 256> rest{};
  while (std::fread(rest.data(), 1, rest.size(), pipe) > 0) {
  }
  const int status = pclose(pipe);
  if (status != 0) return no_secret("the passphrase command failed");
  return line;
}

// Asks on the terminal without an echo.
Result<std::string> from_terminal(const char* prompt) {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0) return no_secret("a passphrase is needed, and there is no terminal to ask on");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(fdopen(terminal, "r+e"),
                                                               std::fclose);
  if (!stream) return no_secret("the terminal cannot be read");
  termios before{};
  const bool is_terminal = tcgetattr(terminal, &before) == 0;
  termios hidden = before;
  hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  if (is_terminal) tcsetattr(terminal, TCSAFLUSH, &hidden);
  std::fputs(prompt, stream.get());
  std::fflush(stream.get());
  auto line = first_line(stream.get(), "the passphrase");
  if (is_terminal) tcsetattr(terminal, TCSAFLUSH, &before);
  std::fputs("\n", stream.get());
  return line;
}

Result<std::string> ask_twice() {
  auto first = from_terminal("new passphrase: ");
  if (!first) return first;
  auto second = from_terminal("once more: ");
  if (!second) return second;
  if (*first != *second) {
    return Error(Errc::invalid_argument, "bad_argument", "the two passphrases differ");
  }
  return first;
}

// A function that asks where the options say; `terminal` if they say nothing.
snapvault::Passphrase from_options(const std::string& file, const std::string& command,
                                   const char* variable, Result<std::string> (*terminal)()) {
  return std::function<Result<std::string>()>([=]() -> Result<std::string> {
    if (!file.empty()) return from_file(file);
    if (!command.empty()) return from_command(command);
    if (const char* text = std::getenv(variable); text && *text) return std::string(text);
    return terminal();
  });
}

}  // namespace

snapvault::Passphrase passphrase_of(const Globals& globals) {
  return from_options(globals.passphrase_file, globals.passphrase_command, "SNAPVAULT_PASSPHRASE",
                      [] { return from_terminal("passphrase: "); });
}

snapvault::Passphrase new_passphrase(const Globals&, const std::string& file,
                                     const std::string& command, const char* variable) {
  return from_options(file, command, variable, ask_twice);
}

std::optional<snapvault::RawKey> raw_key_of(const std::string& file) {
  if (file.empty()) return std::nullopt;
  std::ifstream stream(file, std::ios::binary);
  snapvault::RawKey key{};
  stream.read(reinterpret_cast<char*>(key.data()), static_cast<std::streamsize>(key.size()));
  if (!stream || stream.peek() != std::ifstream::traits_type::eof()) {
    throw Failure("key file", Error(Errc::invalid_argument, "bad_argument",
                                    "a key file holds exactly 32 bytes: " + file)
                                  .with_hint("make one with: head -c 32 /dev/urandom > FILE"));
  }
  return key;
}

}  // namespace cli
