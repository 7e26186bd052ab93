// init, set, info, key.
#include <fmt/format.h>

#include <cstdio>

#include "commands.hpp"
#include "json.hpp"
#include "text.hpp"

namespace cli {
namespace {

using snapvault::Access;

struct Init {
  bool no_passphrase = false;
  std::string pack_size = "32M";
  std::string compression = "zstd:3";
  std::uint32_t full_every = 7;
  bool protect_parents = false;
  bool create_bucket = false;
};

Status run_init(const Globals& globals, const Init& init) {
  snapvault::InitOptions options;
  options.raw_key = raw_key_of(globals.key_file);
  options.no_passphrase = init.no_passphrase;
  if (!options.raw_key && !init.no_passphrase) {
    options.passphrase = new_passphrase(globals, globals.passphrase_file,
                                        globals.passphrase_command, "SNAPVAULT_PASSPHRASE");
  }
  options.pack_size = need_size("--pack-size", init.pack_size);
  options.compression = init.compression;
  options.full_every = init.full_every;
  options.protect_parents = init.protect_parents;
  options.create_bucket = init.create_bucket;
  options.runtime = runtime_of(globals);
  const auto repository =
      need("init", snapvault::Repository::init(repository_url(globals), options));
  const auto info = need("init", repository.info());
  if (globals.json) fmt::print("{}\n", to_json(info));
  if (!globals.json && !globals.quiet) fmt::print("made repository {}\n", info.id);
  if (info.weak && !globals.quiet) {
    fmt::print(stderr, "warning: weak store, one writer at a time: {}\n", info.weak_because);
  }
  if (init.no_passphrase && !globals.quiet) {
    fmt::print(stderr, "warning: whoever can read this repository can read its backups\n");
  }
  return done;
}

Status run_set(const Globals& globals, const std::vector<std::string>& settings) {
  snapvault::Policy policy;
  for (const auto& setting : settings) {
    const auto equals = setting.find('=');
    const auto name = setting.substr(0, equals);
    const auto value = equals == std::string::npos ? "" : setting.substr(equals + 1);
    if (name == "full-every") {
      const auto number = parse_size(value);
      if (!number || *number > 1'000'000) wrong_usage("full-every=N takes a number, 0 for never");
      policy.full_every = static_cast<std::uint32_t>(*number);
    } else if (name == "protect-parents" && (value == "on" || value == "off")) {
      policy.protect_parents = value == "on";
    } else {
      wrong_usage("set takes full-every=N and protect-parents=on|off, not '" + setting + "'");
    }
  }
  auto repository = open_repository(globals, Access::manage);
  need("set", repository.set_policy(policy));
  if (globals.json) fmt::print("{}\n", to_json(need("set", repository.info())));
  return done;
}

// As a writer would, where that is allowed: only then is it found out whether the store is weak.
snapvault::Repository open_for_info(const Globals& globals) {
  try {
    return open_repository(globals, Access::append);
  } catch (const Failure& failure) {
    const auto code = failure.error().code();
    if (code != snapvault::Errc::permission_denied) throw;
  }
  return open_repository(globals, Access::read);
}

Status run_info(const Globals& globals) {
  const auto repository = open_for_info(globals);
  const auto info = need("info", repository.info());
  if (globals.json) {
    fmt::print("{}\n", to_json(info));
    return done;
  }
  const double ratio = info.stored_bytes ? static_cast<double>(info.logical_bytes) /
                                               static_cast<double>(info.stored_bytes)
                                         : 0;
  fmt::print("repository  {}\nformat      {}\n", info.id, info.format);
  fmt::print("snapshots   {} of {} sources\n", info.snapshots, info.sources);
  fmt::print("logical     {}\nstored      {} in {} objects ({:.1f} : 1)\n",
             show_size(info.logical_bytes), show_size(info.stored_bytes), info.objects, ratio);
  for (const auto& key : info.keys) {
    fmt::print("key {:<8}{}{}{}\n", key.slot, key.kind, key.label.empty() ? "" : ", ",
               printable(key.label));
  }
  if (info.no_passphrase) fmt::print("key         in the repository itself\n");
  fmt::print("policy      full every {}, packs of {}, {}, parents {}\n", info.full_every,
             show_size(info.pack_size), info.compression,
             info.protect_parents ? "protected" : "not protected");
  if (info.weak) fmt::print("store       weak, one writer at a time: {}\n", info.weak_because);
  if (info.read_only) fmt::print("store       read only: a newer program's feature is in force\n");
  fmt::print("health      {}\n",
             info.damaged_commits + info.damaged_frames == 0
                 ? "no damage known"
                 : fmt::format("{} damaged snapshots, {} damaged frames known; run verify",
                               info.damaged_commits, info.damaged_frames));
  return done;
}

void print_keys(const Globals& globals, const snapvault::RepositoryInfo& info) {
  if (globals.json) {
    fmt::print("{}\n", to_json(info));
    return;
  }
  for (const auto& key : info.keys) {
    fmt::print("{}  {}  {}\n", key.slot, key.kind, printable(key.label));
  }
}

struct Key {
  std::string label, new_passphrase_file, new_passphrase_command, new_key_file;
  std::uint32_t slot = 0;
};

// A key that keeps nobody out.
void warn_if_open(const Globals& globals, const snapvault::RepositoryInfo& info) {
  if (!info.no_passphrase || globals.quiet) return;
  fmt::print(stderr,
             "warning: this repository was made with --no-passphrase: whoever can read it needs "
             "no key\n");
}

Status run_key_add(const Globals& globals, const Key& key) {
  auto repository = open_repository(globals, Access::manage);
  if (const auto raw = raw_key_of(key.new_key_file)) {
    need("key add", repository.add_key(*raw, key.label));
  } else {
    const auto passphrase = new_passphrase(globals, key.new_passphrase_file,
                                           key.new_passphrase_command, "SNAPVAULT_NEW_PASSPHRASE");
    need("key add", repository.add_key(passphrase, key.label));
  }
  const auto info = need("key add", repository.info());
  warn_if_open(globals, info);
  print_keys(globals, info);
  return done;
}

// A new slot first, then the old ones go: at each moment at least one passphrase opens.
Status run_key_passphrase(const Globals& globals, const Key& key) {
  auto repository = open_repository(globals, Access::manage);
  const auto before = need("key passphrase", repository.info());
  const auto passphrase = new_passphrase(globals, key.new_passphrase_file,
                                         key.new_passphrase_command, "SNAPVAULT_NEW_PASSPHRASE");
  need("key passphrase", repository.add_key(passphrase, key.label));
  for (const auto& old : before.keys) {
    if (old.kind == "passphrase") need("key passphrase", repository.remove_key(old.slot));
  }
  warn_if_open(globals, before);
  print_keys(globals, need("key passphrase", repository.info()));
  return done;
}

void add_key_command(CLI::App& app, Globals& globals, Run& run) {
  auto* command = app.add_subcommand("key", "Who can open the repository")->require_subcommand(1);
  command->footer("Example: snapvault key add --new-passphrase-file backup.pass --label backup");
  const auto key = std::make_shared<Key>();
  const auto add_new = [&key](CLI::App* to) {
    to->add_option("--new-passphrase-file", key->new_passphrase_file, "File with the new one");
    to->add_option("--new-passphrase-command", key->new_passphrase_command,
                   "Command that prints the new one");
    to->add_option("--label", key->label, "A name for it");
  };
  auto* list = command->add_subcommand("list", "Slots, their kinds and labels");
  list->footer("Example: snapvault --repo /backups key list");
  list->callback([&globals, &run] {
    run = [&globals] {
      print_keys(globals, need("key list", open_repository(globals, Access::read).info()));
      return done;
    };
  });
  auto* add = command->add_subcommand("add", "Adds a passphrase or raw key");
  add->footer("Example: snapvault --repo /backups key add --new-key-file machine.key");
  add_new(add);
  add->add_option("--new-key-file", key->new_key_file, "A raw 32-byte key");
  add->callback(
      [&globals, &run, key] { run = [&globals, key] { return run_key_add(globals, *key); }; });
  auto* remove = command->add_subcommand("remove", "Removes a slot; the last one stays");
  remove->footer("Example: snapvault --repo /backups key remove 0");
  remove->add_option("slot", key->slot, "As key list shows it")->required();
  remove->callback([&globals, &run, key] {
    run = [&globals, key] {
      auto repository = open_repository(globals, Access::manage);
      need("key remove", repository.remove_key(key->slot));
      return done;
    };
  });
  auto* passphrase = command->add_subcommand("passphrase", "Changes the passphrase");
  passphrase->footer("Example: snapvault --repo /backups key passphrase");
  add_new(passphrase);
  passphrase->callback([&globals, &run, key] {
    run = [&globals, key] { return run_key_passphrase(globals, *key); };
  });
}

}  // namespace

void add_repository_commands(CLI::App& app, Globals& globals, Run& run) {
  auto* init = app.add_subcommand("init", "Makes a repository; refuses where one is");
  init->footer("Example: snapvault --repo /backups init --passphrase-file backup.pass");
  const auto options = std::make_shared<Init>();
  init->add_flag("--no-passphrase", options->no_passphrase, "Keep the key in the repository");
  init->add_option("--pack-size", options->pack_size, "1M to 512M (default 32M)");
  init->add_option("--compression", options->compression, "none or zstd:1 to zstd:19");
  init->add_option("--full-every", options->full_every, "Every n-th backup is full; 0 = never");
  init->add_flag("--protect-parents", options->protect_parents,
                 "Refuse to delete what others are incremental to");
  init->add_flag("--create-bucket", options->create_bucket,
                 "Make the bucket or container if it is not there");
  init->callback([&globals, &run, options] {
    run = [&globals, options] { return run_init(globals, *options); };
  });

  auto* set = app.add_subcommand("set", "Changes a policy of the repository");
  set->footer("Example: snapvault set full-every=14 protect-parents=on");
  const auto settings = std::make_shared<std::vector<std::string>>();
  set->add_option("settings", *settings, "full-every=N, protect-parents=on|off")->required();
  set->callback([&globals, &run, settings] {
    run = [&globals, settings] { return run_set(globals, *settings); };
  });

  auto* info = app.add_subcommand("info", "What the repository is and holds");
  info->footer("Example: snapvault --repo /backups info");
  info->callback([&globals, &run] { run = [&globals] { return run_info(globals); }; });
  add_key_command(app, globals, run);
}

}  // namespace cli
