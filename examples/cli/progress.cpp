#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "json.hpp"
#include "text.hpp"

namespace cli {
namespace {

using snapvault::Progress;

constexpr double kLinePeriod = 10;  // seconds between plain lines

unsigned terminal_width() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string figures(const Progress& now, const char* job) {
  const double rate = now.seconds > 0 ? static_cast<double>(now.bytes_done) / now.seconds : 0;
  auto text = fmt::format("{} {} of {}, {}/s", job, show_size(now.bytes_done),
                          show_size(now.bytes_total), show_size(static_cast<std::uint64_t>(rate)));
  if (rate > 0 && now.bytes_done < now.bytes_total && now.phase == Progress::Phase::running) {
    const auto left = static_cast<double>(now.bytes_total - now.bytes_done) / rate;
    text += ", " + show_duration(left) + " left";
  }
  if (now.changed_bytes || now.unchanged_bytes || now.new_bytes) {
    text += fmt::format(" | new {} changed {} unchanged {}", show_size(now.new_bytes),
                        show_size(now.changed_bytes), show_size(now.unchanged_bytes));
  }
  if (now.phase == Progress::Phase::opening) text += " | waiting";
  if (now.phase == Progress::Phase::finishing) text += " | finishing";
  if (now.phase == Progress::Phase::cancelling) text += " | cancelling";
  return text;
}

void draw_bar(const Progress& now, const char* job) {
  const double share =
      now.bytes_total ? static_cast<double>(now.bytes_done) / static_cast<double>(now.bytes_total)
                      : now.phase == Progress::Phase::done;
  constexpr int kWidth = 20;
  const int filled = static_cast<int>(share * kWidth);
  auto line = fmt::format("[{}{}] {:3.0f}% {}", std::string(filled, '#'),
                          std::string(kWidth - filled, '.'), share * 100, figures(now, job));
  line.resize(std::min<std::size_t>(line.size(), terminal_width() - 1));
  const bool last = now.phase == Progress::Phase::done;
  fmt::print(stderr, "\r{}\x1b[K{}", line, last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace

snapvault::ProgressFunction show_progress(const Globals& globals, const char* job) {
  if (globals.progress_json) {
    return [job](const Progress& now) { fmt::print(stderr, "{}\n", to_json(now, job)); };
  }
  if (globals.quiet || globals.json) return {};
  if (isatty(STDERR_FILENO)) return [job](const Progress& now) { draw_bar(now, job); };
  auto shown = std::make_shared<double>(0);
  return [job, shown](const Progress& now) {
    if (now.bytes_total == 0) return;  // it failed before there was anything to do
    if (now.seconds - *shown < kLinePeriod && now.phase != Progress::Phase::done) return;
    *shown = now.seconds;
    fmt::print(stderr, "{}\n", figures(now, job));
  };
}

}  // namespace cli
