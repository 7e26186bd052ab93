// Shell completion, made from the commands and options themselves; and the text of --version.
#include <fmt/format.h>
#include <boost/version.hpp>

#include <cstdio>

#include "commands.hpp"

namespace cli {
namespace {

std::string words_of(const CLI::App& app) {
  std::string words;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    words += command->get_name() + " ";
  }
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) words += "--" + name + " ";
  }
  return words;
}

void collect(const CLI::App& app, const std::string& path,
             std::vector<std::pair<std::string, std::string>>& out) {
  out.emplace_back(path, words_of(app));
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    collect(*command, path.empty() ? command->get_name() : path + " " + command->get_name(), out);
  }
}

// Bash and zsh share one function: the words after the longest path of commands typed so far.
void print_bash(const CLI::App& app, bool zsh) {
  std::vector<std::pair<std::string, std::string>> table;
  collect(app, "", table);
  if (zsh) fmt::print("autoload -U +X bashcompinit && bashcompinit\n");
  fmt::print("_snapvault() {{\n  local path= word words\n");
  fmt::print("  for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n");
  fmt::print("    case \"$path${{path:+ }}$word\" in\n");
  for (const auto& [path, words] : table) {
    if (!path.empty()) fmt::print("      '{}') path='{}' ;;\n", path, path);
  }
  fmt::print("    esac\n  done\n  case \"$path\" in\n");
  const auto global = table.front().second;
  for (const auto& [path, words] : table) {
    fmt::print("    '{}') words='{}' ;;\n", path, path.empty() ? words : words + global);
  }
  fmt::print("  esac\n");
  fmt::print("  COMPREPLY=($(compgen -W \"$words\" -- \"${{COMP_WORDS[COMP_CWORD]}}\"))\n");
  fmt::print("  [ ${{#COMPREPLY[@]}} -gt 0 ] || COMPREPLY=($(compgen -f -- ");
  fmt::print(
      "\"${{COMP_WORDS[COMP_CWORD]}}\"))\n}}\ncomplete -o filenames -F _snapvault snapvault\n");
}

void print_fish(const CLI::App& app) {
  for (const auto* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) {
      fmt::print("complete -c snapvault -l {} -d '{}'\n", name, option->get_description());
    }
  }
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    fmt::print("complete -c snapvault -n __fish_use_subcommand -a {} -d '{}'\n",
               command->get_name(), command->get_description());
    for (const auto* option : command->get_options()) {
      for (const auto& name : option->get_lnames()) {
        fmt::print("complete -c snapvault -n '__fish_seen_subcommand_from {}' -l {} -d '{}'\n",
                   command->get_name(), name, option->get_description());
      }
    }
  }
}

}  // namespace

std::string version_text() {
  return fmt::format("snapvault {}\n{}, CLI11 {}, fmt {}.{}.{}, Boost {}.{}",
                     SNAPVAULT_VERSION_STRING, snapvault::linked_libraries(), CLI11_VERSION,
                     FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100,
                     BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000);
}

void add_completion_command(CLI::App& app, Globals&, Run& run) {
  auto* completion = app.add_subcommand("completion", "Prints completion for a shell");
  completion->footer("Example: snapvault completion bash > /etc/bash_completion.d/snapvault");
  const auto shell = std::make_shared<std::string>();
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &run, shell] {
    run = [&app, shell] {
      if (*shell == "fish") {
        print_fish(app);
      } else {
        print_bash(app, *shell == "zsh");
      }
      return done;
    };
  });
}

}  // namespace cli
